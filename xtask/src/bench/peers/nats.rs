//! NATS JetStream in its own protocol: a work queue in a file, with publishers that wait for each message's answer, and
//! consumers that pull.

use crate::bench::layout::Layout;
use crate::bench::protocol::{
    Confirm, Consumer, Consuming, Control, Deliver, Delivery, HEAD_BYTES, Publisher,
};
use crate::bench::socket::{TextSocket, block, line, number};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

const DURABLE: &str = "consumer";
/// Nothing is delivered again while it is measured.
const ACK_WAIT_NS: u64 = 600_000_000_000;
/// So many messages are asked for at a time.
const BATCH: usize = 500;

/// What the server says. Subjects and replies are parts of what was read.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Message {
        subject: &'a [u8],
        reply: &'a [u8],
        payload: &'a [u8],
    },
    Ping,
    /// What needs no answer.
    Other,
}

/// The first thing that was said, and its length; `None` if it is not there in full.
fn parse(input: &[u8]) -> Result<Option<(Said<'_>, usize)>> {
    let Some((head, at)) = line(input) else {
        return Ok(None);
    };
    let words: Vec<&[u8]> = head.split(|byte| *byte == b' ').collect();
    let (subject, reply, length) = match words[..] {
        [b"MSG", subject, _, length] => (subject, &b""[..], length),
        [b"MSG", subject, _, reply, length] => (subject, reply, length),
        [b"PING"] => return Ok(Some((Said::Ping, at))),
        [b"-ERR", ..] => bail!("{}", String::from_utf8_lossy(head)),
        [b"INFO" | b"PONG" | b"+OK", ..] => return Ok(Some((Said::Other, at))),
        _ => bail!("`{}` makes no sense", String::from_utf8_lossy(head)),
    };
    let message = block(input, at, number(length)?);
    Ok(message.map(|(payload, end)| {
        let message = Said::Message {
            subject,
            reply,
            payload,
        };
        (message, end)
    }))
}

/// A connection that has said who it is and listens on an inbox.
fn open(port: u16, inbox: &str) -> Result<TextSocket> {
    let mut socket = TextSocket::open(port)?;
    let connect = json!({ "verbose": false, "pedantic": false, "lang": "bench", "version": "1" });
    write!(socket.output, "CONNECT {connect}\r\nSUB {inbox} 1\r\n")?;
    socket.flush()?;
    Ok(socket)
}

fn publish(output: &mut Vec<u8>, subject: &[u8], reply: &[u8], payload: &[u8]) {
    output.extend_from_slice(b"PUB ");
    output.extend_from_slice(subject);
    output.push(b' ');
    output.extend_from_slice(reply);
    write!(output, " {}\r\n", payload.len()).expect("memory takes all that is written");
    output.extend_from_slice(payload);
    output.extend_from_slice(b"\r\n");
}

/// The connection that makes streams and consumers.
pub(super) struct Nats {
    port: u16,
    socket: TextSocket,
}

impl Nats {
    pub(super) fn open(port: u16) -> Result<Self> {
        let socket = open(port, "_INBOX.control")?;
        Ok(Self { port, socket })
    }

