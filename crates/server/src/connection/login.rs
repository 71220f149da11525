//! Who a client is: the shard is asked, and what takes long is found out beside it.

use super::Connection;
use crate::inbox::Handover;
use crate::login;
use crate::outbox::outbox;
use broker::{Input, Login, LoginRefused, Mark, Proof, Slow};
use model::{Password, ShortStr, Timestamp};
use std::pin::Pin;
use tracing::warn;

/// A login that nobody has answered yet.
pub(super) struct Attempt {
    /// The password, if it is one that shows who it is.
    password: Option<Password>,
    /// When it is refused, if it is.
    refused_at: Timestamp,
}

/// A look at a password.
pub(super) type Looking = Pin<Box<dyn Future<Output = Option<Mark>> + Send>>;

impl Connection<'_> {
    /// Asks who that is; nothing more is read from the client until the answer has come.
    pub(super) fn log_in(&mut self, user: &str, proof: Proof) {
        // A name that is too long is nobody's.
        self.user = ShortStr::try_from(user).unwrap_or_default();
        let (sender, receiver) = outbox();
        self.house
            .inbox
            .tell(Handover::Joined(self.id, self.peer, sender));
        self.presence.joined = true;
        self.outbox = Some(receiver);
        self.login = Some(Attempt {
            password: match &proof {
                Proof::Password(password) => Some(password.clone()),
                Proof::Checked(_) | Proof::Vouched => None,
            },
            // From here on, so that it does not tell how long a look at the password took.
            refused_at: self.house.clock.now() + login::REFUSAL_DELAY,
        });
        self.ask_who(proof);
    }

    fn ask_who(&mut self, proof: Proof) {
        self.batch.push(Input::Login(Login {
            connection: self.id,
            user: self.user.clone(),
            proof,
            local: self.peer.ip().to_canonical().is_loopback(),
        }));
    }

    /// The password takes long to look at.
    pub(super) fn look_at_password(&mut self, slow: Slow) {
        let attempt = self.login.as_mut();
        let Some(password) = attempt.and_then(|attempt| attempt.password.take()) else {
            self.login_refused(LoginRefused::WrongPassword);
            return;
        };
        let passwords = self.house.passwords.clone();
        self.looking = Some(Box::pin(passwords.check(self.user.clone(), password, slow)));
    }

    /// Somebody has looked at it.
    pub(super) fn looked(&mut self, fits: Option<Mark>) {
        match fits {
            Some(mark) => self.ask_who(Proof::Checked(mark)),
            None => self.login_refused(LoginRefused::WrongPassword),
        }
    }

    pub(super) fn login_refused(&mut self, why: LoginRefused) {
        // A name that anybody may choose: quoted, so that it cannot forge a line of the log.
        let user = self.user.as_str();
        warn!(connection = %self.id, peer = %self.peer, user, %why, "login refused");
        let attempt = self.login.take();
        let now = self.house.clock.now();
        self.refusal_at = Some(attempt.map_or(now, |attempt| attempt.refused_at));
    }
}
