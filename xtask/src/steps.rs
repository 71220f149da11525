//! A list of steps: each is run and timed, none is skipped because an earlier one failed, and the end tells all.

use anyhow::{Result, bail};
use std::fmt;
use std::time::{Duration, Instant};

/// What was done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

struct Done {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

impl Steps {
    /// Runs one step. A failure is told at once and counted at the end.
    pub(crate) fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        println!("\n==== {name}");
        let start = Instant::now();
        let error = work().err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            eprintln!("FAILED {name}: {error}");
        }
        self.done.push(Done {
            name,
            took: start.elapsed(),
            error,
        });
    }

    /// Prints the table, and as the last line the count.
    pub(crate) fn finish(self) -> Result<()> {
        let failed = self.done.iter().filter(|step| step.error.is_some()).count();
        let width = self
            .done
            .iter()
            .map(|step| step.name.len())
            .max()
            .unwrap_or(0);
        println!("\n{:<width$}  {:>9}  result", "step", "time");
        for step in &self.done {
            let result = step.error.as_deref().unwrap_or("passed");
            println!(
                "{:<width$}  {:>7.1} s  {result}",
                step.name,
                step.took.as_secs_f64()
            );
        }
        let took: f64 = self.done.iter().map(|step| step.took.as_secs_f64()).sum();
        println!("{:<width$}  {took:>7.1} s\n", "all");
        println!("{} passed, {failed} failed", self.done.len() - failed);
        if failed > 0 {
            bail!(AlreadyTold);
        }
        Ok(())
    }
}

/// The error of a chore that has printed what went wrong: the count stays the last line.
#[derive(Debug)]
pub(crate) struct AlreadyTold;

impl fmt::Display for AlreadyTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for AlreadyTold {}
