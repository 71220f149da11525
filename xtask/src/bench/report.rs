//! The figures as tables: for the terminal and docs/benchmarks.md, and as JSON with every single run.

use super::layout::Layout;
use super::load::Figures;
use super::{Cell, Subject};
use crate::shell::{command, root};
use anyhow::{Context, Result};
use serde_json::json;
use std::fmt::Write;

/// A row of the table.
pub(super) struct Line {
    cell: Cell,
    subject: Subject,
    /// The median of each figure by itself.
    median: Figures,
    runs: Vec<Figures>,
}

impl Line {
    /// The medians of some runs.
    pub(super) fn new(cell: Cell, subject: Subject, runs: Vec<Figures>) -> Self {
        let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
        let median = Figures {
            messages: runs.iter().map(|run| run.messages).sum(),
            confirmed_per_s: of(|run| run.confirmed_per_s),
            acked_per_s: of(|run| run.acked_per_s),
            confirm_p50_us: of(|run| run.confirm_p50_us),
            confirm_p99_us: of(|run| run.confirm_p99_us),
            server_cpu_us: of(|run| run.server_cpu_us),
            generator_cpu_us: of(|run| run.generator_cpu_us),
        };
        Self {
            cell,
            subject,
            median,
            runs,
        }
    }
}

/// All that was measured.
pub(super) struct Report {
    pub(super) lines: Vec<Line>,
    /// By size: writes with fdatasync in a second.
    pub(super) raw: Vec<(usize, f64)>,
    pub(super) seconds: f64,
    pub(super) rounds: u32,
}

/// One run, told while the others are still to come.
pub(super) fn progress(round: u32, subject: Subject, cell: Cell, figures: &Figures) -> String {
    format!(
        "round {} {:>16} {:>5} B window {:>4} {:>12}: {:>9.0} confirmed/s {:>9.0} acked/s {:>7.1} µs CPU",
        round + 1,
        subject.name(),
        cell.size,
        cell.window,
        cell.layout.to_string(),
        figures.confirmed_per_s,
        figures.acked_per_s,
        figures.server_cpu_us,
    )
}

