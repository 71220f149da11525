//! The planner: cases that were thought of, and laws that hold for any history.

use super::*;
use proptest::prelude::*;

fn candidate(name: &str, standing: Standing) -> Candidate {
    Candidate {
        id: name.parse().expect("a good name"),
        standing,
    }
}

fn ready(names: &[&str]) -> Vec<Candidate> {
    let all = names.iter();
    all.map(|name| candidate(name, Standing::Ready)).collect()
}

/// An assignment as in `a.1:5 b.2:6 -:0`.
fn assignment(text: &str) -> Assignment {
    let shards: Vec<Holding> = text
        .split_whitespace()
        .map(|shard| {
            let (owner, epoch) = shard.split_once(':').expect("owner:epoch");
            Holding {
                owner: (owner != "-").then(|| owner.parse().expect("a good name")),
                epoch: epoch.parse().expect("a number"),
            }
        })
        .collect();
    Assignment::empty(shards.len() as u32).followed_by(shards)
}

fn text(assignment: &Assignment) -> String {
    let shard = |holding: &Holding| match &holding.owner {
        Some(owner) => format!("{owner}:{}", holding.epoch),
        None => format!("-:{}", holding.epoch),
    };
    let all: Vec<String> = assignment.shards().iter().map(shard).collect();
    all.join(" ")
}

#[track_caller]
fn check(members: &[Candidate], old: &str, epochs: &[u64], scope: Scope, expect: &str) {
    let planned = plan(members, &assignment(old), epochs, scope);
    let planned = planned.map_or("as it was".to_owned(), |plan| text(&plan));
    assert_eq!(planned, expect);
}

#[test]
fn a_new_cluster_shares_evenly() {
    let members = ready(&["a.1", "b.1"]);
    check(
        &members,
        "-:0 -:0 -:0",
        &[],
        Scope::ALL,
        "a.1:1 b.1:1 a.1:1",
    );
}

#[test]
fn a_database_that_knows_more_than_zookeeper_is_believed() {
    let members = ready(&["a.1", "b.1"]);
    check(&members, "-:0 -:0", &[40, 41], Scope::ALL, "a.1:41 b.1:42");
    // An old copy of ZooKeeper's data came back: the owners stay, with epochs that they can take.
    let old = "a.1:5 b.1:6";
    check(&members, old, &[9, 6], Scope::ALL, "a.1:10 b.1:6");
    check(&members, old, &[5, 6], Scope::ALL, "as it was");
}

#[test]
fn the_shards_of_one_who_is_gone_go_to_whoever_has_fewest() {
    let old = "a.1:1 b.1:1 c.1:1 b.1:2 a.1:2 c.1:2 a.1:3";
    let members = ready(&["a.1", "c.1"]);
    check(
        &members,
        old,
        &[],
        Scope::ALL,
        "a.1:1 c.1:2 c.1:1 a.1:3 a.1:2 c.1:2 a.1:3",
    );
    let not_yet = Scope {
        abandoned: false,
        ..Scope::ALL
    };
    check(&members, old, &[], not_yet, "as it was");
}

#[test]
fn a_node_that_starts_again_keeps_its_shards_under_new_epochs() {
    let members = ready(&["a.2", "b.1"]);
    let only_who_is_there = Scope {
        abandoned: false,
        balance: false,
        ..Scope::ALL
    };
    let old = "a.1:5 b.1:6 a.1:7";
    check(&members, old, &[], only_who_is_there, "a.2:6 b.1:6 a.2:8");
    // Its former life's session has not ended yet.
    let members = ready(&["a.1", "a.2", "b.1"]);
    check(&members, old, &[], only_who_is_there, "a.2:6 b.1:6 a.2:8");
}

#[test]
fn a_leaving_member_gives_a_few_at_a_time_and_gets_none() {
    let mut members = ready(&["b.1", "c.1"]);
    members.push(candidate("a.1", Standing::Draining));
    let two = Scope {
        planned: 2,
        ..Scope::ALL
    };
    let old = "a.1:1 a.1:1 a.1:1 b.1:1 c.1:1";
    check(&members, old, &[], two, "b.1:2 c.1:2 a.1:1 b.1:1 c.1:1");
    let then = "b.1:2 c.1:2 a.1:1 b.1:1 c.1:1";
    check(&members, then, &[], two, "b.1:2 c.1:2 b.1:2 b.1:1 c.1:1");
}

