//! Sessions of the pages, and what keeps others out of them.

use super::{Api, basic, text};
use crate::{Arrival, FromThisMachine};
use axum::body::Body;
use axum::http::{Request, Response, header};
use bytes::Bytes;
use http_body_util::channel::Channel;
use serde_json::Value;
use std::time::Duration;

/// A browser, with the cookie that it was given.
#[derive(Clone, Default)]
struct Browser {
    cookie: String,
    csrf: String,
    over_tls: bool,
    port: u16,
}

impl Browser {
    async fn send(
        &self,
        api: &Api,
        asked: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Body> {
        let (method, path) = asked.split_once(' ').expect("METHOD PATH");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "node:15672")
            .header("x-requested-with", "landfall")
            .extension(FromThisMachine(true))
            .extension(Arrival {
                address: [127, 0, 0, 1].into(),
                over_tls: self.over_tls,
                port: self.port,
            });
        if !self.cookie.is_empty() {
            request = request.header(header::COOKIE, format!("other=1; {}", self.cookie));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned()));
        api.send(request.expect("a request")).await
    }

    async fn ask(&self, api: &Api, asked: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let response = self.send(api, asked, headers, "").await;
        (response.status().as_u16(), text(response).await)
    }

    /// Logs in, and keeps what it is given.
    async fn log_in(&mut self, api: &Api, user: &str, password: &str) -> (u16, Value) {
        let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
        let response = self
            .send(api, "POST /api/landfall/session", &[], &body)
            .await;
        let code = response.status().as_u16();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        }
        let said: Value = serde_json::from_str(&text(response).await).expect("JSON");
        self.csrf = said["csrf"].as_str().unwrap_or_default().to_owned();
        (code, said)
    }
}

async fn logged_in(api: &Api) -> Browser {
    let mut browser = Browser::default();
    let (code, said) = browser.log_in(api, "guest", "guest").await;
    assert_eq!(code, 201, "{said}");
    browser
}

