//! The controller as transcripts: what it is told and when, and what it wants done.

use super::*;
use crate::members::assignment::Holding;
use crate::members::member::About;
use proptest::prelude::*;

const PACE: Pace = Pace {
    gather: Duration::from_millis(2000),
    stranded: Duration::from_millis(1000),
    stable: Duration::from_millis(60_000),
    at_once: 2,
    poll: Duration::from_millis(100),
    hand_over: Duration::from_millis(5000),
};

/// A member as in `a.1`, `a.1(draining)` or `a.1(stranded)`.
fn member(text: &str) -> Member {
    let (name, state) = text.split_once('(').unwrap_or((text, ""));
    Member {
        id: name.parse().expect("a good name"),
        about: About {
            amqp: "host:5672".to_owned(),
            node: "host:25672".to_owned(),
            admin: "host:15672".to_owned(),
            program: "0.1.0".to_owned(),
            format: 1,
            protocol: 1,
            state: match state {
                "draining)" => State::Draining,
                _ => State::Active,
            },
            database_ok: state != "stranded)",
            serving: Vec::new(),
            prepared: Vec::new(),
        },
    }
}

fn members(text: &str) -> Input {
    Input::Members(text.split_whitespace().map(member).collect())
}

/// As in `a.1:5 b.2:6 -:0`.
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

fn told(text: &str, revision: i32) -> Input {
    Input::Assignment {
        assignment: assignment(text),
        revision,
    }
}

fn drain(node: &str) -> Request {
    let node = node.to_owned();
    Request::Drain { node }
}

fn requests(all: &[(&str, Request)]) -> Input {
    let named = all.iter();
    Input::Requests(
        named
            .map(|(name, one)| ((*name).to_owned(), one.clone()))
            .collect(),
    )
}

fn show(effect: Effect) -> String {
    match effect {
        Effect::ReadEpochs => "read".to_owned(),
        Effect::Write {
            assignment,
            revision,
        } => {
            let shards = assignment.shards().iter();
            let shards: Vec<String> = shards
                .map(|one| match &one.owner {
                    Some(owner) => format!("{owner}:{}", one.epoch),
                    None => format!("-:{}", one.epoch),
                })
                .collect();
            format!("write@{revision} {}", shards.join(" "))
        }
        Effect::SetState {
            member,
            state,
            request,
        } => match state {
            State::Draining => format!("drain {member} for {request}"),
            State::Active => format!("resume {member} for {request}"),
        },
        Effect::Remove { request } => format!("remove {request}"),
    }
}

/// Runs a script of `(milliseconds, input)`, none being a tick, and compares what came out of each step.
#[track_caller]
fn check(script: Vec<(u64, Option<Input>, &str)>) {
    let mut controller = Controller::new(PACE);
    for (step, (now, input, expect)) in script.into_iter().enumerate() {
        let now = Duration::from_millis(now);
        match input {
            Some(input) => controller.handle(now, input),
            None => controller.tick(now),
        }
        let effects = std::iter::from_fn(|| controller.poll_effect());
        let effects: Vec<String> = effects.map(show).collect();
        assert_eq!(effects.join(", "), expect, "step {step}, at {now:?}");
    }
}

#[test]
fn a_new_cluster_is_shared_when_its_nodes_have_gathered() {
    check(vec![
        (100, Some(told("-:0 -:0 -:0", 0)), ""),
        (100, Some(members("a.1")), "read"),
        (110, Some(Input::Epochs(vec![0, 0, 7])), ""),
        (1500, Some(members("a.1 b.1")), ""),
        (2000, None, "read"),
        (
            2010,
            Some(Input::Epochs(vec![0, 0, 7])),
            "write@0 a.1:1 b.1:1 a.1:8",
        ),
        (2020, Some(Input::Written { revision: 1 }), ""),
    ]);
}

