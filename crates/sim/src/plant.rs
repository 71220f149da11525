//! Bugs planted on purpose, in the simulated shell and never in the server: what the simulator does not find it does not
//! check. Each stands for a mistake that is easily made.

use broker::{Effect, Input};
use model::record::{Attempts, Ending, Place};
use model::{Definition, Method, QueueId, Record, Runs};

macro_rules! plants {
    ($kind:ident, $what:literal; $($name:ident: $word:literal, $doc:literal;)*) => {
        #[doc = $what]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind {
            $(#[doc = $doc] $name,)*
        }

        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What is wrong.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$name => $doc,)*
                }
            }        }
    };
}
pub(crate) use plants;

plants! {
    Plant, "A planted bug.";
    ConfirmBeforeSync: "confirm-before-sync", "What is about to be written is said to have landed.";
    DeliverBeforeLanding: "deliver-before-landing", "Deliveries, and nothing else, go out before the sync.";
    FailedSyncIgnored: "failed-sync-ignored", "A landing that failed counts as one that worked.";
    DeathForgotten: "death-forgotten", "The broker is not told that a connection is gone.";
    AckOfAnother: "ack-of-another", "An acknowledgement reaches the broker with the tag before.";
    NumbersForgotten: "numbers-forgotten", "Recovery forgets which publishing ids have landed.";
    EndBeforeCopy: "end-before-copy", "A dead letter's end stands before its copy in the lane.";
    CheckpointWithoutQueues: "checkpoint-without-queues", "Checkpoints leave out the queues.";
    FetchedTwice: "fetched-twice", "A message for the dead letters is handed in twice.";
    MarkForgotten: "mark-forgotten", "Deliveries are never marked as redelivered.";
    ByteChanged: "byte-changed", "Now and then a byte of a body changes on its way out.";
    AckNotRecorded: "ack-not-recorded", "Settled messages are not recorded.";
    RoutedToOne: "routed-to-one", "A message for several queues lands in the first only.";
    AttemptsForgotten: "attempts-forgotten", "Recovery forgets how often messages were handed out in vain.";
    ParkedForgotten: "parked-forgotten", "Recovery forgets which messages are parked.";
    NeverWakes: "never-wakes", "Nobody looks at the clock while nothing else happens.";
    OrderSwapped: "order-swapped", "Two publishes of one read change places.";
}

impl Plant {
    /// What becomes of an input on its way to the broker; `None` if it never comes there.
    pub(crate) fn on_input(self, mut input: Input) -> Option<Input> {
        match (self, &mut input) {
            (Self::DeathForgotten, Input::ConnectionClosed(_)) => return None,
            (Self::AckOfAnother, Input::Method(_, _, Method::BasicAck(ack)))
                if ack.delivery_tag.0 > 1 =>
            {
                ack.delivery_tag.0 -= 1;
            }
            _ => {}
        }
        Some(input)
    }

    /// What becomes of an effect before anybody sees it.
    pub(crate) fn on_effect(self, in_checkpoint: bool, mut effect: Effect) -> Effect {
        match (self, &mut effect) {
            (Self::CheckpointWithoutQueues, Effect::Land { record, .. })
                if in_checkpoint
                    && matches!(record, Record::Definition(Definition::QueueMade { .. })) =>
            {
                *record = nothing();
            }
            (Self::AckNotRecorded, Effect::Land { record, .. })
                if matches!(record, Record::Settled(..)) =>
            {
                *record = nothing();
            }
            (
                Self::RoutedToOne,
                Effect::Land {
                    record: Record::Message(message),
                    ..
                },
            ) => {
                message.queues.truncate(1);
            }
            (
                Self::MarkForgotten,
                Effect::Deliver { delivery, .. } | Effect::GetOk { delivery, .. },
            ) => delivery.redelivered = false,
            _ => {}
        }
        effect
    }

    /// What becomes of a record when recovery is told.
    pub(crate) fn on_told(self, mut record: Record) -> Record {
        match (self, &mut record) {
            (Self::NumbersForgotten, Record::Message(message)) => message.publisher = None,
            (
                Self::NumbersForgotten,
                Record::Definition(Definition::PublisherLanded { landed, .. }),
            ) => {
                *landed = Runs::new();
            }
            (Self::AttemptsForgotten, Record::Waiting(_, waiting)) => {
                for one in waiting {
                    one.attempts = Attempts::NONE;
                }
            }
            (Self::ParkedForgotten, Record::Waiting(_, waiting)) => {
                waiting.retain(|one| !matches!(one.place, Place::Parked { .. }));
            }
            _ => {}
        }
        record
    }
}

/// A record that says nothing.
fn nothing() -> Record {
    Record::Delivered(QueueId(0), Runs::new())
}

/// The effects of a turn; where a dead letter's copy stands right before its end, they change places.
pub(crate) fn ends_before_copies(mut effects: Vec<Effect>) -> Vec<Effect> {
    let mut copy: Option<usize> = None;
    for at in 0..effects.len() {
        let Effect::Land { record, .. } = &effects[at] else {
            continue;
        };
        let is_end = matches!(record, Record::Settled(_, Ending::DeadLettered, _));
        let is_copy = is_copy(record);
        if let Some(before) = copy.take().filter(|_| is_end) {
            let (first, second) = effects.split_at_mut(at);
            if let (Effect::Land { record: copy, .. }, Effect::Land { record: end, .. }) =
                (&mut first[before], &mut second[0])
            {
                std::mem::swap(copy, end);
            }
        }
        copy = is_copy.then_some(at);
    }
    effects
}

fn is_copy(record: &Record) -> bool {
    let Record::Message(message) = record else {
        return false;
    };
    let headers = message.properties.headers();
    headers.is_some_and(|headers| headers.get("x-death").is_some())
}
