//! An operator that keeps definitions in memory and obeys like the broker, as far as the API can tell.

use crate::instruments::Instruments;
use crate::journey::{Journey, Wanted};
use crate::{AskError, Operator, Reading, fits_slowly};
use broker::journey::QueueName;
use broker::snapshot::{Counts, Look, QueueStatus};
use broker::{
    Account, Answer, Command, CommandRefused, Definitions, Mark, Recent, SALT_BYTES, Traffic,
    password_hash,
};
use model::record::{
    Ending, Hashing, PermissionDefinition, Tally, UserDefinition, VhostDefinition,
};
use model::{FieldTable, Password, Position, ShortStr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

pub(super) struct Fake(Mutex<Definitions>);

impl Fake {
    pub(super) fn fresh() -> Self {
        let (guest, root) = (ShortStr::from_static("guest"), ShortStr::from_static("/"));
        Self(Mutex::new(Definitions {
            vhosts: vec![VhostDefinition::new(root.clone())],
            users: vec![UserDefinition {
                name: guest.clone(),
                password_hash: password_hash(Hashing::Sha256, [1, 2, 3, 4], "guest"),
                tags: vec![ShortStr::from_static("administrator")],
                ..UserDefinition::default()
            }],
            permissions: vec![PermissionDefinition::everything(guest, root)],
            ..Definitions::default()
        }))
    }

    fn obey(&self, command: Command) -> Result<Answer, CommandRefused> {
        let all = &mut *self
            .0
            .lock()
            .expect("no test panics while it holds the lock");
        let done = |made| Ok(Answer::Done { made });
        match command {
            Command::Authenticate {
                user,
                password,
                local,
            } => authenticate(all, &user, &password, local),
            Command::User { user, mark, local } => {
                let found = all.users.iter().find(|of| of.name == user);
                let found = found.filter(|of| Mark::of(of) == mark);
                let found = found.filter(|of| local || of.name != "guest");
                let refused = || CommandRefused::AccessRefused("refused".into());
                let found = found.ok_or_else(refused)?;
                Ok(Answer::User(found.clone(), Mark::of(found)))
            }
            Command::Follow(directory) => {
                *all = *directory;
                done(false)
            }
            Command::Export | Command::Directory => Ok(Answer::Definitions(Box::new(all.clone()))),
            Command::PutVhost(new) => done(put(&mut all.vhosts, new, |of| of.name.clone())),
            Command::RemoveVhost { vhost } => remove(&mut all.vhosts, |of| of.name == vhost),
            Command::PutUser(new) => done(put(&mut all.users, new, |of| of.name.clone())),
            Command::RemoveUser { user } => remove(&mut all.users, |of| of.name == user),
            Command::PutPermission(new) => {
                known(all, &new.user, &new.vhost)?;
                let key = |of: &PermissionDefinition| (of.user.clone(), of.vhost.clone());
                done(put(&mut all.permissions, new, key))
            }
            Command::RemovePermission { user, vhost } => remove(&mut all.permissions, |of| {
                of.user == user && of.vhost == vhost
            }),
            Command::PutTopicPermission(new) => {
                known(all, &new.user, &new.vhost)?;
                done(put(&mut all.topic_permissions, new, |of| {
                    (of.user.clone(), of.vhost.clone(), of.exchange.clone())
                }))
            }
            Command::RemoveTopicPermission {
                user,
                vhost,
                exchange,
            } => remove(&mut all.topic_permissions, |of| {
                of.user == user
                    && of.vhost == vhost
                    && exchange.as_ref().is_none_or(|name| of.exchange == *name)
            }),
            Command::PutPolicy(new) => done(put(&mut all.policies, new, |of| {
                (of.vhost.clone(), of.name.clone())
            })),
            Command::RemovePolicy { vhost, name } => {
                remove(&mut all.policies, |of| of.vhost == vhost && of.name == name)
            }
            Command::PutOperatorPolicy(new) => done(put(&mut all.operator_policies, new, |of| {
                (of.vhost.clone(), of.name.clone())
            })),
            Command::RemoveOperatorPolicy { vhost, name } => {
                let policies = &mut all.operator_policies;
                remove(policies, |of| of.vhost == vhost && of.name == name)
            }
            Command::Audit { queue, .. } if queue.is_some() => {
                Err(CommandRefused::NotFound("no queue".into()))
            }
            Command::Audit { .. } => Ok(Answer::Accounts(vec![account()])),
            Command::Import(new) => {
                for vhost in new.vhosts {
                    put(&mut all.vhosts, vhost, |of| of.name.clone());
                }
                for user in new.users {
                    put(&mut all.users, user, |of| of.name.clone());
                }
                if let Some(queue) = (new.queues.iter())
                    .find(|queue| all.vhosts.iter().all(|vhost| vhost.name != queue.vhost))
                {
                    let what = format!("no vhost '{}'", queue.vhost);
                    return Err(CommandRefused::NotFound(what));
                }
                all.permissions.extend(new.permissions);
                all.topic_permissions.extend(new.topic_permissions);
                all.policies.extend(new.policies);
                all.operator_policies.extend(new.operator_policies);
                all.queues.extend(new.queues);
                all.exchanges.extend(new.exchanges);
                all.bindings.extend(new.bindings);
                done(true)
            }
            Command::Look(look) => seen(all, &look),
            Command::CloseConnection { .. }
            | Command::Permitted { .. }
            | Command::Redrive(_)
            | Command::Fire(_)
            | Command::Cancel(_)
            | Command::OnBehalf(_) => Err(CommandRefused::NotFound("no messages here".into())),
        }
    }
}

impl Operator for Fake {
    fn instruments(&self) -> Option<Arc<Instruments>> {
        None
    }

    fn journeys(
        &self,
        wanted: Wanted,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Journey>, AskError>> + Send + '_>> {
        let known = wanted == Wanted::Message(Position(7));
        let journeys = if known {
            super::journeys::journeys()
        } else {
            Vec::new()
        };
        Box::pin(std::future::ready(Ok(journeys)))
    }

    fn ask(
        &self,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + '_>> {
        let answer = self.obey(command).map_err(AskError::from);
        Box::pin(std::future::ready(answer))
    }

    fn read(
        &self,
        positions: Vec<Position>,
        _: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Reading>, AskError>> + Send + '_>> {
        let gone = |position| Reading {
            position,
            content: None,
        };
        Box::pin(std::future::ready(Ok(positions
            .into_iter()
            .map(gone)
            .collect())))
    }
}

/// Queues, all of them empty.
fn seen(all: &Definitions, look: &Look) -> Result<Answer, CommandRefused> {
    let vhost = match look {
        Look::Queues { vhost } | Look::Exchanges { vhost } => vhost.as_ref(),
        Look::Totals => return Ok(Answer::Totals(Box::default())),
        Look::Consumers { .. } | Look::ConsumersOf { .. } => {
            return Ok(Answer::Consumers(Vec::new()));
        }
        Look::Connections { .. } => return Ok(Answer::Connections(Vec::new())),
        Look::Channels { .. } => return Ok(Answer::Channels(Vec::new())),
        Look::Queue { vhost, .. } | Look::Messages { vhost, .. } => Some(vhost),
    };
    let named = all.vhosts.iter();
    if !named
        .clone()
        .any(|of| vhost.is_none_or(|vhost| of.name == *vhost))
    {
        return Err(CommandRefused::NotFound("no such vhost".into()));
    }
    if matches!(look, Look::Exchanges { .. }) {
        return Ok(Answer::Exchanges(Vec::new()));
    }
    let queues = all.queues.iter().filter(|queue| match look {
        Look::Queues { vhost } => vhost.as_ref().is_none_or(|vhost| queue.vhost == *vhost),
        Look::Queue { vhost, name } => queue.vhost == *vhost && queue.name == *name,
        _ => false,
    });
    let queues = queues.map(|queue| QueueStatus {
        vhost: queue.vhost.clone(),
        name: queue.name.clone(),
        durable: queue.durable,
        exclusive: false,
        auto_delete: queue.auto_delete,
        arguments: queue.arguments.clone(),
        policy: None,
        operator_policy: None,
        effective: FieldTable::new(),
        in_force: queue.arguments.clone(),
        consumers: 0,
        counts: Counts::default(),
        oldest: None,
        traffic: Traffic::default(),
        recent: Recent::default(),
        moved: None,
        deduplication: None,
    });
    Ok(Answer::Queues(queues.collect()))
}

fn account() -> Account {
    let mut tally = Tally::of_accepted(9);
    tally.add_ended(Ending::Acknowledged, 4);
    tally.add_ended(Ending::Dropped, 1);
    Account {
        queue: QueueName {
            vhost: ShortStr::from_static("/"),
            name: ShortStr::from_static("orders"),
        },
        tally,
        here: Counts {
            ready: 2,
            unacked: 1,
            ..Counts::default()
        },
        landing: 0,
        ending: 0,
    }
}

fn authenticate(
    all: &Definitions,
    name: &ShortStr,
    password: &Password,
    local: bool,
) -> Result<Answer, CommandRefused> {
    let found = all.users.iter().find(|user| user.name == *name);
    let found = found.filter(|user| {
        let salt = user.password_hash.first_chunk::<SALT_BYTES>();
        let hash = salt.map(|salt| password_hash(user.hashing, *salt, password.as_str()));
        let fits = hash.is_some_and(|hash| hash == user.password_hash)
            || fits_slowly(&user.password_hash, password.as_str());
        fits && !password.as_str().is_empty() && (local || *name != "guest")
    });
    match found {
        Some(user) => Ok(Answer::User(user.clone(), Mark::of(user))),
        None => Err(CommandRefused::AccessRefused("refused".into())),
    }
}

fn known(all: &Definitions, user: &ShortStr, vhost: &ShortStr) -> Result<(), CommandRefused> {
    let user_known = all.users.iter().any(|of| of.name == *user);
    let vhost_known = all.vhosts.iter().any(|of| of.name == *vhost);
    if user_known && vhost_known {
        return Ok(());
    }
    let what = format!("no user '{user}' or no vhost '{vhost}'");
    Err(CommandRefused::NotFound(what))
}

/// Replaces or adds; says whether it added.
fn put<T, K: PartialEq>(all: &mut Vec<T>, new: T, key: impl Fn(&T) -> K) -> bool {
    match all.iter_mut().find(|old| key(old) == key(&new)) {
        Some(old) => {
            *old = new;
            false
        }
        None => {
            all.push(new);
            true
        }
    }
}

fn remove<T>(all: &mut Vec<T>, which: impl Fn(&T) -> bool) -> Result<Answer, CommandRefused> {
    let before = all.len();
    all.retain(|one| !which(one));
    if all.len() == before {
        return Err(CommandRefused::NotFound("it is not there".into()));
    }
    Ok(Answer::Done { made: false })
}
