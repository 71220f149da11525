//! `landfall check`: what a data directory holds, and whether all of it can be read.

use crate::config::ServeArgs;
use anyhow::Result;

/// Verifies every chunk and prints the report. Reads only.
pub fn check(args: ServeArgs) -> Result<()> {
    let config = args.config()?;
    let report = journal::check(&config.data_dir)?;
    println!("{report}");
    Ok(())
}
