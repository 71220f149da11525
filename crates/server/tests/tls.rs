//! TLS: clients and tools through it, certificates of clients, and new certificates while the server runs.

mod certificates;
mod tunnel;

use crate::harness::raw::Raw;
use crate::harness::{Landfall, Scratch};
use bytes::Bytes;
use certificates::Certificates;
use client::{Options, Receiver, RetryPolicy, Sender};
use model::method::connection;
use model::{ChannelNumber, Method, ShortStr};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tunnel::Tunnel;

const CONNECTION: ChannelNumber = ChannelNumber(0);

fn start(scratch: &Scratch, certificates: &Certificates, more: &[&str]) -> Landfall {
    let files = certificates.server_options();
    let mut options = vec!["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
    options.extend(["--admin-listen", "127.0.0.1:0"]);
    options.extend(["--admin-listen-tls", "127.0.0.1:0"]);
    options.extend(files.iter().map(String::as_str));
    options.extend(more);
    Landfall::start_with(&scratch.data_dir(), &options)
}

/// Where the log says that it listens with TLS.
fn amqps(server: &Landfall) -> SocketAddr {
    wait_for(server, " (TLS)");
    let log = server.log();
    let before = log.split(" (TLS)").next().expect("it listens with TLS");
    let address = before.rsplit([' ', '"', '=']).next().unwrap_or_default();
    address.parse().expect("an address")
}

fn https(server: &Landfall) -> SocketAddr {
    // A thread of its own says so.
    wait_for(server, "tls=true");
    let log = server.log();
    let line = { log.lines() }.rfind(|line| line.contains("tls=true"));
    let line = line.expect("the API listens with TLS");
    let (_, address) = line.split_once("address=").expect("it says where");
    let address = address.split(' ').next().unwrap_or_default();
    address.parse().expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_large_and_small_pass_through_and_come_back() {
    let (scratch, certificates) = (Scratch::new(), Certificates::make());
    let server = start(&scratch, &certificates, &[]);
    let url = format!("amqps://localhost:{}", amqps(&server).port());
    let options = Options::parse([url.as_str()]).expect("a good address");
    let options = options
        .trusting(certificates.authority())
        .expect("an authority");
    let sender = Sender::to_queue("q")
        .declare_with(RetryPolicy::default())
        .connect(&options)
        .await
        .expect("it is up");
    let body = |number: usize| {
        let length = if number.is_multiple_of(50) {
            700_000
        } else {
            number
        };
        vec![u8::try_from(number % 251).expect("small"); length]
    };
    let mut sent = Vec::new();
    for number in 0..500 {
        sent.push(sender.send(body(number)).await);
    }
    for one in sent {
        one.await.expect("it landed");
    }
    let mut receiver = Receiver::of_queue("q")
        .declare_with(RetryPolicy::default())
        .connect(&options)
        .await
        .expect("it is up");
    for number in 0..500 {
        let delivery = receiver.recv().await.expect("it comes");
        assert!(*delivery.body() == body(number), "{number}");
        delivery.ack();
    }
}

/// Logs in by EXTERNAL through a tunnel; tells what is answered.
fn log_in(address: SocketAddr) -> Method {
    let mut raw = Raw::dial(address);
    let start = raw.start();
    assert_eq!(start.mechanisms, "PLAIN AMQPLAIN EXTERNAL");
    let able = model::TableBuilder::new()
        .field("authentication_failure_close", model::Value::Bool(true))
        .build();
    let start_ok = connection::StartOk {
        client_properties: model::TableBuilder::new()
            .table("capabilities", &able)
            .build(),
        mechanism: ShortStr::from_static("EXTERNAL"),
        response: Bytes::from_static(b"guest"),
        locale: ShortStr::from_static("en_US"),
    };
    raw.send(CONNECTION, &start_ok.into());
    raw.method(CONNECTION)
}

#[test]
fn a_certificate_logs_its_user_in_and_nobody_else() {
    let (scratch, certificates) = (Scratch::new(), Certificates::make());
    let server = start(&scratch, &certificates, &certificates.asking("optional"));
    let put = [
        "user",
        "add",
        "ada",
        "--password-stdin",
        "--tags",
        "management",
    ];
    let made = crate::admin::landfall_with(server.api(), &put, "secret\n");
    assert!(made.status.success(), "{made:?}");
    let ada = Tunnel::open(amqps(&server), certificates.client(Some("ada")));
    let answer = log_in(ada.address());
    assert!(matches!(answer, Method::ConnectionTune(_)), "{answer:?}");
    // Whoever has no user of the name: the response, which says guest, does not count.
    let bob = Tunnel::open(amqps(&server), certificates.client(Some("bob")));
    let answer = log_in(bob.address());
    assert!(matches!(answer, Method::ConnectionClose(_)), "{answer:?}");
    // Without a certificate there are passwords.
    let nobody = Tunnel::open(amqps(&server), certificates.client(None));
    let start = Raw::dial(nobody.address()).start();
    assert_eq!(start.mechanisms, "PLAIN AMQPLAIN");
    drop(Raw::open(nobody.address()));
    // One that somebody else has signed is none.
    let stranger = Certificates::make();
    let config = certificates.client_with(&stranger, "ada");
    let stranger = Tunnel::open(amqps(&server), config);
    assert_eq!(Raw::dial(stranger.address()).rest(), b"");
    let log = server.log();
    assert!(log.contains("unknown user"), "{log}");
}

#[test]
fn where_a_certificate_is_required_nobody_comes_in_without() {
    let (scratch, certificates) = (Scratch::new(), Certificates::make());
    let mut asking = certificates.asking("required").to_vec();
    asking.extend(["--tls-login-from", "dns"]);
    let server = start(&scratch, &certificates, &asking);
    let put = ["user", "add", "ada.test", "--password-stdin"];
    let made = crate::admin::landfall_with(server.api(), &put, "secret\n");
    assert!(made.status.success(), "{made:?}");
    let nobody = Tunnel::open(amqps(&server), certificates.client(None));
    assert_eq!(Raw::dial(nobody.address()).rest(), b"");
    let ada = Tunnel::open(amqps(&server), certificates.client(Some("ada")));
    let answer = log_in(ada.address());
    assert!(matches!(answer, Method::ConnectionTune(_)), "{answer:?}");
}

/// What `openssl s_client` agrees on with the server.
fn agreed(address: SocketAddr, certificates: &Certificates, options: &[&str]) -> Option<String> {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-CAfile"])
        .arg(certificates.authority())
        .args(["-verify_return_error", "-servername", "localhost"])
        .args(options)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find(|line| line.starts_with("New, "))?;
    (!line.contains("(NONE)")).then(|| line.to_owned())
}

#[test]
fn only_good_versions_and_ciphers_are_agreed_on() {
    let (scratch, certificates) = (Scratch::new(), Certificates::make());
    let server = start(&scratch, &certificates, &[]);
    for address in [amqps(&server), https(&server)] {
        let agreed = |options: &[&str]| agreed(address, &certificates, options);
        let newest = agreed(&[]).expect("TLS 1.3");
        assert!(
            newest.starts_with("New, TLSv1.3, Cipher is TLS_AES_256"),
            "{newest}"
        );
        let older = agreed(&["-tls1_2"]).expect("TLS 1.2");
        assert!(
            older.starts_with("New, TLSv1.2, Cipher is ECDHE-"),
            "{older}"
        );
        for weak in [
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..],
            &["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
            &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
            &[
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0",
            ],
        ] {
            assert_eq!(agreed(weak), None, "{weak:?}");
        }
    }
}

#[test]
fn a_new_certificate_counts_at_once_and_a_bad_one_never() {
    let (scratch, certificates) = (Scratch::new(), Certificates::make());
    let server = start(&scratch, &certificates, &[]);
    let address = amqps(&server);
    let first = tunnel::shown_by(address, &certificates);
    certificates.replace_server_by(b"no certificate");
    server.ask_to_reload();
    wait_for(&server, "the TLS certificate stays as it is");
    assert_eq!(tunnel::shown_by(address, &certificates), first);
    certificates.renew_server();
    // Nobody says so: it is looked at all the time.
    wait_for(&server, "new connections get the new TLS certificate");
    assert_ne!(tunnel::shown_by(address, &certificates), first);
}

fn wait_for(server: &Landfall, said: &str) {
    let began = Instant::now();
    while !server.log().contains(said) {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_does_not_agree_in_time_is_hung_up_on() {
    let (scratch, certificates) = (Scratch::new(), Certificates::make());
    let server = start(&scratch, &certificates, &[]);
    let began = Instant::now();
    let mut silent = [amqps(&server), https(&server)].map(|address| {
        let stream = TcpStream::connect(address).expect("it accepts");
        let patience = Some(Duration::from_secs(20));
        stream
            .set_read_timeout(patience)
            .expect("an option can be set");
        stream
    });
    for stream in &mut silent {
        match stream.read(&mut [0; 16]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
    }
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(4) && waited < Duration::from_secs(15),
        "{waited:?}"
    );
    drop(Raw::open(server.address()));
}

#[test]
fn over_https_the_cookie_is_secure() {
    let (scratch, certificates) = (Scratch::new(), Certificates::make());
    let server = start(&scratch, &certificates, &[]);
    let body = r#"{"username":"guest","password":"guest"}"#;
    let request = format!(
        "POST /api/landfall/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = tunnel::ask(https(&server), &certificates, &request);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains("set-cookie: __Host-landfall-"), "{answer}");
    assert!(
        answer.contains("; Path=/; HttpOnly; SameSite=Strict; Secure"),
        "{answer}"
    );
}
