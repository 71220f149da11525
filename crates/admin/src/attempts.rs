//! Failed logins slow down whoever makes them: after a few from one address, or for one user, the next ones are refused
//! without a look at the password, until a minute is over.
//!
//! Who has logged in from an address with a password goes on doing so, whatever others fail at from there: a forgotten
//! script must not lock its neighbours out. And who fails from elsewhere locks no user out on the machine itself.

use model::ShortStr;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// So many failures are let pass in a [`WINDOW`].
const FAILURES_MAX: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// So many logins of one party may be looked at while nobody knows yet how they end; the others wait for that.
const UNDECIDED_MAX: u32 = 16;

/// Of so many addresses and users is kept what failed, and of so many logins that they were right.
const KEPT_MAX: usize = 4_096;

/// What failed, and what was right.
#[derive(Default)]
pub(crate) struct Attempts {
    kept: Mutex<Kept>,
    /// Passwords are told apart by a hash with a key that only this process has.
    hasher: RandomState,
    /// Told when it is known how a login ended.
    decided: Notify,
}

#[derive(Default)]
struct Kept {
    failed: HashMap<Whose, Failed>,
    proven: HashMap<u64, Instant>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Whose {
    /// An address; of IPv6 the network, which is what one party has.
    Address(IpAddr),
    /// A user, of whom somebody says on this machine or elsewhere that it is them.
    User(ShortStr, bool),
}

struct Failed {
    count: u32,
    undecided: u32,
    since: Instant,
}

/// Who says to be whom.
#[derive(Clone)]
pub(crate) struct Login {
    whose: Vec<Whose>,
    proof: u64,
}

impl Attempts {
    /// Somebody at `address` says to be `user`, by `secret`.
    pub(crate) fn login(&self, address: IpAddr, user: &ShortStr, secret: &str) -> Login {
        let address = match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                let network = v6.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            other => other,
        };
        let local = address.is_loopback();
        let mut whose = vec![Whose::Address(address)];
        // A token comes without a name: who shows a wrong one must not lock out those who show others.
        if !user.is_empty() {
            whose.push(Whose::User(user.detached(), local));
        }
        Login {
            proof: self.hasher.hash_one((address, user.as_str(), secret)),
            whose,
        }
    }

    /// Waits until the password may be looked at; or says for how long it may not.
    pub(crate) async fn begin(&self, login: Login) -> Result<Attempt<'_>, Duration> {
        loop {
            let decided = self.decided.notified();
            if let Some(proven) = self.admit(&login)? {
                return Ok(Attempt {
                    attempts: self,
                    login,
                    proven,
                });
            }
            decided.await;
        }
    }

    /// Whether it has been right before; nothing while there are too many of whom nobody knows yet.
    fn admit(&self, login: &Login) -> Result<Option<bool>, Duration> {
        let now = Instant::now();
        let mut kept = self.lock();
        if kept.proven.contains_key(&login.proof) {
            return Ok(Some(true));
        }
        let of = login.whose.iter();
        let failed: Vec<_> = of.filter_map(|whose| kept.failed.get(whose)).collect();
        if let Some(wait) = { failed.iter() }.filter_map(|of| of.refuses_for(now)).max() {
            return Err(wait);
        }
        if failed.iter().any(|of| of.undecided >= UNDECIDED_MAX) {
            return Ok(None);
        }
        for whose in &login.whose {
            kept.failed_of(whose, now).undecided += 1;
        }
        Ok(Some(false))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        let locked = self.kept.lock();
        locked.expect("nobody panics while holding the attempts")
    }
}

/// A login whose password is being looked at.
pub(crate) struct Attempt<'a> {
    attempts: &'a Attempts,
    login: Login,
    proven: bool,
}

impl Attempt<'_> {
    /// The password was right.
    pub(crate) fn succeeded(self) {
        let mut kept = self.attempts.lock();
        let now = Instant::now();
        if kept.proven.len() >= KEPT_MAX && !kept.proven.contains_key(&self.login.proof) {
            make_room(&mut kept.proven, |at| *at);
        }
        kept.proven.insert(self.login.proof, now);
    }

    /// It was not.
    pub(crate) fn failed(self) {
        let mut kept = self.attempts.lock();
        let now = Instant::now();
        kept.proven.remove(&self.login.proof);
        for whose in &self.login.whose {
            kept.failed_of(whose, now).count += 1;
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.proven {
            return;
        }
        let mut kept = self.attempts.lock();
        for whose in &self.login.whose {
            if let Some(failed) = kept.failed.get_mut(whose) {
                failed.undecided = failed.undecided.saturating_sub(1);
                // What is remembered of nobody's failure would push out what is of somebody's.
                if failed.undecided == 0 && failed.count == 0 {
                    kept.failed.remove(whose);
                }
            }
        }
        drop(kept);
        self.attempts.decided.notify_waiters();
    }
}

