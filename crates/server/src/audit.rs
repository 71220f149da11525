//! What the audit found, in the log: a difference is a defect of the program or of the disk, and is never silent.

use broker::Account;
use tracing::error;

/// Tells of a queue whose messages do not add up.
pub fn log(account: &Account) {
    error!(
        vhost = %account.queue.vhost,
        queue = %account.queue.name,
        surplus = account.surplus(),
        tally = ?account.tally,
        here = ?account.here,
        landing = account.landing,
        "the audit found a difference: what the queue accepted is not what ended and what is here"
    );
}
