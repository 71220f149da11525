//! Who a client is: the shard is asked, and what takes long is found out beside it.

use super::Connection;
use crate::inbox::Handover;
use crate::login;
use crate::outbox::outbox;
use crate::tokens::{self, TokenRefused, Verified};
use broker::{Input, Login, LoginRefused, Mark, Proof, Slow};
use model::method::connection;
use model::{ChannelNumber, ConnectionError, MethodId, Password, ReplyCode, ShortStr, Timestamp};
use std::fmt::Display;
use std::pin::Pin;
use tracing::warn;

/// A login that nobody has answered yet.
pub(super) struct Attempt {
    /// The password, if it is one that shows who it is.
    password: Option<Password>,
    /// When it is refused, if it is.
    refused_at: Timestamp,
}

/// A look at a password or a token.
pub(super) type Looking = Pin<Box<dyn Future<Output = Found> + Send>>;

/// What came of it.
pub(super) enum Found {
    /// Under which mark a password fits, if it does.
    Password(Option<Mark>),
    /// The token that a client logs in with.
    Token(Result<Verified, TokenRefused>),
    /// The one that it shows later on.
    Secret(Result<Verified, TokenRefused>),
}

/// The token that counts.
pub(super) struct Held {
    user: ShortStr,
    ends: Timestamp,
}

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
                Proof::Checked(_) | Proof::Vouched | Proof::Token(_) => None,
            },
            // From here on, so that it does not tell how long a look at the password took.
            refused_at: self.house.clock.now() + login::REFUSAL_DELAY,
        });
        let tokens = self.house.tokens.as_ref();
        match (&proof, tokens) {
            (Proof::Password(token), Some(tokens)) if tokens::is_one(token) => {
                let checked = tokens.clone().check(token.clone());
                self.looking = Some(Box::pin(async { Found::Token(checked.await) }));
            }
            _ => self.ask_who(proof),
        }
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
            self.login_refused(&LoginRefused::WrongPassword);
            return;
        };
        let passwords = self.house.passwords.clone();
        let from = Some(self.peer.ip());
        let checked = passwords.check(from, self.user.clone(), password, slow);
        self.looking = Some(Box::pin(async { Found::Password(checked.await) }));
    }

    /// Somebody has looked at it.
    pub(super) fn looked(&mut self, found: Found) {
        match found {
            Found::Password(Some(mark)) => self.ask_who(Proof::Checked(mark)),
            Found::Password(None) => self.login_refused(&LoginRefused::WrongPassword),
            Found::Token(Ok(verified)) => {
                // Whom the client says to be does not count.
                self.hold(&verified);
                self.ask_who(Proof::Token(verified.bearer));
            }
            Found::Token(Err(why)) => self.login_refused(&why),
            Found::Secret(Ok(verified)) => self.renew(verified),
            Found::Secret(Err(why)) => self.refuse_secret(&why),
        }
    }

    fn hold(&mut self, verified: &Verified) {
        self.user = verified.bearer.user.clone();
        self.held = Some(Held {
            user: self.user.clone(),
            ends: verified.ends,
        });
    }

    /// connection.update-secret: another token, before the one that counts ends. To others a secret says nothing.
    pub(super) fn take_secret(&mut self, secret: Password) {
        let (Some(_), Some(tokens)) = (&self.held, &self.house.tokens) else {
            return self.accept_secret();
        };
        if self.looking.is_some() {
            return self.refuse_secret(&"the one before is being looked at");
        }
        let checked = tokens.clone().check(secret);
        self.looking = Some(Box::pin(async { Found::Secret(checked.await) }));
    }

    fn renew(&mut self, verified: Verified) {
        let held = self.held.as_ref();
        if held.is_none_or(|held| held.user != verified.bearer.user) {
            return self.refuse_secret(&TokenRefused::OtherUser);
        }
        self.hold(&verified);
        self.batch
            .push(Input::TokenRenewed(self.id, verified.bearer));
        self.accept_secret();
    }

    fn accept_secret(&mut self) {
        let update_ok = connection::UpdateSecretOk.into();
        self.wire.send(ChannelNumber(0), &update_ok);
    }

    fn refuse_secret(&mut self, why: &dyn Display) {
        let user = self.user.as_str();
        warn!(connection = %self.id, peer = %self.peer, user, %why, "new secret refused");
        let text = "New secret was refused by one of the backends";
        let id = connection::UpdateSecret::ID;
        self.give_up(ConnectionError::new(ReplyCode::NotAllowed, text, id));
    }

    /// When the token ends by which it is here.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        let held = self.held.as_ref().filter(|_| self.closed.is_none());
        held.map(|held| held.ends)
    }

    /// A connection goes with its token.
    pub(super) fn end_with_token(&mut self, now: Timestamp) {
        if self.held_until().is_some_and(|ends| ends <= now) {
            let (code, id) = (ReplyCode::ConnectionForced, MethodId::default());
            self.give_up(ConnectionError::new(code, "credential expired", id));
        }
    }

    pub(super) fn login_refused(&mut self, why: &dyn Display) {
        // A name that anybody may choose: quoted, so that it cannot forge a line of the log.
        let user = self.user.as_str();
        warn!(connection = %self.id, peer = %self.peer, user, %why, "login refused");
        let attempt = self.login.take();
        let now = self.house.clock.now();
        self.refusal_at = Some(attempt.map_or(now, |attempt| attempt.refused_at));
    }
}