#[test]
fn the_shards_of_the_dead_move_at_once_unless_all_have_just_come_back() {
    let all = "a.1:1 b.1:1 a.1:1 b.1:1";
    check(vec![
        (0, Some(told(all, 5)), ""),
        // ZooKeeper was away: b has not registered again yet.
        (0, Some(members("a.1")), "read"),
        (10, Some(Input::Epochs(vec![1; 4])), ""),
        (700, Some(members("a.1 b.1")), ""),
        (2000, None, ""),
        // Now b dies.
        (9000, Some(members("a.1")), "read"),
        (
            9010,
            Some(Input::Epochs(vec![1; 4])),
            "write@5 a.1:1 a.1:2 a.1:1 a.1:2",
        ),
    ]);
}

#[test]
fn a_drained_member_gives_its_shards_a_few_at_a_time() {
    let leaving = "a.1(draining) b.1";
    check(vec![
        (0, Some(told("a.1:1 a.1:1 a.1:1 b.1:1", 5)), ""),
        (0, Some(members("a.1 b.1")), "read"),
        (10, Some(Input::Epochs(vec![1; 4])), ""),
        (
            3000,
            Some(requests(&[("r1", drain("a"))])),
            "drain a.1 for r1",
        ),
        (3010, Some(members(leaving)), "read"),
        (
            3020,
            Some(Input::Epochs(vec![1; 4])),
            "write@5 b.1:2 b.1:2 a.1:1 b.1:1",
        ),
        (3030, Some(Input::Written { revision: 6 }), ""),
        // Nothing more before the database says that they have been taken.
        (3100, None, ""),
        (3120, None, "read"),
        (
            3130,
            Some(Input::Epochs(vec![2, 1, 1, 1])),
            "write@6 b.1:2 b.1:2 b.1:2 b.1:1",
        ),
        (3140, Some(Input::Written { revision: 7 }), ""),
    ]);
}

#[test]
fn a_member_that_is_drained_no_more_is_given_shards_again() {
    let resume = |node: &str| Request::Resume {
        node: node.to_owned(),
    };
    check(vec![
        (0, Some(told("b.1:2 b.1:2", 5)), ""),
        (0, Some(members("a.1(draining) b.1")), "read"),
        (10, Some(Input::Epochs(vec![2; 2])), ""),
        (
            3000,
            Some(requests(&[
                ("r1", resume("a")),
                ("r2", resume("b")),
                ("r3", resume("nobody")),
            ])),
            "resume a.1 for r1, remove r2, remove r3",
        ),
        (3010, Some(members("a.1 b.1")), ""),
        (3020, Some(requests(&[("r4", Request::Rebalance)])), "read"),
        (3030, Some(Input::Epochs(vec![2; 2])), "write@5 b.1:2 a.1:3"),
    ]);
}

#[test]
fn an_owner_that_does_not_take_its_shards_does_not_hold_up_the_others_for_ever() {
    check(vec![
        (0, Some(told("a.1:1 a.1:1 a.1:1 b.1:1", 5)), ""),
        (0, Some(members("a.1(draining) b.1")), "read"),
        (
            10,
            Some(Input::Epochs(vec![1; 4])),
            "write@5 b.1:2 b.1:2 a.1:1 b.1:1",
        ),
        (20, Some(Input::Written { revision: 6 }), ""),
        (110, None, "read"),
        (120, Some(Input::Epochs(vec![1; 4])), ""),
        (5010, None, "read"),
        (
            5020,
            Some(Input::Epochs(vec![1; 4])),
            "write@6 b.1:2 b.1:2 b.1:2 b.1:1",
        ),
    ]);
}

