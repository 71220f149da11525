//! Doing what an operator asks for.

use crate::command::{Answer, Command, CommandId, CommandRefused};
use crate::login::{Checked, LoginRefused};
use crate::password::Mark;
use crate::pattern::Pattern;
use crate::snapshot::State;
use crate::{Broker, policy};
use model::record::{
    PermissionDefinition, PolicyDefinition, TopicPermissionDefinition, UserDefinition,
    VhostDefinition,
};
use model::{
    ConnectionError, ConnectionId, Definition, MethodId, QueueId, ReplyCode, ShortStr, Timestamp,
};

impl Broker {
    /// Does what an operator asks for; answered when it has landed.
    pub(crate) fn command(&mut self, now: Timestamp, id: CommandId, command: Command) {
        match self.obey(now, id, command) {
            Ok(Some(answer)) => self.answer_when_landed(id, Ok(answer)),
            Ok(None) => {}
            Err(refused) => self.answer_when_landed(id, Err(refused)),
        }
    }

    /// What is answered; `None` if that is not known yet.
    fn obey(
        &mut self,
        now: Timestamp,
        id: CommandId,
        command: Command,
    ) -> Result<Option<Answer>, CommandRefused> {
        let made = match command {
            Command::Authenticate {
                user,
                password,
                local,
            } => {
                let checked = self.authenticate(&user, &password, local);
                let refused = |why: LoginRefused| CommandRefused::AccessRefused(why.to_string());
                return Ok(Some(match checked.map_err(refused)? {
                    Checked::Right(user) => Answer::User(user.clone(), Mark::of(user)),
                    Checked::Slow(slow) => Answer::Slow(slow),
                }));
            }
            Command::User { user, mark, local } => {
                let user = self.user_marked(&user, mark, local);
                let user = user.map_err(|why| CommandRefused::AccessRefused(why.to_string()))?;
                return Ok(Some(Answer::User(user.clone(), Mark::of(user))));
            }
            Command::Export => {
                return Ok(Some(Answer::Definitions(Box::new(self.export()))));
            }
            Command::Directory => {
                return Ok(Some(Answer::Definitions(Box::new(self.directory()))));
            }
            Command::Follow(directory) => {
                self.follow(now, &directory)?;
                false
            }
            Command::Audit { vhost, queue } => {
                let accounts = self.accounts(vhost.as_ref(), queue.as_ref())?;
                return Ok(Some(Answer::Accounts(accounts)));
            }
            Command::Import(definitions) => {
                self.import(now, &definitions)?;
                false
            }
            Command::PutVhost(vhost) => {
                check_vhost(&vhost)?;
                self.put_vhost(&vhost)
            }
            Command::RemoveVhost { vhost } => {
                let index = self.vhost_named(&vhost).ok_or_else(|| no_vhost(&vhost))?;
                self.remove_vhost(now, index);
                false
            }
            Command::PutUser(user) => {
                check_user(&user)?;
                self.put_user(user)
            }
            Command::RemoveUser { user } => self.remove_user(now, &user)?,
            Command::PutPermission(made) => {
                check_permission(&made)?;
                self.check_known(&made.user, &made.vhost)?;
                self.put_permission(made)
            }
            Command::RemovePermission { user, vhost } => self.remove_permission(user, vhost)?,
            Command::PutTopicPermission(made) => {
                check_topic_permission(&made)?;
                self.check_known(&made.user, &made.vhost)?;
                self.put_topic_permission(made)
            }
            Command::RemoveTopicPermission {
                user,
                vhost,
                exchange,
            } => self.remove_topic_permissions(&user, &vhost, exchange.as_ref())?,
            Command::PutPolicy(made) => {
                policy::check(&made).map_err(CommandRefused::Invalid)?;
                self.own_vhost_named(&made.vhost)
                    .ok_or_else(|| no_vhost(&made.vhost))?;
                let vhost = made.vhost.clone();
                let is_new = self.put_policy(made);
                self.renew_rules(now, &vhost);
                is_new
            }
            Command::RemovePolicy { vhost, name } => self.remove_policy(now, vhost, name)?,
            Command::PutOperatorPolicy(made) => self.set_operator_policy(now, made)?,
            Command::RemoveOperatorPolicy { vhost, name } => {
                self.remove_operator_policy(now, vhost, name)?
            }
            Command::Permitted {
                user,
                vhost,
                right,
                name,
            } => {
                if !self.access.allows(&user, &vhost, right, &name) {
                    let text = format!(
                        "{} access to '{name}' in vhost '{vhost}' refused for user '{user}'",
                        right.name()
                    );
                    return Err(CommandRefused::AccessRefused(text));
                }
                false
            }
            Command::Look(look) => return self.look(now, &look).map(Some),
            Command::CloseConnection { connection, reason } => {
                if !self.connections.contains_key(&connection) {
                    let text = format!("no connection {connection}");
                    return Err(CommandRefused::NotFound(text));
                }
                self.close_connection_with(now, connection, forced(reason));
                false
            }
            Command::OnBehalf(asked) => return self.on_behalf(now, id, asked).map(Some),
            Command::Cancel(chosen) => {
                let outcome = self.cancel_messages(&chosen)?;
                return Ok(Some(Answer::Outcome(outcome)));
            }
            Command::Fire(chosen) => return Ok(Some(Answer::Outcome(self.fire(&chosen)?))),
            Command::Redrive(chosen) if chosen.state == State::Parked => {
                return Ok(Some(Answer::Outcome(self.redrive_parked(&chosen)?)));
            }
            Command::Redrive(chosen) => {
                self.redrive_dead(id, &chosen)?;
                return Ok(None);
            }
        };
        Ok(Some(Answer::Done { made }))
    }

