//! What breaks the rules gets a clear answer in the protocol's or the command's own terms, and other
//! connections go on.

use crate::harness::raw::{CHANNEL, Raw};
use crate::harness::{Landfall, Scratch, start_and_fail};
use bytes::BytesMut;
use model::method::basic;
use model::{ChannelNumber, Method, Properties, ShortStr};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// A connection that sends a message to itself, confirmed, whenever it is asked whether it still works.
struct Witness {
    raw: Raw,
    sent: u64,
}

impl Witness {
    fn new(server: &Landfall) -> Self {
        let mut raw = Raw::with_channel(server.address());
        raw.declare("witness");
        raw.confirm_select();
        Self { raw, sent: 0 }
    }

    fn still_works(&mut self) {
        self.raw.publish("witness", b"here");
        self.sent += 1;
        let Method::BasicAck(ack) = self.raw.method(CHANNEL) else {
            panic!("a confirm was expected");
        };
        assert_eq!(ack.delivery_tag.0, self.sent);
    }
}

#[test]
fn what_is_not_amqp_is_told_what_is_and_hung_up_on() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut witness = Witness::new(&server);
    let strangers: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        &[0xff; 4096],
    ];
    for stranger in strangers {
        let mut raw = Raw::dial(server.address());
        raw.write(stranger);
        assert_eq!(raw.rest(), b"AMQP\0\0\x09\x01", "{stranger:?}");
        witness.still_works();
    }
}

#[test]
fn half_a_frame_and_then_silence_is_dropped_after_the_handshake_timeout() {
    let scratch = Scratch::new();
    let options = ["--listen", "127.0.0.1:0", "--handshake-timeout", "1s"];
    let server = Landfall::start_with(&scratch.data_dir(), &options);
    let mut witness = Witness::new(&server);
    let started = Instant::now();
    let mut raw = Raw::dial(server.address());
    raw.write(wire::PROTOCOL_HEADER);
    raw.method(ChannelNumber(0));
    raw.write(&[1, 0, 0, 0, 0]);
    witness.still_works();
    raw.rest();
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    witness.still_works();
}

#[test]
fn a_frame_larger_than_negotiated_is_refused_before_it_is_there() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut witness = Witness::new(&server);
    let mut raw = Raw::with_channel(server.address());
    // A body frame that announces a gigabyte, of which nothing comes.
    raw.write(&[3, 0, 1, 0x40, 0, 0, 0]);
    let (code, text) = raw.closed_with();
    assert_eq!(code, 501, "{text}");
    witness.still_works();
}

#[test]
fn a_body_that_never_completes_holds_up_nobody() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut witness = Witness::new(&server);
    let mut raw = Raw::with_channel(server.address());
    let publish = basic::Publish {
        routing_key: ShortStr::from_static("witness"),
        ..basic::Publish::default()
    };
    let mut out = BytesMut::new();
    wire::encode_method(&mut out, CHANNEL, &publish.into());
    let properties = Properties::default();
    wire::encode_content(
        &mut out,
        CHANNEL,
        60,
        properties.as_bytes(),
        &[7; 10_000],
        4096,
    );
    raw.write(&out[..out.len() - 3000]);
    witness.still_works();
    drop(raw);
    witness.still_works();
    let declared = Raw::with_channel(server.address()).declare("witness");
    assert_eq!(declared.message_count, 2, "the half message is no message");
}

#[test]
fn a_message_over_the_limit_is_refused_at_its_header() {
    let scratch = Scratch::new();
    let options = ["--listen", "127.0.0.1:0", "--message-size-max", "1MiB"];
    let server = Landfall::start_with(&scratch.data_dir(), &options);
    let mut witness = Witness::new(&server);
    let mut raw = Raw::with_channel(server.address());
    raw.publish("witness", &vec![1; 1024 * 1024 + 1]);
    match raw.method(CHANNEL) {
        Method::ChannelClose(close) => assert_eq!(close.reply_code, 406, "{}", close.reply_text),
        other => panic!("channel.close was expected, not {other:?}"),
    }
    witness.still_works();
}

#[test]
fn an_unknown_method_closes_its_connection_only() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut witness = Witness::new(&server);
    for method in [[0, 60, 0, 99], [0x7f, 0xff, 0, 1]] {
        let mut raw = Raw::with_channel(server.address());
        let mut frame = vec![1, 0, 1, 0, 0, 0, 4];
        frame.extend_from_slice(&method);
        frame.push(206);
        raw.write(&frame);
        let (code, text) = raw.closed_with();
        assert!(code == 503 || code == 540, "{code} {text}");
        witness.still_works();
    }
}

