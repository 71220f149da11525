//! Tokens of OAuth 2 instead of passwords, by a client that is not ours: what scopes allow, until when, and another token
//! before that.

use crate::harness::raw::Raw;
use crate::harness::{Landfall, Scratch};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use model::method::connection;
use model::{ChannelNumber, Method, ShortStr, TableBuilder, Value};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ZERO: ChannelNumber = ChannelNumber(0);

/// Who issues tokens, and its key.
pub(crate) struct Issuer {
    key: EncodingKey,
    public: PathBuf,
}

impl Issuer {
    /// The openssl program makes the key.
    pub(crate) fn new(dir: &Path) -> Self {
        let (key, public) = (dir.join("one.key"), dir.join("one.pem"));
        let path = |path: &Path| path.to_str().expect("a plain path").to_owned();
        let (key, public_path) = (path(&key), path(&public));
        let curve = "ec_paramgen_curve:P-256";
        for arguments in [
            vec![
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                curve,
                "-out",
                &key,
            ],
            vec!["pkey", "-in", &key, "-pubout", "-out", &public_path],
        ] {
            let made = Command::new("openssl").args(arguments).output();
            assert!(made.expect("the openssl program is there").status.success());
        }
        let pem = std::fs::read(&key).expect("it was made");
        Self {
            key: EncodingKey::from_ec_pem(&pem).expect("a key"),
            public,
        }
    }

