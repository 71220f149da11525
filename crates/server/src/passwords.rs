//! Passwords that take long to look at are looked at beside everything else, one at a time: each takes memory, too
//! (promise P9). Of each user the last one that was right is known again by a keyed hash, so clients that all come back at
//! once cost nothing.
//!
//! Whoever guesses waits behind their own guesses, and others do not: of one address only one waits for the place at a time,
//! and of one user at an address only one for the address's turn. So who comes with another address waits for one guess of
//! each who guesses, however many those are, and so does another user who comes from behind the same proxy.

use broker::{Mark, Slow};
use model::{Password, ShortStr};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Of so many users it is known what was right.
const KNOWN_MAX: usize = 10_000;

/// What a password that was right is known by; the key is this process's.
type Known = [u8; 32];

/// Who looks at passwords.
pub struct Passwords {
    key: [u8; 32],
    known: Mutex<HashMap<ShortStr, Known>>,
    lines: Arc<Lines>,
    place: Arc<Semaphore>,
}

/// Where those wait who want the same. There are only such lines in which somebody stands, so they are no more than
/// connections.
#[derive(Default)]
struct Lines(Mutex<HashMap<Want, Arc<Semaphore>>>);

/// What is wanted by one at a time.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Want {
    /// The turn of this user, from this party. Those of the HTTP API are counted there, so that here it does not matter from
    /// where they come.
    User(Option<IpAddr>, ShortStr),
    /// The turn of a party.
    Party(IpAddr),
}

/// Somebody who stands in a line.
struct Stand {
    lines: Arc<Lines>,
    want: Want,
    line: Arc<Semaphore>,
}

impl Passwords {
    /// Nothing is known yet.
    pub fn new() -> Arc<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("every system that we run on has random numbers");
        Arc::new(Self {
            key,
            known: Mutex::default(),
            lines: Arc::default(),
            place: Arc::new(Semaphore::new(1)),
        })
    }

    /// Whether the password fits that somebody says from there to be a user's; if so, under which mark.
    pub(crate) async fn check(
        self: Arc<Self>,
        from: Option<IpAddr>,
        user: ShortStr,
        password: Password,
        slow: Slow,
    ) -> Option<Mark> {
        let known = self.known_by(&user, &password, slow.mark);
        if self.is_known(&user, &known) {
            return Some(slow.mark);
        }
        let party = from.map(admin::party);
        let own = self.lines.stand(Want::User(party, user.detached()));
        let _own_turn = own.turn().await?;
        let shared = party.map(|party| self.lines.stand(Want::Party(party)));
        let _turn = match &shared {
            Some(shared) => Some(shared.turn().await?),
            None => None,
        };
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

impl Lines {
    fn stand(self: &Arc<Self>, want: Want) -> Stand {
        let line = self
            .all()
            .entry(want.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(1)))
            .clone();
        Stand {
            lines: self.clone(),
            want,
            line,
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Want, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stand {
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.line.acquire().await.ok()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let mut all = self.lines.all();
        // Nobody but this one and the table: others come through the table only.
        if Arc::strong_count(&self.line) == 2 {
            all.remove(&self.want);
        }
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
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::{Duration, Instant};

    /// Of the password "figs".
    const FIGS: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$us5oa7fw+p0G293rxTb9a7kfRx53TprN8+nsQSDlV/Y";

    async fn check(passwords: &Arc<Passwords>, password: &str, mark: u128) -> Option<Mark> {
        look(passwords, [10, 0, 0, 1], "ada", password, mark).await
    }

    async fn look(
        passwords: &Arc<Passwords>,
        from: [u8; 4],
        user: &str,
        password: &str,
        mark: u128,
    ) -> Option<Mark> {
        let slow = Slow {
            hash: FIGS.into(),
            mark: Mark(mark),
        };
        let user = ShortStr::try_from(user).expect("a short name");
        let password = Password::new(password.to_owned());
        let passwords = passwords.clone();
        passwords
            .check(Some(from.into()), user, password, slow)
            .await
    }

    /// How many of twenty guesses at ada's password were looked at before somebody else's.
    async fn guesses_before(from: [u8; 4], user: &str) -> usize {
        let passwords = Passwords::new();
        let taken = passwords.place.clone().acquire_owned().await;
        let done = Arc::new(AtomicUsize::new(0));
        let guesses = (0..20).map(|number| {
            let (passwords, done) = (passwords.clone(), done.clone());
            tokio::spawn(async move {
                let guess = format!("guess {number}");
                assert_eq!(check(&passwords, &guess, 1).await, None);
                done.fetch_add(1, Relaxed);
            })
        });
        let guesses: Vec<_> = guesses.collect();
        tokio::task::yield_now().await;
        let other = look(&passwords, from, user, "figs", 1);
        let (looked, ()) = tokio::join!(other, async { drop(taken) });
        assert_eq!(looked, Some(Mark(1)));
        let before = done.load(Relaxed);
        // Whoever hangs up leaves nothing behind.
        for guess in guesses {
            guess.abort();
            let _ = guess.await;
        }
        assert!(passwords.lines.all().is_empty());
        before
    }

    #[tokio::test]
    async fn who_guesses_keeps_nobody_else_waiting() {
        // The one for whose look the place is taken, and one that had its turn before.
        assert!(
            guesses_before([10, 0, 0, 2], "bob").await <= 2,
            "from another address"
        );
        assert!(
            guesses_before([10, 0, 0, 2], "ada").await <= 2,
            "the same user"
        );
        assert!(
            guesses_before([10, 0, 0, 1], "bob").await <= 2,
            "from the same address"
        );
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
