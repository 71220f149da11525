//! Every cause of a message's coming back under every policy: when it comes, with which counts, and where it ends;
//! the same with a restart in the middle of each wait, after a crash and after a clean stop.

use super::script::Heart;
use expect_test::expect;
use std::fmt::Write;

/// How a delivery ends.
const CAUSES: &[&str] = &[
    "silent",
    "nack",
    "reject",
    "recover",
    "channel closed",
    "connection closed",
];

const POLICIES: &[(&str, &str)] = &[
    ("no policy", ""),
    (
        "disabled",
        "x-delayed-retry-type:disabled x-delayed-retry-min=100",
    ),
    (
        "all",
        "x-delayed-retry-type:all x-delayed-retry-min=1000 x-delayed-retry-jitter=0",
    ),
    (
        "a first wait alone",
        "x-delayed-retry-min=1000 x-delayed-retry-jitter=0",
    ),
    (
        "failed",
        "x-delayed-retry-type:failed x-delayed-retry-min=1000 x-delayed-retry-jitter=0",
    ),
    (
        "returned",
        "x-delayed-retry-type:returned x-delayed-retry-min=1000 x-delayed-retry-jitter=0",
    ),
    (
        "capped, threefold",
        "x-delayed-retry-min=1000 x-delayed-retry-max=2500 x-delayed-retry-multiplier=3 x-delayed-retry-jitter=0",
    ),
    ("with jitter", "x-delayed-retry-min=1000"),
    ("limit 2", "x-delivery-limit=2"),
    ("limit 0", "x-delivery-limit=0"),
    (
        "limit 1, dead letters",
        "x-delivery-limit=1 x-delayed-retry-min=1000 x-delayed-retry-jitter=0 \
         x-dead-letter-exchange: x-dead-letter-routing-key:dead",
    ),
    (
        "limit 1, dead letters to nowhere",
        "x-delivery-limit=1 x-dead-letter-exchange:nowhere",
    ),
];

/// What happens in the middle of a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Crash,
    Stop,
}

/// One message on its way through its attempts.
struct Life {
    heart: Heart,
    now: u64,
    meanwhile: Meanwhile,
}

impl Life {
    fn new(arguments: &str, meanwhile: Meanwhile) -> Self {
        let heart = Heart::new(model::Limits::default());
        let mut life = Self {
            heart,
            now: 1000,
            meanwhile,
        };
        life.connect();
        life.run("1.1 declare dead");
        life.run(&format!("1.1 declare q x-consumer-timeout=100 {arguments}"));
        life.run("landed");
        life.run("1.1 publish - q m");
        life.run("landed");
        life
    }

    fn connect(&mut self) {
        self.run("connect 1");
        self.run("1.1 open");
    }

    fn run(&mut self, line: &str) -> Vec<String> {
        self.heart.run(line)
    }

    fn pass(&mut self, to: u64) {
        self.now = self.now.max(to);
        let now = self.now;
        self.run(&format!("at {now}"));
    }

    /// Takes the message, if it is ready: its tag, and what is told of earlier attempts.
    fn get(&mut self) -> Option<(u64, String)> {
        let told = self.run("1.1 get q");
        let got = told
            .iter()
            .find_map(|line| line.strip_prefix("1.1 get-ok ["))?;
        let (tag, told) = got.split_once(']').expect("a tag");
        let told = told.trim_end_matches(", 0 more").trim_start_matches(" #");
        let told = told.split_once(' ').map_or("first", |(_, told)| told);
        Some((tag.parse().expect("a number"), told.to_owned()))
    }

    /// Ends the attempt; when the wait began that the policy speaks of.
    fn end(&mut self, cause: &str, tag: u64) {
        match cause {
            "silent" => self.pass(self.now + 100),
            "nack" => drop(self.run(&format!("1.1 nack {tag} requeue"))),
            "reject" => drop(self.run(&format!("1.1 reject {tag} requeue"))),
            "recover" => drop(self.run("1.1 recover")),
            "channel closed" => {
                self.run("1.1 close");
                self.run("1.1 open");
            }
            "connection closed" => {
                self.run("close 1");
                self.connect();
            }
            _ => panic!("what is {cause}?"),
        }
        while self
            .run("fetched")
            .iter()
            .any(|line| line.starts_with("fetch"))
        {}
        self.run("landed");
    }

