//! What stands before all of the API, whoever will answer: sessions, the back-off after failed logins, requests that
//! another site makes a browser send, names that are not this machine's, and headers that tell browsers what they may do with
//! an answer.
//!
//! It is the entrance of the node that was asked. What that node passes on to another one has been through it, and says
//! who it is from ([`Vouched`]).

use crate::access::{FromNode, LetInBefore, REFUSAL_DELAY, Vouched, is_local, login_of};
use crate::answer::Failure;
use crate::attempts::{Attempt, Attempts, Login};
use crate::hosts::Hosts;
use crate::operations::{Asked, Operations};
use crate::sessions::{Current, Sessions};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use model::{Password, ShortStr, Timestamp};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Put among a request's extensions by whoever accepts connections: where it came from, and how.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether nobody between could read it.
    pub over_tls: bool,
    /// The port that it came to.
    pub port: u16,
}

impl Arrival {
    /// Of a request of which nothing is said: nobody is trusted for it.
    const UNKNOWN: Self = Self {
        address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        over_tls: false,
        port: 0,
    };

    /// How a request came.
    pub(crate) fn of(request: &axum::http::Extensions) -> Self {
        request.get().copied().unwrap_or(Self::UNKNOWN)
    }
}

/// Tells the entrance, wherever it is, that the session is over.
pub(crate) const SESSION_OVER: HeaderName = HeaderName::from_static("landfall-session-over");

/// The mark of the user whom the request was from: tells the entrance, wherever it is, that somebody was let in.
pub const USER_MARK: HeaderName = HeaderName::from_static("landfall-user-mark");

const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a session begins: by a password, so that the session before it does not matter.
pub(crate) const SESSION_PATH: &str = "/api/landfall/session";

/// The name of the user whom the request was from, also where it may not do that: for what is noted of it.
const USER: HeaderName = HeaderName::from_static("landfall-user");

/// Why a request was refused or failed: for what is noted of it.
const REASON: HeaderName = HeaderName::from_static("landfall-reason");

/// What all requests share that come in here.
pub(crate) struct Entrance {
    pub(crate) sessions: Sessions,
    pub(crate) attempts: Attempts,
    hosts: Hosts,
    operations: Option<Arc<dyn Operations>>,
}

/// Puts the entrance before an API, which answers on its own machine to the names of `hosts`. What operators do is noted in
/// `operations`.
pub fn entrance(api: Router, hosts: Hosts, operations: Option<Arc<dyn Operations>>) -> Router {
    let entrance = Entrance {
        sessions: Sessions::default(),
        attempts: Attempts::default(),
        hosts,
        operations,
    };
    api.layer(from_fn_with_state(Arc::new(entrance), enter))
}

async fn enter(State(entrance): State<Arc<Entrance>>, request: Request, next: Next) -> Response {
    let asked = request.headers().get(REQUESTED_WITH);
    let by_page = asked.is_some_and(|by| by == "landfall");
    if request.extensions().get::<FromNode>().is_some() {
        return next.run(request).await;
    }
    let asked = entrance.asked(&request);
    let let_in = entrance.clone().let_in(request, next).await;
    let mut response = let_in.unwrap_or_else(Failure::into_response);
    entrance.note(asked, &response);
    let headers = response.headers_mut();
    headers.remove(USER_MARK);
    headers.remove(USER);
    headers.remove(REASON);
    if by_page {
        // The browser would ask in a window of its own, over the page's.
        headers.remove(header::WWW_AUTHENTICATE);
    }
    harden(headers);
    response
}

