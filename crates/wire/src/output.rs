//! What waits to be written to the socket.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Bodies from this size on are chained by reference, smaller ones copied: below it, the copy costs less than one
/// more piece in the vectored write.
pub(crate) const SHARED_BODY_MIN: usize = 16 * 1024;

/// The most room that is kept when all is written: one burst must not hold its memory for the connection's life.
const KEPT_ROOM_MAX: usize = 256 * 1024;

/// Bytes that wait to be written to the socket, in order: a [`Buf`] of several chunks, fit for vectored writes.
///
/// It grows with what is sent and is bounded by who sends: a shell that sees much in it sends nothing more, and
/// reads nothing more, until the socket takes it.
#[derive(Debug, Default)]
pub struct Output {
    chunks: VecDeque<Bytes>,
    /// Octets in `chunks`.
    chunked: usize,
    tail: BytesMut,
    written: u64,
}

impl Output {
    /// Whether all is written.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// How many octets were ever taken out.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Where small things are appended.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends a buffer without copying it.
    pub(crate) fn put_shared(&mut self, bytes: Bytes) {
        if !self.tail.is_empty() {
            let before = self.tail.split().freeze();
            self.chunked += before.len();
            self.chunks.push_back(before);
        }
        self.chunked += bytes.len();
        self.chunks.push_back(bytes);
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.chunked + self.tail.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.chunks.front() {
            Some(chunk) => chunk,
            None => &self.tail,
        }
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let pieces = self
            .chunks
            .iter()
            .map(|chunk| &chunk[..])
            .chain([&self.tail[..]]);
        let mut filled = 0;
        for (slot, piece) in dst.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            *slot = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(
            count <= self.remaining(),
            "no more can be written than there is"
        );
        self.written += count as u64;
        while let Some(chunk) = self.chunks.front_mut() {
            if count < chunk.len() {
                chunk.advance(count);
                self.chunked -= count;
                return;
            }
            count -= chunk.len();
            self.chunked -= chunk.len();
            self.chunks.pop_front();
        }
        self.tail.advance(count);
        if self.tail.is_empty() && self.tail.try_reclaim(KEPT_ROOM_MAX + 1) {
            self.tail = BytesMut::new();
        }
    }
}