    /// A call of JetStream's API; what it answers, errors too.
    fn call(&mut self, what: &str, request: &Value) -> Result<Value> {
        let subject = format!("$JS.API.{what}");
        let request = request.to_string();
        let output = &mut self.socket.output;
        publish(
            output,
            subject.as_bytes(),
            b"_INBOX.control",
            request.as_bytes(),
        );
        self.socket.flush()?;
        loop {
            self.socket.fill()?;
            let (mut at, mut answer) = (0, None);
            while let Some((said, length)) = parse(&self.socket.input[at..])? {
                match said {
                    Said::Message { payload, .. } => {
                        answer = Some(serde_json::from_slice(payload).context("an answer")?);
                    }
                    Said::Ping => self.socket.output.extend_from_slice(b"PONG\r\n"),
                    Said::Other => {}
                }
                at += length;
            }
            self.socket.take(at);
            self.socket.flush()?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    fn call_in_vain_is_an_error(&mut self, what: &str, request: &Value) -> Result<Value> {
        let answer = self.call(what, request)?;
        ensure!(answer.get("error").is_none(), "{what}: {answer}");
        Ok(answer)
    }
}

impl Control for Nats {
    fn make(&mut self, layout: Layout) -> Result<()> {
        self.remove(layout)?;
        for queue in layout.queues() {
            let stream = json!({
                "name": queue, "subjects": [queue], "storage": "file", "retention": "workqueue",
                "num_replicas": 1, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1,
            });
            self.call_in_vain_is_an_error(&format!("STREAM.CREATE.{queue}"), &stream)?;
            let consumer = json!({
                "stream_name": queue,
                "config": {
                    "durable_name": DURABLE, "ack_policy": "explicit", "deliver_policy": "all",
                    "max_ack_pending": 20_000, "max_waiting": 512, "ack_wait": ACK_WAIT_NS,
                },
            });
            let create = format!("CONSUMER.DURABLE.CREATE.{queue}.{DURABLE}");
            self.call_in_vain_is_an_error(&create, &consumer)?;
        }
        Ok(())
    }

    fn remove(&mut self, layout: Layout) -> Result<()> {
        for queue in layout.queues() {
            self.call(&format!("STREAM.DELETE.{queue}"), &json!({}))?;
        }
        Ok(())
    }

    fn left(&mut self, layout: Layout) -> Result<u64> {
        let mut left = 0;
        for queue in layout.queues() {
            let info =
                self.call_in_vain_is_an_error(&format!("STREAM.INFO.{queue}"), &json!({}))?;
            let messages = info["state"]["messages"].as_u64();
            left += messages.with_context(|| format!("no count in {info}"))?;
        }
        Ok(left)
    }

    fn publisher(&self, layout: Layout, number: usize, size: usize) -> Result<Box<dyn Publisher>> {
        let inbox = format!("_INBOX.publisher{number}");
        Ok(Box::new(NatsPublisher {
            socket: open(self.port, &format!("{inbox}.*"))?,
            inbox,
            subjects: layout.queues_of_end(number),
            sent: 0,
            body: vec![0x5a; size],
        }))
    }

    fn consumer(&self, layout: Layout, number: usize, _: Consuming) -> Result<Box<dyn Consumer>> {
        let inbox = format!("_INBOX.consumer{number}");
        let socket = open(self.port, &inbox)?;
        socket.wait_a_moment_only()?;
        let [queue] = &layout.queues_of_end(number)[..] else {
            bail!("a consumer here has one stream");
        };
        let mut consumer = NatsConsumer {
            socket,
            inbox,
            next: format!("$JS.API.CONSUMER.MSG.NEXT.{queue}.{DURABLE}"),
            asked_for: 0,
        };
        consumer.ask();
        consumer.socket.flush()?;
        Ok(Box::new(consumer))
    }
}

struct NatsPublisher {
    socket: TextSocket,
    inbox: String,
    subjects: Vec<String>,
    sent: u64,
    body: Vec<u8>,
}

impl Publisher for NatsPublisher {
    fn put(&mut self, head: &[u8; HEAD_BYTES]) {
        let subject = &self.subjects[(self.sent % self.subjects.len() as u64) as usize];
        self.sent += 1;
        let (output, body) = (&mut self.socket.output, &mut self.body);
        body[..HEAD_BYTES].copy_from_slice(head);
        write!(
            output,
            "PUB {subject} {}.{} {}\r\n",
            self.inbox,
            self.sent,
            body.len()
        )
        .expect("memory takes all that is written");
        output.extend_from_slice(body);
        output.extend_from_slice(b"\r\n");
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
            match said {
                Said::Message {
                    subject, payload, ..
                } => {
                    let refused = payload.starts_with(b"{\"error\"");
                    ensure!(!refused, "{}", String::from_utf8_lossy(payload));
                    confirm(number(&subject[self.inbox.len() + 1..])?, false)?;
                }
                Said::Ping => self.socket.output.extend_from_slice(b"PONG\r\n"),
                Said::Other => {}
            }
            at += length;
        }
        self.socket.take(at);
        Ok(())
    }
}

struct NatsConsumer {
    socket: TextSocket,
    inbox: String,
    /// Where messages are asked for.
    next: String,
    asked_for: usize,
}

impl NatsConsumer {
    /// There are always one or two batches on their way.
    fn ask(&mut self) {
        while self.asked_for <= BATCH {
            let request = format!("{{\"batch\":{BATCH}}}");
            publish(
                &mut self.socket.output,
                self.next.as_bytes(),
                self.inbox.as_bytes(),
                request.as_bytes(),
            );
            self.asked_for += BATCH;
        }
    }
}

impl Consumer for NatsConsumer {
    fn receive(&mut self, deliver: Deliver<'_>) -> Result<()> {
        self.socket.fill_if_any()?;
        let mut at = 0;
        while let Some((said, length)) = parse(&self.socket.input[at..])? {
            match said {
                Said::Message { reply, payload, .. } => {
                    ensure!(!reply.is_empty(), "{}", String::from_utf8_lossy(payload));
                    // $JS.ACK.stream.consumer.attempt.…
                    let attempt = reply.split(|byte| *byte == b'.').nth(4);
                    deliver(Delivery {
                        body: payload,
                        consumer: 0,
                        redelivered: attempt != Some(b"1"),
                    })?;
                    let output = &mut self.socket.output;
                    output.extend_from_slice(b"PUB ");
                    output.extend_from_slice(reply);
                    output.extend_from_slice(b" 4\r\n+ACK\r\n");
                    self.asked_for = self.asked_for.saturating_sub(1);
                }
                Said::Ping => self.socket.output.extend_from_slice(b"PONG\r\n"),
                Said::Other => {}
            }
            at += length;
        }
        self.socket.take(at);
        self.ask();
        self.socket.flush()
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        // The answer comes after everything before it has been read.
        self.socket.output.extend_from_slice(b"PING\r\n");
        self.socket.flush()?;
        while !self.socket.input.ends_with(b"PONG\r\n") {
            self.socket.fill_if_any()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_with_and_without_a_reply_and_in_pieces() {
        let input =
            b"MSG _INBOX.1.7 1 2\r\n{}\r\nMSG q 1 $JS.ACK.q.c.1.9.9.0.0 3\r\nabc\r\nPING\r\n";
        let (first, length) = parse(input).expect("is right").expect("is whole");
        let answer = Said::Message {
            subject: b"_INBOX.1.7",
            reply: b"",
            payload: b"{}",
        };
        assert_eq!(first, answer);
        let rest = &input[length..];
        assert_eq!(parse(&rest[..36]).expect("is right"), None);
        let (second, length) = parse(rest).expect("is right").expect("is whole");
        let message = Said::Message {
            subject: b"q",
            reply: b"$JS.ACK.q.c.1.9.9.0.0",
            payload: b"abc",
        };
        assert_eq!(second, message);
        let ping = parse(&rest[length..]).expect("is right");
        assert_eq!(ping, Some((Said::Ping, 6)));
        assert!(parse(b"-ERR 'no'\r\n").is_err());
    }
}
