//! beanstalkd in its own protocol: put, reserve and delete, many on their way at a time.

use crate::bench::layout::Layout;
use crate::bench::protocol::{
    Confirm, Consumer, Consuming, Control, Deliver, Delivery, HEAD_BYTES, Publisher,
};
use crate::bench::socket::{TextSocket, block, line, number};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::time::Duration;

/// The most jobs that are reserved at a time.
const BATCH: usize = 500;

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Inserted,
    Reserved { id: &'a [u8], body: &'a [u8] },
    Deleted,
    NoJob,
    Other(&'a [u8]),
}

/// The first thing that was said, and its length; `None` if it is not there in full.
fn parse(input: &[u8]) -> Result<Option<(Said<'_>, usize)>> {
    let Some((head, at)) = line(input) else {
        return Ok(None);
    };
    let words: Vec<&[u8]> = head.split(|byte| *byte == b' ').collect();
    Ok(match words[..] {
        [b"INSERTED", _] => Some((Said::Inserted, at)),
        [b"RESERVED", id, length] => {
            block(input, at, number(length)?).map(|(body, end)| (Said::Reserved { id, body }, end))
        }
        [b"DELETED"] => Some((Said::Deleted, at)),
        [b"TIMED_OUT"] => Some((Said::NoJob, at)),
        [b"OK", length] => {
            block(input, at, number(length)?).map(|(text, end)| (Said::Other(text), end))
        }
        [b"USING" | b"WATCHING" | b"NOT_FOUND", ..] => Some((Said::Other(head), at)),
        _ => bail!("{}", String::from_utf8_lossy(head)),
    })
}

/// The connection that counts and empties tubes.
pub(super) struct Beanstalkd {
    port: u16,
    socket: TextSocket,
}

impl Beanstalkd {
    pub(super) fn open(port: u16) -> Result<Self> {
        let socket = TextSocket::open(port)?;
        Ok(Self { port, socket })
    }
}

/// Sends a command and waits for its answer, where it has a text.
fn call(socket: &mut TextSocket, command: &str) -> Result<String> {
    write!(socket.output, "{command}\r\n")?;
    socket.flush()?;
    loop {
        socket.fill()?;
        if let Some((said, length)) = parse(&socket.input)? {
            let text = match said {
                Said::Other(text) => String::from_utf8_lossy(text).into_owned(),
                _ => String::new(),
            };
            socket.take(length);
            return Ok(text);
        }
    }
}

impl Control for Beanstalkd {
    /// A tube is there while it is used.
    fn make(&mut self, layout: Layout) -> Result<()> {
        let left = self.left(layout)?;
        anyhow::ensure!(left == 0, "{left} jobs are left from the run before");
        Ok(())
    }

    fn remove(&mut self, _: Layout) -> Result<()> {
        Ok(())
    }

    fn left(&mut self, layout: Layout) -> Result<u64> {
        let mut left = 0;
        for tube in layout.queues() {
            let stats = call(&mut self.socket, &format!("stats-tube {tube}"))?;
            for line in stats.lines() {
                if let Some(("current-jobs-ready" | "current-jobs-reserved", count)) =
                    line.split_once(": ")
                {
                    left += count.parse::<u64>().context("a count of jobs")?;
                }
            }
        }
        Ok(left)
    }

    fn publisher(&self, layout: Layout, number: usize, size: usize) -> Result<Box<dyn Publisher>> {
        let [tube] = &layout.queues_of_end(number)[..] else {
            bail!("a publisher here has one tube");
        };
        let mut socket = TextSocket::open(self.port)?;
        call(&mut socket, &format!("use {tube}"))?;
        let mut message = format!("put 0 0 3600 {size}\r\n").into_bytes();
        message.extend(std::iter::repeat_n(0x5a, size));
        message.extend_from_slice(b"\r\n");
        Ok(Box::new(BeanstalkdPublisher {
            socket,
            message,
            size,
            confirmed: 0,
        }))
    }

