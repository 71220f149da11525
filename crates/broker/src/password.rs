//! Password hashes as RabbitMQ makes them: four octets of salt, then the digest of salt and password.

use bytes::Bytes;
use md5::Md5;
use model::record::{Hashing, UserDefinition};
use sha2::{Digest, Sha256, Sha512};

/// How long the salt is.
pub const SALT_BYTES: usize = 4;

/// The hash of a password: what [`UserDefinition::password_hash`] holds. The salt is the caller's, who can draw
/// numbers.
pub fn password_hash(hashing: Hashing, salt: [u8; SALT_BYTES], password: &str) -> Bytes {
    let mut hash = salt.to_vec();
    match hashing {
        Hashing::Sha256 => hash.extend(digest::<Sha256>(&salt, password)),
        Hashing::Sha512 => hash.extend(digest::<Sha512>(&salt, password)),
        Hashing::Md5 => hash.extend(digest::<Md5>(&salt, password)),
    }
    hash.into()
}

fn digest<D: Digest>(salt: &[u8], password: &str) -> Vec<u8> {
    let digest = D::new_with_prefix(salt).chain_update(password);
    digest.finalize().to_vec()
}

/// Whether that is the user's password. A user without a hash has none; an empty password is nobody's.
pub(crate) fn is_password_of(user: &UserDefinition, password: &str) -> bool {
    let Some(salt) = user.password_hash.first_chunk::<SALT_BYTES>() else {
        return false;
    };
    !password.is_empty()
        && same(
            &password_hash(user.hashing, *salt, password),
            &user.password_hash,
        )
}

/// Compares in a time that does not tell where the first difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}
