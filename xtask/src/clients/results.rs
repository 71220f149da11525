//! What a suite says of its tests, and the reviewed list of what cannot pass.
//!
//! A suite writes a line for each test into the file that `CLIENT_RESULTS` names, as in TAP: `ok - NAME`,
//! `not ok - NAME`, or `ok - NAME # SKIP REASON`. Rust's own harness has its lines read instead:
//! `test NAME ... ok`.

use crate::shell::root;
use anyhow::{Context, Result};
use std::path::Path;

/// How one test ended.
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Outcome {
    pub(crate) fn is_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    pub(crate) fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    pub(crate) fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped(_))
    }
}

/// The tests of one suite.
#[derive(Default)]
pub(crate) struct Results(Vec<(String, Outcome)>);

impl Results {
    /// A suite that did not come as far as its tests.
    pub(crate) fn of_failure(client: &str, why: &str) -> Self {
        Self(vec![(client.to_owned(), Outcome::Failed(why.to_owned()))])
    }

    /// Reads the results' file, if the suite wrote one, and the lines of Rust's harness in its output.
    pub(crate) fn collect(file: &Path, output: &str) -> Self {
        let file = std::fs::read_to_string(file).unwrap_or_default();
        let from_file = file.lines().filter_map(tap_line);
        let from_output = output.lines().filter_map(rust_line);
        Self(from_file.chain(from_output).collect())
    }

    /// A failure of the suite itself.
    pub(crate) fn add_failure(&mut self, why: &str) {
        self.0
            .push(("(suite)".to_owned(), Outcome::Failed(why.to_owned())));
    }

    /// A failure that is on the list counts as skipped. A line of the list that is not needed is a failure: the
    /// list says what differs, not what once did.
    pub(crate) fn apply(&mut self, client: &str, known: &KnownDifferences) {
        for (name, outcome) in &mut self.0 {
            let Some(reason) = known.reason(client, name) else {
                continue;
            };
            *outcome = match outcome {
                Outcome::Failed(_) | Outcome::Skipped(_) => Outcome::Skipped(reason.to_owned()),
                Outcome::Passed => Outcome::Failed(format!(
                    "passes, so its line in {} has to go",
                    KnownDifferences::PATH
                )),
            };
        }
    }

    pub(crate) fn count(&self, which: fn(&Outcome) -> bool) -> usize {
        self.0.iter().filter(|(_, outcome)| which(outcome)).count()
    }

    /// Names and reasons.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Skipped(reason) => Some((name.as_str(), reason.as_str())),
            Outcome::Passed | Outcome::Failed(_) => None,
        })
    }

    /// Names, and what is known beyond the suite's own output.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Failed(why) => Some((name.as_str(), why.as_str())),
            Outcome::Passed | Outcome::Skipped(_) => None,
        })
    }
}

fn tap_line(line: &str) -> Option<(String, Outcome)> {
    if let Some(name) = line.strip_prefix("not ok - ") {
        return Some((name.to_owned(), Outcome::Failed(String::new())));
    }
    let name = line.strip_prefix("ok - ")?;
    Some(match name.split_once(" # SKIP ") {
        Some((name, reason)) => (name.to_owned(), Outcome::Skipped(reason.to_owned())),
        None => (name.to_owned(), Outcome::Passed),
    })
}

fn rust_line(line: &str) -> Option<(String, Outcome)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let outcome = match outcome {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed(String::new()),
        _ => return None,
    };
    Some((name.to_owned(), outcome))
}

/// The reviewed list: `CLIENT | TEST | REASON`, a line each.
#[derive(Default)]
pub(crate) struct KnownDifferences(Vec<[String; 3]>);

impl KnownDifferences {
    /// Where it lies.
    pub(crate) const PATH: &str = "tests/clients/known-differences.txt";

    /// Reads it; every line has to have its three parts.
    pub(crate) fn read() -> Result<Self> {
        let text = std::fs::read_to_string(root().join(Self::PATH))
            .with_context(|| format!("cannot read {}", Self::PATH))?;
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let differences = lines.map(|line| {
            let mut parts = line.splitn(3, " | ").map(|part| part.trim().to_owned());
            let difference = [parts.next(), parts.next(), parts.next()];
            match difference {
                [Some(client), Some(test), Some(reason)] if !reason.is_empty() => {
                    Ok([client, test, reason])
                }
                _ => anyhow::bail!("{}: not `CLIENT | TEST | REASON`: {line}", Self::PATH),
            }
        });
        Ok(Self(differences.collect::<Result<_>>()?))
    }

    fn reason(&self, client: &str, test: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|[of, name, _]| of == client && name == test)
            .map(|[_, _, reason]| reason.as_str())
    }
}
