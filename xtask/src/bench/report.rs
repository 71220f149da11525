//! Figures as text: tables in Markdown, where and when they were taken, and the documents that show them.

use crate::shell::{command, root};
use anyhow::{Context, Result, ensure};

/// A table in Markdown that reads well as plain text too.
pub(super) struct Table {
    columns: usize,
    lines: Vec<String>,
}

impl Table {
    /// With the heads of its columns, set apart by bars; one that ends with a colon holds words, the others numbers.
    pub(super) fn new(heads: &str) -> Self {
        let heads: Vec<&str> = heads.split('|').map(str::trim).collect();
        let rule = heads.iter().map(|head| match head.strip_suffix(':') {
            Some(_) => "---",
            None => "---:",
        });
        let rule = format!("|{}|", rule.collect::<Vec<_>>().join("|"));
        let names: Vec<&str> = heads
            .iter()
            .map(|head| head.strip_suffix(':').unwrap_or(head))
            .collect();
        Self {
            columns: heads.len(),
            lines: vec![format!("| {} |", names.join(" | ")), rule],
        }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.columns, "each column has a head");
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }

    /// `None` if it has no rows.
    pub(super) fn text(&self) -> Option<String> {
        (self.lines.len() > 2).then(|| format!("{}\n", self.lines.join("\n")))
    }
}

/// Puts figures between the two marks of a document.
pub(super) fn write_into(document: &str, begin: &str, end: &str, figures: &str) -> Result<()> {
    let path = root().join(document);
    let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
    let new = between(&old, begin, end, figures)
        .with_context(|| format!("{document} has lost the marks `{begin}` and `{end}`"))?;
    std::fs::write(&path, new).with_context(|| format!("cannot write {document}"))
}

fn between(old: &str, begin: &str, end: &str, figures: &str) -> Option<String> {
    let (before, rest) = old.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    let figures = figures.trim_end();
    Some(format!("{before}{begin}\n\n{figures}\n\n{end}{after}"))
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

/// The version of a Debian package.
pub(super) fn debian_version(package: &str) -> String {
    said(
        "dpkg-query",
        &["--show", "--showformat=${Version}", package],
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

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

/// A size as a person reads it.
pub(super) fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// Fails where there is less room on the disk of a folder than will be needed.
pub(super) fn ensure_room(folder: &std::path::Path, needed: u64) -> Result<()> {
    let stat = rustix::fs::statvfs(folder).context("cannot ask how much room the disk has")?;
    let free = stat.f_bavail * stat.f_frsize;
    ensure!(
        free > needed,
        "{} MiB are free, and {} MiB are needed",
        mib(free),
        mib(needed)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_table_knows_numbers_from_words() {
        let mut table = Table::new("server: | rate");
        assert_eq!(table.text(), None);
        table.row(["Landfall".into(), "7".into()]);
        let text = "| server | rate |\n|---|---:|\n| Landfall | 7 |\n";
        assert_eq!(table.text().as_deref(), Some(text));
    }

    #[test]
    fn figures_stand_between_their_marks() {
        let old = "a <b> old <e> c";
        let new = between(old, "<b>", "<e>", "new\n");
        assert_eq!(new.as_deref(), Some("a <b>\n\nnew\n\n<e> c"));
        assert_eq!(between(old, "<x>", "<e>", "new"), None);
    }
}