    /// Keeps what was defined of users, permissions or policies, and lands it.
    pub(crate) fn define(&mut self, definition: Definition) {
        self.access.learn(&definition);
        self.policies.learn(&definition);
        self.land_definition(definition);
    }

    pub(crate) fn put_user(&mut self, user: UserDefinition) -> bool {
        let made = !self.access.users.contains_key(&user.name);
        let name = user.name.clone();
        self.define(Definition::UserMade(user));
        self.renew_grants(&name);
        made
    }

    pub(crate) fn remove_user(
        &mut self,
        now: Timestamp,
        user: &ShortStr,
    ) -> Result<bool, CommandRefused> {
        if !self.access.users.contains_key(user) {
            return Err(no_user(user));
        }
        let theirs = self.connections.iter();
        let theirs = theirs.filter(|(id, it)| it.user == *user && !self.bearers.contains_key(id));
        let mut connections: Vec<ConnectionId> = theirs.map(|(id, _)| *id).collect();
        connections.sort_unstable();
        self.define(Definition::UserRemoved { user: user.clone() });
        for connection in connections {
            self.close_connection_with(
                now,
                connection,
                forced(format_args!("user '{user}' is deleted")),
            );
        }
        Ok(false)
    }

    pub(crate) fn put_permission(&mut self, made: PermissionDefinition) -> bool {
        let (user, vhost) = (made.user.clone(), made.vhost.clone());
        let of = (user.clone(), vhost);
        let is_new = !self.access.permissions.contains_key(&of);
        self.define(Definition::PermissionMade(made));
        self.renew_grants(&user);
        is_new
    }

    pub(crate) fn remove_permission(
        &mut self,
        user: ShortStr,
        vhost: ShortStr,
    ) -> Result<bool, CommandRefused> {
        self.check_known(&user, &vhost)?;
        let of = (user.clone(), vhost.clone());
        if self.access.permissions.contains_key(&of) {
            self.define(Definition::PermissionRemoved {
                user: user.clone(),
                vhost,
            });
            self.renew_grants(&user);
        }
        Ok(false)
    }

    pub(crate) fn put_topic_permission(&mut self, made: TopicPermissionDefinition) -> bool {
        let user = made.user.clone();
        let of = (user.clone(), made.vhost.clone(), made.exchange.clone());
        let is_new = !self.access.topic_permissions.contains_key(&of);
        self.define(Definition::TopicPermissionMade(made));
        self.renew_grants(&user);
        is_new
    }

