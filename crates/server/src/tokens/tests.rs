//! Which tokens are good, with keys that the openssl program makes, and who tries what else.

use super::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_000);

/// Private keys `rsa` and `ec`, with their public ones, and another that nobody trusts.
fn made_keys() -> &'static Path {
    static KEYS: OnceLock<TempDir> = OnceLock::new();
    let dir = KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, algorithm) in [
            ("rsa", "rsa_keygen_bits:2048"),
            ("ec", "ec_paramgen_curve:P-256"),
            ("other", "ec_paramgen_curve:P-256"),
        ] {
            let kind = if name == "rsa" { "RSA" } else { "EC" };
            let (key, public) = (file(dir.path(), name, "key"), file(dir.path(), name, "pem"));
            let key = key.to_str().expect("a plain path");
            openssl(&[
                "genpkey",
                "-algorithm",
                kind,
                "-pkeyopt",
                algorithm,
                "-out",
                key,
            ]);
            let public = public.to_str().expect("a plain path");
            openssl(&["pkey", "-in", key, "-pubout", "-out", public]);
        }
        dir
    });
    dir.path()
}

fn file(dir: &Path, name: &str, ends: &str) -> PathBuf {
    dir.join(name).with_extension(ends)
}

fn openssl(arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).output();
    let made = made.expect("the openssl program is there");
    assert!(made.status.success(), "{made:?}");
}

fn said() -> Oauth {
    Oauth {
        resource_server_id: "rabbit".to_owned(),
        issuer: Some("https://issuer".to_owned()),
        signing_keys: ["rsa", "ec"]
            .map(|name| (name.to_owned(), file(made_keys(), name, "pem")))
            .into(),
        jwks_url: None,
        https_authorities: None,
        verify_aud: true,
        scope_prefix: "rabbit.".to_owned(),
        additional_scopes_keys: vec!["roles".to_owned()],
        username_claims: ["user_name", "sub", "client_id"].map(str::to_owned).into(),
        algorithms: vec![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256],
        scope_aliases: [(
            "admin".to_owned(),
            vec!["rabbit.tag:administrator".to_owned()],
        )]
        .into(),
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer", "aud": ["other", "rabbit"], "sub": "ada",
        "exp": get_current_timestamp() + 60, "scope": "rabbit.read:*/* other.write:*/* admin",
    })
}

fn header(algorithm: Algorithm, kid: &str) -> Header {
    Header {
        kid: Some(kid.to_owned()),
        ..Header::new(algorithm)
    }
}

fn key(name: &str) -> EncodingKey {
    let pem = std::fs::read(file(made_keys(), name, "key")).expect("a key");
    let read = match name {
        "rsa" => EncodingKey::from_rsa_pem(&pem),
        _ => EncodingKey::from_ec_pem(&pem),
    };
    read.expect("openssl writes what is read here")
}

fn signed(claims: &Value) -> String {
    encode(&header(Algorithm::ES256, "ec"), claims, &key("ec")).expect("it can be signed")
}

async fn look(said: &Oauth, token: &str) -> Result<Verified, TokenRefused> {
    let tokens = Arc::new(Tokens::new(said, Clock::start()).expect("the keys are there"));
    tokens.check_at(Password::new(token.to_owned()), NOW).await
}

#[tokio::test]
async fn a_good_token_says_who_it_is_and_what_may_be_done() {
    let said = said();
    for (algorithm, name) in [
        (Algorithm::RS256, "rsa"),
        (Algorithm::PS256, "rsa"),
        (Algorithm::ES256, "ec"),
    ] {
        let token = encode(&header(algorithm, name), &claims(), &key(name));
        let token = token.expect("it can be signed");
        assert!(is_one(&Password::new(token.clone())));
        let good = look(&said, &token).await.expect("a good token");
        assert_eq!(good.bearer.user, "ada");
        assert_eq!(good.bearer.tags, ["administrator"], "through the alias");
        assert!(good.bearer.allows("/", broker::Right::Read, "q"));
        assert!(
            !good.bearer.allows("/", broker::Right::Write, "q"),
            "a scope of another server"
        );
        assert_eq!(good.ends.0 % 1000, 0);
    }
}

