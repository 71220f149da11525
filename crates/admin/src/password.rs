//! Passwords become hashes here, before the broker sees them: salt needs chance, of which the broker has none. And slow
//! hashes are slow: who makes one, or looks whether a password fits, does it on a thread that nobody waits for.

use argon2::password_hash::{PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use broker::{SALT_BYTES, password_hash};
use bytes::Bytes;
use model::record::Hashing;

/// The salt of a slow hash, in octets: what its authors recommend.
const SLOW_SALT_BYTES: usize = 16;

/// What a hash from outside may ask for: memory in KiB, passes, lanes. More would let a document of definitions take
/// memory and time that nobody has given it.
const ASKED_MOST: (u32, u32, u32) = (64 * 1024, 10, 4);

/// The hash of a password, with salt of its own. A slow one takes some twenty milliseconds and 19 MiB.
pub(crate) fn hash(hashing: Hashing, password: &str) -> Bytes {
    match hashing {
        Hashing::Argon2id => slow_hash(password),
        Hashing::Sha256 | Hashing::Sha512 | Hashing::Md5 => {
            password_hash(hashing, chance::<SALT_BYTES>(), password)
        }
    }
}

fn chance<const OCTETS: usize>() -> [u8; OCTETS] {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).expect("every system that we run on has random numbers");
    octets
}

fn slow_hash(password: &str) -> Bytes {
    let salt = STANDARD_NO_PAD.encode(chance::<SLOW_SALT_BYTES>());
    let salt = Salt::from_b64(&salt).expect("it is base64");
    // The parameters are those that OWASP recommends: 19 MiB, two passes, one lane.
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    let hash = argon2.hash_password(password.as_bytes(), salt);
    hash.expect("a password fits into memory")
        .to_string()
        .into()
}

/// Whether a password fits a slow hash, `$argon2id$…`. Takes as long as to make one.
pub fn fits_slowly(hash: &[u8], password: &str) -> bool {
    let Some(hash) = parse(hash) else {
        return false;
    };
    let fits = Argon2::default().verify_password(password.as_bytes(), &hash);
    !password.is_empty() && fits.is_ok()
}

/// Whether a text is a slow hash that asks for no more than it may.
pub(crate) fn is_slow_hash(text: &str) -> bool {
    parse(text.as_bytes()).is_some()
}

fn parse(hash: &[u8]) -> Option<PasswordHash<'_>> {
    let hash = PasswordHash::new(std::str::from_utf8(hash).ok()?).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let asked = (params.m_cost(), params.t_cost(), params.p_cost());
    let (memory, passes, lanes) = ASKED_MOST;
    let modest = asked.0 <= memory && asked.1 <= passes && asked.2 <= lanes;
    let whole = hash.hash.is_some() && hash.salt.is_some();
    (hash.algorithm == argon2::ARGON2ID_IDENT && modest && whole).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_hash_fits_its_password_and_no_other() {
        let hash = hash(Hashing::Argon2id, "figs");
        let text = std::str::from_utf8(&hash).expect("text");
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        assert!(fits_slowly(&hash, "figs"));
        assert!(!fits_slowly(&hash, "dates"));
        assert_ne!(hash, slow_hash("figs"), "the salt is another");
        assert!(
            !fits_slowly(&slow_hash(""), ""),
            "nobody has an empty password"
        );
    }

    /// Made by another program, with other parameters than ours.
    #[test]
    fn a_hash_that_somebody_else_made_is_known() {
        let hash =
            "$argon2id$v=19$m=4096,t=3,p=2$c29tZXNhbHRzb21lc2FsdA$lOUjBRrnX6eWcrqZ+oDFPMulhMi9/vV6";
        assert!(is_slow_hash(hash));
        assert!(fits_slowly(hash.as_bytes(), "figs"));
        assert!(!fits_slowly(hash.as_bytes(), "dates"));
    }

    #[test]
    fn what_is_no_hash_or_asks_for_too_much_fits_nothing() {
        let tail = "$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(is_slow_hash(&format!(
            "$argon2id$v=19$m=4096,t=2,p=1{tail}"
        )));
        for asked in [
            "$argon2id$v=19$m=4194304,t=2,p=1",
            "$argon2id$v=19$m=4096,t=99,p=1",
            "$argon2id$v=19$m=4096,t=2,p=99",
            "$argon2i$v=19$m=4096,t=2,p=1",
            "$argon2id$v=19$m=x,t=2,p=1",
            "",
        ] {
            let text = format!("{asked}{tail}");
            assert!(
                !is_slow_hash(&text) && !fits_slowly(text.as_bytes(), "figs"),
                "{text}"
            );
        }
        assert!(!is_slow_hash(
            "$argon2id$v=19$m=4096,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
        ));
    }
}