    /// Half the wait passes, if there is one, and the node is another one.
    fn restart(&mut self) {
        if self.meanwhile == Meanwhile::Nothing {
            return;
        }
        if self.whereabouts() == "delayed"
            && let Some(next) = self.next_deadline()
        {
            self.pass(self.now + (next - self.now) / 2);
        }
        if self.meanwhile == Meanwhile::Stop {
            self.run("stop");
            self.run("landed");
        }
        self.run("crash");
        self.connect();
    }

    fn next_deadline(&mut self) -> Option<u64> {
        self.run("wakes")[0].parse().ok()
    }

    /// Waits for the message to be ready again.
    fn await_ready(&mut self) -> Option<(u64, String)> {
        loop {
            if let Some(got) = self.get() {
                return Some(got);
            }
            let next = self.next_deadline()?;
            assert!(next > self.now, "a deadline that has come is no deadline");
            self.pass(next);
        }
    }

    fn whereabouts(&mut self) -> String {
        let told = self.run("operator queue / q").join(" ");
        let dead = self.run("1.1 declare dead passive").join(" ");
        let mut found = String::new();
        for state in ["ready", "unacked", "delayed", "parked"] {
            if told.contains(&format!("1 {state}")) {
                found.push_str(state);
            }
        }
        if dead.contains("dead 1 0") {
            found.push_str("dead-lettered");
        }
        found
    }
}

/// The attempts' times, from the end of the one before (from its begin, where the receiver is silent), and what was
/// told with each.
fn lived(cause: &str, arguments: &str, meanwhile: Meanwhile) -> String {
    let mut life = Life::new(arguments, meanwhile);
    let mut row = String::new();
    let (mut tag, _) = life.get().expect("it was published");
    for _ in 0..4 {
        let began = life.now;
        life.end(cause, tag);
        life.restart();
        let Some((next, told)) = life.await_ready() else {
            let found = life.whereabouts();
            write!(row, " | {found}").expect("a string takes all");
            return row;
        };
        let waited = life.now - began;
        let told = told.replace("redelivered after ", "");
        write!(row, " | +{waited}: {told}").expect("a string takes all");
        tag = next;
    }
    row
}