#[test]
fn a_node_that_comes_back_gets_its_part_after_a_while_or_when_it_is_asked_for() {
    let start = |now, then| {
        let mut script = vec![
            (0, Some(told("b.1:2 b.1:2 b.1:1", 5)), ""),
            (0, Some(members("b.1")), "read"),
            (10, Some(Input::Epochs(vec![2, 2, 1])), ""),
            (5000, Some(members("a.2 b.1")), ""),
            (64_999, None, ""),
        ];
        script.extend([(now, then, "read")]);
        script.extend([(
            now + 10,
            Some(Input::Epochs(vec![2, 2, 1])),
            "write@5 b.1:2 b.1:2 a.2:2",
        )]);
        script
    };
    check(start(65_000, None));
    let mut asked = start(65_000, Some(requests(&[("r1", Request::Rebalance)])));
    // Sooner than the members have been the same for long enough.
    asked[4].0 = 6000;
    asked[5].0 = 6500;
    asked[6].0 = 6510;
    asked.extend([
        (6520, Some(Input::Written { revision: 6 }), ""),
        (6620, None, "read"),
        // It is done when what moved has been taken.
        (6630, Some(Input::Epochs(vec![2, 2, 1])), ""),
        (6730, None, "read"),
        (6740, Some(Input::Epochs(vec![2, 2, 2])), "remove r1"),
        (6750, Some(requests(&[])), ""),
    ]);
    check(asked);
}

#[test]
fn a_failing_database_moves_nothing_until_it_is_clear_who_misses_it() {
    let all = "a.1:1 b.1:1";
    check(vec![
        (0, Some(told(all, 5)), ""),
        (0, Some(members("a.1 b.1")), "read"),
        (10, Some(Input::Epochs(vec![1; 2])), ""),
        (5000, Some(members("a.1(stranded) b.1")), ""),
        (5100, Some(members("a.1(stranded) b.1(stranded)")), ""),
        (8000, Some(members("a.1 b.1(stranded)")), ""),
        (8100, Some(members("a.1 b.1")), ""),
        // This time it is a alone.
        (20_000, Some(members("a.1(stranded) b.1")), ""),
        (21_000, None, "read"),
        (
            21_010,
            Some(Input::Epochs(vec![1; 2])),
            "write@5 b.1:2 b.1:1",
        ),
    ]);
}

#[test]
fn what_was_not_written_is_thought_over() {
    check(vec![
        (2000, Some(told("-:0 -:0", 0)), ""),
        (2000, Some(members("a.1")), "read"),
        (2010, Some(Input::Epochs(vec![0; 2])), "write@0 a.1:1 a.1:1"),
        // The answer was lost, and it had been written.
        (
            2020,
            Some(Input::NotWritten {
                assignment: assignment("a.1:1 a.1:1"),
                revision: 1,
            }),
            "",
        ),
        // A watch that was late changes nothing.
        (2030, Some(told("-:0 -:0", 0)), ""),
        (2040, None, ""),
    ]);
}

#[test]
fn requests_without_an_object_are_removed() {
    let wanted = [("r1", drain("nobody")), ("r2", drain("b"))];
    check(vec![
        (0, Some(told("a.1:1", 5)), ""),
        (0, Some(members("a.1 b.1(draining)")), "read"),
        (10, Some(requests(&wanted)), "remove r1, remove r2"),
        (20, Some(requests(&wanted)), ""),
    ]);
}

#[test]
fn it_sleeps_until_something_can_change() {
    let mut controller = Controller::new(PACE);
    let at = Duration::from_millis;
    controller.handle(at(100), told("a.1:1 b.1:1", 5));
    controller.handle(at(100), members("a.1 b.1"));
    assert_eq!(controller.wake_at(), None, "the database's answer wakes it");
    controller.handle(at(150), Input::Epochs(vec![1, 1]));
    for expect in [1100, 2000, 60_100] {
        let next = controller.wake_at().expect("something to wait for");
        assert_eq!(next, at(expect));
        controller.tick(next);
    }
    assert_eq!(controller.wake_at(), None);
}

/// A world around the controller: members that come, go and change, a database in which owners take shards late, and
/// writes whose outcome is told or lost.
#[derive(Clone, Debug)]
enum Turn {
    Members(Vec<u8>),
    Wait(u16),
    Take,
    LoseAnswer,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        2 => proptest::collection::vec(0..4u8, 4).prop_map(Turn::Members),
        4 => (1..5000u16).prop_map(Turn::Wait),
        4 => Just(Turn::Take),
        1 => Just(Turn::LoseAnswer),
    ];
    proptest::collection::vec(turn, 1..40)
}

const SHARDS: usize = 12;