#[test]
fn a_refused_login_is_answered_late_and_holds_up_nobody() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut witness = Witness::new(&server);
    let started = Instant::now();
    let mut raw = Raw::dial(server.address());
    raw.login(b"\0guest\0wrong");
    witness.still_works();
    let witnessed = started.elapsed();
    let (code, text) = raw.closed_with();
    let answered = started.elapsed();
    assert!(witnessed < answered, "the witness waited");
    assert_eq!(code, 403);
    assert!(
        text.starts_with("ACCESS_REFUSED - Login was refused"),
        "{text}"
    );
    assert!(answered >= Duration::from_secs(1));
    assert!(server.log().contains("login refused"));
}

#[test]
fn ten_thousand_silent_connections_cost_little_and_are_dropped() {
    const SILENT: usize = 10_000;
    let scratch = Scratch::new();
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--handshake-timeout",
        "5s",
        "--log-level",
        "warn",
    ];
    let server = Landfall::start_with(&scratch.data_dir(), &options);
    let mut witness = Witness::new(&server);
    let before = server.memory();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)
        .expect("the soft limit can be raised to the hard one");
    let files = limit.maximum.unwrap_or(u64::MAX);
    let count = SILENT.min(usize::try_from(files.saturating_sub(200)).unwrap_or(SILENT));
    let silent: Vec<TcpStream> = (0..count)
        .map(|_| TcpStream::connect(server.address()).expect("the server accepts"))
        .collect();
    witness.still_works();
    let each = server.memory().saturating_sub(before) / count;
    assert!(each < 10 * 1024, "a silent connection costs {each} bytes");
    let started = Instant::now();
    for stream in &silent {
        let left = Duration::from_secs(20).saturating_sub(started.elapsed());
        stream
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .expect("a time-out can be set");
        let mut stream = stream;
        let heard = std::io::Read::read(&mut stream, &mut [0; 64]);
        assert!(
            heard.is_ok(),
            "a silent connection was not dropped: {heard:?}"
        );
    }
    witness.still_works();
}

#[test]
fn a_second_process_on_the_directory_is_refused() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut witness = Witness::new(&server);
    let output = start_and_fail(&scratch.data_dir(), &["--listen", "127.0.0.1:0"]);
    let error = last_line(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("in use by another server"), "{error}");
    witness.still_works();
}

#[test]
fn a_port_in_use_is_named() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let address = server.address().to_string();
    let other = Scratch::new();
    let output = start_and_fail(&other.data_dir(), &["--listen", &address]);
    let error = last_line(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(&address), "{error}");
    assert!(error.contains("in use"), "{error}");
    Witness::new(&server).still_works();
}

#[test]
fn an_unwritable_directory_is_named() {
    let scratch = Scratch::new();
    // Root may write anywhere but where there is no directory to write to.
    let file = scratch.data_dir();
    std::fs::write(&file, b"not a directory").expect("a file can be written");
    let below = file.join("data");
    let output = start_and_fail(&below, &["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    let error = last_line(&output.stderr);
    assert!(error.contains(&below.display().to_string()), "{error}");

    let closed = Scratch::new();
    std::fs::create_dir(closed.data_dir()).expect("a directory can be made");
    let read_only = std::fs::Permissions::from_mode(0o555);
    std::fs::set_permissions(closed.data_dir(), read_only).expect("permissions can be set");
    if rustix::process::geteuid().is_root() {
        return;
    }
    let output = start_and_fail(&closed.data_dir(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    let error = last_line(&output.stderr);
    assert!(error.contains("ermission denied"), "{error}");
}

#[test]
fn a_directory_of_a_newer_version_is_left_alone() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    Witness::new(&server).still_works();
    assert!(server.terminate().success());
    let format = scratch.data_dir().join("format");
    let text = std::fs::read_to_string(&format).expect("the format can be read");
    let newer = text.replace("format 2", "format 999");
    assert_ne!(newer, text, "{text}");
    std::fs::write(&format, newer).expect("the format can be changed");
    let output = start_and_fail(&scratch.data_dir(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    let error = last_line(&output.stderr);
    assert!(error.contains("newer version"), "{error}");
    std::fs::write(&format, text).expect("the format can be changed back");
    let server = Landfall::start(&scratch.data_dir());
    let declared = Raw::with_channel(server.address()).declare("witness");
    assert_eq!(declared.message_count, 1, "nothing was lost");
}

#[test]
fn a_wrong_option_is_one_line() {
    let scratch = Scratch::new();
    let output = start_and_fail(&scratch.data_dir(), &["--config", "/nowhere/landfall.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("/nowhere/landfall.toml"), "{text}");
}

fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.lines().last().unwrap_or_default().to_owned()
}
