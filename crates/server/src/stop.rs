//! Being asked to stop.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// The exit code of a server that was asked twice.
const IMPATIENT: i32 = 1;

/// Takes SIGTERM and SIGINT over from the system, and returns a future that waits for the first of them. After
/// it, a second one ends the process at once.
pub fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!("received SIGTERM"),
            _ = interrupt.recv() => info!("received SIGINT"),
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // What is confirmed has landed; the next start recovers it as after a crash.
            warn!("asked to stop a second time: ending at once");
            std::process::exit(IMPATIENT);
        });
    })
}
