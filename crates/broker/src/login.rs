//! Who may log in.

use crate::bearer::Bearer;
use crate::password::{Mark, Slow, is_password_of};
use crate::permit::Grants;
use crate::{Broker, Effect, Login, Proof};
use model::record::{Hashing, UserDefinition};
use model::{ConnectionId, Password, ShortStr};
use std::sync::Arc;

/// Why a login was refused: for the log, the client is told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// No such user.
    #[error("unknown user")]
    UnknownUser,
    /// Another password.
    #[error("wrong password")]
    WrongPassword,
    /// One of those who may only come from this machine, from another one.
    #[error("the user may only connect from this machine")]
    NotLocal,
}

/// What came of a look at a password.
pub(crate) enum Checked<'a> {
    /// It is this user's.
    Right(&'a UserDefinition),
    /// It takes longer.
    Slow(Slow),
}

impl Broker {
    /// A client says who it is; the answer is an effect.
    pub(crate) fn log_in(&mut self, login: Login) {
        let Login {
            connection,
            user,
            proof,
            local,
        } = login;
        let checked = match &proof {
            Proof::Password(password) => self.authenticate(&user, password, local),
            Proof::Checked(mark) => self.user_marked(&user, *mark, local).map(Checked::Right),
            Proof::Vouched => self.user_from(&user, local).map(Checked::Right),
            Proof::Token(bearer) => {
                // Users that are defined here have nothing to do with it.
                self.bearers.insert(connection, bearer.clone());
                let result = Ok(());
                let effect = Effect::LoginChecked { connection, result };
                self.effects.push_back(effect);
                return;
            }
        };
        let by_password = !matches!(proof, Proof::Vouched);
        let effect = match checked {
            Ok(Checked::Slow(slow)) => Effect::PasswordSlow { connection, slow },
            Ok(Checked::Right(user)) => {
                let mark = Mark::of(user);
                if by_password {
                    self.logged_in.insert(connection, mark);
                }
                Effect::LoginChecked {
                    connection,
                    result: Ok(()),
                }
            }
            Err(why) => Effect::LoginChecked {
                connection,
                result: Err(why),
            },
        };
        self.effects.push_back(effect);
    }

    /// Another token counts from the next request on, also if it allows less.
    pub(crate) fn renew_token(&mut self, id: ConnectionId, bearer: Arc<Bearer>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let vhost = &self.vhosts[connection.vhost.0].name;
        connection.grants = Grants::new(bearer.rights(vhost).unwrap_or_default());
        self.bearers.insert(id, bearer);
    }

    /// The user, if that is the password. Whether there is such a user is not told by the time it takes to say
    /// no: where there is none, a password is hashed all the same. (And the shell says no after a time of its own, which is
    /// longer than a slow one takes.)
    pub(crate) fn authenticate(
        &self,
        user: &ShortStr,
        password: &Password,
        local: bool,
    ) -> Result<Checked<'_>, LoginRefused> {
        let Some(known) = self.access.users.get(user) else {
            let nobody = UserDefinition {
                password_hash: vec![0; 36].into(),
                ..UserDefinition::default()
            };
            is_password_of(&nobody, password.as_str());
            return Err(LoginRefused::UnknownUser);
        };
        if known.hashing == Hashing::Argon2id
            && !known.password_hash.is_empty()
            && !password.as_str().is_empty()
        {
            return Ok(Checked::Slow(Slow {
                hash: known.password_hash.clone(),
                mark: Mark::of(known),
            }));
        }
        if !is_password_of(known, password.as_str()) {
            return Err(LoginRefused::WrongPassword);
        }
        self.check_place(user, local)?;
        Ok(Checked::Right(known))
    }

    /// The user who logged in before, as long as nothing that it takes has changed.
    pub(crate) fn user_marked(
        &self,
        user: &ShortStr,
        mark: Mark,
        local: bool,
    ) -> Result<&UserDefinition, LoginRefused> {
        let known = self.user_from(user, local)?;
        if Mark::of(known) != mark {
            return Err(LoginRefused::WrongPassword);
        }
        Ok(known)
    }

    /// The user, of whom is known by other means who it is.
    fn user_from(&self, user: &ShortStr, local: bool) -> Result<&UserDefinition, LoginRefused> {
        let known = self.access.users.get(user);
        let known = known.ok_or(LoginRefused::UnknownUser)?;
        self.check_place(user, local)?;
        Ok(known)
    }

    fn check_place(&self, user: &ShortStr, local: bool) -> Result<(), LoginRefused> {
        if !local && self.loopback_users.contains(user) {
            return Err(LoginRefused::NotLocal);
        }
        Ok(())
    }
}
