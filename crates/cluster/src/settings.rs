//! Which servers are refused: those whose settings allow them to lose what they have committed (promise P1).

use tokio_postgres::Row;

/// Asks for all that [`Settings`] needs. A copy of the database that is just being taken, and subscribers of logical
/// changes, are no standbys that anybody would fail over to.
pub(crate) const QUESTION: &str = "
    with standby as (
        select r.sync_state from pg_stat_replication r
         where r.state is distinct from 'backup'
           and not exists (select from pg_replication_slots s
                            where s.active_pid = r.pid and s.slot_type = 'logical'))
    select current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
           current_setting('synchronous_standby_names'),
           (select count(*) from standby),
           (select count(*) from standby where sync_state in ('sync', 'quorum')),
           (select count(*) from standby where sync_state is null),
           pg_conf_load_time()::text,
           coalesce((select wait_event in ('CheckpointerMain', 'CheckpointWriteDelay')
                       from pg_stat_activity where backend_type = 'checkpointer'), false)";

/// What a server says of how it keeps what it commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    synchronous_standby_names: String,
    /// Standbys that are connected; those of them that commits wait for; those of which we are not told.
    standbys: i64,
    synchronous: i64,
    hidden: i64,
    read_at: String,
    checkpointer_listens: bool,
}

impl Settings {
    /// The answer to [`QUESTION`].
    pub(crate) fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            fsync: row.try_get(0)?,
            full_page_writes: row.try_get(1)?,
            synchronous_commit: row.try_get(2)?,
            synchronous_standby_names: row.try_get(3)?,
            standbys: row.try_get(4)?,
            synchronous: row.try_get(5)?,
            hidden: row.try_get(6)?,
            read_at: row.try_get(7)?,
            checkpointer_listens: row.try_get(8)?,
        })
    }

    /// Whether commits wait for a standby.
    pub(crate) fn has_standby(&self) -> bool {
        self.synchronous > 0
    }

    /// Whether commits do wait already, and not from the next moment on: it is the checkpointer that has them wait, and in
    /// the middle of a checkpoint that cannot wait, as after a fail-over, it reads no settings.
    pub(crate) fn is_heeded(&self) -> bool {
        self.synchronous_standby_names.is_empty() || self.checkpointer_listens
    }

    /// When the server read them.
    pub(crate) fn read_at(&self) -> &str {
        &self.read_at
    }

    /// Why nothing may be confirmed on this server's word; empty if it may. One that is `replicated` must have a standby
    /// that commits wait for; another may be alone.
    pub(crate) fn objections(&self, replicated: bool) -> Vec<String> {
        let mut all = Vec::new();
        if self.fsync != "on" {
            all.push(format!(
                "fsync is {}: a loss of power loses what was committed",
                self.fsync
            ));
        }
        if self.full_page_writes != "on" {
            all.push(format!(
                "full_page_writes is {}: a loss of power can tear a page of the database",
                self.full_page_writes
            ));
        }
        if !["on", "remote_apply"].contains(&self.synchronous_commit.as_str()) {
            all.push(format!(
                "synchronous_commit is {}: commits are confirmed before they are safe",
                self.synchronous_commit
            ));
        }
        all.extend(self.objection_to_standbys(replicated));
        all
    }

    fn objection_to_standbys(&self, replicated: bool) -> Option<String> {
        let names = &self.synchronous_standby_names;
        let is_alone = names.is_empty() && self.standbys == 0;
        if self.has_standby() || is_alone && !replicated {
            return None;
        }
        Some(if self.hidden > 0 {
            "it has standbys, and this user may not see whether one of them is synchronous: grant it pg_monitor"
                .to_owned()
        } else if is_alone {
            "it must have a synchronous standby, and has none".to_owned()
        } else if names.is_empty() {
            format!(
                "{} standbys are connected and synchronous_standby_names is empty: a fail-over loses what was committed last",
                self.standbys
            )
        } else {
            format!(
                "synchronous_standby_names is `{names}`, and no synchronous standby is connected"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Settings {
        Settings {
            fsync: "on".into(),
            full_page_writes: "on".into(),
            synchronous_commit: "on".into(),
            synchronous_standby_names: String::new(),
            standbys: 0,
            synchronous: 0,
            hidden: 0,
            read_at: String::new(),
            checkpointer_listens: true,
        }
    }

    #[test]
    fn a_standby_counts_when_the_checkpointer_has_heard_of_it() {
        let busy = Settings {
            checkpointer_listens: false,
            ..sound()
        };
        assert!(busy.is_heeded(), "nobody waits for a standby");
        let replicated = Settings {
            synchronous_standby_names: "b".into(),
            ..busy
        };
        assert!(!replicated.is_heeded());
    }

    #[test]
    fn a_sound_server_is_taken() {
        assert_eq!(sound().objections(false), [""; 0]);
        let replicated = Settings {
            synchronous_commit: "remote_apply".into(),
            synchronous_standby_names: "ANY 1 (b, c)".into(),
            standbys: 3,
            synchronous: 2,
            ..sound()
        };
        assert_eq!(replicated.objections(true), [""; 0]);
    }

    #[test]
    fn each_setting_that_loses_messages_is_named() {
        let bad = Settings {
            fsync: "off".into(),
            full_page_writes: "off".into(),
            synchronous_commit: "remote_write".into(),
            standbys: 2,
            ..sound()
        };
        let objections = bad.objections(false).join("\n");
        for setting in [
            "fsync is off",
            "full_page_writes is off",
            "synchronous_commit is remote_write",
            "2 standbys are connected and synchronous_standby_names is empty",
        ] {
            assert!(objections.contains(setting), "{objections}");
        }
        for commit in ["off", "local"] {
            let synchronous_commit = commit.into();
            let bad = Settings {
                synchronous_commit,
                ..sound()
            };
            assert_eq!(bad.objections(false).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn standbys_of_which_none_is_waited_for_are_named() {
        let absent = Settings {
            synchronous_standby_names: "b".into(),
            ..sound()
        };
        let hidden = Settings {
            standbys: 1,
            hidden: 1,
            ..absent.clone()
        };
        assert!(absent.objections(false)[0].contains("no synchronous standby is connected"));
        assert!(hidden.objections(false)[0].contains("pg_monitor"));
        // One that had a standby is not taken without.
        let had = sound().objections(true);
        assert!(
            had[0].contains("must have a synchronous standby"),
            "{had:?}"
        );
    }
}
