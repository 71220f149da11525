//! The channels of one connection: which are open, and what content is still coming on each.

use crate::content::Assembly;
use model::{ChannelNumber, Publish};

/// How far a channel's life has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Never opened.
    #[default]
    Unused,
    /// The client sent channel.open, open-ok is to come. What is sent before it was meant for the channel that had
    /// this number before, and goes nowhere.
    Opening,
    /// In use.
    Open,
    /// The client sent channel.close, close-ok is to come.
    Leaving,
    /// We sent channel.close, the client's close-ok is to come. Until then it may not know, so that whatever comes
    /// is dropped.
    Closing,
    /// Was open once: late acknowledgements may still come and are dropped.
    Closed,
}

#[derive(Debug, Default)]
struct Channel {
    state: State,
    content: Option<Assembly>,
    /// How much of `held` is this channel's.
    held: usize,
}

/// The channels of one connection.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    channels: Vec<Channel>,
    /// Channels that got a part of an unfinished content since the last [`Channels::settle_unfinished`].
    touched: Vec<ChannelNumber>,
    /// Octets that unfinished contents hold.
    held: usize,
}

impl Channels {
    pub(crate) fn state(&self, number: ChannelNumber) -> State {
        self.channels
            .get(usize::from(number.0))
            .map_or(State::Unused, |channel| channel.state)
    }

    /// Whether methods may come on a channel: it is open, and no content is coming.
    pub(crate) fn is_free(&self, number: ChannelNumber) -> bool {
        self.channels
            .get(usize::from(number.0))
            .is_some_and(|channel| {
                matches!(channel.state, State::Opening | State::Open) && channel.content.is_none()
            })
    }

    /// Moves a channel on; content that was still coming is forgotten. The caller has checked the number against
    /// channel_max, which bounds the memory.
    pub(crate) fn set_state(&mut self, number: ChannelNumber, state: State) {
        let index = usize::from(number.0);
        if index >= self.channels.len() {
            self.channels.resize_with(index + 1, Channel::default);
        }
        let channel = &mut self.channels[index];
        self.held -= channel.held;
        *channel = Channel {
            state,
            ..Channel::default()
        };
    }

    /// open-ok is sent: what follows is for this channel.
    pub(crate) fn opened(&mut self, number: ChannelNumber) {
        if let Some(channel) = self.channels.get_mut(usize::from(number.0)) {
            channel.state = State::Open;
        }
    }

    /// What is still coming on a channel.
    pub(crate) fn content(&mut self, number: ChannelNumber) -> Option<&mut Assembly> {
        self.channels
            .get_mut(usize::from(number.0))?
            .content
            .as_mut()
    }

    /// Content begins to come on an open channel.
    pub(crate) fn begin(&mut self, number: ChannelNumber, content: Assembly) {
        if let Some(channel) = self.channels.get_mut(usize::from(number.0)) {
            channel.content = Some(content);
            self.touch(number);
        }
    }

    /// More has come of it, and more is to come.
    pub(crate) fn touch(&mut self, number: ChannelNumber) {
        if self.touched.last() != Some(&number) {
            self.touched.push(number);
        }
    }

    /// The content of a channel is complete.
    pub(crate) fn finish(&mut self, number: ChannelNumber) -> Option<Publish> {
        let channel = self.channels.get_mut(usize::from(number.0))?;
        self.held -= channel.held;
        channel.held = 0;
        channel.content.take().map(Assembly::finish)
    }

    /// Cuts what is unfinished loose from the buffer that it came in (else a few octets on each channel could hold
    /// a whole buffer each), and tells how many octets all unfinished contents hold.
    pub(crate) fn settle_unfinished(&mut self) -> usize {
        for number in self.touched.drain(..) {
            let channel = &mut self.channels[usize::from(number.0)];
            if let Some(content) = &mut channel.content {
                self.held -= channel.held;
                channel.held = content.detach();
                self.held += channel.held;
            }
        }
        self.held
    }

    /// How many octets all unfinished contents hold.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