impl Report {
    /// The tables, in Markdown that reads well as plain text too.
    pub(super) fn table(&self) -> String {
        let mut out = format!("{}\n\n", self.circumstances());
        out += "| body B | window | server | confirmed/s | acked/s | confirm p50 µs | p99 µs | server CPU µs/msg | generator CPU µs/msg | confirmed/s, RabbitMQ quorum = 1 | acked/s, RabbitMQ quorum = 1 |\n";
        out += "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
        let plain = |line: &&Line| line.cell.layout == Layout::Plain;
        for line in self.lines.iter().filter(plain) {
            let Figures {
                confirmed_per_s,
                acked_per_s,
                confirm_p50_us,
                confirm_p99_us,
                server_cpu_us,
                ..
            } = line.median;
            let ratio = |rate: fn(&Figures) -> f64| {
                let ratio = self.ratio_to_quorum(line, rate);
                ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}"))
            };
            let confirmed = ratio(|figures| figures.confirmed_per_s);
            let acked = ratio(|figures| figures.acked_per_s);
            writeln!(
                out,
                "| {} | {} | {} | {confirmed_per_s:.0} | {acked_per_s:.0} | {confirm_p50_us:.0} | {confirm_p99_us:.0} | {server_cpu_us:.1} | {:.1} | {confirmed} | {acked} |",
                line.cell.size,
                line.cell.window,
                line.subject.name(),
                line.median.generator_cpu_us,
            )
            .expect("a string takes all that is written");
        }
        self.add_layouts(&mut out);
        if !self.raw.is_empty() {
            out += "\n| body B | write + fdatasync /s | Landfall, window 1, confirmed/s | part of it |\n|---:|---:|---:|---:|\n";
        }
        for (size, raw) in &self.raw {
            let cell = Cell::plain(*size, 1);
            if let Some(ours) = self.find(cell, Subject::Landfall) {
                let rate = ours.median.confirmed_per_s;
                writeln!(
                    out,
                    "| {size} | {raw:.0} | {rate:.0} | {:.0} % |",
                    100.0 * rate / raw
                )
                .expect("a string takes all that is written");
            }
        }
        out
    }

    /// What bindings and queues cost, as a part of what the same server does with one queue and none.
    fn add_layouts(&self, out: &mut String) {
        let others = |line: &&Line| line.cell.layout != Layout::Plain;
        let mut lines = self.lines.iter().filter(others).peekable();
        if lines.peek().is_none() {
            return;
        }
        *out += "\n| body B | window | layout | server | confirmed/s | acked/s | confirmed/s, plain = 1 | acked/s, plain = 1 | server CPU µs/msg |\n";
        *out += "|---:|---:|---|---|---:|---:|---:|---:|---:|\n";
        for line in lines {
            let Cell {
                size,
                window,
                layout,
            } = line.cell;
            let plain = self.find(Cell::plain(size, window), line.subject);
            let part = |rate: fn(&Figures) -> f64| {
                let part = plain.map(|plain| rate(&line.median) / rate(&plain.median));
                part.map_or("-".to_owned(), |part| format!("{part:.2}"))
            };
            writeln!(
                out,
                "| {size} | {window} | {layout} | {} | {:.0} | {:.0} | {} | {} | {:.1} |",
                line.subject.name(),
                line.median.confirmed_per_s,
                line.median.acked_per_s,
                part(|figures| figures.confirmed_per_s),
                part(|figures| figures.acked_per_s),
                line.median.server_cpu_us,
            )
            .expect("a string takes all that is written");
        }
    }

    fn find(&self, cell: Cell, subject: Subject) -> Option<&Line> {
        self.lines
            .iter()
            .find(|line| line.cell == cell && line.subject == subject)
    }

    fn ratio_to_quorum(&self, line: &Line, rate: fn(&Figures) -> f64) -> Option<f64> {
        let quorum = self.find(line.cell, Subject::RabbitQuorum)?;
        Some(rate(&line.median) / rate(&quorum.median))
    }

    fn circumstances(&self) -> String {
        let rabbitmq = said(
            "dpkg-query",
            &["--show", "--showformat=${Version}", "rabbitmq-server"],
        );
        format!(
            "{}; RabbitMQ {rabbitmq}; medians of {} runs of {} s each.",
            when_and_where(),
            self.rounds,
            self.seconds,
        )
    }

    /// Every run.
    pub(super) fn json(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            json!({
                "body_bytes": line.cell.size,
                "window": line.cell.window,
                "layout": line.cell.layout.to_string(),
                "server": line.subject.name(),
                "median": figures(&line.median),
                "runs": line.runs.iter().map(figures).collect::<Vec<_>>(),
            })
        });
        let raw = self
            .raw
            .iter()
            .map(|(size, rate)| json!({ "bytes": size, "write_fdatasync_per_s": rate }));
        let all = json!({
            "circumstances": self.circumstances(),
            "lines": lines.collect::<Vec<_>>(),
            "raw": raw.collect::<Vec<_>>(),
        });
        format!("{all:#}\n")
    }

    /// Puts the tables between the two marks in docs/benchmarks.md.
    pub(super) fn write_into_the_documents(&self) -> Result<()> {
        write_into("docs/benchmarks.md", BEGIN, &self.table())
    }
}

/// Puts figures between the two marks of a document.
pub(super) fn write_into(document: &str, begin: &str, figures: &str) -> Result<()> {
    let path = root().join(document);
    let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
    let (before, rest) = old
        .split_once(begin)
        .with_context(|| format!("{document} has lost its first mark"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{document} has lost its second mark"))?;
    let new = format!("{before}{begin}\n\n{figures}\n{END}{after}");
    std::fs::write(&path, new).with_context(|| format!("cannot write {document}"))
}

/// When and on what it was measured: a figure without this is worth nothing.
pub(super) fn when_and_where() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "Measured on {} at commit {}; {} × {}, Linux {}",
        said("date", &["-u", "+%Y-%m-%d"]),
        said("git", &["describe", "--always", "--dirty"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        processor.map_or("unknown processor", |(_, name)| name.trim()),
        said("uname", &["-r"]),
    )
}

fn said(program: &str, args: &[&str]) -> String {
    let output = command(program, args)
        .output()
        .ok()
        .filter(|output| output.status.success());
    output.map_or("?".to_owned(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

const BEGIN: &str = "<!-- figures from here, written by `cargo xtask bench --write` -->";
const END: &str = "<!-- figures to here -->";

fn figures(figures: &Figures) -> serde_json::Value {
    json!({
        "messages": figures.messages,
        "confirmed_per_s": figures.confirmed_per_s,
        "acked_per_s": figures.acked_per_s,
        "confirm_p50_us": figures.confirm_p50_us,
        "confirm_p99_us": figures.confirm_p99_us,
        "server_cpu_us_per_message": figures.server_cpu_us,
        "generator_cpu_us_per_message": figures.generator_cpu_us,
    })
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