struct World {
    controller: Controller,
    now: Duration,
    members: Vec<Member>,
    znode: Assignment,
    revision: i32,
    database: Vec<u64>,
    lose_answer: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            controller: Controller::new(PACE),
            now: Duration::ZERO,
            members: Vec::new(),
            znode: Assignment::empty(SHARDS as u32),
            revision: 0,
            database: vec![0; SHARDS],
            lose_answer: false,
        };
        let first = world.znode.clone();
        world.tell(Input::Assignment {
            assignment: first,
            revision: 0,
        });
        world
    }

    /// Tells it something and does what it wants until it wants nothing more.
    fn tell(&mut self, input: Input) {
        self.controller.handle(self.now, input);
        let mut effects = 0;
        while let Some(effect) = self.controller.poll_effect() {
            effects += 1;
            assert!(effects < 100, "it wants something for ever");
            match effect {
                Effect::ReadEpochs => {
                    let known = self.database.clone();
                    self.controller.handle(self.now, Input::Epochs(known));
                }
                Effect::Write {
                    assignment,
                    revision,
                } => self.write(assignment, revision),
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }

    fn write(&mut self, new: Assignment, revision: i32) {
        assert_eq!(revision, self.revision, "nobody else writes");
        let pairs = self.znode.shards().iter().zip(new.shards());
        let mut planned = 0;
        for ((old, new), known) in pairs.zip(&self.database) {
            if old == new {
                continue;
            }
            assert!(new.epoch > old.epoch && new.epoch > *known);
            let there = |one: &&Member| Some(&one.id) == old.owner.as_ref();
            planned += usize::from(
                self.members
                    .iter()
                    .any(|one| there(&one) && one.about.database_ok),
            );
        }
        assert!(planned <= PACE.at_once, "{planned} at once");
        self.znode = new;
        self.revision += 1;
        let answer = if std::mem::take(&mut self.lose_answer) {
            Input::NotWritten {
                assignment: self.znode.clone(),
                revision: self.revision,
            }
        } else {
            Input::Written {
                revision: self.revision,
            }
        };
        self.controller.handle(self.now, answer);
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Members(states) => {
                let named = states.into_iter().zip(["a", "b", "c", "d"]);
                let there = named.filter_map(|(state, node)| match state {
                    0 => None,
                    1 => Some(member(&format!("{node}.1(draining)"))),
                    _ => Some(member(&format!("{node}.1"))),
                });
                self.members = there.collect();
                self.tell(Input::Members(self.members.clone()));
            }
            Turn::Wait(millis) => self.wait(Duration::from_millis(millis.into())),
            Turn::Take => {
                let given = self.znode.shards().iter().map(|one| one.epoch);
                self.database = given.collect();
            }
            Turn::LoseAnswer => self.lose_answer = true,
        }
    }

    /// Time passes, and it is woken when it wants to be.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let mut wakes = 0;
        while let Some(at) = self.controller.wake_at().filter(|at| *at <= until) {
            wakes += 1;
            assert!(wakes < 2000, "it does not sleep");
            assert!(at > self.now, "it sleeps until what has passed");
            self.now = at;
            self.controller.tick(at);
            self.perform();
        }
        self.now = until;
    }

    fn perform(&mut self) {
        while let Some(effect) = self.controller.poll_effect() {
            match effect {
                Effect::ReadEpochs => self.tell(Input::Epochs(self.database.clone())),
                Effect::Write {
                    assignment,
                    revision,
                } => self.write(assignment, revision),
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: epochs only grow, an owner that still serves loses few shards at a time; and when all is quiet,
    /// everything is where it belongs.
    #[test]
    fn it_arrives_through_any_history(history in turns()) {
        let mut world = World::new();
        for turn in history {
            world.turn(turn);
        }
        world.turn(Turn::Members(vec![2, 2, 1, 2]));
        for _ in 0..2 * SHARDS {
            world.turn(Turn::Wait(60_000));
            world.turn(Turn::Take);
        }
        let counts = ["a.1", "b.1", "d.1"].map(|name| world.znode.of(&member(name).id).count());
        prop_assert_eq!(counts, [4, 4, 4]);
    }
}