#[tokio::test]
async fn tokens_that_are_not_good() {
    let mut wrong = vec![];
    let mut with = |what: &'static str, field: &str, value: Value, why| {
        let mut claims = claims();
        claims[field] = value;
        wrong.push((what, signed(&claims), why));
    };
    let now = get_current_timestamp();
    with("expired", "exp", json!(now - 60), TokenRefused::Expired);
    with("early", "nbf", json!(now + 60), TokenRefused::TooEarly);
    with("nbf is no number", "nbf", json!("0"), TokenRefused::Claim);
    with(
        "exp is no number",
        "exp",
        json!("9999999999"),
        TokenRefused::Claim,
    );
    with("no exp", "exp", Value::Null, TokenRefused::Claim);
    with("wrong aud", "aud", json!("other"), TokenRefused::Audience);
    with("no aud", "aud", Value::Null, TokenRefused::Claim);
    with(
        "wrong iss",
        "iss",
        json!("https://issuer/"),
        TokenRefused::Issuer,
    );
    with("no iss", "iss", Value::Null, TokenRefused::Claim);
    with("no name", "sub", Value::Null, TokenRefused::Nameless);
    with(
        "a long name",
        "sub",
        json!("a".repeat(256)),
        TokenRefused::Nameless,
    );
    with(
        "huge",
        "x",
        json!("x".repeat(TOKEN_MAX)),
        TokenRefused::TooLong,
    );
    let deep = (0..500).fold(json!(1), |inner, _| json!([inner]));
    with("deep", "x", deep, TokenRefused::Malformed);

    let sign = |header: &Header, key: &EncodingKey| encode(header, &claims(), key).expect("signed");
    let public = std::fs::read(file(made_keys(), "rsa", "pem")).expect("a key");
    let shared = EncodingKey::from_secret(&public);
    let hmac = sign(&header(Algorithm::HS256, "rsa"), &shared);
    wrong.push(("HMAC by the public key", hmac, TokenRefused::Algorithm));
    let unknown = sign(&header(Algorithm::ES256, "what"), &key("ec"));
    wrong.push(("unknown kid", unknown, TokenRefused::UnknownKey));
    let nameless = sign(&Header::new(Algorithm::ES256), &key("ec"));
    wrong.push(("no kid of several", nameless, TokenRefused::UnknownKey));
    let other = sign(&header(Algorithm::ES256, "ec"), &key("other"));
    wrong.push(("another's key", other, TokenRefused::Signature));
    let crossed = sign(&header(Algorithm::ES256, "rsa"), &key("ec"));
    wrong.push(("another kind of key", crossed, TokenRefused::Algorithm));
    let rs512 = sign(&header(Algorithm::RS512, "rsa"), &key("rsa"));
    wrong.push(("not allowed", rs512, TokenRefused::Algorithm));
    let nested = Value::String(signed(&claims()));
    wrong.push(("nested", signed(&nested), TokenRefused::Malformed));

    let good = signed(&claims());
    let (head, rest) = good.split_once('.').expect("parts");
    let (payload, signature) = rest.split_once('.').expect("parts");
    use base64::Engine;
    let coded = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    for none in ["none", "None", "NONE", ""] {
        let head = coded(&json!({"alg": none, "kid": "ec"}).to_string());
        wrong.push((
            "alg none",
            format!("{head}.{payload}."),
            TokenRefused::Malformed,
        ));
    }
    let changed = coded(&json!({"sub": "root"}).to_string());
    for (what, token, why) in [
        (
            "changed",
            format!("{head}.{changed}.{signature}"),
            TokenRefused::Signature,
        ),
        (
            "no signature",
            format!("{head}.{payload}."),
            TokenRefused::Signature,
        ),
        ("dots", "ey..".to_owned(), TokenRefused::Malformed),
    ] {
        wrong.push((what, token, why));
    }
    let said = said();
    for (what, token, why) in wrong {
        assert_eq!(look(&said, &token).await.err(), Some(why), "{what}");
        assert!(!why.to_string().contains("ada"));
    }
    assert!(look(&said, &good).await.is_ok());
}

