//! Passwords that take long to look at are looked at beside everything else, one at a time: each takes memory, too
//! (promise P9). Of each user the last one that was right is known again by a keyed hash, so clients that all come back at
//! once cost nothing.

use broker::{Mark, Slow};
use model::{Password, ShortStr};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Of so many users it is known what was right.
const KNOWN_MAX: usize = 10_000;

/// What a password that was right is known by; the key is this process's.
type Known = [u8; 32];

/// Who looks at passwords.
pub struct Passwords {
    key: [u8; 32],
    known: Mutex<HashMap<ShortStr, Known>>,
    place: Arc<Semaphore>,
}

impl Passwords {
    /// Nothing is known yet.
    pub fn new() -> Arc<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("every system that we run on has random numbers");
        Arc::new(Self {
            key,
            known: Mutex::default(),
            place: Arc::new(Semaphore::new(1)),
        })
    }

    /// Whether a user's password fits; if so, under which mark.
    pub(crate) async fn check(
        self: Arc<Self>,
        user: ShortStr,
        password: Password,
        slow: Slow,
    ) -> Option<Mark> {
        let known = self.known_by(&user, &password, slow.mark);
        if self.is_known(&user, &known) {
            return Some(slow.mark);
        }
        let place = self.place.clone().acquire_owned().await.ok()?;
        // Of clients that came all at once the first has found out meanwhile.
        if self.is_known(&user, &known) {
            return Some(slow.mark);
        }
        let looked = tokio::task::spawn_blocking(move || {
            let fits = admin::fits_slowly(&slow.hash, password.as_str());
            // Held to here, even if nobody waits any more.
            drop(place);
            fits
        });
        if !looked.await.ok()? {
            return None;
        }
        let mut all = self.known();
        if all.len() >= KNOWN_MAX && !all.contains_key(&user) {
            // Whoever is forgotten is looked at once more.
            let any = all.keys().next().cloned();
            if let Some(any) = any {
                all.remove(&any);
            }
        }
        all.insert(user.detached(), known);
        Some(slow.mark)
    }

    fn known_by(&self, user: &ShortStr, password: &Password, mark: Mark) -> Known {
        Sha256::new_with_prefix(self.key)
            .chain_update(mark.0.to_be_bytes())
            .chain_update((user.len() as u64).to_be_bytes())
            .chain_update(user.as_bytes())
            .chain_update(password.as_str())
            .finalize()
            .into()
    }

    fn is_known(&self, user: &ShortStr, by: &Known) -> bool {
        self.known().get(user).is_some_and(|right| same(right, by))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ShortStr, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares in a time that does not tell where the first difference is.
fn same(one: &Known, other: &Known) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Of the password "figs".
    const FIGS: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$us5oa7fw+p0G293rxTb9a7kfRx53TprN8+nsQSDlV/Y";

    async fn check(passwords: &Arc<Passwords>, password: &str, mark: u128) -> Option<Mark> {
        let slow = Slow {
            hash: FIGS.into(),
            mark: Mark(mark),
        };
        let user = ShortStr::from_static("ada");
        let password = Password::new(password.to_owned());
        passwords.clone().check(user, password, slow).await
    }

    #[tokio::test]
    async fn who_comes_back_with_the_same_password_waits_for_nothing() {
        let passwords = Passwords::new();
        assert_eq!(check(&passwords, "dates", 1).await, None);
        assert_eq!(check(&passwords, "figs", 1).await, Some(Mark(1)));
        let began = Instant::now();
        for _ in 0..1_000 {
            assert_eq!(check(&passwords, "figs", 1).await, Some(Mark(1)));
        }
        let took = began.elapsed();
        assert!(
            took < Duration::from_secs(2),
            "a look each would take much longer: {took:?}"
        );
        assert_eq!(check(&passwords, "dates", 1).await, None);
        assert_eq!(passwords.known().len(), 1);
    }

    #[tokio::test]
    async fn what_was_right_under_another_mark_is_looked_at_again() {
        let passwords = Passwords::new();
        assert_eq!(check(&passwords, "figs", 1).await, Some(Mark(1)));
        let place = passwords.place.clone().acquire_owned().await;
        let place = place.expect("it is never closed");
        let waits = check(&passwords, "figs", 2);
        let waited = tokio::time::timeout(Duration::from_millis(50), waits).await;
        assert!(waited.is_err(), "it waits for its place");
        drop(place);
        assert_eq!(check(&passwords, "figs", 2).await, Some(Mark(2)));
    }
}
