//! A blocking socket with buffers, for the protocols that are text.

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A server that says nothing for so long has lost what we wait for.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// A consumer looks so often whether there is anything to come.
pub(super) const MOMENT: Duration = Duration::from_millis(50);
pub(super) const READ_BYTES: usize = 256 * 1024;

/// Connects with what all connections of the generator have.
pub(super) fn connect(port: u16) -> Result<TcpStream> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?;
    socket.set_nodelay(true).context("TCP_NODELAY")?;
    socket
        .set_read_timeout(Some(PATIENCE))
        .context("read time-out")?;
    Ok(socket)
}

/// Whether there is something to read within a time.
pub(super) fn readable_within(socket: &TcpStream, time: Duration) -> Result<bool> {
    let mut wanted = [PollFd::new(socket, PollFlags::IN)];
    let time = Timespec::try_from(time).context("time-out")?;
    match poll(&mut wanted, Some(&time)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error).context("poll"),
    }
}

/// Reads what there is; `None` when the time for it is over.
pub(super) fn read_some(socket: &mut TcpStream, strip: &mut [u8]) -> Result<Option<usize>> {
    match socket.read(strip) {
        Ok(0) => bail!("the server closed the connection"),
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(None)
        }
        Err(error) => Err(error).context("cannot read from the server"),
    }
}

/// The socket with what was read and not yet taken, and what is sent with the next flush.
pub(super) struct TextSocket {
    socket: TcpStream,
    pub(super) input: Vec<u8>,
    /// Where the socket is read into, before it goes to `input`.
    strip: Vec<u8>,
    pub(super) output: Vec<u8>,
}

impl TextSocket {
    pub(super) fn open(port: u16) -> Result<Self> {
        Ok(Self {
            socket: connect(port)?,
            input: Vec::new(),
            strip: vec![0; READ_BYTES],
            output: Vec::new(),
        })
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.output).context("cannot send")?;
        self.output.clear();
        Ok(())
    }

    /// Waits for bytes.
    pub(super) fn fill(&mut self) -> Result<()> {
        let came = self.fill_if_any()?;
        came.then_some(())
            .context("the server says nothing any more")
    }

    /// Waits for bytes, at most so long where a time is given. Whether any came.
    pub(super) fn fill_within(&mut self, time: Option<Duration>) -> Result<bool> {
        if let Some(time) = time
            && !readable_within(&self.socket, time)?
        {
            return Ok(false);
        }
        self.fill().map(|()| true)
    }

    /// From now on `fill_if_any` waits no longer than a moment.
    pub(super) fn wait_a_moment_only(&self) -> Result<()> {
        self.socket
            .set_read_timeout(Some(MOMENT))
            .context("read time-out")
    }

    /// Waits for bytes as long as the socket's time-out says. Whether any came.
    pub(super) fn fill_if_any(&mut self) -> Result<bool> {
        let length = read_some(&mut self.socket, &mut self.strip)?;
        self.input
            .extend_from_slice(&self.strip[..length.unwrap_or(0)]);
        Ok(length.is_some())
    }

    /// The first bytes of the input have been taken.
    pub(super) fn take(&mut self, length: usize) {
        self.input.drain(..length);
    }
}

/// The first line without its end, and its length with it.
pub(super) fn line(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = input.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&input[..end], end + 2))
}

/// `length` bytes after the first `at`, with a line's end behind them; and where that ends.
pub(super) fn block(input: &[u8], at: usize, length: usize) -> Option<(&[u8], usize)> {
    let end = at + length + 2;
    (input.len() >= end).then(|| (&input[at..at + length], end))
}

/// A number in ASCII.
pub(super) fn number<N: std::str::FromStr>(text: &[u8]) -> Result<N> {
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    number.with_context(|| format!("`{}` is no number", String::from_utf8_lossy(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_blocks_are_taken_only_when_they_are_whole() {
        assert_eq!(line(b"OK 3\r"), None);
        assert_eq!(line(b"OK 3\r\nabc"), Some((&b"OK 3"[..], 6)));
        assert_eq!(block(b"OK 3\r\nabc\r", 6, 3), None);
        assert_eq!(block(b"OK 3\r\nabc\r\n", 6, 3), Some((&b"abc"[..], 11)));
    }
}