#[test]
fn the_last_one_is_not_drained_and_nothing_is_given_without_a_database() {
    let leaving = [candidate("a.1", Standing::Draining)];
    check(&leaving, "a.1:1 b.1:1", &[], Scope::ALL, "a.1:1 a.1:2");
    let stranded = [
        candidate("a.1", Standing::WithoutDatabase),
        candidate("b.1", Standing::WithoutDatabase),
    ];
    check(&stranded, "a.1:1 -:0", &[], Scope::ALL, "as it was");
}

#[test]
fn one_without_the_database_loses_its_shards_when_that_has_lasted() {
    let members = [
        candidate("a.1", Standing::WithoutDatabase),
        candidate("b.1", Standing::Ready),
    ];
    let not_yet = Scope {
        stranded: false,
        ..Scope::ALL
    };
    check(&members, "a.1:1 b.1:1", &[], not_yet, "as it was");
    check(&members, "a.1:1 b.1:1", &[], Scope::ALL, "b.1:2 b.1:1");
}

#[test]
fn a_newcomer_gets_its_part_when_balance_is_asked_for() {
    let members = ready(&["a.1", "b.1"]);
    let old = "a.1:1 a.1:1 a.1:1 a.1:1 a.1:1";
    let as_they_are = Scope {
        balance: false,
        ..Scope::ALL
    };
    check(&members, old, &[], as_they_are, "as it was");
    check(
        &members,
        old,
        &[],
        Scope::ALL,
        "a.1:1 a.1:1 a.1:1 b.1:2 b.1:2",
    );
}

/// Some of six nodes, each in some run and standing.
fn members() -> impl Strategy<Value = Vec<Candidate>> {
    let standing = prop_oneof![
        4 => Just(Standing::Ready),
        1 => Just(Standing::Draining),
        1 => Just(Standing::WithoutDatabase),
    ];
    let node = proptest::option::weighted(0.7, (0..3u64, standing));
    proptest::collection::vec(node, 6).prop_map(|nodes| {
        let named = nodes.into_iter().zip(["a", "b", "c", "d", "e", "f"]);
        named
            .filter_map(|(run, node)| {
                let (incarnation, standing) = run?;
                let id = MemberId::new(node, incarnation).expect("a good name");
                Some(Candidate { id, standing })
            })
            .collect()
    })
}

/// What may have happened to a cluster between two looks of the controller.
#[derive(Clone, Debug)]
enum Event {
    Members(Vec<Candidate>),
    /// ZooKeeper is empty.
    Wiped,
    /// The owners of these shards have taken them in the database.
    Taken(Vec<bool>),
}

const SHARDS: usize = 40;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => members().prop_map(Event::Members),
        1 => Just(Event::Wiped),
        3 => proptest::collection::vec(any::<bool>(), SHARDS).prop_map(Event::Taken),
    ];
    proptest::collection::vec(event, 1..30)
}

/// Who gets shards, by the words of the promise rather than by the code.
fn takers(members: &[Candidate]) -> Vec<&MemberId> {
    let best = [Standing::Ready, Standing::Draining]
        .into_iter()
        .find(|standing| members.iter().any(|one| one.standing == *standing));
    let all = members.iter().filter(|one| Some(one.standing) == best);
    all.map(|one| &one.id).collect()
}

/// The fewest shards that any plan could move to another node: all that the takers' nodes do not have, and what they
/// have above the most even parts.
fn fewest_moves(takers: &[&MemberId], old: &Assignment) -> usize {
    let held = |node: &str| {
        let owners = old.shards().iter().filter_map(|one| one.owner.as_ref());
        owners.filter(|owner| owner.node() == node).count()
    };
    let (part, more) = (SHARDS / takers.len(), SHARDS % takers.len());
    let loads: Vec<usize> = takers.iter().map(|id| held(id.node())).collect();
    let kept: usize = loads.iter().map(|load| (*load).min(part)).sum();
    let one_more = loads.iter().filter(|load| **load > part).count().min(more);
    SHARDS - kept - one_more
}