impl Entrance {
    async fn let_in(
        self: Arc<Self>,
        mut request: Request,
        next: Next,
    ) -> Result<Response, Failure> {
        self.hosts.check(&request)?;
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        if changes {
            check_site(request.headers())?;
        }
        let arrival = Arrival::of(request.extensions());
        let id = cookie(request.headers(), arrival);
        request.headers_mut().remove(header::COOKIE);
        request.extensions_mut().insert(self.clone());
        let begins_anew = request.method() == Method::POST
            && request.uri().path().trim_end_matches('/') == SESSION_PATH;
        // What begins a session says its password by itself: whoever waited here for both would wait for ever.
        if request.headers().contains_key(header::AUTHORIZATION) && !begins_anew {
            return self.try_login(request, next).await;
        }
        let session = id.and_then(|id| self.sessions.find(&id));
        let Some(session) = session else {
            return Ok(next.run(request).await);
        };
        if changes && !begins_anew {
            check_token(request.headers(), &session)?;
        }
        match session.token.as_ref().map(bearer_of) {
            // Whoever answers looks at it again: the session ends with it.
            Some(token) => {
                request.headers_mut().insert(header::AUTHORIZATION, token);
            }
            None => {
                let vouched: Vouched = session.vouched.clone();
                request.extensions_mut().insert(vouched);
            }
        }
        request.extensions_mut().insert(session.clone());
        let mut response = next.run(request).await;
        let refused = response.headers().contains_key(header::WWW_AUTHENTICATE);
        let over = response.headers_mut().remove(SESSION_OVER).is_some();
        if over || refused && session.token.is_some() {
            self.sessions.end(&session.id);
            let forget = set_cookie(None, arrival);
            response.headers_mut().insert(header::SET_COOKIE, forget);
        }
        Ok(response)
    }

    /// What is known of a request that comes in.
    fn asked(&self, request: &Request) -> Asked {
        let arrival = Arrival::of(request.extensions());
        let (headers, path) = (request.headers(), request.uri().path());
        let login = login_of(headers).map(|(user, _)| user);
        let session = cookie(headers, arrival).filter(|_| login.is_none());
        let session = session.and_then(|id| self.sessions.find(&id));
        let by_session = session.is_some();
        let logs_in = login.is_some() || path.trim_end_matches('/') == SESSION_PATH;
        let user = login.or_else(|| Some(session?.vouched.user));
        Asked {
            user: user.unwrap_or_default().as_str().to_owned(),
            logs_in,
            by_session,
            address: arrival.address,
            method: cut(request.method().as_str(), METHOD_MAX),
            path: cut(without_secret(path), PATH_MAX),
        }
    }

