//! `landfall check`: what a data directory holds, and whether all of it can be read.

use crate::config::ServeArgs;
use anyhow::{Result, ensure};

/// Verifies every chunk and prints the report. Reads only.
///
/// # Errors
/// If the directory cannot be read, or a start would refuse it.
pub fn check(args: ServeArgs) -> Result<()> {
    let config = args.config()?;
    let report = journal::check(&config.data_dir)?;
    println!("{report}");
    ensure!(
        report.is_sound(),
        "{} is damaged: a start would refuse it",
        config.data_dir.display()
    );
    Ok(())
}
