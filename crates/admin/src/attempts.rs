//! Failed logins slow down whoever makes them: after a few from one address, or for one user from addresses near each other,
//! the next ones are refused without a look at the password, until a minute is over. So they are after more of them for one
//! user from anywhere.
//!
//! Who has logged in from an address with a password goes on doing so, whatever others fail at from there: a forgotten
//! script must not lock its neighbours out. Nor does what fails elsewhere lock a user out where that user was let in before, or
//! on the machine itself.

use crate::party::party;
use model::ShortStr;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// So many failures are let pass in a [`WINDOW`], of one user wherever they come from more: else anybody who knows a user's
/// name could keep the user out.
const FAILURES_MAX: u32 = 5;
const FAILURES_ANYWHERE_MAX: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);

/// So many logins of one party may be looked at while nobody knows yet how they end; the others wait for that.
const UNDECIDED_MAX: u32 = 16;
const UNDECIDED_ANYWHERE_MAX: u32 = 64;

/// Of so many addresses and users is kept what failed, and of so many logins, and places of users, that they were right.
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
    /// Where users were let in.
    known: HashMap<u64, Instant>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Whose {
    /// A place.
    Place(Place),
    /// A user, at addresses near each other.
    UserNear(ShortStr, Place),
    /// A user, anywhere but on this machine.
    User(ShortStr),
}

/// Where somebody comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    address: IpAddr,
    /// Whether that is this machine itself, and not something on it that passes on what others say.
    local: bool,
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
    /// Of user, place and password.
    proof: u64,
    /// Of user and place.
    place: u64,
}

impl Attempts {
    /// Somebody at `address`, or on this machine itself, says to be `user`, by `secret`.
    pub(crate) fn login(
        &self,
        address: IpAddr,
        local: bool,
        user: &ShortStr,
        secret: &str,
    ) -> Login {
        let address = party(address);
        let place = Place { address, local };
        let mut whose = vec![Whose::Place(place)];
        // A token comes without a name: who shows a wrong one must not lock out those who show others.
        if !user.is_empty() {
            let near = Place {
                address: neighbourhood(address),
                local,
            };
            whose.push(Whose::UserNear(user.detached(), near));
            if !local {
                whose.push(Whose::User(user.detached()));
            }
        }
        Login {
            proof: self.hasher.hash_one((place, user.as_str(), secret)),
            place: self.hasher.hash_one((place, user.as_str())),
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
        // What fails for a user elsewhere says nothing of a place where the user was let in.
        let known = kept.known.contains_key(&login.place);
        let counts = |whose: &&Whose| !known || matches!(whose, Whose::Place(_));
        let of = login.whose.iter().filter(counts);
        let failed: Vec<_> = of
            .filter_map(|whose| Some((whose, kept.failed.get(whose)?)))
            .collect();
        let refused = failed
            .iter()
            .filter_map(|(whose, of)| of.refuses_for(now, whose.failures_max()));
        if let Some(wait) = refused.max() {
            return Err(wait);
        }
        if failed
            .iter()
            .any(|(whose, of)| of.undecided >= whose.undecided_max())
        {
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
    /// Whether the same was right before.
    pub(crate) const fn is_proven(&self) -> bool {
        self.proven
    }

    /// The password was right.
    pub(crate) fn succeeded(self) {
        let mut kept = self.attempts.lock();
        let now = Instant::now();
        remember(&mut kept.proven, self.login.proof, now);
        remember(&mut kept.known, self.login.place, now);
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

impl Whose {
    const fn failures_max(&self) -> u32 {
        match self {
            Self::Place(_) | Self::UserNear(..) => FAILURES_MAX,
            Self::User(_) => FAILURES_ANYWHERE_MAX,
        }
    }

    const fn undecided_max(&self) -> u32 {
        match self {
            Self::Place(_) | Self::UserNear(..) => UNDECIDED_MAX,
            Self::User(_) => UNDECIDED_ANYWHERE_MAX,
        }
    }
}

impl Failed {
    fn is_over(&self, now: Instant) -> bool {
        self.undecided == 0 && now.duration_since(self.since) >= WINDOW
    }

    fn refuses_for(&self, now: Instant, failures_max: u32) -> Option<Duration> {
        let age = now.duration_since(self.since);
        let many = age < WINDOW && self.count >= failures_max;
        many.then(|| WINDOW.saturating_sub(age))
    }
}

/// Addresses that are near each other: the first 24 bits of IPv4, the first 48 of IPv6.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & (u32::MAX << 8)).into()),
        IpAddr::V6(v6) if v6.is_loopback() => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 80)).into()),
    }
}

