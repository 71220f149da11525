//! Sessions of the pages: who asked for one with a password is known by a cookie until it goes, or is idle for too long.
//! The cookie is chance and says nothing; what it stands for is kept here, in the memory of the node that was asked.

use crate::access::Vouched;
use model::Password;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// A session that is not used for so long is over: RabbitMQ's time.
const IDLE_MAX: Duration = Duration::from_hours(8);

/// The most sessions at a time; then the one that was idle for longest gives way.
const SESSIONS_MAX: usize = 1_024;

/// The most of one user: nobody crowds out the others.
const OF_USER_MAX: usize = 32;

/// All sessions of this node.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

struct Session {
    vouched: Vouched,
    token: Option<Password>,
    csrf: String,
    used: Instant,
}

/// The session that a request belongs to; among the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// What the cookie holds.
    pub(crate) id: String,
    /// What requests that change something have to carry: another site can make a browser send the cookie, but not this.
    pub(crate) csrf: String,
    /// Whose it is.
    pub(crate) vouched: Vouched,
    /// The token that it began with; it ends with that.
    pub(crate) token: Option<Password>,
}

impl Sessions {
    /// Begins a session of somebody whose password was right.
    pub(crate) fn begin(&self, vouched: Vouched, token: Option<Password>) -> Current {
        let (id, csrf) = (chance::<32>(), chance::<16>());
        let mut sessions = self.lock();
        let now = Instant::now();
        sessions.retain(|_, session| !session.is_over(now));
        let of_user = |session: &Session| session.vouched.user == vouched.user;
        if sessions.values().filter(|of| of_user(of)).count() >= OF_USER_MAX {
            remove_idlest(&mut sessions, of_user);
        }
        if sessions.len() >= SESSIONS_MAX {
            remove_idlest(&mut sessions, |_| true);
        }
        let session = Session {
            vouched: vouched.clone(),
            token: token.clone(),
            csrf: csrf.clone(),
            used: now,
        };
        sessions.insert(id.clone(), session);
        Current {
            id,
            csrf,
            vouched,
            token,
        }
    }

    /// The session of a cookie, which is used by that.
    pub(crate) fn find(&self, id: &str) -> Option<Current> {
        let mut sessions = self.lock();
        let now = Instant::now();
        let session = sessions.get_mut(id)?;
        if session.is_over(now) {
            sessions.remove(id);
            return None;
        }
        session.used = now;
        Some(Current {
            id: id.to_owned(),
            csrf: session.csrf.clone(),
            vouched: session.vouched.clone(),
            token: session.token.clone(),
        })
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        let locked = self.0.lock();
        locked.expect("nobody panics while holding the sessions")
    }
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= IDLE_MAX
    }
}

fn remove_idlest(sessions: &mut HashMap<String, Session>, of: impl Fn(&Session) -> bool) {
    let candidates = sessions.iter().filter(|(_, session)| of(session));
    let idlest = candidates.min_by_key(|(_, session)| session.used);
    if let Some(id) = idlest.map(|(id, _)| id.clone()) {
        sessions.remove(&id);
    }
}

/// So many random octets, as text.
fn chance<const OCTETS: usize>() -> String {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).expect("every system that we run on has random numbers");
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("strings take everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::Mark;
    use model::ShortStr;

    fn user(name: &str) -> Vouched {
        Vouched {
            user: ShortStr::try_from(name).expect("a short name"),
            mark: Mark(1),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lasts_while_it_is_used() {
        let sessions = Sessions::default();
        let begun = sessions.begin(user("ada"), None);
        assert_eq!((begun.id.len(), begun.csrf.len()), (64, 32));
        for _ in 0..3 {
            tokio::time::advance(IDLE_MAX - Duration::from_secs(1)).await;
            let found = sessions.find(&begun.id).expect("it is used");
            assert_eq!(
                (found.csrf, found.vouched),
                (begun.csrf.clone(), user("ada"))
            );
        }
        tokio::time::advance(IDLE_MAX).await;
        assert!(sessions.find(&begun.id).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_bounded_and_one_user_crowds_out_nobody() {
        let sessions = Sessions::default();
        let bob = sessions.begin(user("bob"), None);
        let mut ids = Vec::new();
        for _ in 0..=OF_USER_MAX {
            tokio::time::advance(Duration::from_secs(1)).await;
            ids.push(sessions.begin(user("ada"), None).id);
        }
        assert!(sessions.find(&ids[0]).is_none(), "the idlest gave way");
        assert!(sessions.find(&ids[1]).is_some());
        assert!(sessions.find(&bob.id).is_some());
        for number in 0..SESSIONS_MAX {
            sessions.begin(user(&format!("user {number}")), None);
        }
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
    }
}