#[tokio::test]
async fn a_token_that_is_known_ends_all_the_same() {
    let tokens = Arc::new(Tokens::new(&said(), Clock::start()).expect("the keys are there"));
    let token = Password::new(signed(&claims()));
    let good = tokens.clone().check_at(token.clone(), NOW).await;
    let ends = good.expect("a good token").ends;
    let late = tokens.check_at(token, ends).await;
    assert_eq!(late.err(), Some(TokenRefused::Expired));
}

#[tokio::test]
async fn scopes_are_found_wherever_they_may_be() {
    let said = said();
    for (field, value) in [
        ("scope", json!(["rabbit.tag:monitoring"])),
        ("scope", json!("x  rabbit.tag:monitoring")),
        ("roles", json!("rabbit.tag:monitoring")),
        (
            "roles",
            json!({"rabbit": ["rabbit.tag:monitoring"], "x": "rabbit.tag:administrator"}),
        ),
    ] {
        let mut claims = claims();
        claims["scope"] = Value::Null;
        claims[field] = value;
        let good = look(&said, &signed(&claims)).await.expect("a good token");
        assert_eq!(good.bearer.tags, ["monitoring"], "{claims}");
    }
    let mut claims = claims();
    claims["user_name"] = json!("the countess");
    let good = look(&said, &signed(&claims)).await.expect("a good token");
    assert_eq!(good.bearer.user, "the countess");
}

#[tokio::test]
async fn a_key_set_is_read_without_what_is_no_public_key_for_signatures() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("keys.json");
    let pem = std::fs::read(file(made_keys(), "ec", "key")).expect("a key");
    let private = EncodingKey::from_ec_pem(&pem).expect("a key");
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&private, Algorithm::ES256);
    let mut jwk = serde_json::to_value(jwk.expect("a key")).expect("JSON");
    jwk["kid"] = json!("one");
    let secret = json!({"kty": "oct", "kid": "two", "k": "c2VjcmV0"});
    let strange = json!({"kty": "new", "kid": "three"});
    let mut encrypts = jwk.clone();
    encrypts["use"] = json!("enc");
    encrypts["kid"] = json!("four");
    let set = json!({"keys": [secret, strange, encrypts, jwk]}).to_string();
    std::fs::write(&path, set).expect("it can be written");
    let mut said = said();
    said.signing_keys = vec![("keys".to_owned(), path.clone())];
    for (kid, good) in [("one", true), ("four", false), ("keys", false)] {
        let token = encode(&header(Algorithm::ES256, kid), &claims(), &key("ec"));
        let looked = look(&said, &token.expect("signed")).await;
        assert_eq!(looked.is_ok(), good, "{kid}");
    }
    // It is alone, so a token need not name it.
    let token = encode(&Header::new(Algorithm::ES256), &claims(), &key("ec"));
    assert!(look(&said, &token.expect("signed")).await.is_ok());
    std::fs::write(&path, "{}").expect("it can be written");
    assert!(Tokens::new(&said, Clock::start()).is_err());
}

/// An issuer on this machine; tells how often it was asked, and for what.
fn issuer(answers: Arc<Mutex<Vec<Value>>>) -> (String, Arc<Mutex<Vec<String>>>) {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asks = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            let first = lines.next().expect("a request").expect("text");
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            asks.lock().expect("nobody panics").push(path);
            let mut answers = answers.lock().expect("nobody panics");
            let body = if answers.is_empty() {
                Value::Null
            } else {
                answers.remove(0)
            };
            let (code, body) = (if body.is_null() { 500 } else { 200 }, body.to_string());
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {code} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    (url, asked)
}

fn published(kid: &str) -> Value {
    let pem = std::fs::read(file(made_keys(), "ec", "key")).expect("a key");
    let private = EncodingKey::from_ec_pem(&pem).expect("a key");
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&private, Algorithm::ES256);
    let mut jwk = serde_json::to_value(jwk.expect("a key")).expect("JSON");
    jwk["kid"] = json!(kid);
    json!({"keys": [jwk]})
}

