//! Redis Streams in Redis's own protocol: XADD; XREADGROUP of up to 500 at a time, and one XACK for what it gave.

use crate::bench::layout::Layout;
use crate::bench::protocol::{
    Confirm, Consumer, Consuming, Control, Deliver, Delivery, HEAD_BYTES, Publisher,
};
use crate::bench::socket::{TextSocket, block, line, number};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::time::Duration;

const GROUP: &str = "consumers";
const BATCH: &str = "500";
/// The server answers after so many milliseconds also where there is nothing.
const BLOCK_MS: &str = "50";

/// A piece of a reply.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// So many replies follow.
    Array(usize),
    /// A string, or a number as text.
    Text(&'a [u8]),
    Nothing,
}

/// The first piece, and its length; `None` if it is not there in full.
fn piece(input: &[u8]) -> Result<Option<(Piece<'_>, usize)>> {
    let Some((head, at)) = line(input) else {
        return Ok(None);
    };
    let (kind, rest) = head.split_first().context("an empty line")?;
    Ok(match kind {
        b'*' | b'$' if rest == b"-1" => Some((Piece::Nothing, at)),
        b'*' => Some((Piece::Array(number(rest)?), at)),
        b'$' => block(input, at, number(rest)?).map(|(text, end)| (Piece::Text(text), end)),
        b'+' | b':' => Some((Piece::Text(rest), at)),
        _ => bail!("{}", String::from_utf8_lossy(head)),
    })
}

/// Texts, and how many bytes they were in all.
type Reply<'a> = (Vec<&'a [u8]>, usize);

/// The texts of the first reply in their order, however they are nested, and its length; `None` if it is not there in
/// full.
fn reply(input: &[u8]) -> Result<Option<Reply<'_>>> {
    let (mut texts, mut open, mut at) = (Vec::new(), 1, 0);
    while open > 0 {
        let Some((piece, length)) = piece(&input[at..])? else {
            return Ok(None);
        };
        at += length;
        open -= 1;
        match piece {
            Piece::Array(count) => open += count,
            Piece::Text(text) => texts.push(text),
            Piece::Nothing => {}
        }
    }
    Ok(Some((texts, at)))
}

/// A command with its arguments.
fn put(output: &mut Vec<u8>, words: &[&[u8]]) {
    write!(output, "*{}\r\n", words.len()).expect("memory takes all that is written");
    for word in words {
        write!(output, "${}\r\n", word.len()).expect("memory takes all that is written");
        output.extend_from_slice(word);
        output.extend_from_slice(b"\r\n");
    }
}

/// The connection that makes streams and groups.
pub(super) struct Redis {
    port: u16,
    socket: TextSocket,
}

impl Redis {
    pub(super) fn open(port: u16) -> Result<Self> {
        let socket = TextSocket::open(port)?;
        Ok(Self { port, socket })
    }

    /// The first text of the answer to a command.
    fn call(&mut self, words: &[&str]) -> Result<String> {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        put(&mut self.socket.output, &words);
        self.socket.flush()?;
        loop {
            self.socket.fill()?;
            if let Some((texts, length)) = reply(&self.socket.input)? {
                let first = texts.first().copied().unwrap_or_default();
                let first = String::from_utf8_lossy(first).into_owned();
                self.socket.take(length);
                return Ok(first);
            }
        }
    }
}

impl Control for Redis {
    fn make(&mut self, layout: Layout) -> Result<()> {
        self.remove(layout)?;
        for queue in layout.queues() {
            self.call(&["XGROUP", "CREATE", &queue, GROUP, "0", "MKSTREAM"])?;
        }
        Ok(())
    }

    fn remove(&mut self, layout: Layout) -> Result<()> {
        for queue in layout.queues() {
            self.call(&["DEL", &queue])?;
        }
        Ok(())
    }

    /// A stream keeps what was acknowledged: what is left are those that were handed out and not acknowledged.
    fn left(&mut self, layout: Layout) -> Result<u64> {
        let mut left = 0;
        for queue in layout.queues() {
            left += number::<u64>(self.call(&["XPENDING", &queue, GROUP])?.as_bytes())?;
        }
        Ok(left)
    }

    fn publisher(&self, layout: Layout, number: usize, size: usize) -> Result<Box<dyn Publisher>> {
        let body = vec![0x5a; size];
        let queues = layout.queues_of_end(number);
        let messages = queues.iter().map(|queue| {
            let mut message = Vec::new();
            put(
                &mut message,
                &[b"XADD", queue.as_bytes(), b"*", b"b", &body],
            );
            message
        });
        Ok(Box::new(RedisPublisher {
            socket: TextSocket::open(self.port)?,
            messages: messages.collect(),
            size,
            sent: 0,
            confirmed: 0,
        }))
    }

