//! What an operator should look at, in words: empty where all is as it should be.

use super::{ClusterStatus, DatabaseStatus, ShardState};
use std::collections::BTreeMap;

/// What needs attention, the worst first.
pub(super) fn needed(status: &ClusterStatus) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(of_shards(status));
    all.extend(of_databases(status));
    if let Some(silent) = status.zookeeper.silent {
        all.push(format!(
            "ZooKeeper has been silent for {} s: a node that dies is not replaced",
            silent.as_secs()
        ));
    } else if status.controller.is_none() {
        all.push("nobody is elected to decide who owns what".to_owned());
    }
    for member in status.members.iter().filter(|one| !one.reaches_database) {
        all.push(format!("{} does not reach the database", member.node));
    }
    if status.members.iter().filter(|one| one.is_ready()).count() == 1 {
        all.push("no other node could take over".to_owned());
    }
    all.extend(of_versions(status));
    all.extend(status.members.iter().filter_map(|one| one.misfit.clone()));
    all
}

fn of_shards(status: &ClusterStatus) -> Vec<String> {
    let mut all = Vec::new();
    for (state, what) in [
        (ShardState::Abandoned, "nobody owns"),
        (ShardState::Moving, "the owner has not taken yet"),
    ] {
        let shards = { status.shards.iter() }.filter(|one| status.state_of(one) == state);
        let shards: Vec<String> = shards.map(|one| one.shard.to_string()).collect();
        if !shards.is_empty() {
            all.push(format!("{what}: shard {}", shards.join(", ")));
        }
    }
    all
}

fn of_databases(status: &ClusterStatus) -> Vec<String> {
    if let [only] = &*status.databases {
        return of_database("the database", only);
    }
    let each = status.databases.iter().enumerate();
    each.flat_map(|(place, one)| of_database(&format!("database {place}"), one))
        .collect()
}

fn of_database(which: &str, status: &DatabaseStatus) -> Vec<String> {
    let health = match &status.health {
        Err(why) => return vec![format!("{which} does not answer: {why}")],
        Ok(health) => health,
    };
    let mut all: Vec<String> = { health.objections.iter() }
        .map(|objection| format!("{which}: {objection}"))
        .collect();
    let behind = { health.standbys.iter() }.filter(|one| one.state != "streaming");
    all.extend(behind.map(|one| {
        let (name, state) = (&one.name, &one.state);
        format!("{which}: standby {name} is not up to date ({state})")
    }));
    all
}

fn of_versions(status: &ClusterStatus) -> Option<String> {
    let mut programs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in &status.members {
        programs
            .entry(&member.program)
            .or_default()
            .push(&member.node);
    }
    let told =
        { programs.iter() }.map(|(program, nodes)| format!("{program} ({})", nodes.join(", ")));
    (programs.len() > 1).then(|| {
        let told: Vec<String> = told.collect();
        format!("the nodes run different programs: {}", told.join("; "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        DatabaseHealth, MemberStatus, ShardStatus, StandbyStatus, ZooKeeperStatus,
    };
    use std::time::Duration;

    fn member(node: &str) -> MemberStatus {
        MemberStatus {
            node: node.to_owned(),
            run: 7,
            since: 0,
            amqp: String::new(),
            inner: String::new(),
            admin: String::new(),
            program: "1.0".to_owned(),
            format: 1,
            protocol: 1,
            draining: false,
            reaches_database: true,
            misfit: None,
        }
    }

    fn shard(owner: &str, epoch: u64, taken: Option<(&str, u64)>) -> ShardStatus {
        ShardStatus {
            shard: 0,
            database: 0,
            owner: Some(owner.to_owned()),
            epoch,
            taken: taken.map(|(by, epoch)| (by.to_owned(), epoch)),
        }
    }

    fn sound() -> ClusterStatus {
        ClusterStatus {
            me: "a".to_owned(),
            members: vec![member("a"), member("b")],
            controller: Some("a".to_owned()),
            shards: vec![shard("a.7", 5, Some(("a.7", 5)))],
            requests: Vec::new(),
            zookeeper: ZooKeeperStatus {
                hosts: Vec::new(),
                silent: None,
                lease: None,
            },
            databases: vec![DatabaseStatus {
                hosts: Vec::new(),
                health: Ok(DatabaseHealth::default()),
            }],
        }
    }

    #[test]
    fn of_a_sound_cluster_there_is_nothing_to_say() {
        assert_eq!(needed(&sound()), [""; 0]);
        assert!(sound().is_serving());
    }

    #[test]
    fn a_shard_is_served_by_a_member_that_has_taken_it_and_by_nobody_else() {
        for (owner, taken, served, said) in [
            (
                "a.7",
                Some(("a.7", 4)),
                false,
                "the owner has not taken yet: shard 0",
            ),
            (
                "a.7",
                Some(("b.7", 5)),
                false,
                "the owner has not taken yet: shard 0",
            ),
            // What an earlier run was given is not this one's.
            ("a.6", Some(("a.6", 5)), false, "nobody owns: shard 0"),
            ("c.7", Some(("c.7", 5)), false, "nobody owns: shard 0"),
            ("a.7", None, false, ""),
        ] {
            let shards = vec![shard(owner, 5, taken)];
            let status = ClusterStatus { shards, ..sound() };
            assert_eq!(status.is_serving(), served, "{owner} {taken:?}");
            assert_eq!(needed(&status).join("\n"), said, "{owner} {taken:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let mut status = sound();
        status.members[1].reaches_database = false;
        status.members[1].program = "2.0".to_owned();
        status.members[1].misfit = Some("b writes format 3".to_owned());
        status.zookeeper.silent = Some(Duration::from_secs(12));
        let standby = StandbyStatus {
            name: "db2".to_owned(),
            address: None,
            state: "catchup".to_owned(),
            sync: "async".to_owned(),
            lag: None,
        };
        status.databases[0].health = Ok(DatabaseHealth {
            objections: vec!["fsync is off".to_owned()],
            standbys: vec![standby],
            ..DatabaseHealth::default()
        });
        expect_test::expect![[r#"
            the database: fsync is off
            the database: standby db2 is not up to date (catchup)
            ZooKeeper has been silent for 12 s: a node that dies is not replaced
            b does not reach the database
            no other node could take over
            the nodes run different programs: 1.0 (a); 2.0 (b)
            b writes format 3"#]]
        .assert_eq(&needed(&status).join("\n"));

        status.databases[0].health = Err("it refuses".to_owned());
        let told = needed(&status);
        assert_eq!(told[0], "the database does not answer: it refuses");
    }
}
