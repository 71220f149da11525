//! Logging in: both mechanisms, refusals, and what the log tells of them.

use crate::harness::raw::Raw;
use crate::harness::{Landfall, Scratch};
use bytes::Bytes;
use model::method::connection;
use model::{ChannelNumber, Method, ShortStr, TableBuilder, Value};

const ZERO: ChannelNumber = ChannelNumber(0);

/// connection.start-ok of a client that understands why its login is refused.
fn start_ok(mechanism: &'static str, response: Bytes) -> Method {
    let capabilities = TableBuilder::new()
        .field("authentication_failure_close", Value::Bool(true))
        .build();
    let start_ok = connection::StartOk {
        client_properties: TableBuilder::new()
            .table("capabilities", &capabilities)
            .build(),
        mechanism: ShortStr::from_static(mechanism),
        response,
        locale: ShortStr::from_static("en_US"),
    };
    start_ok.into()
}

fn amqplain(user: &str, password: &str) -> Method {
    let table = TableBuilder::new()
        .text("LOGIN", user)
        .text("PASSWORD", password)
        .build();
    start_ok("AMQPLAIN", table.as_bytes().clone())
}

/// A client whose start-ok was sent.
fn client(server: &Landfall, start_ok: &Method) -> Raw {
    let mut raw = Raw::dial(server.address());
    raw.start();
    raw.send(ZERO, start_ok);
    raw
}

/// Goes on to connection.open.
fn open(raw: &mut Raw, vhost: &'static str) {
    let Method::ConnectionTune(tune) = raw.method(ZERO) else {
        panic!("connection.tune was expected");
    };
    let tune_ok = connection::TuneOk {
        channel_max: tune.channel_max,
        frame_max: tune.frame_max,
        heartbeat_s: 0,
    };
    raw.send(ZERO, &tune_ok.into());
    let open = connection::Open {
        virtual_host: ShortStr::from_static(vhost),
        ..connection::Open::default()
    };
    raw.send(ZERO, &open.into());
}

#[test]
fn both_mechanisms_let_the_guest_in() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let plain = start_ok("PLAIN", Bytes::from_static(b"\0guest\0guest"));
    for start_ok in [plain, amqplain("guest", "guest")] {
        let mut raw = client(&server, &start_ok);
        open(&mut raw, "");
        let answer = raw.method(ZERO);
        assert!(matches!(answer, Method::ConnectionOpenOk(_)), "{answer:?}");
    }
}

#[test]
fn refusals_tell_the_client_little_and_the_log_who_and_why() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let plain = |response| start_ok("PLAIN", Bytes::from_static(response));
    let refused = [
        ("PLAIN", plain(b"\0guest\0wrong"), "wrong password"),
        ("PLAIN", plain(b"\0guest\0"), "wrong password"),
        ("AMQPLAIN", amqplain("ada\nforged", "guest"), "unknown user"),
    ];
    // All at once: each is answered late.
    let mut clients: Vec<Raw> = refused
        .iter()
        .map(|(_, start_ok, _)| client(&server, start_ok))
        .collect();
    for (raw, (mechanism, ..)) in clients.iter_mut().zip(&refused) {
        let text = format!(
            "ACCESS_REFUSED - Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
        );
        assert_eq!(raw.closed_with(), (403, text));
    }
    let log = server.log();
    for (_, _, why) in refused {
        let line = log.lines().find(|line| line.contains(why));
        let line = line.unwrap_or_else(|| panic!("{why} is not in the log:\n{log}"));
        assert!(
            line.contains("login refused") && line.contains("peer=127.0.0.1:"),
            "{line}"
        );
    }
    let user = r#"user="ada\nforged""#;
    assert!(log.contains(user), "{log}");
}

#[test]
fn a_vhost_that_is_not_there_is_refused_by_name() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = client(&server, &amqplain("guest", "guest"));
    open(&mut raw, "nowhere");
    let refused = (530, "NOT_ALLOWED - vhost nowhere not found".to_owned());
    assert_eq!(raw.closed_with(), refused);
}

#[test]
fn the_first_user_outlives_the_process() {
    let scratch = Scratch::new();
    Landfall::start(&scratch.data_dir()).kill();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = client(&server, &amqplain("guest", "guest"));
    open(&mut raw, "/");
    let answer = raw.method(ZERO);
    assert!(matches!(answer, Method::ConnectionOpenOk(_)), "{answer:?}");
}