fn named(kid: &str) -> Password {
    let token = encode(&header(Algorithm::ES256, kid), &claims(), &key("ec"));
    Password::new(token.expect("signed"))
}

#[tokio::test]
async fn an_issuers_keys_are_fetched_and_whatever_tokens_name_it_is_not_asked_too_often() {
    let answers = Arc::new(Mutex::new(vec![published("one")]));
    let (url, asked) = issuer(answers.clone());
    let mut said = said();
    said.jwks_url = Some(format!("{url}/keys"));
    said.signing_keys = Vec::new();
    let tokens = Arc::new(Tokens::new(&said, Clock::start()).expect("nobody is asked yet"));
    let look = |kid: &str| tokens.clone().check_at(named(kid), NOW);
    let times = || asked.lock().expect("nobody panics").len();
    assert_eq!(times(), 0);
    assert!(look("one").await.is_ok());
    for _ in 0..20 {
        let unknown = look("two").await.err();
        assert_eq!(unknown, Some(TokenRefused::UnknownKey));
    }
    assert_eq!(times(), 1);
    answers
        .lock()
        .expect("nobody panics")
        .push(published("two"));
    tokens
        .issuer
        .as_ref()
        .expect("there is one")
        .pause_is_over();
    assert!(look("two").await.is_ok(), "the issuer has a new key");
    assert_eq!(look("three").await.err(), Some(TokenRefused::UnknownKey));
    tokens
        .issuer
        .as_ref()
        .expect("there is one")
        .pause_is_over();
    assert_eq!(look("three").await.err(), Some(TokenRefused::UnknownKey));
    assert_eq!(times(), 3);
    assert!(look("two").await.is_ok(), "while the issuer is away");
}

/// An issuer that takes connections and never answers.
#[tokio::test]
async fn who_names_unknown_keys_keeps_those_with_known_ones_not_waiting() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let silent = silent.expect("a free port");
    let url = format!("http://{}/keys", silent.local_addr().expect("an address"));
    let mut said = said();
    said.jwks_url = Some(url);
    let tokens = Arc::new(Tokens::new(&said, Clock::start()).expect("nobody is asked yet"));
    let unknown = tokio::spawn(tokens.clone().check_at(named("nobody's"), NOW));
    let _connected = silent.accept().await.expect("it is asked");
    let began = std::time::Instant::now();
    let good = encode(&header(Algorithm::ES256, "ec"), &claims(), &key("ec")).expect("signed");
    assert!(tokens.check_at(Password::new(good), NOW).await.is_ok());
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
    assert!(!unknown.is_finished(), "it waits for the issuer");
}

#[tokio::test]
async fn an_issuer_is_asked_where_its_keys_are() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let (url, asked) = issuer(answers.clone());
    let configuration = json!({"issuer": url, "jwks_uri": format!("{url}/its/keys")});
    answers
        .lock()
        .expect("nobody panics")
        .extend([configuration, published("one")]);
    let mut said = said();
    (said.issuer, said.signing_keys) = (Some(url.clone()), Vec::new());
    let tokens = Arc::new(Tokens::new(&said, Clock::start()).expect("nobody is asked yet"));
    let mut claims = claims();
    claims["iss"] = json!(url);
    let token = encode(&header(Algorithm::ES256, "one"), &claims, &key("ec"));
    let token = Password::new(token.expect("signed"));
    assert!(tokens.check_at(token, NOW).await.is_ok());
    let asked = asked.lock().expect("nobody panics").clone();
    assert_eq!(asked, ["/.well-known/openid-configuration", "/its/keys"]);
}

#[test]
fn keys_come_over_tls_or_from_this_machine() {
    for (url, safe) in [
        ("https://issuer", true),
        ("http://127.0.0.1:80/keys", true),
        ("http://[::1]/keys", true),
        ("http://issuer", false),
        ("http://127.0.0.1.evil/keys", false),
        ("http://127.0.0.1:x@evil/keys", false),
        ("ftp://127.0.0.1/keys", false),
    ] {
        assert_eq!(issuer::is_safe(url), safe, "{url}");
    }
}
