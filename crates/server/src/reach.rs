//! Whether a member reaches the database, or all of them where there are several. One that does not says so: it can do
//! nothing for what it owns there, and the others, which may reach it, are given that.

use cluster::Databases;
use cluster::members::MembersHandle;
use std::convert::Infallible;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

/// How often the database is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A database that has not answered for so long is not reached. Longer than a fail-over takes: that all nodes see, and
/// the first one that found the new primary would be given everything.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// Tells the others whether this node reaches the database, for as long as it is a member.
pub(crate) async fn watch(databases: &Databases, members: &MembersHandle) -> Infallible {
    let mut answered_at = Instant::now();
    let mut is_reached = true;
    let mut asking = ask(databases);
    loop {
        tokio::select! {
            answered = &mut asking => {
                if answered.unwrap_or(false) {
                    answered_at = Instant::now();
                    if !is_reached {
                        info!("the database answers again");
                        is_reached = true;
                        members.set_database_ok(true);
                    }
                }
                tokio::time::sleep(ASK_EVERY).await;
                asking = ask(databases);
            }
            () = tokio::time::sleep_until(answered_at + SILENT_MAX), if is_reached => {
                warn!("the database has not answered for {SILENT_MAX:?}: others may have what this node owns");
                is_reached = false;
                members.set_database_ok(false);
            }
        }
    }
}

/// Asks it for what it can always tell. Takes as long as a statement may.
fn ask(databases: &Databases) -> JoinHandle<bool> {
    let databases = databases.clone();
    tokio::task::spawn_blocking(move || databases.owners().is_ok())
}
