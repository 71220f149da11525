//! Who may log in.

use crate::password::{Mark, is_password_of};
use crate::{Broker, Effect, Login, Proof};
use model::record::UserDefinition;
use model::{Password, ShortStr};

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

impl Broker {
    /// A client says who it is; the answer is an effect.
    pub(crate) fn log_in(&mut self, login: Login) {
        let checked = match &login.proof {
            Proof::Password(password) => self.authenticate(&login.user, password, login.local),
            Proof::Vouched => self.user_from(&login.user, login.local),
        };
        let result = checked.map(|_| ());
        self.effects.push_back(Effect::LoginChecked {
            connection: login.connection,
            result,
        });
    }

    /// The user, if that is the password. Whether there is such a user is not told by the time it takes to say
    /// no: where there is none, a password is hashed all the same.
    pub(crate) fn authenticate(
        &self,
        user: &ShortStr,
        password: &Password,
        local: bool,
    ) -> Result<&UserDefinition, LoginRefused> {
        let Some(known) = self.access.users.get(user) else {
            let nobody = UserDefinition {
                password_hash: vec![0; 36].into(),
                ..UserDefinition::default()
            };
            is_password_of(&nobody, password.as_str());
            return Err(LoginRefused::UnknownUser);
        };
        if !is_password_of(known, password.as_str()) {
            return Err(LoginRefused::WrongPassword);
        }
        self.check_place(user, local)?;
        Ok(known)
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
