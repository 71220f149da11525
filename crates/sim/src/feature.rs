//! What a run may be made of: each seed draws its own mix, so that features meet in every combination and none hides
//! another.

use crate::random::Random;

macro_rules! features {
    ($($name:ident: $percent:literal, $doc:literal;)*) => {
        /// A feature of the server that is used, a habit of clients, or a fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Feature {
            $(#[doc = $doc] $name,)*
        }

        /// Every feature, and in how many of a hundred runs it is used.
        const FEATURES: &[(Feature, u64)] = &[$((Feature::$name, $percent),)*];
    };
}

// To extend a run: add a line here, and ask `Mix::has` where the plan is drawn.
features! {
    TimeToLive: 25, "Queues with x-message-ttl.";
    Expiration: 25, "Messages with a time to live of their own.";
    Priority: 30, "Queues with x-max-priority.";
    DropHead: 20, "Queues with a limit at which the oldest gives way.";
    RejectPublish: 20, "Queues with a limit at which publishes are refused.";
    DeadLetters: 50, "Queues with a dead-letter exchange.";
    LostTarget: 10, "Queues with a dead-letter exchange that is not there.";
    Retry: 50, "Queues with a wait before what came back is delivered again.";
    DeliveryLimit: 40, "Queues with a limit on how often a message comes back.";
    Timeout: 40, "Queues with a time in which receivers must acknowledge.";
    Extend: 30, "Receivers that ask for more time.";
    Deduplication: 40, "Queues that remember messages and take none twice.";
    Duplicates: 30, "Senders that send the same message again and again.";
    Delay: 40, "Exchanges and queues that put messages off.";
    Redrive: 40, "Operators who send dead letters back.";
    SingleActive: 15, "Queues with one consumer at a time.";
    PlainSenders: 50, "Senders with confirms and without publishing ids.";
    Transactions: 35, "Senders that commit.";
    Unconfirmed: 25, "Senders that ask for no confirm.";
    NoAck: 20, "Receivers that do not acknowledge.";
    Getting: 30, "Receivers that ask for each message.";
    Requeue: 50, "Receivers that give messages back.";
    Reject: 40, "Receivers that refuse messages for good.";
    Silence: 40, "Receivers that keep messages and say nothing.";
    Lateness: 40, "Receivers that take their time.";
    Multiple: 50, "Receivers that acknowledge several at once.";
    Mistakes: 25, "Clients that do what is refused.";
    LargeBodies: 20, "Bodies larger than a segment.";
    Sever: 60, "Connections are lost, and each end learns it in its own time.";
    Leave: 40, "Clients close their connections and come back.";
    Crash: 55, "The power goes.";
    Stop: 30, "The server is stopped and started.";
    DiskFailure: 25, "A landing fails.";
    DiskFull: 25, "The disk is nearly full for a while.";
    SlowDisk: 30, "Landings take long for a while.";
    ColdCache: 30, "Messages must be read from the disk.";
    Pause: 25, "The server stands still, and its clock goes on.";
    ClockChange: 30, "The clock is set while the server is down.";
    Checkpoints: 50, "Checkpoints come at any time.";
}

/// The features of one run.
#[derive(Clone, Debug)]
pub(crate) struct Mix(Vec<Feature>);

impl Mix {
    pub(crate) fn drawn(random: &mut Random) -> Self {
        // Some runs use little of everything, some nearly all.
        let more = random.below(3) * 25;
        let used = FEATURES.iter().filter(|(_, percent)| {
            let percent = percent + (100 - percent) * more / 100;
            random.percent(percent)
        });
        Self(used.map(|(feature, _)| *feature).collect())
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.0.contains(&feature)
    }
}
