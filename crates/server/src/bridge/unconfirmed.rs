//! Messages of one channel that were passed on and are not confirmed: another owner gets them again.

use model::{Publish, ShortStr};
use std::collections::VecDeque;

/// What a message that is held takes beside its content, about.
const OVERHEAD: usize = 200;

/// A publish that was passed on.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Where it stands among all that the channel asked for.
    pub(crate) order: u64,
    /// The number of the publish on the way to the owner, which the owner's confirm names.
    pub(crate) tag: u64,
    /// The number that the client expects in its confirm, if it wants one.
    pub(crate) client_tag: Option<u64>,
    /// What is to be sent again; `None` for what is no message.
    pub(crate) message: Option<Message>,
}

/// A message, and how owners know it again.
#[derive(Debug)]
pub(crate) struct Message {
    /// A publisher of ours, and its number for the message. `None` where the message says itself whose it is.
    pub(crate) number: Option<(ShortStr, u64)>,
    pub(crate) publish: Publish,
}

impl Sent {
    fn bytes(&self) -> usize {
        let content = |message: &Message| {
            message.publish.body.len() + message.publish.properties.as_bytes().len()
        };
        OVERHEAD + self.message.as_ref().map_or(0, content)
    }
}

/// A confirm for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirm {
    pub(crate) tag: u64,
    pub(crate) multiple: bool,
}

/// What the owner's confirm says to the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    /// What is passed on, if the client waits for any of it.
    pub(crate) confirm: Option<Confirm>,
    /// How many messages it is about.
    pub(crate) count: u32,
}

/// The publishes of a channel that are not confirmed, in order.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed {
    sent: VecDeque<Sent>,
    bytes: usize,
}

impl Unconfirmed {
    /// What they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether all is confirmed.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// One more was passed on.
    pub(crate) fn push(&mut self, sent: Sent) {
        self.bytes += sent.bytes();
        self.sent.push_back(sent);
    }

    /// The owner confirms, or refuses, `tag`, or everything up to it.
    pub(crate) fn settle(&mut self, tag: u64, multiple: bool) -> Confirmed {
        let mut confirmed = Confirmed {
            confirm: None,
            count: 0,
        };
        let mut note = |sent: &Sent, bytes: &mut usize| {
            *bytes -= sent.bytes();
            confirmed.count += 1;
            if let Some(tag) = sent.client_tag {
                confirmed.confirm = Some(Confirm { tag, multiple });
            }
        };
        if multiple {
            while let Some(sent) = self.sent.pop_front_if(|sent| sent.tag <= tag) {
                note(&sent, &mut self.bytes);
            }
        } else if let Ok(at) = self.sent.binary_search_by_key(&tag, |sent| sent.tag) {
            let sent = self.sent.remove(at).expect("just found");
            note(&sent, &mut self.bytes);
        }
        confirmed
    }

    /// Takes out what will not be sent again; tells the numbers by which the client waits for it.
    pub(crate) fn drop_what_is_no_message(&mut self) -> Vec<u64> {
        let (messages, others) = self
            .take()
            .into_iter()
            .partition(|sent| sent.message.is_some());
        let messages: VecDeque<Sent> = messages;
        let others: VecDeque<Sent> = others;
        for sent in messages {
            self.push(sent);
        }
        others
            .into_iter()
            .filter_map(|sent| sent.client_tag)
            .collect()
    }

    /// All of them, to be sent again and put back.
    pub(crate) fn take(&mut self) -> VecDeque<Sent> {
        self.bytes = 0;
        std::mem::take(&mut self.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(tag: u64, client_tag: Option<u64>) -> Sent {
        Sent {
            order: tag,
            tag,
            client_tag,
            message: None,
        }
    }

    #[test]
    fn a_client_hears_of_what_it_waits_for_under_its_own_numbers() {
        let mut unconfirmed = Unconfirmed::default();
        for (tag, client) in [(3, None), (4, Some(1)), (5, Some(2)), (7, Some(3))] {
            unconfirmed.push(sent(tag, client));
        }
        let confirm = |tag, multiple| Some(Confirm { tag, multiple });
        let mut settle = |tag, multiple| {
            let confirmed = unconfirmed.settle(tag, multiple);
            (confirmed.confirm, confirmed.count)
        };
        assert_eq!(settle(5, false), (confirm(2, false), 1));
        assert_eq!(settle(3, true), (None, 1));
        assert_eq!(settle(6, true), (confirm(1, true), 1));
        assert_eq!(settle(6, false), (None, 0));
        assert_eq!(settle(7, true), (confirm(3, true), 1));
        assert_eq!((unconfirmed.bytes(), unconfirmed.is_empty()), (0, true));
    }
}
