//! What Landfall wants to reach, and whether it did in this run.

use super::backlog::{self, Backlog};
use super::bounded::Bounded;
use super::cell::Cell;
use super::consumers::{Consumers, PREFETCHES, prefetch_name};
use super::fan_out::FanOut;
use super::layout::Layout;
use super::load::Figures;
use super::peers::Subject;
use super::queues::Queues;
use super::report::Table;
use super::results::Results;
use super::throughput::{GREATEST, Throughput};
use std::ops::RangeInclusive;

/// A figure that is to be reached.
#[derive(Debug, PartialEq)]
pub(super) struct Goal {
    what: String,
    bound: Bound,
    unit: &'static str,
    measured: Option<f64>,
    /// Beyond these the disk was another one than when it was measured by itself.
    believable: RangeInclusive<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub(super) fn at_least(
        bound: f64,
        unit: &'static str,
        what: impl Into<String>,
        measured: Option<f64>,
    ) -> Self {
        Self {
            what: what.into(),
            bound: Bound::AtLeast(bound),
            unit,
            measured,
            believable: f64::NEG_INFINITY..=f64::INFINITY,
        }
    }

    pub(super) fn at_most(
        bound: f64,
        unit: &'static str,
        what: impl Into<String>,
        measured: Option<f64>,
    ) -> Self {
        Self {
            what: what.into(),
            bound: Bound::AtMost(bound),
            unit,
            measured,
            believable: f64::NEG_INFINITY..=f64::INFINITY,
        }
    }

    fn believable(self, believable: RangeInclusive<f64>) -> Self {
        Self { believable, ..self }
    }

    /// 1 and more where it is reached.
    fn part(&self) -> Option<f64> {
        let measured = self.measured?;
        Some(match self.bound {
            Bound::AtLeast(least) => measured / least,
            Bound::AtMost(most) => most / measured,
        })
    }

    fn verdict(&self) -> String {
        match self.part() {
            None => "not measured".into(),
            Some(_)
                if !self
                    .measured
                    .is_some_and(|one| self.believable.contains(&one)) =>
            {
                "no verdict: the disk's rate changed meanwhile".into()
            }
            Some(part) if part >= 1.0 => "**reached**".into(),
            Some(part) => format!("{:.0} % of it", (100.0 * part).floor()),
        }
    }
}

