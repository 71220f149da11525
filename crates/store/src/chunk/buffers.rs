//! Buffers of chunks, used again. Fresh memory costs a fault for every page, and a chunk is many pages: what the
//! oldest chunk in memory lets go of is what the next one needs.

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// The smallest buffer that is worth keeping.
const KEPT_LEAST: usize = 64 * 1024;
/// The largest buffer that is kept: a full chunk is little over 1 MiB.
const KEPT_MOST: usize = 1280 * 1024;
/// How many are kept: as many as land, grow and are let go of at a time.
const KEPT: usize = 4;

/// Buffers that nobody needs at the moment; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer with room for at least so many bytes, and not for many more.
    pub(super) fn take(&self, room: usize) -> Vec<u8> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The one that came last is the likeliest to be in the processor's cache.
        let fits = |buffer: &Vec<u8>| (room..=2 * room).contains(&buffer.capacity());
        match kept.iter().rposition(fits) {
            Some(at) => kept.remove(at),
            None => Vec::with_capacity(room.next_multiple_of(KEPT_LEAST / 16)),
        }
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        if (KEPT_LEAST..=KEPT_MOST).contains(&buffer.capacity()) {
            buffer.clear();
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT {
                kept.remove(0);
            }
            kept.push(buffer);
        }
    }

    /// What `buffer` holds; when nobody needs it any more the buffer is here again. The bytes may stay for long: what
    /// a short chunk behind a long one has reserved too much would not be seen by any budget, so it is copied.
    pub(super) fn share(&self, buffer: Vec<u8>) -> Bytes {
        if buffer.len() < buffer.capacity() / 2 {
            let bytes = Bytes::copy_from_slice(&buffer);
            self.give_back(buffer);
            return bytes;
        }
        Bytes::from_owner(Lent {
            buffer,
            home: self.clone(),
        })
    }
}

/// A buffer that returns.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 256 * 1024;

    fn filled(buffers: &Buffers, length: usize) -> Vec<u8> {
        let mut buffer = buffers.take(ROOM);
        buffer.resize(length, 7);
        buffer
    }

    #[test]
    fn a_buffer_comes_back_when_the_last_who_needs_it_goes() {
        let buffers = Buffers::default();
        let buffer = filled(&buffers, ROOM);
        let place = buffer.as_ptr();
        let bytes = buffers.share(buffer);
        let part = bytes.slice(5..9);
        drop(bytes);
        let other = filled(&buffers, 1);
        assert_ne!(other.as_ptr(), place);
        assert_eq!(part, [7; 4][..]);
        drop(part);
        let again = buffers.take(ROOM);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_and_no_larger_than_was_asked_for_twice() {
        let buffers = Buffers::default();
        let many: Vec<Bytes> = (0..2 * KEPT)
            .map(|_| buffers.share(filled(&buffers, ROOM)))
            .collect();
        drop(many);
        assert_eq!(buffers.0.lock().expect("one thread").len(), KEPT);
        assert!(buffers.take(ROOM / 3).capacity() < ROOM);
        let short = buffers.share(filled(&buffers, 10));
        assert_eq!(short, [7; 10][..]);
    }
}
