//! The short cut for what comes most: a publish whose frames came together.

use super::{Phase, ServerConnection};
use crate::content::{BASIC_CLASS, ContentHeader};
use crate::event::Event;
use crate::frame::{Head, Kind};
use crate::method::read_publish;
use bytes::Bytes;
use model::{ChannelNumber, Publish};
use std::ops::Range;

impl ServerConnection {
    /// Reads basic.publish, its header and its body (of one frame, or empty) if they lie one behind the other in
    /// `group` from `at` on and all is well with them; tells where they end. In every other case nothing has
    /// happened, and reading frame by frame finds out what is different.
    pub(super) fn read_whole_publish(
        &mut self,
        head: Head,
        group: &Bytes,
        at: usize,
        frame_max: u32,
    ) -> Option<usize> {
        let number = head.channel;
        if !matches!(self.phase, Phase::Opening | Phase::Running) || !self.channels.is_free(number)
        {
            return None;
        }
        let method = read_publish(group, head.payload(group, at).ok()?)?;
        let frames = Frames {
            group,
            number,
            frame_max,
        };
        let (header, at) = frames.next(Kind::Header, at + head.frame_length())?;
        let header = ContentHeader::read(group, header).ok()?;
        if header.class != BASIC_CLASS || header.body_size > self.limits.message_size_max {
            return None;
        }
        let (body, at) = if header.body_size == 0 {
            (Bytes::new(), at)
        } else {
            let (body, at) = frames.next(Kind::Body, at)?;
            if body.len() as u64 != header.body_size {
                return None;
            }
            (group.slice(body), at)
        };
        let publish = Publish {
            exchange: method.exchange,
            routing_key: method.routing_key,
            mandatory: method.mandatory,
            immediate: method.immediate,
            properties: header.properties,
            body,
        };
        self.events.push_back(Event::Publish(number, publish));
        Some(at)
    }
}

/// The frames of one channel in a group.
struct Frames<'a> {
    group: &'a Bytes,
    number: ChannelNumber,
    frame_max: u32,
}

impl Frames<'_> {
    /// The payload of the frame at `at`, and where it ends; `None` if it is another channel's or of another kind.
    fn next(&self, kind: Kind, at: usize) -> Option<(Range<usize>, usize)> {
        let head = Head::read(&self.group[at..], self.frame_max).ok()??;
        if head.kind != kind || head.channel != self.number {
            return None;
        }
        let payload = head.payload(self.group, at).ok()?;
        Some((payload, at + head.frame_length()))
    }
}
