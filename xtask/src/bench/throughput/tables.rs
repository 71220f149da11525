//! Throughput and latency as tables.

use super::{Line, Throughput};
use crate::bench::cell::Cell;
use crate::bench::layout::Layout;
use crate::bench::load::Figures;
use crate::bench::peers::Subject;
use crate::bench::report::Table;

/// One run, told while the others are still to come.
pub(super) fn progress(
    subject: Subject,
    cell: Cell,
    pace: Option<f64>,
    figures: &Figures,
) -> String {
    format!(
        "{:>23} {:>5} B window {:>4} {:>12}{}: {:>9.0} confirmed/s {:>9.0} acked/s, end to end {:>8.0} and {:>8.0} µs, {:>7.1} µs CPU",
        subject.name(),
        cell.size,
        cell.window,
        cell.layout.to_string(),
        pace.map_or(String::new(), |pace| format!(" at {pace:.0}/s")),
        figures.confirmed_per_s,
        figures.acked_per_s,
        figures.through_p50_us,
        figures.through_p99_us,
        figures.server_cpu_us,
    )
}

impl Throughput {
    /// In Markdown that reads well as plain text too.
    pub(in crate::bench) fn tables(&self) -> String {
        let tables = [
            self.plain(),
            self.layouts(),
            self.half_rates(),
            self.beside_the_disk(),
        ];
        let tables: Vec<String> = tables.iter().filter_map(Table::text).collect();
        format!("{}\n\n{}", self.taken, tables.join("\n"))
    }

    fn plain(&self) -> Table {
        let mut table = Table::new(
            "body B | window | server: | confirmed/s | acked/s | confirm p50 µs | p99 | end to end p50 µs | p99 | server CPU µs/msg | generator CPU µs/msg | load | Landfall's acked/s, this = 1 | this one's CPU, Landfall's = 1",
        );
        let plain = |line: &&Line| line.cell.layout == Layout::Plain;
        for line in self.lines.iter().filter(plain) {
            let figures = &line.median;
            let ours = self.find(line.cell, Subject::Landfall);
            table.row([
                line.cell.size.to_string(),
                line.cell.window.to_string(),
                line.subject.name().into(),
                format!("{:.0}", figures.confirmed_per_s),
                format!("{:.0}", figures.acked_per_s),
                format!("{:.0}", figures.confirm_p50_us),
                format!("{:.0}", figures.confirm_p99_us),
                format!("{:.0}", figures.through_p50_us),
                format!("{:.0}", figures.through_p99_us),
                format!("{:.1}", figures.server_cpu_us),
                format!("{:.1}", figures.generator_cpu_us),
                format!("{:.1}", figures.load),
                part(ours.map(|ours| ours.acked_per_s / figures.acked_per_s)),
                part(ours.map(|ours| figures.server_cpu_us / ours.server_cpu_us)),
            ]);
        }
        table
    }

    /// What bindings, publishers and consumers cost, as a part of what the same server does with one and one.
    fn layouts(&self) -> Table {
        let mut table = Table::new(
            "body B | window | layout: | server: | confirmed/s | acked/s | confirmed/s, plain = 1 | acked/s, plain = 1 | end to end p50 µs | p99 | server CPU µs/msg",
        );
        let others = |line: &&Line| line.cell.layout != Layout::Plain;
        for line in self.lines.iter().filter(others) {
            let figures = &line.median;
            let plain = self.find(Cell::plain(line.cell.size, line.cell.window), line.subject);
            table.row([
                line.cell.size.to_string(),
                line.cell.window.to_string(),
                line.cell.layout.to_string(),
                line.subject.name().into(),
                format!("{:.0}", figures.confirmed_per_s),
                format!("{:.0}", figures.acked_per_s),
                part(plain.map(|plain| figures.confirmed_per_s / plain.confirmed_per_s)),
                part(plain.map(|plain| figures.acked_per_s / plain.acked_per_s)),
                format!("{:.0}", figures.through_p50_us),
                format!("{:.0}", figures.through_p99_us),
                format!("{:.1}", figures.server_cpu_us),
            ]);
        }
        table
    }

    fn half_rates(&self) -> Table {
        let mut table = Table::new(
            "body B | server: | at half of its rate: messages/s | confirm p50 µs | p99 | end to end p50 µs | p99 | server CPU µs/msg",
        );
        for line in &self.half_rate {
            let figures = &line.median;
            table.row([
                line.cell.size.to_string(),
                line.subject.name().into(),
                format!("{:.0}", figures.acked_per_s),
                format!("{:.0}", figures.confirm_p50_us),
                format!("{:.0}", figures.confirm_p99_us),
                format!("{:.0}", figures.through_p50_us),
                format!("{:.0}", figures.through_p99_us),
                format!("{:.1}", figures.server_cpu_us),
            ]);
        }
        table
    }

    fn beside_the_disk(&self) -> Table {
        let mut table = Table::new(
            "body B | write + fdatasync /s | Landfall, window 1, confirmed/s | part of it",
        );
        for raw in &self.raw {
            if let Some(ours) = self.find(Cell::plain(raw.size, 1), Subject::Landfall) {
                table.row([
                    raw.size.to_string(),
                    format!("{:.0}", raw.syncs_per_s),
                    format!("{:.0}", ours.confirmed_per_s),
                    format!("{:.0} %", 100.0 * ours.confirmed_per_s / raw.syncs_per_s),
                ]);
            }
        }
        table
    }
}

fn part(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |ratio| {
        if ratio < 10.0 {
            format!("{ratio:.2}")
        } else {
            format!("{ratio:.0}")
        }
    })
}
