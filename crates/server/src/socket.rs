//! Writing to a client's socket: what is to be written lies in pieces, which are not copied together for it.

use bytes::Buf;
use std::io::{self, ErrorKind, IoSlice};
use wire::Output;

/// The most pieces of one write.
const PIECES: usize = 64;

/// Writes as much as the socket takes; tells whether that is all.
///
/// # Errors
/// If the socket failed. One that takes nothing more has been closed: [`ErrorKind::WriteZero`].
pub(crate) fn write(
    output: &mut Output,
    try_write: impl Fn(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<bool> {
    while !output.is_empty() {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let count = output.chunks_vectored(&mut pieces);
        match try_write(&pieces[..count]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => output.advance(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