impl Kept {
    fn failed_of(&mut self, whose: &Whose, now: Instant) -> &mut Failed {
        if self.failed.len() >= KEPT_MAX && !self.failed.contains_key(whose) {
            self.failed.retain(|_, failed| !failed.is_over(now));
            if self.failed.len() >= KEPT_MAX {
                make_room(&mut self.failed, |failed| failed.since);
            }
        }
        let fresh = Failed {
            count: 0,
            undecided: 0,
            since: now,
        };
        let failed = self.failed.entry(whose.clone()).or_insert(fresh);
        if now.duration_since(failed.since) >= WINDOW {
            failed.count = 0;
            failed.since = now;
        }
        failed
    }
}

impl Failed {
    fn is_over(&self, now: Instant) -> bool {
        self.undecided == 0 && now.duration_since(self.since) >= WINDOW
    }

    fn refuses_for(&self, now: Instant) -> Option<Duration> {
        let age = now.duration_since(self.since);
        let many = age < WINDOW && self.count >= FAILURES_MAX;
        many.then(|| WINDOW.saturating_sub(age))
    }
}

/// Forgets the oldest.
fn make_room<K: Clone + Eq + Hash, V>(kept: &mut HashMap<K, V>, age: impl Fn(&V) -> Instant) {
    let oldest = kept.iter().min_by_key(|(_, value)| age(value));
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        kept.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(attempts: &Attempts, address: &str, user: &str, secret: &str) -> Login {
        let user = ShortStr::try_from(user).expect("a short name");
        attempts.login(address.parse().expect("an address"), &user, secret)
    }

    async fn fail(attempts: &Attempts, address: &str, user: &str) -> Result<(), Duration> {
        let attempt = attempts.begin(login(attempts, address, user, "guess"));
        let attempt = attempt.await?;
        attempt.failed();
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_a_minute_of_an_address_and_of_a_user() {
        let attempts = Attempts::default();
        for number in 0..5 {
            assert_eq!(
                fail(&attempts, "10.0.0.1", &format!("user {number}")).await,
                Ok(())
            );
        }
        assert_eq!(fail(&attempts, "10.0.0.1", "other").await, Err(WINDOW));
        assert_eq!(fail(&attempts, "10.0.0.2", "user 1").await, Ok(()));
        for number in 3..8 {
            assert_eq!(
                fail(&attempts, &format!("10.0.1.{number}"), "ada").await,
                Ok(())
            );
        }
        assert_eq!(fail(&attempts, "10.0.0.9", "ada").await, Err(WINDOW));
        assert_eq!(
            fail(&attempts, "127.0.0.1", "ada").await,
            Ok(()),
            "not on the machine"
        );
        tokio::time::advance(WINDOW).await;
        assert_eq!(fail(&attempts, "10.0.0.1", "ada").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_ipv6_is_one_party() {
        let attempts = Attempts::default();
        for number in 0..5 {
            let address = format!("2001:db8::{number}");
            assert_eq!(
                fail(&attempts, &address, &format!("user {number}")).await,
                Ok(())
            );
        }
        assert!(fail(&attempts, "2001:db8::77", "other").await.is_err());
        assert!(fail(&attempts, "2001:db8:0:1::77", "other").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_right_goes_on_where_others_fail() {
        let attempts = Attempts::default();
        let right = || login(&attempts, "10.0.0.1", "ada", "right");
        attempts
            .begin(right())
            .await
            .expect("nothing failed")
            .succeeded();
        while fail(&attempts, "10.0.0.1", "ada").await.is_ok() {}
        let again = attempts.begin(right()).await.expect("it was right");
        // The password was changed meanwhile.
        again.failed();
        assert!(attempts.begin(right()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_tried_all_at_once_waits_for_its_turn() {
        let attempts = Attempts::default();
        let guess = || login(&attempts, "10.0.0.1", "ada", "guess");
        let mut tried = Vec::new();
        for _ in 0..UNDECIDED_MAX {
            tried.push(attempts.begin(guess()).await.expect("nothing failed"));
        }
        let waiting = tokio::time::timeout(Duration::from_secs(1), attempts.begin(guess()));
        assert!(waiting.await.is_err(), "it waits");
        let one = tried.pop().expect("there are some");
        let next = attempts.begin(guess());
        let (next, ()) = tokio::join!(next, async { one.failed() });
        drop(next.expect("it may be looked at"));
        for one in tried {
            one.failed();
        }
        let refused = attempts.begin(guess()).await.err();
        assert!(refused.is_some_and(|wait| wait <= WINDOW), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded() {
        let attempts = Attempts::default();
        for number in 0..6_000_u32 {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 | number).to_string();
            let user = format!("user {number}");
            assert!(fail(&attempts, &address, &user).await.is_ok());
            let right = login(&attempts, &address, &user, "right");
            attempts
                .begin(right)
                .await
                .expect("little failed")
                .succeeded();
        }
        let kept = attempts.lock();
        assert!(kept.failed.len() <= KEPT_MAX && kept.proven.len() <= KEPT_MAX);
    }
}
