//! A client's socket, plain or with TLS: what is to be written lies in pieces, which are not copied together for it.

use bytes::{Buf, BufMut};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use wire::Output;

/// The most pieces of one write.
const PIECES: usize = 64;

/// How long a finished connection may take to accept the last bytes of TLS.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// How long the peer is listened to after the last bytes were written: closing a socket with unread input
/// resets it, and the peer might never see why it was closed.
const LINGER: Duration = Duration::from_secs(1);

/// The connection to a client.
pub(crate) enum Socket {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted. What it has taken and not sent yet is little: see [`crate::tls`].
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a socket was waited for.
pub(crate) enum Ready {
    /// So much was read; 0 at the end.
    Read(io::Result<usize>),
    /// It takes more.
    Writable(io::Result<()>),
}

impl Socket {
    /// Where this end of it is.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.local_addr(),
            Self::Tls(stream) => stream.get_ref().0.local_addr(),
        }
    }

    /// Writes as much as the socket takes; tells whether that is all.
    ///
    /// # Errors
    /// If the socket failed. One that takes nothing more has been closed: [`ErrorKind::WriteZero`].
    pub(crate) fn write(&mut self, output: &mut Output) -> io::Result<bool> {
        while !output.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = output.chunks_vectored(&mut pieces);
            match self.try_write(&pieces[..count]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => output.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn try_write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write_vectored(pieces),
            Self::Tls(stream) => {
                // Nobody is woken by this: whoever wants to write more waits in `ready`.
                let mut nobody = Context::from_waker(Waker::noop());
                match Pin::new(&mut **stream).poll_write_vectored(&mut nobody, pieces) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Err(ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Waits until something was read into `room`, if `reads`, or the socket takes more, if `writes`. May be dropped and
    /// called again. What TLS has taken before goes out meanwhile.
    pub(crate) async fn ready(
        &mut self,
        room: &mut impl BufMut,
        reads: bool,
        writes: bool,
    ) -> Ready {
        poll_fn(|context| {
            if reads && let Poll::Ready(read) = self.poll_read(context, room) {
                return Poll::Ready(Ready::Read(read));
            }
            self.poll_writable(context, writes).map(Ready::Writable)
        })
        .await
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        // These futures keep nothing between two polls.
        match self {
            Self::Plain(stream) => pin!(stream.read_buf(room)).poll(context),
            Self::Tls(stream) => pin!(stream.read_buf(room)).poll(context),
        }
    }

    fn poll_writable(&mut self, context: &mut Context<'_>, writes: bool) -> Poll<io::Result<()>> {
        let ready = match self {
            Self::Plain(_) if !writes => Poll::Pending,
            Self::Plain(stream) => stream.poll_write_ready(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        };
        match ready {
            Poll::Ready(Ok(())) if !writes => Poll::Pending,
            ready => ready,
        }
    }

    /// Says that nothing more comes, and listens to what the peer still says, so that it sees what was said to it last.
    pub(crate) async fn linger(mut self) {
        let said = tokio::time::timeout(FLUSH_MAX, self.shut_down()).await;
        if matches!(said, Ok(Ok(()))) {
            let listen = async {
                let mut ignored = [0; 512];
                while matches!(self.read(&mut ignored).await, Ok(count) if count > 0) {}
            };
            // The peer may go on for ever; a second is enough for our last words to arrive.
            let _ = tokio::time::timeout(LINGER, listen).await;
        }
    }

    async fn shut_down(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        }
    }

    async fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(octets).await,
            Self::Tls(stream) => stream.read(octets).await,
        }
    }
}