    fn consumer(&self, layout: Layout, number: usize, _: Consuming) -> Result<Box<dyn Consumer>> {
        let [tube] = &layout.queues_of_end(number)[..] else {
            bail!("a consumer here has one tube");
        };
        let mut socket = TextSocket::open(self.port)?;
        call(&mut socket, &format!("watch {tube}"))?;
        call(&mut socket, "ignore default")?;
        let mut consumer = BeanstalkdConsumer {
            socket,
            answers_open: 0,
            reserves: 1,
            got: 0,
        };
        consumer.ask();
        consumer.socket.flush()?;
        Ok(Box::new(consumer))
    }
}

struct BeanstalkdPublisher {
    socket: TextSocket,
    message: Vec<u8>,
    size: usize,
    confirmed: u64,
}

impl Publisher for BeanstalkdPublisher {
    fn put(&mut self, head: &[u8; HEAD_BYTES]) {
        let output = &mut self.socket.output;
        output.extend_from_slice(&self.message);
        let at = output.len() - 2 - self.size;
        output[at..at + HEAD_BYTES].copy_from_slice(head);
    }

    fn flush(&mut self) -> Result<()> {
        self.socket.flush()
    }

    fn confirms(&mut self, wait: Option<Duration>, confirm: Confirm<'_>) -> Result<()> {
        if !self.socket.fill_within(wait)? {
            return Ok(());
        }
        let mut at = 0;
        while let Some((said, length)) = parse(&self.socket.input[at..])? {
            let Said::Inserted = said else {
                bail!("{said:?} instead of a confirm");
            };
            at += length;
            self.confirmed += 1;
            confirm(self.confirmed, false)?;
        }
        self.socket.take(at);
        Ok(())
    }
}

/// Deletes what a turn brought together with the reserves of the next turn. The first of these waits for a job, the
/// others take what else is there; there are about as many as the turn before would have needed.
struct BeanstalkdConsumer {
    socket: TextSocket,
    answers_open: usize,
    reserves: usize,
    got: usize,
}

impl BeanstalkdConsumer {
    fn ask(&mut self) {
        let output = &mut self.socket.output;
        output.extend_from_slice(b"reserve-with-timeout 1\r\n");
        for _ in 1..self.reserves {
            output.extend_from_slice(b"reserve-with-timeout 0\r\n");
        }
        self.answers_open += self.reserves;
    }

    fn take_what_came(&mut self, deliver: Deliver<'_>) -> Result<()> {
        let mut at = 0;
        while let Some((said, length)) = parse(&self.socket.input[at..])? {
            match said {
                Said::Reserved { id, body } => {
                    deliver(Delivery {
                        body,
                        consumer: 0,
                        redelivered: false,
                    })?;
                    let output = &mut self.socket.output;
                    output.extend_from_slice(b"delete ");
                    output.extend_from_slice(id);
                    output.extend_from_slice(b"\r\n");
                    self.answers_open += 1;
                    self.got += 1;
                }
                Said::Deleted | Said::NoJob => {}
                other => bail!("{other:?} on its way to the consumer"),
            }
            at += length;
            self.answers_open -= 1;
        }
        self.socket.take(at);
        Ok(())
    }
}

impl Consumer for BeanstalkdConsumer {
    fn receive(&mut self, deliver: Deliver<'_>) -> Result<()> {
        self.socket.fill()?;
        self.take_what_came(deliver)?;
        if self.answers_open == self.got {
            // Only the deletes that were not sent yet.
            self.reserves = (2 * self.got).clamp(1, BATCH);
            self.got = 0;
            self.ask();
            self.socket.flush()?;
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.socket.flush()?;
        while self.answers_open > 0 {
            self.socket.fill()?;
            self.take_what_came(&mut |_| bail!("a job too many"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_taken_when_they_are_whole() {
        let input = b"RESERVED 7 3\r\nabc\r\nDELETED\r\nTIMED_OUT\r\n";
        assert_eq!(parse(&input[..16]).expect("is right"), None);
        let (said, length) = parse(input).expect("is right").expect("is whole");
        let job = Said::Reserved {
            id: b"7",
            body: b"abc",
        };
        assert_eq!(said, job);
        let next = parse(&input[length..]).expect("is right");
        assert_eq!(next, Some((Said::Deleted, 9)));
        assert!(parse(b"OUT_OF_MEMORY\r\n").is_err());
    }
}
