//! Passwords become hashes here, before the broker sees them: salt needs chance, of which the broker has none.

use broker::{SALT_BYTES, password_hash};
use bytes::Bytes;
use model::record::Hashing;

/// The hash of a password, with salt of its own.
pub(crate) fn hash(hashing: Hashing, password: &str) -> Bytes {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).expect("every system that we run on has random numbers");
    password_hash(hashing, salt, password)
}
