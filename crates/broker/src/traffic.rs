//! What went through, counted since the start in RabbitMQ's words: plain integers, and nothing that decides anything.

use std::cell::Cell;

macro_rules! counters {
    ($(#[$about:meta])* $name:ident { $($field:ident: $what:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $what] pub $field: u64,)*
        }

        impl $name {
            /// Each counter with its name.
            pub const fn each(&self) -> [(&'static str, u64); [$(stringify!($field)),*].len()] {
                [$((stringify!($field), self.$field)),*]
            }

            /// What came since it stood at `before`.
            pub const fn since(&self, before: &Self) -> Self {
                Self { $($field: self.$field.wrapping_sub(before.$field),)* }
            }
        }
    };
}

counters! {
    /// What happened to messages: in a queue, on a channel, or in all.
    Traffic {
        publish: "Came in.",
        confirm: "Were confirmed.",
        return_unroutable: "Went back to their publishers, because no queue wanted them.",
        drop_unroutable: "Were dropped, because no queue wanted them and nobody wanted them back.",
        deliver: "Went to consumers that acknowledge.",
        deliver_no_ack: "Went to consumers that do not.",
        get: "Were fetched, to be acknowledged.",
        get_no_ack: "Were fetched, without that.",
        get_empty: "Were asked for, and none was there.",
        redeliver: "Of those that went out: may have gone out before.",
        ack: "Were acknowledged.",
    }
}

counters! {
    /// What came and went.
    Churn {
        connection_created: "Connections that were opened.",
        connection_closed: "Connections that ended.",
        channel_created: "Channels that were opened.",
        channel_closed: "Channels that ended.",
        queue_declared: "Declarations of queues, also of those that were there.",
        queue_created: "Queues that were made.",
        queue_deleted: "Queues that went.",
    }
}

counters! {
    /// Deliveries that ended without an acknowledgement, by cause.
    InVain {
        timed_out: "The receiver was silent for too long.",
        returned: "The receiver gave the message back.",
        lost: "The channel or the connection ended.",
    }
}

counters! {
    /// What went through an exchange.
    Passage {
        publish_in: "Came in.",
        publish_out: "Went out: one for each queue.",
    }
}

impl Traffic {
    /// All that went out, in any way.
    pub const fn deliver_get(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }

    /// One more went to a consumer.
    pub(crate) fn note_delivered(&mut self, no_ack: bool, redelivered: bool) {
        self.deliver += u64::from(!no_ack);
        self.deliver_no_ack += u64::from(no_ack);
        self.redeliver += u64::from(redelivered);
    }

    /// One more was fetched.
    pub(crate) fn note_got(&mut self, no_ack: bool, redelivered: bool) {
        self.get += u64::from(!no_ack);
        self.get_no_ack += u64::from(no_ack);
        self.redeliver += u64::from(redelivered);
    }

    /// Adds what went to consumers in a turn.
    pub(crate) fn add_delivered(&mut self, turn: &Self) {
        self.deliver += turn.deliver;
        self.deliver_no_ack += turn.deliver_no_ack;
        self.redeliver += turn.redeliver;
    }
}

/// The counters of an exchange. In cells: whoever routes a message holds the exchanges, and does not change them.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    publish_in: Cell<u64>,
    publish_out: Cell<u64>,
    /// Listed among those through which something went.
    busy: Cell<bool>,
    before: Passage,
}

impl Passed {
    /// A message came in and goes to so many queues; true for the first one since the last sample.
    pub(crate) fn note(&self, queues: usize) -> bool {
        self.publish_in.set(self.publish_in.get() + 1);
        self.publish_out.set(self.publish_out.get() + queues as u64);
        !self.busy.replace(true)
    }

    /// Whether something went through since the last sample.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    pub(crate) fn all(&self) -> Passage {
        Passage {
            publish_in: self.publish_in.get(),
            publish_out: self.publish_out.get(),
        }
    }

    /// What went through since the last sample.
    pub(crate) fn take_recent(&mut self) -> Passage {
        self.busy.set(false);
        let all = self.all();
        let recent = all.since(&self.before);
        self.before = all;
        recent
    }
}