    /// A token of Ada's that ends in so many seconds.
    pub(crate) fn token(&self, user: &str, ends_in_s: i64, scopes: &str) -> String {
        let claims = json!({
            "sub": user, "aud": "landfall", "scope": scopes,
            "exp": get_current_timestamp().saturating_add_signed(ends_in_s),
        });
        let header = Header {
            kid: Some("one".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        encode(&header, &claims, &self.key).expect("it can be signed")
    }

    pub(crate) fn options(&self) -> [String; 4] {
        let public = self.public.to_str().expect("a plain path").to_owned();
        let id = "--auth-oauth2-resource-server-id".to_owned();
        let keys = "--auth-oauth2-signing-keys".to_owned();
        [id, "landfall".to_owned(), keys, public]
    }
}

fn start(scratch: &Scratch) -> (Landfall, Issuer) {
    let data_dir = scratch.data_dir();
    let issuer = Issuer::new(data_dir.parent().expect("it is in another"));
    let options = issuer.options();
    let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
    options.extend(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    (Landfall::start_with(&data_dir, &options), issuer)
}

/// A client that has shown a token, and waits for the answer.
pub(crate) fn client(server: &Landfall, token: &str) -> Raw {
    let mut raw = Raw::dial(server.address());
    raw.start();
    let capabilities = TableBuilder::new()
        .field("authentication_failure_close", Value::Bool(true))
        .build();
    let start_ok = connection::StartOk {
        client_properties: TableBuilder::new()
            .table("capabilities", &capabilities)
            .build(),
        mechanism: ShortStr::from_static("PLAIN"),
        response: Bytes::from(format!("\0whoever\0{token}")),
        locale: ShortStr::from_static("en_US"),
    };
    raw.send(ZERO, &start_ok.into());
    raw
}

pub(crate) fn update(raw: &mut Raw, token: &str) {
    let update = connection::UpdateSecret {
        new_secret: token.to_owned().into(),
        reason: ShortStr::empty(),
    };
    raw.send(ZERO, &update.into());
}

#[tokio::test]
async fn a_client_does_what_its_scopes_say() {
    let scratch = Scratch::new();
    let (server, issuer) = start(&scratch);
    let scopes = "landfall.configure:%2F/mine* landfall.read:%2F/mine*";
    let token = issuer.token("ada", 60, scopes);
    let url = format!("amqp://whoever:{token}@{}", server.address());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await;
    let connection = connection.expect("the token lets it in");
    let channel = connection.create_channel().await.expect("a channel");
    let declare = |name: &'static str| {
        let (options, arguments) = (QueueDeclareOptions::default(), FieldTable::default());
        channel.queue_declare(name.into(), options, arguments)
    };
    declare("mine").await.expect("it may");
    let got = channel.basic_get("mine".into(), BasicGetOptions::default());
    assert!(got.await.expect("it may").is_none());
    let refused = declare("other").await.expect_err("it may not");
    let text = "configure access to queue 'other' in vhost '/' refused for user 'ada'";
    assert!(refused.to_string().contains(text), "{refused}");
    let log = server.log();
    for part in token.split('.') {
        assert!(!log.contains(part), "tokens are in no log");
    }
    assert!(log.contains("user=ada"), "{log}");
}

#[test]
fn a_token_that_is_not_good_is_refused_as_late_as_a_password() {
    let scratch = Scratch::new();
    let (server, issuer) = start(&scratch);
    let good = issuer.token("ada", 60, "landfall.read:*/*");
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    for (token, why) in [
        (
            issuer.token("ada", -60, "landfall.read:*/*"),
            "the token has expired",
        ),
        (forged, "the token's signature is wrong"),
    ] {
        let began = Instant::now();
        let (code, text) = client(&server, &token).closed_with();
        assert!(began.elapsed() >= Duration::from_millis(900));
        assert_eq!(code, 403, "{text}");
        let log = server.log();
        assert!(log.contains(why) && !log.contains(&token), "{log}");
    }
}

#[test]
fn a_connection_ends_with_its_token_unless_it_shows_another() {
    let scratch = Scratch::new();
    let (server, issuer) = start(&scratch);
    let token = |ends_in_s| issuer.token("ada", ends_in_s, "landfall.configure:*/*");
    let mut stays = client(&server, &token(3));
    stays.tune_and_ask_for_the_vhost(0);
    assert!(matches!(stays.method(ZERO), Method::ConnectionOpenOk(_)));
    let mut goes = client(&server, &token(3));
    goes.tune_and_ask_for_the_vhost(0);
    assert!(matches!(goes.method(ZERO), Method::ConnectionOpenOk(_)));
    update(&mut stays, &token(600));
    assert!(matches!(
        stays.method(ZERO),
        Method::ConnectionUpdateSecretOk(_)
    ));
    let expired = (320, "CONNECTION_FORCED - credential expired".to_owned());
    assert_eq!(goes.closed_with(), expired);
    assert!(stays.heard_within(Duration::from_secs(1)).is_none());
    for wrong in [
        token(-60),
        issuer.token("bob", 60, "landfall.configure:*/*"),
        "secret".to_owned(),
    ] {
        let mut raw = client(&server, &token(60));
        raw.tune_and_ask_for_the_vhost(0);
        assert!(matches!(raw.method(ZERO), Method::ConnectionOpenOk(_)));
        update(&mut raw, &wrong);
        let refused = "NOT_ALLOWED - New secret was refused by one of the backends";
        assert_eq!(raw.closed_with(), (530, refused.to_owned()));
    }
}

#[test]
fn who_came_with_a_password_is_told_yes() {
    let scratch = Scratch::new();
    let (server, _) = start(&scratch);
    let mut raw = Raw::open(server.address());
    update(&mut raw, "anything");
    assert!(matches!(
        raw.method(ZERO),
        Method::ConnectionUpdateSecretOk(_)
    ));
}

/// What the API answers to a request with these headers.
pub(crate) fn ask(server: &Landfall, asked: &str, headers: &[&str], body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.api().trim_start_matches("http://"))
        .expect("it listens");
    let (length, headers) = (
        body.len(),
        headers
            .iter()
            .map(|it| format!("{it}\r\n"))
            .collect::<String>(),
    );
    let request = format!(
        "{asked} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

pub(crate) fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn the_api_takes_tokens_by_their_tags_and_scopes() {
    let scratch = Scratch::new();
    let (server, issuer) = start(&scratch);
    let paths = [
        "GET /api/whoami",
        "GET /api/queues/%2F",
        "GET /api/nodes",
        "GET /api/users",
        "PUT /api/queues/%2F/mine",
        "PUT /api/queues/%2F/other",
    ];
    for (scopes, codes) in [
        ("landfall.read:*/*", ["401"; 6]),
        (
            "landfall.tag:management landfall.configure:%2F/mine",
            ["200", "200", "401", "401", "201", "401"],
        ),
        (
            "landfall.tag:policymaker landfall.read:elsewhere/*",
            ["200", "401", "401", "401", "401", "401"],
        ),
        (
            "landfall.tag:monitoring",
            ["200", "200", "200", "401", "401", "401"],
        ),
        (
            "landfall.tag:administrator",
            ["200", "200", "200", "200", "401", "401"],
        ),
        (
            "landfall.tag:administrator landfall.configure:*/*",
            ["200", "200", "200", "200", "204", "201"],
        ),
    ] {
        let bearer = format!("Authorization: Bearer {}", issuer.token("ada", 60, scopes));
        let got = paths.map(|asked| code(&ask(&server, asked, &[&bearer], "{}")).to_owned());
        assert_eq!(got, codes, "{scopes}: {paths:?}");
    }
    use base64::Engine;
    let token = issuer.token("ada", 60, "landfall.tag:management");
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("whoever:{token}"));
    let basic = format!("Authorization: Basic {basic}");
    let who = ask(&server, "GET /api/whoami", &[&basic], "");
    assert!(
        who.ends_with(r#"{"name":"ada","tags":["management"]}"#),
        "{who}"
    );
    let auth = ask(&server, "GET /api/auth", &[], "");
    assert!(auth.contains(r#""oauth_enabled":true"#), "{auth}");
    let expired = issuer.token("ada", -60, "landfall.tag:management");
    let bearer = format!("Authorization: Bearer {expired}");
    let refused = ask(&server, "GET /api/whoami", &[&bearer], "");
    assert!(
        code(&refused) == "401" && !refused.contains(&expired),
        "{refused}"
    );
    let log = server.log();
    assert!(!log.contains(&token) && !log.contains(&expired), "{log}");
}

#[test]
fn a_session_of_the_pages_ends_with_its_token() {
    let scratch = Scratch::new();
    let (server, issuer) = start(&scratch);
    let token = issuer.token("ada", 4, "landfall.tag:management");
    let body = format!(r#"{{"username":"","password":"{token}"}}"#);
    let begun = ask(&server, "POST /api/landfall/session", &[], &body);
    assert_eq!(code(&begun), "201", "{begun}");
    assert!(!begun.contains(&token), "{begun}");
    let cookie = begun.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_it = name.eq_ignore_ascii_case("set-cookie");
        is_it.then(|| value.split(';').next().unwrap_or_default())
    });
    let cookie = format!("Cookie: {}", cookie.expect("a cookie"));
    let who = || ask(&server, "GET /api/whoami", &[&cookie], "");
    assert!(who().contains(r#""name":"ada""#), "{}", who());
    std::thread::sleep(Duration::from_secs(5));
    let over = who();
    assert_eq!(code(&over), "401", "{over}");
    assert!(over.contains("Max-Age=0"), "{over}");
}