    pub(crate) fn remove_topic_permissions(
        &mut self,
        user: &ShortStr,
        vhost: &ShortStr,
        exchange: Option<&ShortStr>,
    ) -> Result<bool, CommandRefused> {
        self.check_known(user, vhost)?;
        let known = self.access.topic_permissions.keys();
        let meant = known.filter(|(of, at, on)| {
            of == user && at == vhost && exchange.is_none_or(|exchange| on == exchange)
        });
        let meant: Vec<ShortStr> = meant.map(|(.., exchange)| exchange.clone()).collect();
        for exchange in meant {
            self.define(Definition::TopicPermissionRemoved {
                user: user.clone(),
                vhost: vhost.clone(),
                exchange,
            });
        }
        self.renew_grants(user);
        Ok(false)
    }

    /// Whoever puts policies has the rules renewed when all are put.
    pub(crate) fn put_policy(&mut self, made: PolicyDefinition) -> bool {
        let is_new = !self.policies.contains(&made.vhost, &made.name);
        self.define(Definition::PolicyMade(made));
        is_new
    }

    fn remove_policy(
        &mut self,
        now: Timestamp,
        vhost: ShortStr,
        name: ShortStr,
    ) -> Result<bool, CommandRefused> {
        if !self.policies.contains(&vhost, &name) {
            let text = format!("no policy '{name}' in vhost '{vhost}'");
            return Err(CommandRefused::NotFound(text));
        }
        let of = vhost.clone();
        self.define(Definition::PolicyRemoved { vhost, name });
        self.renew_rules(now, &of);
        Ok(false)
    }

    /// The queue of that name.
    pub(crate) fn queue_named(
        &self,
        vhost: &ShortStr,
        name: &ShortStr,
    ) -> Result<QueueId, CommandRefused> {
        let index = self.vhost_named(vhost).ok_or_else(|| no_vhost(vhost))?;
        let id = self.vhosts[index.0].queues.get(name).copied();
        let text = || format!("no queue '{name}' in vhost '{vhost}'");
        id.ok_or_else(|| CommandRefused::NotFound(text()))
    }

    fn check_known(&self, user: &ShortStr, vhost: &ShortStr) -> Result<(), CommandRefused> {
        if !self.access.users.contains_key(user) {
            return Err(no_user(user));
        }
        match self.vhost_named(vhost) {
            Some(_) => Ok(()),
            None => Err(no_vhost(vhost)),
        }
    }
}

/// What connections are told that end because what they stand on was removed.
pub(crate) fn forced(explanation: impl std::fmt::Display) -> ConnectionError {
    ConnectionError::new(
        ReplyCode::ConnectionForced,
        explanation,
        MethodId::default(),
    )
}

fn no_user(user: &ShortStr) -> CommandRefused {
    CommandRefused::NotFound(format!("no user '{user}'"))
}

pub(crate) fn no_vhost(vhost: &ShortStr) -> CommandRefused {
    CommandRefused::NotFound(format!("no vhost '{vhost}'"))
}

pub(crate) fn check_vhost(vhost: &VhostDefinition) -> Result<(), CommandRefused> {
    named(&vhost.name, "a vhost")
}

pub(crate) fn check_user(user: &UserDefinition) -> Result<(), CommandRefused> {
    named(&user.name, "a user")
}

fn named(name: &ShortStr, what: &str) -> Result<(), CommandRefused> {
    if name.is_empty() {
        return Err(CommandRefused::Invalid(format!("{what} must have a name")));
    }
    Ok(())
}

pub(crate) fn check_permission(made: &PermissionDefinition) -> Result<(), CommandRefused> {
    check_patterns(&[&made.configure, &made.write, &made.read])
}

pub(crate) fn check_topic_permission(
    made: &TopicPermissionDefinition,
) -> Result<(), CommandRefused> {
    let with_names = |text: &str| text.replace("{username}", "u").replace("{vhost}", "v");
    check_patterns(&[&with_names(&made.write), &with_names(&made.read)])
}

fn check_patterns(patterns: &[&str]) -> Result<(), CommandRefused> {
    for pattern in patterns {
        Pattern::new(pattern).map_err(CommandRefused::Invalid)?;
    }
    Ok(())
}
