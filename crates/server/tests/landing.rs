//! P1 and P7 without strace: the server on a store that writes down the order of things.

use crate::harness::raw::{CHANNEL, Raw, publish};
use broker::Recovery;
use model::{ChannelNumber, Limits, Method, Position};
use server::clock::Clock;
use server::config::{Config, ServeArgs};
use server::http::Doors;
use server::listen::Entry;
use server::server::{Parts, run};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use store::memory::{Disk, Fault};
use store::recording::{Event, Log};
use store::{MemoryStore, Recording, Room};

/// The server on a thread of this process, on a disk in memory.
struct InProcess {
    address: SocketAddr,
    disk: Disk,
    log: Log,
    thread: JoinHandle<anyhow::Result<()>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

fn config() -> Config {
    let mut config = ServeArgs::default()
        .config()
        .expect("the defaults are valid");
    config.journeys.bytes_max = 0;
    config
}

fn start(disk: &Disk) -> InProcess {
    let (told, address) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let log = Log::new();
    let (disk_there, log_there) = (disk.clone(), log.clone());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let clock = Clock::start();
            let mut recovery = Recovery::new(&Limits::default());
            let store = MemoryStore::open(&disk_there, &mut |position, record| {
                recovery.apply(position, record);
            })?;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            told.send(listener.local_addr()?)?;
            let parts = Parts {
                store: Box::new(Recording::new(store, log_there)),
                broker: recovery.finish(clock.now()),
                recovery: std::time::Duration::ZERO,
                listeners: vec![Entry {
                    listener,
                    tls: None,
                }],
                doors: Doors::default(),
                clock,
            };
            let stopped = async { stopped.await.expect("the test tells when to stop") };
            run(&config(), parts, stopped).await
        })
    });
    InProcess {
        address: address.recv().expect("the server starts"),
        disk: disk.clone(),
        log,
        thread,
        stop,
    }
}

impl InProcess {
    fn stop(self) {
        self.stop.send(()).expect("the server listens for stop");
        let ended = self.thread.join().expect("the server does not panic");
        ended.expect("the server ends in order");
    }

    /// The last position that landed so far.
    fn landed(&self) -> u64 {
        let landed = self
            .log
            .events()
            .into_iter()
            .rev()
            .find_map(|event| match event {
                Event::Landed(upto) => Some(upto.0),
                _ => None,
            });
        landed.unwrap_or(0)
    }
}

/// Reads confirms up to tag `upto` and writes each down when it came.
fn confirms(raw: &mut Raw, log: &Log, upto: u64) {
    loop {
        let Method::BasicAck(ack) = raw.method(CHANNEL) else {
            panic!("a confirm was expected");
        };
        log.push(Event::Noted(ack.delivery_tag.0.to_string()));
        if ack.delivery_tag.0 >= upto {
            return;
        }
    }
}

#[test]
fn no_confirm_leaves_before_the_sync_that_covers_it() {
    let server = start(&Disk::new(1 << 20));
    let mut raw = Raw::with_channel(server.address);
    raw.declare("q");
    raw.confirm_select();
    let before = server.landed();
    let mut sent = 0;
    for window in [1, 1, 1, 10, 100, 1000] {
        for _ in 0..window {
            raw.publish("q", b"a message");
        }
        sent += window;
        confirms(&mut raw, &server.log, sent);
    }
    // Only the publishes landed anything, one record each: message n stands at `before` + n.
    let mut landed = 0;
    let mut confirmed = 0;
    let mut landings = 0;
    for event in server.log.events() {
        match event {
            Event::Landed(upto) => {
                landed = upto.0;
                landings += 1;
            }
            Event::Noted(tag) => {
                confirmed = tag.parse().expect("a tag");
                assert!(
                    before + confirmed <= landed,
                    "confirmed {tag}, landed {landed}"
                );
            }
            Event::Started(_) | Event::Failed(_) => {}
        }
    }
    assert_eq!(confirmed, sent);
    assert!(
        landings < sent / 2,
        "{landings} landings for {sent} messages"
    );
    drop(raw);
    server.stop();
}

#[test]
fn while_the_disk_stands_still_nothing_is_confirmed_or_delivered() {
    let server = start(&Disk::new(1 << 20));
    let mut consumer = Raw::with_channel(server.address);
    consumer.declare("q");
    consumer.consume("q", false);
    let mut raw = Raw::with_channel(server.address);
    raw.confirm_select();
    server.disk.hold();
    raw.publish("q", b"held");
    // Time enough for a confirm or a delivery that does not wait.
    std::thread::sleep(Duration::from_millis(100));
    server.log.push(Event::Noted("released".to_owned()));
    server.disk.release();
    confirms(&mut raw, &server.log, 1);
    let (deliver, body) = consumer.delivery();
    assert_eq!((deliver.redelivered, &body[..]), (false, &b"held"[..]));
    let events = server.log.events();
    let at = |event: &Event| events.iter().position(|other| other == event);
    let released = at(&Event::Noted("released".to_owned()));
    assert!(at(&Event::Noted("1".to_owned())) > released);
    drop((raw, consumer));
    server.stop();
}

