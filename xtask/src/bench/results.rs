//! All that a run measured, section by section: kept as JSON, shown in docs/benchmarks.md.

use super::backlog::Backlog;
use super::bounded::Bounded;
use super::charts::{self, Chart};
use super::consumers::Consumers;
use super::fan_out::FanOut;
use super::idle::Idle;
use super::queues::Queues;
use super::report::write_into;
use super::throughput::Throughput;
use super::verdict;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

const DOCUMENT: &str = "docs/benchmarks.md";

/// The sections that were measured.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) throughput: Option<Throughput>,
    pub(super) backlog: Option<Backlog>,
    pub(super) queues: Option<Queues>,
    pub(super) consumers: Option<Consumers>,
    pub(super) fan_out: Option<FanOut>,
    pub(super) idle: Option<Idle>,
    pub(super) bounded: Option<Bounded>,
}

impl Results {
    /// What earlier runs left in a file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not what a bench wrote", path.display()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("JSON")?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The names of the sections that were measured, and their tables.
    fn sections(&self) -> Vec<(&'static str, String)> {
        [
            ("verdicts", Some(verdict::table(&verdict::goals(self)))),
            (
                "throughput",
                self.throughput.as_ref().map(Throughput::tables),
            ),
            ("backlog", self.backlog.as_ref().map(Backlog::tables)),
            ("queues", self.queues.as_ref().map(Queues::tables)),
            ("consumers", self.consumers.as_ref().map(Consumers::tables)),
            ("fan-out", self.fan_out.as_ref().map(FanOut::tables)),
            ("idle", self.idle.as_ref().map(Idle::tables)),
            ("bounded", self.bounded.as_ref().map(Bounded::tables)),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect()
    }

    /// All tables, for the terminal.
    pub(super) fn text(&self) -> String {
        let sections = self.sections();
        let texts: Vec<String> = sections
            .iter()
            .map(|(name, text)| format!("{name}\n\n{text}"))
            .collect();
        texts.join("\n")
    }

    /// The charts of a section.
    fn charts(&self, name: &str) -> Vec<Chart> {
        match name {
            "backlog" => self.backlog.as_ref().map(charts::of_backlog),
            "queues" => self.queues.as_ref().map(charts::of_queues),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// Puts tables and charts between their marks; a section that was not measured keeps what it has.
    pub(super) fn write_into_the_documents(&self) -> Result<()> {
        for (name, mut text) in self.sections() {
            for chart in self.charts(name) {
                chart.write()?;
                text += &format!("\n{}\n", chart.link());
            }
            let begin =
                format!("<!-- {name} from here, written by `cargo xtask bench --write` -->");
            let end = format!("<!-- {name} to here -->");
            write_into(DOCUMENT, &begin, &end, &text)?;
        }
        Ok(())
    }
}