#[tokio::test]
async fn a_session_begins_is_told_and_ends() {
    let api = Api::new();
    let browser = logged_in(&api).await;
    assert_eq!(browser.cookie.len(), "landfall-0=".len() + 64);
    let (code, said) = browser.ask(&api, "GET /api/landfall/session", &[]).await;
    let csrf = &browser.csrf;
    let expected = format!(r#"{{"csrf":"{csrf}","name":"guest","tags":["administrator"]}}"#);
    assert_eq!((code, said), (200, expected));
    assert_eq!(browser.ask(&api, "GET /api/users", &[]).await.0, 200);
    let token: &[_] = &[("x-csrf-token", csrf.as_str())];
    let ended = browser
        .send(&api, "DELETE /api/landfall/session", token, "")
        .await;
    assert_eq!(ended.status(), 204);
    assert_eq!(
        ended.headers()[header::SET_COOKIE],
        "landfall-0=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
    );
    for path in ["GET /api/landfall/session", "GET /api/users"] {
        let response = browser.send(&api, path, &[], "").await;
        assert_eq!(response.status(), 401);
        let asks = response.headers().get(header::WWW_AUTHENTICATE);
        assert_eq!(asks, None, "the page asks, not the browser");
    }
}

#[tokio::test]
async fn over_tls_the_cookie_goes_nowhere_else() {
    let api = Api::new();
    let mut browser = Browser {
        over_tls: true,
        ..Browser::default()
    };
    let body = r#"{"username":"guest","password":"guest"}"#;
    let response = browser
        .send(&api, "POST /api/landfall/session", &[], body)
        .await;
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .expect("text");
    let (value, rest) = cookie.split_once(';').expect("attributes");
    assert!(value.starts_with("__Host-landfall-0="), "{value}");
    assert_eq!(rest, " Path=/; HttpOnly; SameSite=Strict; Secure");
    browser.cookie = value.to_owned();
    assert_eq!(browser.ask(&api, "GET /api/whoami", &[]).await.0, 200);
    browser.over_tls = false;
    assert_eq!(browser.ask(&api, "GET /api/whoami", &[]).await.0, 401);
}

#[tokio::test]
async fn what_changes_something_needs_the_token_and_comes_from_no_other_site() {
    let api = Api::new();
    let browser = logged_in(&api).await;
    let other = logged_in(&api).await;
    let token = ("x-csrf-token", browser.csrf.as_str());
    let put = "PUT /api/vhosts/made";
    for (headers, expected) in [
        (vec![], 403),
        (vec![("x-csrf-token", "")], 403),
        (vec![("x-csrf-token", other.csrf.as_str())], 403),
        (vec![token, ("sec-fetch-site", "cross-site")], 403),
        (vec![token, ("sec-fetch-site", "same-site")], 403),
        (vec![token, ("origin", "http://elsewhere:15672")], 403),
        (vec![token, ("origin", "http://node:8080")], 403),
        (vec![token, ("origin", "null")], 403),
        (vec![token], 201),
        (vec![token, ("origin", "http://node:15672")], 204),
        (vec![token, ("sec-fetch-site", "same-origin")], 204),
    ] {
        let (code, said) = browser.ask(&api, put, &headers).await;
        assert_eq!(code, expected, "{headers:?}: {said}");
    }
    // A login that another site makes, and one that a browser knows by heart.
    let body = r#"{"username":"guest","password":"guest"}"#;
    let cross: &[_] = &[("sec-fetch-site", "cross-site")];
    let login = browser
        .send(&api, "POST /api/landfall/session", cross, body)
        .await;
    assert_eq!(login.status(), 403);
    let cross: &[_] = &[
        ("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q="),
        ("origin", "http://elsewhere"),
    ];
    assert_eq!(browser.ask(&api, put, cross).await.0, 403);
    // Tools: no cookie counts, and no token is needed.
    let basic: &[_] = &[("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")];
    assert_eq!(browser.ask(&api, put, basic).await.0, 204);
}

#[tokio::test]
async fn a_user_who_changes_takes_the_session_along() {
    let api = Api::new();
    let put = r#"PUT /api/users/ada {"password":"p","tags":"administrator"}"#;
    api.transcript(put).await;
    let mut ada = Browser::default();
    assert_eq!(ada.log_in(&api, "ada", "p").await.0, 201);
    let users = "GET /api/users";
    assert_eq!(ada.ask(&api, users, &[]).await.0, 200);
    let hash = api.get("/api/users/ada").await["password_hash"].clone();
    let tags = format!(r#"PUT /api/users/ada {{"password_hash":{hash},"tags":"management"}}"#);
    api.transcript(&tags).await;
    assert_eq!(ada.ask(&api, users, &[]).await.0, 401, "the tag is gone");
    let (code, said) = ada.ask(&api, "GET /api/landfall/session", &[]).await;
    assert!(
        code == 200 && said.contains(r#""tags":["management"]"#),
        "{said}"
    );
    api.transcript(put).await;
    let gone = ada.send(&api, users, &[], "").await;
    assert_eq!(gone.status(), 401, "the password was set again");
    let forget = gone.headers()[header::SET_COOKIE].to_str().expect("text");
    assert!(forget.starts_with("landfall-0=;"), "{forget}");
    assert_eq!(ada.log_in(&api, "ada", "p").await.0, 201);
    api.transcript("DELETE /api/users/ada").await;
    assert_eq!(ada.ask(&api, users, &[]).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn who_may_nothing_gets_no_session() {
    let api = Api::new();
    api.transcript(r#"PUT /api/users/plain {"password":"p","tags":""}"#)
        .await;
    for (user, password) in [("plain", "p"), ("plain", ""), ("guest", "wrong"), ("", "")] {
        let mut browser = Browser::default();
        let (code, said) = browser.log_in(&api, user, password).await;
        assert_eq!((code, &browser.cookie[..]), (401, ""), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn guesses_are_refused_after_five() {
    let api = Api::new();
    let right = logged_in(&api).await;
    // A probe is answered whoever asks: that shows nothing.
    let trick = "guest:trick";
    assert_eq!(api.ask_as(trick, "GET", "/healthz/live", "").await.0, 200);
    for attempt in 0..5 {
        let (code, _) = api.ask_as("guest:guess", "GET", "/api/whoami", "").await;
        assert_eq!(code, 401, "{attempt}");
    }
    let before = tokio::time::Instant::now();
    let (code, said) = api.ask_as("guest:guest2", "GET", "/api/whoami", "").await;
    let expected = r#"{"error":"too_many_requests","reason":"too many logins have failed"}"#;
    assert_eq!((code, &*said), (429, expected));
    assert_eq!(before.elapsed(), Duration::ZERO, "it costs nothing");
    assert_eq!(api.ask_as(trick, "GET", "/api/whoami", "").await.0, 429);
    assert_eq!(right.ask(&api, "GET /api/whoami", &[]).await.0, 200);
    let mut browser = Browser::default();
    assert_eq!(
        browser.log_in(&api, "guest", "guest").await.0,
        201,
        "it was right before"
    );
    for _ in 0..5 {
        assert_eq!(browser.log_in(&api, "guest", "guess").await.0, 401);
    }
    assert_eq!(browser.log_in(&api, "guest", "guess").await.0, 429);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(browser.log_in(&api, "guest", "guess").await.0, 401);
}

#[tokio::test]
async fn browsers_are_told_what_an_answer_is_not() {
    let api = Api::new();
    let browser = logged_in(&api).await;
    for asked in [
        "GET /api/whoami",
        "GET /api/nothing",
        "GET /healthz/live",
        "PUT /api/vhosts/x",
    ] {
        let response = browser.send(&api, asked, &[], "").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(response.headers()[name], value, "{asked}");
        }
        assert!(
            !response.headers().contains_key("landfall-user-mark"),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn nodes_on_one_machine_do_not_take_each_others_cookies() {
    let (one, other) = (Api::new(), Api::new());
    let mut browser = Browser {
        port: 15672,
        ..Browser::default()
    };
    let (code, _) = browser.log_in(&one, "guest", "guest").await;
    assert_eq!(code, 201);
    let first = browser.cookie.clone();
    browser.port = 15673;
    let (code, _) = browser.log_in(&other, "guest", "guest").await;
    assert_eq!(code, 201);
    let name = |cookie: &str| cookie.split('=').next().map(str::to_owned);
    assert_ne!(name(&first), name(&browser.cookie));
    // The browser sends both to both.
    browser.cookie = format!("{first}; {}", browser.cookie);
    for (api, port) in [(&one, 15672), (&other, 15673)] {
        browser.port = port;
        let (code, _) = browser.ask(api, "GET /api/whoami", &[]).await;
        assert_eq!(code, 200);
    }
}

/// A right password is answered at once and a wrong one after a second: who does not wait for that would try many.
#[tokio::test(start_paused = true)]
async fn who_hangs_up_before_the_answer_has_guessed_all_the_same() {
    let api = Api::new();
    for _ in 0..5 {
        let asked = api.ask_as("guest:a guess", "GET", "/api/whoami", "");
        let answered = tokio::time::timeout(Duration::from_millis(200), asked).await;
        assert!(answered.is_err(), "it is told late");
    }
    let (code, _) = api.ask_as("guest:another", "GET", "/api/whoami", "").await;
    assert_eq!(code, 429);
}

/// Who says a password in two ways, of which one does not come, keeps nobody else waiting.
#[tokio::test(start_paused = true)]
async fn logins_that_do_not_end_do_not_hold_up_others() {
    let api = Api::new();
    let mut unfinished = Vec::new();
    for _ in 0..16 {
        let (sender, body) = Channel::<Bytes>::new(1);
        let request = Request::builder()
            .method("POST")
            .uri("/api/landfall/session")
            .header(header::AUTHORIZATION, basic("guest:a guess"))
            .body(Body::new(body))
            .expect("a request");
        let api = Api(api.0.clone());
        let asking = tokio::spawn(async move { api.send(request).await });
        unfinished.push((sender, asking));
        tokio::task::yield_now().await;
    }
    let other = api.ask("GET", "/api/whoami", "");
    let (code, _) = tokio::time::timeout(Duration::from_secs(5), other)
        .await
        .expect("it does not wait");
    assert_eq!(code, 200);
    drop(unfinished);
}
