//! Password hashes as RabbitMQ makes them: four octets of salt, then the digest of salt and password. Those that take long
//! are made and looked at by the shell, beside the loop.

use bytes::Bytes;
use md5::Md5;
use model::record::{Hashing, UserDefinition};
use sha2::{Digest, Sha256, Sha512};

/// How long the salt is.
pub const SALT_BYTES: usize = 4;

/// The hash of a password: what [`UserDefinition::password_hash`] holds. The salt is the caller's, who can draw
/// numbers. None is made here that takes long: without a hash nobody has a password.
pub fn password_hash(hashing: Hashing, salt: [u8; SALT_BYTES], password: &str) -> Bytes {
    let mut hash = salt.to_vec();
    match hashing {
        Hashing::Sha256 => hash.extend(digest::<Sha256>(&salt, password)),
        Hashing::Sha512 => hash.extend(digest::<Sha512>(&salt, password)),
        Hashing::Md5 => hash.extend(digest::<Md5>(&salt, password)),
        Hashing::Argon2id => return Bytes::new(),
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

/// A password that takes long to look at.
#[derive(Clone, PartialEq, Eq)]
pub struct Slow {
    /// What the password has to fit.
    pub hash: Bytes,
    /// Tells the broker, if it fits, whose it is: [`Proof::Checked`](crate::Proof::Checked).
    pub mark: Mark,
}

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow(…)")
    }
}

/// Tells what a user logs in with from all else that this or another user of that name has had or will have: whoever
/// was let in under it is let in for as long as it stays. Nobody can make the hash of it, let alone the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub u128);

impl Mark {
    /// What stands for the mark where somebody came with a token: no user's.
    pub const fn of_token() -> Self {
        Self(0)
    }

    /// The mark of a user.
    pub fn of(user: &UserDefinition) -> Self {
        let digest = Sha256::new()
            .chain_update((user.name.len() as u64).to_be_bytes())
            .chain_update(user.name.as_bytes())
            .chain_update(user.hashing.name())
            .chain_update([0])
            .chain_update(&user.password_hash)
            .finalize();
        let first = digest.first_chunk().expect("a digest has 32 octets");
        Self(u128::from_be_bytes(*first))
    }
}

/// Compares in a time that does not tell where the first difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(hashing: Hashing, password_hash: impl Into<Bytes>) -> UserDefinition {
        UserDefinition {
            hashing,
            password_hash: password_hash.into(),
            ..UserDefinition::default()
        }
    }

    /// As `rabbitmqctl export_definitions` of 3.10.8 tells the password "p", base64 undone:
    /// dD/hBNKLdq7y6a/JJHhjlUoFR4mCwU7zAI/OrPIfz5oIPGVK.
    #[test]
    fn a_hash_that_rabbitmq_made_is_known() {
        let hash: &[u8] = &[
            0x74, 0x3f, 0xe1, 0x04, 0xd2, 0x8b, 0x76, 0xae, 0xf2, 0xe9, 0xaf, 0xc9, 0x24, 0x78,
            0x63, 0x95, 0x4a, 0x05, 0x47, 0x89, 0x82, 0xc1, 0x4e, 0xf3, 0x00, 0x8f, 0xce, 0xac,
            0xf2, 0x1f, 0xcf, 0x9a, 0x08, 0x3c, 0x65, 0x4a,
        ];
        let ada = user(Hashing::Sha256, Bytes::from_static(hash));
        assert!(is_password_of(&ada, "p"));
        assert!(!is_password_of(&ada, "P"));
    }

    #[test]
    fn every_hashing_knows_its_own_and_no_other() {
        let all = [Hashing::Sha256, Hashing::Sha512, Hashing::Md5];
        for hashing in all {
            let hash = password_hash(hashing, *b"salt", "figs");
            for other in all {
                let ada = user(other, hash.clone());
                assert_eq!(is_password_of(&ada, "figs"), hashing == other);
                assert!(!is_password_of(&ada, "dates"));
            }
        }
    }

    #[test]
    fn a_mark_is_of_one_user_and_one_hash() {
        let ada = user(Hashing::Md5, password_hash(Hashing::Md5, *b"salt", "figs"));
        let salted_anew = user(Hashing::Md5, password_hash(Hashing::Md5, *b"NaCl", "figs"));
        let bob = UserDefinition {
            name: model::ShortStr::from_static("bob"),
            ..ada.clone()
        };
        let tagged = UserDefinition {
            tags: vec![model::ShortStr::from_static("administrator")],
            ..ada.clone()
        };
        assert_eq!(Mark::of(&ada), Mark::of(&tagged));
        assert_ne!(Mark::of(&ada), Mark::of(&salted_anew));
        assert_ne!(Mark::of(&ada), Mark::of(&bob));
    }

    #[test]
    fn nobody_has_an_empty_password() {
        for hash in [Bytes::new(), password_hash(Hashing::Md5, *b"salt", "")] {
            assert!(!is_password_of(&user(Hashing::Md5, hash), ""));
        }
    }
}