/// Every goal with what was measured.
pub(super) fn goals(results: &Results) -> Vec<Goal> {
    [
        throughput(results.throughput.as_ref()),
        latency(results.throughput.as_ref()),
        queues(results.queues.as_ref()),
        backlog(results.backlog.as_ref()),
        consumers(results.consumers.as_ref()),
        rest(results),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A row for each goal.
pub(super) fn table(goals: &[Goal]) -> String {
    let mut table = Table::new("what: | goal | measured | verdict:");
    for goal in goals {
        let (sign, bound) = match goal.bound {
            Bound::AtLeast(bound) => ("≥", bound),
            Bound::AtMost(bound) => ("≤", bound),
        };
        let measured = goal.measured.map(rounded);
        table.row([
            goal.what.clone(),
            format!("{sign} {}{}", rounded(bound), goal.unit),
            measured.map_or("-".into(), |measured| format!("{measured}{}", goal.unit)),
            goal.verdict(),
        ]);
    }
    table.text().unwrap_or_default()
}

fn rounded(value: f64) -> String {
    let places = match value.abs() {
        1000.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

fn throughput(throughput: Option<&Throughput>) -> Vec<Goal> {
    let find = |cell, subject| throughput.and_then(|all| all.find(cell, subject));
    let ours = |cell| find(cell, Subject::Landfall);
    let acked = |figures: Option<&Figures>| figures.map(|figures| figures.acked_per_s);
    let mut goals = Vec::new();
    for (subject, times) in [
        (Subject::RabbitQuorum, 30.0),
        (Subject::Nats, 3.0),
        (Subject::Redis, 5.0),
    ] {
        let ratio = ratio(acked(ours(GREATEST)), acked(find(GREATEST, subject)));
        let what = format!("1 throughput: acked/s, {} = 1", subject.name());
        goals.push(Goal::at_least(times, "", what, ratio));
    }
    for (size, most) in [(16, 2.0), (1024, 3.0), (16 * 1024, 12.0)] {
        let cell = Cell::plain(size, GREATEST.window);
        let cpu = ours(cell).map(|figures| figures.server_cpu_us);
        let what = format!("1 server CPU a message of {size} B");
        goals.push(Goal::at_most(most, " µs", what, cpu));
    }
    for (layout, what) in [
        (Layout::Shared(10), "on one queue"),
        (Layout::Pairs(10), "on ten queues"),
    ] {
        let cell = Cell { layout, ..GREATEST };
        let ratio = ratio(acked(ours(cell)), acked(ours(GREATEST)));
        let what = format!("1 ten publishers and ten consumers {what}, one and one = 1");
        goals.push(Goal::at_least(1.0, "", what, ratio));
    }
    goals
}

fn latency(throughput: Option<&Throughput>) -> Vec<Goal> {
    let one = Cell::plain(1024, 1);
    let find = |subject| throughput.and_then(|all| all.find(one, subject));
    let ours = find(Subject::Landfall);
    let raw = throughput.and_then(|all| all.raw(one.size));
    let over_raw = ours
        .zip(raw)
        .map(|(ours, raw)| ours.through_p50_us - 1e6 / raw);
    let quorum = find(Subject::RabbitQuorum).map(|quorum| quorum.through_p50_us);
    let half = throughput.and_then(|all| all.at_half_rate(Subject::Landfall));
    vec![
        Goal::at_least(
            70.0,
            " %",
            "2 latency: window 1, confirms as a part of raw write + fdatasync",
            ratio(ours.map(|ours| 100.0 * ours.confirmed_per_s), raw),
        )
        .believable(0.0..=100.0),
        Goal::at_most(
            100.0,
            " µs",
            "2 window 1, end to end p50 less a raw write + fdatasync",
            over_raw,
        )
        .believable(0.0..=f64::INFINITY),
        Goal::at_most(
            3.0,
            "",
            "2 window 1, end to end p99, p50 of RabbitMQ quorum = 1",
            ratio(ours.map(|ours| ours.through_p99_us), quorum),
        ),
        Goal::at_most(
            10.0,
            " ms",
            "2 at half of the greatest rate, end to end p99",
            half.map(|half| half.through_p99_us / 1e3),
        ),
    ]
}

fn queues(queues: Option<&Queues>) -> Vec<Goal> {
    let most = queues.and_then(|queues| queues.idle.iter().max_by_key(|line| line.queues));
    let what = |what: &str| {
        let queues = most.map_or("?".into(), |line| line.queues.to_string());
        format!("3 {queues} idle queues: {what}")
    };
    vec![
        Goal::at_least(
            0.8,
            "",
            "3 queues: acked/s with 1,000 of them, one = 1",
            queues.and_then(|queues| queues.kept(1_000)),
        ),
        Goal::at_most(
            1024.0,
            " B",
            what("memory of each"),
            most.map(|line| line.most_each()),
        ),
        Goal::at_most(2.0, " s", what("start"), most.map(|line| line.start_s)),
    ]
}

fn consumers(consumers: Option<&Consumers>) -> Vec<Goal> {
    let mut goals = Vec::new();
    for prefetch in PREFETCHES {
        let name = prefetch_name(prefetch);
        goals.push(Goal::at_least(
            0.8,
            "",
            format!("5 1 to 1,000 consumers, prefetch {name}: least rate, greatest = 1"),
            consumers.and_then(|consumers| consumers.evenness(prefetch)),
        ));
        goals.push(Goal::at_least(
            0.8,
            "",
            format!("5 1 to 1,000 consumers, prefetch {name}: least share, greatest = 1"),
            consumers.and_then(|consumers| consumers.fairness(prefetch)),
        ));
    }
    let beside = consumers.map(|consumers| {
        let unread = &consumers.unread;
        unread.beside.acked_per_s / unread.alone.acked_per_s
    });
    let what = "5 beside a consumer that does not read: acked/s, alone = 1";
    goals.push(Goal::at_least(0.9, "", what, beside));
    goals
}

fn rest(results: &Results) -> Vec<Goal> {
    let idle = results.idle.as_ref().map(|idle| idle.each() / 1024.0);
    let fan_out = results.fan_out.as_ref();
    vec![
        Goal::at_most(32.0, " KiB", "5 an idle connection", idle),
        Goal::at_most(
            1.5,
            "",
            "6 fan-out to 100 queues: bytes written, one queue = 1",
            fan_out.and_then(FanOut::written_part),
        ),
        Goal::at_most(
            1.5,
            "",
            "6 fan-out to 100 queues: bytes of memory, one body = 1",
            fan_out.and_then(FanOut::bodies_in_memory),
        ),
        Goal::at_most(
            1.0,
            "",
            "7 bounds: most memory under overload, the limit = 1",
            results.bounded.as_ref().and_then(Bounded::part_of_limit),
        ),
    ]
}

/// Of the largest one that was measured.
fn backlog(backlog: Option<&Backlog>) -> Vec<Goal> {
    let largest = backlog.and_then(|backlog| backlog.lines.iter().max_by_key(|line| line.messages));
    let figure = |of: fn(&backlog::Line) -> f64| largest.map(of);
    let what = |what: &str| {
        let messages = largest.map_or("?".into(), |line| line.messages.to_string());
        format!("4 backlog of {messages}: {what}")
    };
    let memory = |line: &backlog::Line| {
        let restarts = line.after_stop.memory.max(line.after_kill.memory);
        line.memory.max(restarts) as f64 / f64::from(1 << 20)
    };
    let restart = |line: &backlog::Line| {
        let (stop, kill) = (line.after_stop, line.after_kill);
        stop.first_delivery_s.max(kill.first_delivery_s)
    };
    let publish = figure(backlog::Line::publish_part);
    let drain = figure(backlog::Line::drain_part);
    let disk = figure(backlog::Line::disk_part);
    vec![
        Goal::at_most(150.0, " MiB", what("memory"), figure(memory)),
        Goal::at_least(0.8, "", what("publish rate, empty queue = 1"), publish),
        Goal::at_most(1.0, " s", what("start to first delivery"), figure(restart)),
        Goal::at_least(0.8, "", what("drain rate, live queue = 1"), drain),
        Goal::at_most(1.3, "", what("disk that it pins, its own bytes = 1"), disk),
    ]
}

fn ratio(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_missed_in_part_or_not_measured() {
        let verdict = |goal: Goal| goal.verdict();
        assert_eq!(
            verdict(Goal::at_least(3.0, "", "", Some(3.0))),
            "**reached**"
        );
        assert_eq!(
            verdict(Goal::at_least(3.0, "", "", Some(1.5))),
            "50 % of it"
        );
        assert_eq!(
            verdict(Goal::at_most(3.0, "", "", Some(2.0))),
            "**reached**"
        );
        assert_eq!(
            verdict(Goal::at_most(3.0, "", "", Some(3.001))),
            "99 % of it"
        );
        assert_eq!(verdict(Goal::at_most(3.0, "", "", None)), "not measured");
        let more_than_the_disk_can = Goal::at_least(70.0, "", "", Some(120.0));
        let verdict = verdict(more_than_the_disk_can.believable(0.0..=100.0));
        assert!(verdict.starts_with("no verdict"), "{verdict}");
    }

    #[test]
    fn figures_are_rounded_to_what_can_be_told() {
        let texts = [0.5, 30.0, 12.34, 1234.5, 2.999].map(rounded);
        assert_eq!(texts, ["0.5", "30", "12.3", "1234", "3"]);
    }

    #[test]
    fn without_figures_every_goal_is_still_named() {
        let table = table(&goals(&Results::default()));
        assert!(table.lines().count() > 10, "{table}");
        assert!(table.contains("| ≥ 30 | - | not measured |"), "{table}");
    }
}
