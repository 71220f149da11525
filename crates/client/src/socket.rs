//! The socket to a server, plain or with TLS.

use crate::address::Address;
use crate::options::Options;
use bytes::BytesMut;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use {
    rustls::pki_types::ServerName, std::pin::Pin, tokio::io::AsyncWrite,
    tokio_rustls::TlsConnector, tokio_rustls::client::TlsStream,
};

#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
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
    pub(crate) async fn connect(address: &Address, options: &Options) -> io::Result<Self> {
        let stream = TcpStream::connect(address.socket()).await?;
        stream.set_nodelay(true)?;
        if !address.tls {
            return Ok(Self::Plain(stream));
        }
        Self::agree(stream, address, options).await
    }

    #[cfg(feature = "tls")]
    async fn agree(stream: TcpStream, address: &Address, options: &Options) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(ErrorKind::InvalidInput, what);
        let config = options.tls.clone();
        let config = config.ok_or_else(|| invalid("amqps:// needs Options::tls"))?;
        let name = ServerName::try_from(address.host.clone());
        let name = name.map_err(|_| invalid("no certificate is for such a name"))?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Self::Tls(Box::new(stream)))
    }

    #[cfg(not(feature = "tls"))]
    async fn agree(_: TcpStream, _: &Address, _: &Options) -> io::Result<Self> {
        let what = "amqps:// needs this client's feature tls";
        Err(io::Error::new(ErrorKind::Unsupported, what))
    }

    /// Writes as much as the socket takes; what it does not take is [`ErrorKind::WouldBlock`].
    pub(crate) fn try_write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write(octets),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => {
                // Nobody is woken by this: whoever wants to write more waits in `ready`.
                let mut nobody = Context::from_waker(Waker::noop());
                at_once(Pin::new(&mut **stream).poll_write(&mut nobody, octets))
            }
        }
    }

    /// Reads what is there.
    pub(crate) fn try_read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        at_once(self.poll_read(&mut Context::from_waker(Waker::noop()), input))
    }

    /// Waits until something was read, or the socket takes more, if `writes`. May be dropped and called again. What TLS has
    /// taken before goes out meanwhile.
    pub(crate) async fn ready(&mut self, input: &mut BytesMut, writes: bool) -> Ready {
        poll_fn(|context| {
            if let Poll::Ready(read) = self.poll_read(context, input) {
                return Poll::Ready(Ready::Read(read));
            }
            self.poll_writable(context, writes).map(Ready::Writable)
        })
        .await
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        // These futures keep nothing between two polls.
        match self {
            Self::Plain(stream) => pin!(stream.read_buf(input)).poll(context),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => pin!(stream.read_buf(input)).poll(context),
        }
    }

    fn poll_writable(&mut self, context: &mut Context<'_>, writes: bool) -> Poll<io::Result<()>> {
        let ready = match self {
            Self::Plain(_) if !writes => Poll::Pending,
            Self::Plain(stream) => stream.poll_write_ready(context),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        };
        match ready {
            Poll::Ready(Ok(())) if !writes => Poll::Pending,
            ready => ready,
        }
    }

    /// Gives the system what was written, as far as it takes it.
    pub(crate) fn flush(&mut self) {
        // Nothing waits in a plain socket.
        let _ = self.poll_writable(&mut Context::from_waker(Waker::noop()), false);
    }
}

fn at_once<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}