/// Remembers when that was right; of too many the oldest is forgotten.
fn remember(right: &mut HashMap<u64, Instant>, what: u64, now: Instant) {
    if right.len() >= KEPT_MAX && !right.contains_key(&what) {
        make_room(right, |at| *at);
    }
    right.insert(what, now);
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
        let address: IpAddr = address.parse().expect("an address");
        attempts.login(address, address.is_loopback(), &user, secret)
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
        assert_eq!(fail(&attempts, "10.0.1.9", "ada").await, Err(WINDOW));
        assert_eq!(fail(&attempts, "10.0.1.9", "bob").await, Ok(()));
        assert_eq!(
            fail(&attempts, "10.0.2.9", "ada").await,
            Ok(()),
            "from afar"
        );
        assert_eq!(
            fail(&attempts, "127.0.0.1", "ada").await,
            Ok(()),
            "not on the machine"
        );
        tokio::time::advance(WINDOW).await;
        assert_eq!(fail(&attempts, "10.0.0.1", "ada").await, Ok(()));
    }

    /// Guesses from so many networks as it takes until nobody may guess any more.
    async fn guess_from_everywhere(attempts: &Attempts, user: &str) {
        for number in 0..FAILURES_ANYWHERE_MAX {
            let address = format!("10.1.{number}.1");
            assert_eq!(fail(attempts, &address, user).await, Ok(()));
        }
        assert_eq!(fail(attempts, "10.2.0.1", user).await, Err(WINDOW));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_not_locked_out_from_afar_where_the_user_was_let_in() {
        let attempts = Attempts::default();
        let home = "192.0.2.7";
        let right = attempts.begin(login(&attempts, home, "ada", "right")).await;
        right.expect("nothing failed").succeeded();
        guess_from_everywhere(&attempts, "ada").await;
        // Another password than the one that was right, so it is looked at again; and mistakes may be made there, too.
        let changed = attempts
            .begin(login(&attempts, home, "ada", "changed"))
            .await;
        changed.expect("it is where ada was").succeeded();
        for _ in 0..FAILURES_MAX {
            assert_eq!(fail(&attempts, home, "ada").await, Ok(()));
        }
        assert_eq!(
            fail(&attempts, home, "ada").await,
            Err(WINDOW),
            "too many from there"
        );
        let neighbour = login(&attempts, "192.0.2.8", "ada", "right");
        assert!(
            attempts.begin(neighbour).await.is_err(),
            "ada was never there"
        );
        assert_eq!(
            fail(&attempts, "10.2.0.1", "bob").await,
            Ok(()),
            "another user"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_proxy_passes_on_locks_nobody_out_on_the_machine() {
        let attempts = Attempts::default();
        let user = ShortStr::from_static("ada");
        let here = IpAddr::from([127, 0, 0, 1]);
        let through = |secret: &str| attempts.login(here, false, &user, secret);
        for _ in 0..FAILURES_MAX {
            let guess = attempts.begin(through("guess")).await;
            guess.expect("it may be tried").failed();
        }
        assert!(attempts.begin(through("guess")).await.is_err());
        assert_eq!(fail(&attempts, "127.0.0.1", "ada").await, Ok(()));
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
        let right = kept.proven.len().max(kept.known.len());
        assert!(kept.failed.len() <= KEPT_MAX && right <= KEPT_MAX);
    }
}
