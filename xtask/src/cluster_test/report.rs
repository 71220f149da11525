//! What came out: a line for each kind of fault, and the same for programs in `target/cluster-test.json`.

use super::faults::Fault;
use super::ledger::Counts;
use super::load::Ended;
use crate::shell::target_dir;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The last words of a node that does not find what it took for landed.
const DATABASE_LOST: &str = "the database has lost what it had committed";

/// One fault as clients saw it.
pub(super) struct Run {
    /// The longest pause of each sender.
    pub(super) publishers: Vec<Duration>,
    /// The longest pause of each receiver.
    pub(super) consumers: Vec<Duration>,
    pub(super) counts: Counts,
    /// Clients needed so long when everything was whole again.
    pub(super) back_after: Duration,
    /// Which messages were lost.
    pub(super) lost: Vec<String>,
}

impl Run {
    /// In a line.
    pub(super) fn text(&self) -> String {
        let (publishers, consumers) = (
            Pauses::of([&self.publishers]),
            Pauses::of([&self.consumers]),
        );
        let counts = &self.counts;
        let mut text = format!(
            "publishers waited {publishers}, consumers {consumers}; all at work {:.1} s after the repair; confirmed \
             {}, duplicates {}, lost {}, invented {}",
            self.back_after.as_secs_f64(),
            counts.confirmed,
            counts.duplicates,
            counts.lost,
            counts.invented
        );
        if counts.is_bad() {
            let _ = write!(text, "\nBROKEN: {counts:?} {}", self.lost.join("; "));
        }
        text
    }
}

/// Half of the clients waited no longer than the first; none longer than the second.
struct Pauses {
    median: Duration,
    longest: Duration,
}

impl Pauses {
    fn of<'a>(pauses: impl IntoIterator<Item = &'a Vec<Duration>>) -> Self {
        let mut all: Vec<Duration> = pauses.into_iter().flatten().copied().collect();
        all.sort();
        Self {
            median: all.get(all.len() / 2).copied().unwrap_or_default(),
            longest: all.last().copied().unwrap_or_default(),
        }
    }

    fn json(&self) -> Value {
        json!({"median_s": self.median.as_secs_f64(), "longest_s": self.longest.as_secs_f64()})
    }
}

impl std::fmt::Display for Pauses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (median, longest) = (self.median, self.longest);
        if longest < Duration::from_secs(1) {
            return write!(f, "{} / {} ms", median.as_millis(), longest.as_millis());
        }
        write!(
            f,
            "{:.1} / {:.1} s",
            median.as_secs_f64(),
            longest.as_secs_f64()
        )
    }
}

/// All runs.
#[derive(Default)]
pub(super) struct Report {
    runs: BTreeMap<Fault, Vec<Run>>,
    ended: Option<Ended>,
    /// Of the whole run, with what was found at its end.
    all: Counts,
    pub(super) lost_in_the_end: Vec<String>,
    /// Nodes that ended by themselves and were started again.
    pub(super) ended_by_themselves: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, fault: Fault, run: Run) {
        self.runs.entry(fault).or_default().push(run);
    }

    /// The clients have ended.
    pub(super) fn end(&mut self, ended: Ended, counts: Counts) {
        self.ended = Some(ended);
        self.all = counts;
    }

    /// The table for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "\n{:<24} {:>4}  {:>14} {:>6}  {:>14} {:>10} {:>9} {:>5} {:>8}\n",
            "fault",
            "runs",
            "publishers",
            "goal",
            "consumers",
            "duplicates",
            "confirmed",
            "lost",
            "invented"
        );
        text += &format!(
            "{:<24} {:>4}  {:>14} {:>6}  {:>14}\n",
            "", "", "p50 / max", "", "p50 / max"
        );
        for (fault, runs) in &self.runs {
            let (publishers, consumers, counts) = sum(runs);
            let goal = fault.goal();
            let verdict = goal.map_or_else(String::new, |goal| {
                let sign = if publishers.longest > goal {
                    ">"
                } else {
                    "ok "
                };
                format!("{sign}{:.0} s", goal.as_secs_f64())
            });
            let _ = writeln!(
                text,
                "{:<24} {:>4}  {:>14} {verdict:>6}  {:>14} {:>10} {:>9} {:>5} {:>8}",
                fault.name(),
                runs.len(),
                publishers.to_string(),
                consumers.to_string(),
                counts.duplicates,
                counts.confirmed,
                counts.lost,
                counts.invented,
            );
        }
        if let Some(ended) = &self.ended {
            let all = &self.all;
            let _ = writeln!(
                text,
                "\nconfirmed {}, lost {}, invented {}, out of order {}, again without the mark {}, duplicates {}; \
                 transmitted again {}, connections lost {}",
                all.confirmed,
                all.lost,
                all.invented,
                all.disordered,
                all.unmarked,
                all.duplicates,
                ended.retransmitted,
                ended.reconnected
            );
        }
        for ended in &self.ended_by_themselves {
            let _ = writeln!(text, "ended by itself, and was started again: {ended}");
        }
        text
    }

    /// The same for programs.
    pub(super) fn write(&self) -> Result<()> {
        let faults = self.runs.iter().map(|(fault, runs)| {
            let (publishers, consumers, counts) = sum(runs);
            json!({
                "fault": fault.name(),
                "runs": runs.len(),
                "goal_s": fault.goal().map(|goal| goal.as_secs_f64()),
                "publishers": publishers.json(),
                "consumers": consumers.json(),
                "counts": counts,
            })
        });
        let document = json!({
            "faults": faults.collect::<Vec<Value>>(),
            "all": self.all,
            "lost_in_the_end": self.lost_in_the_end,
            "ended_by_themselves": self.ended_by_themselves,
            "reconnected": self.ended.as_ref().map(|ended| ended.reconnected),
            "retransmitted": self.ended.as_ref().map(|ended| ended.retransmitted),
        });
        let path = target_dir().join("cluster-test.json");
        std::fs::write(&path, serde_json::to_string_pretty(&document)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether every promise was kept. Pauses over their goals are told, not judged: machines under test are busy.
    pub(super) fn verdict(&self) -> Result<()> {
        let Some(ended) = &self.ended else {
            bail!("the clients did not end");
        };
        if let Some(failed) = ended.failed.first() {
            bail!(
                "{} messages were given up by their senders: {failed}",
                ended.failed.len()
            );
        }
        if self.all.is_bad() {
            bail!(
                "a promise is broken: {:?} {}",
                self.all,
                self.lost_in_the_end.join("; ")
            );
        }
        let lost = |line: &&String| line.contains(DATABASE_LOST);
        if let Some(line) = self.ended_by_themselves.iter().find(lost) {
            bail!("no database lost anything here, and a node relied on what was not safe: {line}");
        }
        if self.runs.is_empty() {
            bail!("no fault came");
        }
        Ok(())
    }
}

fn sum(runs: &[Run]) -> (Pauses, Pauses, Counts) {
    let mut counts = Counts::default();
    runs.iter().for_each(|run| counts.add(&run.counts));
    let publishers = Pauses::of(runs.iter().map(|run| &run.publishers));
    let consumers = Pauses::of(runs.iter().map(|run| &run.consumers));
    (publishers, consumers, counts)
}