#[test]
fn a_failed_landing_ends_the_server_without_a_confirm() {
    for fault in [Fault::Lost, Fault::Torn(100), Fault::Kept] {
        let server = start(&Disk::new(1 << 20));
        let mut raw = Raw::with_channel(server.address);
        raw.declare("q");
        raw.confirm_select();
        raw.publish("q", b"lands");
        confirms(&mut raw, &server.log, 1);
        server.disk.fail_after(0, fault);
        // In one piece: the server may be gone before a second one is written.
        raw.write(&publish("q", b"does not", false).repeat(100));
        let ended = server.thread.join().expect("the server does not panic");
        let error = format!("{:#}", ended.expect_err("the server ends with an error"));
        assert!(error.contains("cannot land"), "{error}");
        assert_eq!(
            raw.rest(),
            b"",
            "after a failed landing clients are told nothing"
        );
        let failures = server.log.events();
        let failures = failures
            .iter()
            .filter(|event| matches!(event, Event::Failed(_)));
        assert_eq!(failures.count(), 1, "a landing is never tried again");
    }
}

#[test]
fn acknowledgements_land_without_a_publish_that_takes_them_along() {
    let disk = Disk::new(1 << 20);
    let server = start(&disk);
    let mut raw = Raw::with_channel(server.address);
    raw.declare("q");
    raw.confirm_select();
    raw.publish("q", b"once");
    confirms(&mut raw, &server.log, 1);
    raw.consume("q", false);
    let (deliver, _) = raw.delivery();
    let before = server.landed();
    raw.send(
        CHANNEL,
        &model::method::basic::Ack {
            delivery_tag: deliver.delivery_tag,
            multiple: false,
        }
        .into(),
    );
    while server.landed() == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(server.landed(), before + 1);
    // The process is lost, the acknowledgement is not: nothing comes again.
    let mut settled = BTreeMap::new();
    disk.crash();
    MemoryStore::open(&disk, &mut |position: Position, record| {
        if let model::Record::Settled(queue, _, runs) = record {
            settled.insert(position, (queue, runs));
        }
    })
    .expect("the disk can be read");
    assert_eq!(settled.len(), 1);
}

#[test]
fn messages_that_left_the_memory_are_read_from_the_disk() {
    let disk = Disk::new(1 << 20);
    disk.set_caches(false);
    let server = start(&disk);
    let mut raw = Raw::with_channel(server.address);
    raw.declare("q");
    raw.confirm_select();
    for number in 0..1000 {
        raw.publish("q", format!("message {number}").as_bytes());
    }
    confirms(&mut raw, &server.log, 1000);
    raw.consume("q", true);
    for number in 0..1000 {
        let (_, body) = raw.delivery();
        assert_eq!(body, format!("message {number}").as_bytes());
    }
    drop(raw);
    server.stop();
}

#[test]
fn on_a_full_disk_publishers_wait_and_go_on_when_there_is_room() {
    let server = start(&Disk::new(1 << 20));
    let mut consumer = Raw::with_channel(server.address);
    consumer.declare("q");
    let mut raw = Raw::with_channel(server.address);
    raw.confirm_select();
    server.disk.set_room(Room::Reserved);
    raw.publish("q", b"lands still");
    confirms(&mut raw, &server.log, 1);
    let connection = ChannelNumber(0);
    let told = raw.method(connection);
    assert!(matches!(told, Method::ConnectionBlocked(_)), "{told:?}");
    raw.publish("q", b"must wait");
    // Others are not in its way: the acknowledgement of the first message lands.
    consumer.consume("q", false);
    let (deliver, _) = consumer.delivery();
    let before = server.landed();
    let ack = model::method::basic::Ack {
        delivery_tag: deliver.delivery_tag,
        multiple: false,
    };
    consumer.send(CHANNEL, &ack.into());
    while server.landed() == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Nothing lands any more by itself, and yet the room that comes back is noticed.
    server.disk.set_room(Room::Open);
    let told = raw.method(connection);
    assert!(matches!(told, Method::ConnectionUnblocked(_)), "{told:?}");
    confirms(&mut raw, &server.log, 2);
    drop((raw, consumer));
    server.stop();
}
