//! The tables of docs/delays.md.

use super::LIVE;
use super::waiting::Waiting;
use crate::bench::load::Figures;
use crate::bench::report::{when_and_where, write_into};
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

/// What messages take that wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) waiting: Waiting,
    /// Memory when they had been published.
    pub(super) published: u64,
    /// Memory after a start.
    pub(super) started: u64,
    /// How long a start takes after a clean stop.
    pub(super) after_stop: Duration,
    /// The same after SIGKILL.
    pub(super) after_kill: Duration,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "| {} | {:.1} | {:.1} | {:.2} | {:.2} |",
            self.waiting,
            mib(self.published),
            mib(self.started),
            self.after_stop.as_secs_f64(),
            self.after_kill.as_secs_f64()
        )
    }
}

/// All figures.
pub(super) struct Report {
    messages: u32,
    rooms: Vec<Room>,
    /// What one publisher and one consumer of another queue get.
    live: BTreeMap<Waiting, Vec<Figures>>,
    /// Milliseconds from when messages were due to when they came, in rising order.
    late_ms: Vec<f64>,
}

impl Report {
    pub(super) fn new(
        messages: u32,
        rooms: Vec<Room>,
        live: BTreeMap<Waiting, Vec<Figures>>,
        mut late_ms: Vec<f64>,
    ) -> Self {
        late_ms.sort_unstable_by(f64::total_cmp);
        Self {
            messages,
            rooms,
            live,
            late_ms,
        }
    }

    pub(super) fn tables(&self) -> String {
        let mut out = format!(
            "{}; {} messages of 16 B wait.\n",
            when_and_where(),
            self.messages
        );
        self.add_rooms(&mut out);
        self.add_live(&mut out);
        self.add_punctuality(&mut out);
        out
    }

    fn add_rooms(&self, out: &mut String) {
        *out += "\n| what waits | MiB when published | MiB after a start | start after a stop, s | after kill -9, s | bytes each after a start, nothing = 0 |\n|---|---:|---:|---:|---:|---:|\n";
        let nothing = self
            .rooms
            .iter()
            .find(|room| room.waiting == Waiting::Nothing);
        let nothing = nothing.map_or(0, |room| room.started);
        for room in &self.rooms {
            let each = (room.started as f64 - nothing as f64) / f64::from(self.messages);
            writeln!(out, "{room} {each:.1} |").expect("a string takes all");
        }
    }

    fn add_live(&self, out: &mut String) {
        let (size, window) = LIVE;
        // The best run of each: what others use of the machine in the rest says nothing of the server.
        let best = |waiting| {
            let runs = self.live.get(&waiting).into_iter().flatten();
            runs.max_by(|one, other| one.acked_per_s.total_cmp(&other.acked_per_s))
        };
        let figure = |waiting, of: fn(&Figures) -> f64| best(waiting).map_or(f64::NAN, of);
        let rates: [fn(&Figures) -> f64; 3] = [
            |one| one.confirmed_per_s,
            |one| one.acked_per_s,
            |one| one.server_cpu_us,
        ];
        writeln!(
            out,
            "\nA queue beside them, {size} B, window {window}, the best of some runs:\n\n| what waits | confirmed/s | acked/s | server CPU µs/msg | acked/s, nothing = 1 | CPU, nothing = 1 |\n|---|---:|---:|---:|---:|---:|"
        )
        .expect("a string takes all");
        for &waiting in self.live.keys() {
            let [confirmed, acked, cpu] = rates.map(|rate| figure(waiting, rate));
            let [_, acked_alone, cpu_alone] = rates.map(|rate| figure(Waiting::Nothing, rate));
            writeln!(
                out,
                "| {waiting} | {confirmed:.0} | {acked:.0} | {cpu:.2} | {:.2} | {:.2} |",
                acked / acked_alone,
                cpu / cpu_alone
            )
            .expect("a string takes all");
        }
    }

    fn add_punctuality(&self, out: &mut String) {
        let part = |part: f64| {
            let at = (self.late_ms.len() as f64 * part) as usize;
            self.late_ms
                .get(at.min(self.late_ms.len().saturating_sub(1)))
                .copied()
                .unwrap_or(f64::NAN)
        };
        writeln!(
            out,
            "\n| messages due | soonest, ms after their time | p50 | p99 | latest |\n|---:|---:|---:|---:|---:|\n| {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            self.late_ms.len(),
            part(0.0),
            part(0.5),
            part(0.99),
            part(1.0)
        )
        .expect("a string takes all");
    }

    /// Puts the tables between the two marks in docs/delays.md.
    pub(super) fn write_into_the_documents(&self) -> Result<()> {
        write_into("docs/delays.md", BEGIN, END, &self.tables())
    }
}

const BEGIN: &str = "<!-- figures from here, written by `cargo xtask delays --write` -->";
const END: &str = "<!-- figures to here -->";
