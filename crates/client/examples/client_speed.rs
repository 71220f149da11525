//! What the client costs: its CPU time per confirmed message beside that of a bare loop, which writes ready-made
//! frames and counts confirms, and beside that of a receiver that acknowledges each message.
//!
//! `cargo run --release -p landfall-client --example client_speed -- [URL] [MESSAGES] [BODY BYTES]`, with a server
//! running at the URL. Only Linux tells a thread's CPU time to the nanosecond (`/proc/thread-self/schedstat`).

use bytes::{Buf, Bytes, BytesMut};
use landfall_client::{Address, Options, Receiver, Sender};
use model::method::{basic, channel, confirm, connection};
use model::{ChannelNumber, Method, PropertiesBuilder, ShortStr, TableBuilder, Value};
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use wire::{Frame, FrameReader, PROTOCOL_HEADER, encode_content, encode_method};

const WINDOW: u64 = 5_000;
const QUEUE: &str = "client-speed";
const CHANNEL: ChannelNumber = ChannelNumber(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("amqp://127.0.0.1".into());
    let messages: u64 = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let size: usize = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let body = Bytes::from(vec![7; size]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let options = Options::parse([url.as_str()])?;

    runtime.block_on(send(&options, &body, 1_000))?;
    let sender = measure("sender", messages, || {
        runtime.block_on(send(&options, &body, messages))
    })?;
    let bare = measure("bare loop", messages, || {
        send_bare(&url.parse()?, &body, messages)
    })?;
    println!("sender / bare loop: {:.2}", sender / bare);
    measure("receiver", 2 * messages, || {
        runtime.block_on(receive(&options, 2 * messages + 1_000))
    })?;
    Ok(())
}

/// Runs `work` and returns its CPU time per message in nanoseconds.
fn measure(
    name: &str,
    messages: u64,
    work: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let (cpu, wall) = (cpu_ns()?, Instant::now());
    work()?;
    let (cpu, wall) = (cpu_ns()? - cpu, wall.elapsed());
    let per_message = cpu as f64 / messages as f64;
    let rate = messages as f64 / wall.as_secs_f64();
    println!("{name:>10}: {per_message:6.0} ns of CPU a message, {rate:8.0} messages a second");
    Ok(per_message)
}

fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split(' ').next().ok_or("an empty schedstat")?;
    Ok(first.parse()?)
}

async fn send(options: &Options, body: &Bytes, messages: u64) -> Result<(), Box<dyn Error>> {
    let sender = Sender::to_queue(QUEUE)
        .declare()
        .window(WINDOW as u32, 1 << 30)
        .connect(options)
        .await?;
    let confirmed = Arc::new(AtomicU64::new(0));
    for _ in 0..messages {
        let confirmed = confirmed.clone();
        sender
            .send_with(body.clone(), move |outcome| {
                confirmed.fetch_add(outcome.is_ok().into(), Ordering::Relaxed);
            })
            .await;
    }
    sender.close().await;
    assert_eq!(confirmed.load(Ordering::Relaxed), messages);
    Ok(())
}

async fn receive(options: &Options, messages: u64) -> Result<(), Box<dyn Error>> {
    let mut receiver = Receiver::of_queue(QUEUE)
        .prefetch(WINDOW as u16)
        .connect(options)
        .await?;
    for _ in 0..messages {
        receiver.recv().await.ok_or("cancelled")?.ack();
    }
    receiver.close().await;
    Ok(())
}

/// The same messages with nothing around them.
fn send_bare(address: &Address, body: &Bytes, messages: u64) -> Result<(), Box<dyn Error>> {
    let mut bare = Bare::open(address)?;
    let headers = TableBuilder::new()
        .text("x-publisher-id", &uuid::Uuid::new_v4().to_string())
        .field("x-publishing-id", Value::I64(0))
        .build();
    let properties = PropertiesBuilder::new()
        .headers(&headers)
        .delivery_mode(2)
        .build();
    let mut frames = BytesMut::new();
    let publish = basic::Publish {
        routing_key: ShortStr::from_static(QUEUE),
        mandatory: true,
        ..basic::Publish::default()
    };
    encode_method(&mut frames, CHANNEL, &publish.into());
    encode_content(
        &mut frames,
        CHANNEL,
        60,
        properties.as_bytes(),
        body,
        131_072,
    );
    // The publishing id stands before the delivery mode and two frame ends, the body, and a body frame's head.
    let id_at = frames.len() - 1 - body.len() - 7 - 1 - 1 - 8;

    let (mut sent, mut confirmed) = (0, 0);
    let mut out = Vec::new();
    while confirmed < messages {
        while sent < messages && sent - confirmed < WINDOW && out.len() < 256 * 1024 {
            sent += 1;
            let start = out.len();
            out.extend_from_slice(&frames);
            out[start + id_at..start + id_at + 8].copy_from_slice(&sent.to_be_bytes());
        }
        bare.stream.write_all(&out)?;
        out.clear();
        if sent < messages && sent - confirmed < WINDOW {
            continue;
        }
        if let Method::BasicAck(ack) = bare.method()? {
            confirmed = ack.delivery_tag.0;
        }
    }
    Ok(())
}

/// A blocking connection.
struct Bare {
    stream: TcpStream,
    input: BytesMut,
    frames: FrameReader,
}

impl Bare {
    fn open(address: &Address) -> Result<Self, Box<dyn Error>> {
        let mut bare = Self {
            stream: TcpStream::connect((address.host.as_str(), address.port))?,
            input: BytesMut::new(),
            frames: FrameReader::new(131_072),
        };
        bare.stream.set_nodelay(true)?;
        bare.stream.write_all(PROTOCOL_HEADER)?;
        bare.method()?;
        let start_ok = connection::StartOk {
            mechanism: ShortStr::from_static("PLAIN"),
            response: format!("\0{}\0{}", address.user, address.password).into(),
            ..connection::StartOk::default()
        };
        bare.call(ChannelNumber(0), start_ok)?;
        let tune_ok = connection::TuneOk {
            channel_max: 1,
            frame_max: 131_072,
            heartbeat_s: 0,
        };
        bare.write(ChannelNumber(0), tune_ok)?;
        let open = connection::Open {
            virtual_host: ShortStr::from_static("/"),
            ..connection::Open::default()
        };
        bare.call(ChannelNumber(0), open)?;
        bare.call(CHANNEL, channel::Open::default())?;
        bare.call(CHANNEL, confirm::Select::default())?;
        Ok(bare)
    }

    fn call(
        &mut self,
        channel: ChannelNumber,
        method: impl Into<Method>,
    ) -> Result<(), Box<dyn Error>> {
        self.write(channel, method)?;
        self.method().map(drop)
    }

    fn write(
        &mut self,
        channel: ChannelNumber,
        method: impl Into<Method>,
    ) -> Result<(), Box<dyn Error>> {
        let mut out = BytesMut::new();
        encode_method(&mut out, channel, &method.into());
        Ok(self.stream.write_all(out.chunk())?)
    }

    fn method(&mut self) -> Result<Method, Box<dyn Error>> {
        loop {
            match self.frames.read(&mut self.input)? {
                Some(Frame::Method(_, method)) => return Ok(method),
                Some(_) => {}
                None => {
                    let mut buffer = [0; 65_536];
                    let count = self.stream.read(&mut buffer)?;
                    if count == 0 {
                        return Err("the server hung up".into());
                    }
                    self.input.extend_from_slice(&buffer[..count]);
                }
            }
        }
    }
}
