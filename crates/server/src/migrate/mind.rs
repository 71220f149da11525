//! A broker that is made of what landed, and asked what it knows. It serves nobody.

use anyhow::{Result, bail};
use broker::snapshot::{Cursor, Look, MessageStatus, QueueStatus, State};
use broker::{Account, Answer, Broker, Command, CommandId, Definitions, Effect, Input, Recovery};
use model::{Limits, Record, ShortStr, Timestamp};
use std::sync::Arc;
use store::{Reader, Told};

/// What is looked at of a queue at a time.
const PAGE: usize = 1000;

/// A lane that was read: what a broker makes of it, and where its messages are.
pub(super) struct Mind {
    broker: Broker,
    /// The time stands still for it.
    now: Timestamp,
    /// What it wanted to land since it was last asked.
    wanted: Vec<Record>,
    answer: Option<Answer>,
    pub(super) reader: Arc<dyn Reader>,
}

/// What is being heard of a lane.
pub(super) struct Hearing {
    recovery: Recovery,
    /// How much was heard.
    pub(super) heard: u64,
}

impl Hearing {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            recovery: Recovery::new(limits),
            heard: 0,
        }
    }

    pub(super) fn hear(&mut self, told: Told) {
        self.heard += 1;
        match told {
            Told::Record(position, record) => self.recovery.apply(position, record),
            Told::Messages(run, head) => self.recovery.know(run, &head),
        }
    }

    pub(super) fn finish(self, now: Timestamp, reader: Arc<dyn Reader>) -> Mind {
        let mut mind = Mind {
            broker: self.recovery.finish(now),
            now,
            wanted: Vec::new(),
            answer: None,
            reader,
        };
        mind.perform();
        mind.wanted.clear();
        mind
    }
}

impl Mind {
    fn perform(&mut self) {
        while let Some(effect) = self.broker.poll_effect() {
            match effect {
                Effect::Land {
                    position, record, ..
                } => {
                    self.wanted.push(record);
                    self.broker.handle(self.now, Input::Landed(position));
                }
                Effect::Answer(_, answered) => self.answer = answered.ok(),
                // There are no clients, and what is on its way to the dead letters stays where it is.
                _ => {}
            }
        }
    }

    /// What the broker wants to land when it hears this.
    pub(super) fn tell(&mut self, input: Input) -> Vec<Record> {
        self.broker.handle(self.now, input);
        self.broker.tick(self.now);
        self.perform();
        std::mem::take(&mut self.wanted)
    }

    fn ask(&mut self, command: Command) -> Option<Answer> {
        self.tell(Input::Command(CommandId(1), command));
        self.answer.take()
    }

    pub(super) fn definitions(&mut self) -> Result<Definitions> {
        match self.ask(Command::Export) {
            Some(Answer::Definitions(all)) => Ok(*all),
            _ => bail!("the broker does not tell its definitions"),
        }
    }

    pub(super) fn accounts(&mut self) -> Result<Vec<Account>> {
        let (vhost, queue) = (None, None);
        match self.ask(Command::Audit { vhost, queue }) {
            Some(Answer::Accounts(all)) => Ok(all),
            _ => bail!("the broker does not tell its accounts"),
        }
    }

    pub(super) fn queues(&mut self) -> Result<Vec<QueueStatus>> {
        match self.ask(Command::Look(Look::Queues { vhost: None })) {
            Some(Answer::Queues(all)) => Ok(all),
            _ => bail!("the broker does not tell its queues"),
        }
    }

    /// Some messages of a queue in a state, behind a place in their list; and where the next of them are.
    pub(super) fn messages(
        &mut self,
        queue: (&ShortStr, &ShortStr),
        state: State,
        after: Cursor,
    ) -> Result<(Vec<MessageStatus>, Option<Cursor>)> {
        let look = Look::Messages {
            vhost: queue.0.clone(),
            queue: queue.1.clone(),
            state,
            after,
            most: PAGE,
        };
        match self.ask(Command::Look(look)) {
            Some(Answer::Messages(page)) => Ok((page.messages, page.next)),
            _ => bail!("the broker does not tell the messages of {}", queue.1),
        }
    }
}