    /// Notes what a user changed, or was to, and who was not let in. Of strangers only logins are noted that were looked at,
    /// which are a few in a minute: a crowd of them must not push out what operators did.
    fn note(&self, asked: Asked, response: &Response) {
        let looks = matches!(asked.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let headers = response.headers();
        let user = headers.get(USER).map(HeaderValue::as_bytes);
        let is_refused = headers.contains_key(header::WWW_AUTHENTICATE);
        let is_noted = match user {
            Some(_) => !looks,
            None if is_refused => asked.logs_in,
            None => !looks && asked.by_session,
        };
        let Some(operations) = self.operations.as_ref().filter(|_| is_noted) else {
            return;
        };
        let user = user.map(|name| String::from_utf8_lossy(name).into_owned());
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
        let reason = headers.get(REASON).map(HeaderValue::as_bytes);
        let reason = reason.map(|reason| String::from_utf8_lossy(reason).into_owned());
        let code = response.status().as_u16();
        operations.note(&asked.answered(Timestamp(now), user, code, reason));
    }

    /// Somebody says a password with the request.
    async fn try_login(&self, mut request: Request, next: Next) -> Result<Response, Failure> {
        let attempt = match self.login(&request) {
            Some(login) => {
                let begun = self.attempts.begin(login).await;
                Some(begun.map_err(Failure::TooManyLogins)?)
            }
            None => None,
        };
        if attempt.as_ref().is_some_and(Attempt::is_proven) {
            request.extensions_mut().insert(LetInBefore);
        }
        let refused_at = Instant::now() + REFUSAL_DELAY;
        let response = next.run(request).await;
        // Who it is is asked again after a password that was wrong, and then only. Where nobody is asked (the probes),
        // nothing was shown.
        let refused = response.headers().contains_key(header::WWW_AUTHENTICATE);
        let let_in = response.headers().contains_key(USER_MARK);
        match attempt {
            Some(attempt) if let_in => attempt.succeeded(),
            Some(attempt) if refused => {
                // Counted before it is told, and told late: nobody learns by hanging up that it was wrong.
                attempt.failed();
                tokio::time::sleep_until(refused_at).await;
            }
            _ => {}
        }
        Ok(response)
    }

    fn login(&self, request: &Request) -> Option<Login> {
        let (user, password) = login_of(request.headers())?;
        let address = Arrival::of(request.extensions()).address;
        let local = is_local(request.extensions());
        let login = { &self.attempts }.login(address, local, &user, password.as_str());
        Some(login)
    }

    /// Somebody says a password in another way.
    pub(crate) fn login_by(
        &self,
        arrival: Arrival,
        local: bool,
        user: &ShortStr,
        password: &str,
    ) -> Login {
        let address = arrival.address;
        self.attempts.login(address, local, user, password)
    }
}

/// Tells the entrance, wherever it is, whom the request was from. A name that no header can hold is known from the login,
/// unless a token says it.
pub(crate) fn say_user(response: &mut Response, user: &ShortStr) {
    if let Ok(user) = HeaderValue::from_bytes(user.as_bytes()) {
        response.headers_mut().insert(USER, user);
    }
}

/// Tells the entrance, wherever it is, why something was refused.
pub(crate) fn say_reason(response: &mut Response, reason: &str) {
    let line = reason.replace(char::is_control, " ");
    if let Ok(reason) = HeaderValue::from_bytes(cut(&line, REASON_MAX).as_bytes()) {
        response.headers_mut().insert(REASON, reason);
    }
}

/// So much of a request is noted, in bytes.
const PATH_MAX: usize = 1024;
const METHOD_MAX: usize = 16;
const REASON_MAX: usize = 512;

fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

/// A password to be hashed stands in its path.
fn without_secret(path: &str) -> &str {
    const HASHING: &str = "/hash_password/";
    match path.find(HASHING) {
        Some(at) => &path[..at + HASHING.len()],
        None => path,
    }
}

/// What a token is as a header.
fn bearer_of(token: &Password) -> HeaderValue {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
        .unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

/// Refuses what another site makes a browser send: it says so, or from where. Tools say neither.
fn check_site(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let own = match (text(FETCH_SITE), text(header::ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text(header::HOST).unwrap_or("");
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        }
        (None, None) => true,
    };
    if own {
        return Ok(());
    }
    Err(Failure::Forbidden("the request comes from another site"))
}

fn check_token(headers: &HeaderMap, session: &Current) -> Result<(), Failure> {
    let said = headers.get(CSRF).map_or(&b""[..], HeaderValue::as_bytes);
    let expected = session.csrf.as_bytes();
    // In a time that does not tell where the first difference is.
    let differences = said
        .iter()
        .zip(expected)
        .fold(0, |all, (a, b)| all | (a ^ b));
    if said.len() == expected.len() && std::hint::black_box(differences) == 0 {
        return Ok(());
    }
    Err(Failure::Forbidden(
        "the header x-csrf-token is not the session's",
    ))
}

/// Over TLS browsers take this name only from us: not from a neighbour, and not from somebody between. Browsers do not tell
/// the ports of a host apart: with the port two nodes of one machine do not take each other's cookies away.
fn cookie_name(Arrival { over_tls, port, .. }: Arrival) -> String {
    let safe = if over_tls { "__Host-" } else { "" };
    format!("{safe}landfall-{port}")
}

fn cookie(headers: &HeaderMap, arrival: Arrival) -> Option<String> {
    let name = cookie_name(arrival);
    let all = headers.get_all(header::COOKIE).iter();
    let texts = all.filter_map(|value| value.to_str().ok());
    let mut each = texts.flat_map(|text| text.split(';'));
    each.find_map(|one| {
        let (said, value) = one.trim().split_once('=')?;
        (said == name).then(|| value.to_owned())
    })
}

/// Gives the browser the cookie of a session, or takes it away.
pub(crate) fn set_cookie(id: Option<&str>, arrival: Arrival) -> HeaderValue {
    let name = cookie_name(arrival);
    let secure = if arrival.over_tls { "; Secure" } else { "" };
    let (value, until) = match id {
        Some(id) => (id, ""),
        None => ("", "; Max-Age=0"),
    };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{until}");
    HeaderValue::from_str(&text).expect("names and digits are a header's value")
}

/// An answer is data: no browser runs, frames, guesses or keeps it. A page says otherwise of itself.
fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}