    fn consumer(&self, layout: Layout, number: usize, _: Consuming) -> Result<Box<dyn Consumer>> {
        let [queue] = &layout.queues_of_end(number)[..] else {
            bail!("a consumer here has one stream");
        };
        let mut consumer = RedisConsumer {
            socket: TextSocket::open(self.port)?,
            queue: queue.clone(),
            name: format!("consumer{number}"),
            acks_open: 0,
        };
        consumer.ask();
        consumer.socket.flush()?;
        consumer.socket.wait_a_moment_only()?;
        Ok(Box::new(consumer))
    }
}

struct RedisPublisher {
    socket: TextSocket,
    messages: Vec<Vec<u8>>,
    size: usize,
    sent: usize,
    confirmed: u64,
}

impl Publisher for RedisPublisher {
    fn put(&mut self, head: &[u8; HEAD_BYTES]) {
        let output = &mut self.socket.output;
        output.extend_from_slice(&self.messages[self.sent % self.messages.len()]);
        // A line's end follows the body.
        let at = output.len() - 2 - self.size;
        output[at..at + HEAD_BYTES].copy_from_slice(head);
        self.sent += 1;
    }

    fn flush(&mut self) -> Result<()> {
        self.socket.flush()
    }

    fn confirms(&mut self, wait: Option<Duration>, confirm: Confirm<'_>) -> Result<()> {
        if !self.socket.fill_within(wait)? {
            return Ok(());
        }
        let mut at = 0;
        while let Some((_, length)) = piece(&self.socket.input[at..])? {
            at += length;
            self.confirmed += 1;
            confirm(self.confirmed, false)?;
        }
        self.socket.take(at);
        Ok(())
    }
}

struct RedisConsumer {
    socket: TextSocket,
    queue: String,
    name: String,
    /// Answers to XACK that come before the next messages.
    acks_open: usize,
}

impl RedisConsumer {
    fn ask(&mut self) {
        let (queue, name) = (self.queue.as_bytes(), self.name.as_bytes());
        let words: [&[u8]; 11] = [
            b"XREADGROUP",
            b"GROUP",
            GROUP.as_bytes(),
            name,
            b"COUNT",
            BATCH.as_bytes(),
            b"BLOCK",
            BLOCK_MS.as_bytes(),
            b"STREAMS",
            queue,
            b">",
        ];
        put(&mut self.socket.output, &words);
    }
}

impl Consumer for RedisConsumer {
    fn receive(&mut self, deliver: Deliver<'_>) -> Result<()> {
        self.socket.fill_if_any()?;
        let mut at = 0;
        while self.acks_open > 0 {
            let Some((_, length)) = piece(&self.socket.input[at..])? else {
                break;
            };
            at += length;
            self.acks_open -= 1;
        }
        let whole = reply(&self.socket.input[at..])?;
        let Some((texts, length)) = whole.filter(|_| self.acks_open == 0) else {
            self.socket.take(at);
            return Ok(());
        };
        // The stream's name, and then for each message its id, a field's name and the field.
        let mut words: Vec<&[u8]> = vec![b"XACK", self.queue.as_bytes(), GROUP.as_bytes()];
        for entry in texts.get(1..).unwrap_or_default().chunks(3) {
            let [id, _, body] = *entry else {
                bail!("an entry of a stream without its field");
            };
            deliver(Delivery {
                body,
                consumer: 0,
                redelivered: false,
            })?;
            words.push(id);
        }
        if words.len() > 3 {
            put(&mut self.socket.output, &words);
            self.acks_open += 1;
        }
        self.socket.take(at + length);
        self.ask();
        self.socket.flush()
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        while self.acks_open > 0 {
            self.receive(&mut |_| bail!("a message too many"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_reply_is_taken_when_it_is_whole() {
        let input = b"*1\r\n*2\r\n$1\r\nq\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nb\r\n$2\r\nxx\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\nb\r\n$2\r\nyy\r\n:1\r\n";
        let (texts, length) = reply(input).expect("is right").expect("is whole");
        let expected: [&[u8]; 7] = [b"q", b"1-1", b"b", b"xx", b"1-2", b"b", b"yy"];
        assert_eq!(texts, expected);
        assert_eq!(&input[length..], b":1\r\n");
        assert_eq!(reply(&input[..length - 1]).expect("is right"), None);
        assert_eq!(reply(b"*-1\r\n").expect("is right"), Some((vec![], 5)));
        assert!(reply(b"-ERR no\r\n").is_err());
    }
}