#[test]
fn every_cause_under_every_policy() {
    let mut table = String::new();
    for (name, arguments) in POLICIES {
        writeln!(table, "{name}").expect("a string takes all");
        for cause in CAUSES {
            let undisturbed = lived(cause, arguments, Meanwhile::Nothing);
            writeln!(table, "    {cause}{undisturbed}").expect("a string takes all");
            // What waits for nothing has no wait that a restart could be in the middle of: but it may come back to
            // another node.
            for meanwhile in [Meanwhile::Crash, Meanwhile::Stop] {
                assert_eq!(
                    lived(cause, arguments, meanwhile),
                    undisturbed,
                    "{name}, {cause}"
                );
            }
        }
    }
    expect![[r#"
        no policy
            silent | +100: 1 | +100: 2 | +100: 3 | +100: 4
            nack | +0: 1 | +0: 2 | +0: 3 | +0: 4
            reject | +0: 1 | +0: 2 | +0: 3 | +0: 4
            recover | +0: 1 | +0: 2 | +0: 3 | +0: 4
            channel closed | +0: 1 (1 lost) | +0: 2 (2 lost) | +0: 3 (3 lost) | +0: 4 (4 lost)
            connection closed | +0: 1 (1 lost) | +0: 2 (2 lost) | +0: 3 (3 lost) | +0: 4 (4 lost)
        disabled
            silent | +100: 1 | +100: 2 | +100: 3 | +100: 4
            nack | +0: 1 | +0: 2 | +0: 3 | +0: 4
            reject | +0: 1 | +0: 2 | +0: 3 | +0: 4
            recover | +0: 1 | +0: 2 | +0: 3 | +0: 4
            channel closed | +0: 1 (1 lost) | +0: 2 (2 lost) | +0: 3 (3 lost) | +0: 4 (4 lost)
            connection closed | +0: 1 (1 lost) | +0: 2 (2 lost) | +0: 3 (3 lost) | +0: 4 (4 lost)
        all
            silent | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            nack | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            reject | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            recover | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            channel closed | +1000: 1 (1 lost) | +2000: 2 (2 lost) | +4000: 3 (3 lost) | +8000: 4 (4 lost)
            connection closed | +1000: 1 (1 lost) | +2000: 2 (2 lost) | +4000: 3 (3 lost) | +8000: 4 (4 lost)
        a first wait alone
            silent | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            nack | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            reject | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            recover | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            channel closed | +1000: 1 (1 lost) | +2000: 2 (2 lost) | +4000: 3 (3 lost) | +8000: 4 (4 lost)
            connection closed | +1000: 1 (1 lost) | +2000: 2 (2 lost) | +4000: 3 (3 lost) | +8000: 4 (4 lost)
        failed
            silent | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            nack | +0: 1 | +0: 2 | +0: 3 | +0: 4
            reject | +0: 1 | +0: 2 | +0: 3 | +0: 4
            recover | +0: 1 | +0: 2 | +0: 3 | +0: 4
            channel closed | +1000: 1 (1 lost) | +2000: 2 (2 lost) | +4000: 3 (3 lost) | +8000: 4 (4 lost)
            connection closed | +1000: 1 (1 lost) | +2000: 2 (2 lost) | +4000: 3 (3 lost) | +8000: 4 (4 lost)
        returned
            silent | +100: 1 | +100: 2 | +100: 3 | +100: 4
            nack | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            reject | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            recover | +1000: 1 | +2000: 2 | +4000: 3 | +8000: 4
            channel closed | +0: 1 (1 lost) | +0: 2 (2 lost) | +0: 3 (3 lost) | +0: 4 (4 lost)
            connection closed | +0: 1 (1 lost) | +0: 2 (2 lost) | +0: 3 (3 lost) | +0: 4 (4 lost)
        capped, threefold
            silent | +1000: 1 | +2500: 2 | +2500: 3 | +2500: 4
            nack | +1000: 1 | +2500: 2 | +2500: 3 | +2500: 4
            reject | +1000: 1 | +2500: 2 | +2500: 3 | +2500: 4
            recover | +1000: 1 | +2500: 2 | +2500: 3 | +2500: 4
            channel closed | +1000: 1 (1 lost) | +2500: 2 (2 lost) | +2500: 3 (3 lost) | +2500: 4 (4 lost)
            connection closed | +1000: 1 (1 lost) | +2500: 2 (2 lost) | +2500: 3 (3 lost) | +2500: 4 (4 lost)
        with jitter
            silent | +988: 1 | +1947: 2 | +4060: 3 | +7611: 4
            nack | +988: 1 | +1947: 2 | +4060: 3 | +7611: 4
            reject | +988: 1 | +1947: 2 | +4060: 3 | +7611: 4
            recover | +988: 1 | +1947: 2 | +4060: 3 | +7611: 4
            channel closed | +988: 1 (1 lost) | +1947: 2 (2 lost) | +4060: 3 (3 lost) | +7611: 4 (4 lost)
            connection closed | +988: 1 (1 lost) | +1947: 2 (2 lost) | +4060: 3 (3 lost) | +7611: 4 (4 lost)
        limit 2
            silent | +100: 1 | +100: 2 | parked
            nack | +0: 1 | +0: 2 | parked
            reject | +0: 1 | +0: 2 | parked
            recover | +0: 1 | +0: 2 | parked
            channel closed | +0: 1 (1 lost) | +0: 2 (2 lost) | parked
            connection closed | +0: 1 (1 lost) | +0: 2 (2 lost) | parked
        limit 0
            silent | parked
            nack | parked
            reject | parked
            recover | parked
            channel closed | parked
            connection closed | parked
        limit 1, dead letters
            silent | +1000: 1 | dead-lettered
            nack | +1000: 1 | dead-lettered
            reject | +1000: 1 | dead-lettered
            recover | +1000: 1 | dead-lettered
            channel closed | +1000: 1 (1 lost) | dead-lettered
            connection closed | +1000: 1 (1 lost) | dead-lettered
        limit 1, dead letters to nowhere
            silent | +100: 1 | parked
            nack | +0: 1 | parked
            reject | +0: 1 | parked
            recover | +0: 1 | parked
            channel closed | +0: 1 (1 lost) | parked
            connection closed | +0: 1 (1 lost) | parked
    "#]].assert_eq(&table);
}