fn moves(old: &Assignment, new: &Assignment) -> usize {
    let node = |holding: &Holding| holding.owner.as_ref().map(|id| id.node().to_owned());
    let pairs = old.shards().iter().zip(new.shards());
    pairs.filter(|(old, new)| node(old) != node(new)).count()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Through any history: whoever is given a shard may have it, all have the same number within one, as few shards
    /// move as can, and the epoch of whoever gets a shard is above all that was ever given or taken.
    #[test]
    fn laws_of_a_plan(history in events()) {
        let mut members = Vec::new();
        let mut now = Assignment::empty(SHARDS as u32);
        let mut database = vec![0; SHARDS];
        for event in history {
            match event {
                Event::Members(there) => members = there,
                Event::Wiped => now = Assignment::empty(SHARDS as u32),
                Event::Taken(by) => {
                    for (shard, _) in by.iter().enumerate().filter(|(_, taken)| **taken) {
                        database[shard] = now.shards()[shard].epoch.max(database[shard]);
                    }
                }
            }
            let Some(new) = plan(&members, &now, &database, Scope::ALL) else {
                prop_assert!(takers(&members).is_empty() || is_settled(&members, &now, &database));
                continue;
            };
            let takers = takers(&members);
            prop_assert_eq!(moves(&now, &new), fewest_moves(&takers, &now));
            for ((old, new), known) in now.shards().iter().zip(new.shards()).zip(&database) {
                if old == new {
                    prop_assert!(new.epoch >= *known);
                } else {
                    prop_assert!(new.epoch > old.epoch && new.epoch > *known);
                }
            }
            prop_assert!(is_settled(&members, &new, &database));
            prop_assert_eq!(new.version(), now.version() + 1);
            now = new;
        }
    }

    /// In small steps as many shards move as at once, and the steps end.
    #[test]
    fn small_steps_arrive_where_one_leap_does(before in members(), after in members(), step in 1..8usize) {
        let start = plan(&before, &Assignment::empty(SHARDS as u32), &[], Scope::ALL);
        let start = start.unwrap_or(Assignment::empty(SHARDS as u32));
        let leap = plan(&after, &start, &[], Scope::ALL);
        let mut now = start.clone();
        let mut moved = 0;
        for _ in 0..=SHARDS {
            let scope = Scope { planned: step, ..Scope::ALL };
            let Some(new) = plan(&after, &now, &[], scope) else { break };
            moved += moves(&now, &new);
            now = new;
        }
        prop_assert_eq!(plan(&after, &now, &[], Scope::ALL), None);
        prop_assert_eq!(moved, leap.map_or(0, |leap| moves(&start, &leap)));
    }

    /// What is not allowed yet stays as it was.
    #[test]
    fn nothing_moves_beyond_the_scope(before in members(), after in members()) {
        let start = plan(&before, &Assignment::empty(SHARDS as u32), &[], Scope::ALL);
        let start = start.unwrap_or(Assignment::empty(SHARDS as u32));
        let scope = Scope { abandoned: false, stranded: false, balance: false, planned: 0 };
        if let Some(new) = plan(&after, &start, &[], scope) {
            prop_assert_eq!(moves(&start, &new), 0);
        }
    }
}

/// Whether every shard is with one who may have it, under an epoch that it can take, and all have the same number.
fn is_settled(members: &[Candidate], now: &Assignment, database: &[u64]) -> bool {
    let takers = takers(members);
    let held = |id: &&MemberId| now.of(id).count();
    let counts: Vec<usize> = takers.iter().map(held).collect();
    let even = counts.iter().max().zip(counts.iter().min());
    let all: usize = counts.iter().sum();
    let mut epochs = now.shards().iter().zip(database);
    all == SHARDS
        && even.is_some_and(|(most, fewest)| most - fewest <= 1)
        && epochs.all(|(holding, known)| holding.epoch >= *known)
}
