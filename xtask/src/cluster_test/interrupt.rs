//! Ctrl-C ends a run in order: machines of a lab that nobody ends go on.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};

static CAME: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C is noted, and does nothing else.
pub(super) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }
        .enable_all()
        .build()
        .context("cannot listen to signals")?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                CAME.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(())
}

/// Whether it came.
pub(super) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}
