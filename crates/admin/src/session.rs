//! `/api/landfall/session`: how a page logs in, finds out who is logged in, and logs out.

use crate::access::{Caller, REFUSAL_DELAY, Vouched, is_local};
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::entrance::{Arrival, Entrance, say_user, set_cookie};
use crate::reader::Reader;
use crate::sessions::Current;
use crate::shapes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use broker::{Answer, Command, Mark};
use model::record::UserDefinition;
use model::{Password, ShortStr};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// Who begins a session.
pub(crate) const LOGIN: Described = Described::new(
    "Login",
    &[
        Key::new(
            "username",
            Kind::Text,
            "who; without meaning where the password is a token",
        )
        .needed()
        .such_as(r#""guest""#),
        Key::new("password", Kind::Text, "the password, or a token")
            .needed()
            .such_as(r#""guest""#),
    ],
);

/// A session.
pub(crate) const SESSION: Described = Described::new(
    "Session",
    &[
        Key::new("name", Kind::Text, "the user").needed(),
        Key::new("tags", Kind::List(&Kind::Text), "what the user may here").needed(),
        Key::new(
            "csrf",
            Kind::Text,
            "what changes must bring in the header `x-csrf-token`",
        )
        .needed(),
    ],
);

/// The largest body that says who somebody is: a token fits, and strangers cannot take much memory.
const LOGIN_MAX: usize = 64 * 1024;

/// Begins a session of whoever knows a password.
pub(crate) async fn begin(
    State(api): State<Api>,
    Extension(entrance): Extension<Arc<Entrance>>,
    request: Request,
) -> Result<Response, Failure> {
    let arrival = Arrival::of(request.extensions());
    let local = is_local(request.extensions());
    let before = request.extensions().get::<Current>().cloned();
    let Body(body) = Body::of(request, LOGIN_MAX).await?;
    let mut body = Reader::of(&LOGIN, &body)?;
    let name = body.required_text("username")?;
    let password = body.required_text("password")?;
    // A name that is too long is nobody's.
    let user = ShortStr::try_from(name).unwrap_or_default();
    let login = entrance.login_by(arrival, local, &user, password);
    let attempt = entrance.attempts.begin(login).await;
    let attempt = attempt.map_err(Failure::TooManyLogins)?;
    let refused_at = Instant::now() + REFUSAL_DELAY;
    let asked = Command::Authenticate {
        user,
        password: Password::new(password.to_owned()),
        local,
    };
    let answer = api.ask(asked).await;
    let (caller, mark, token) = match answer {
        Ok(Answer::User(user, mark)) => (Caller::from(user), mark, None),
        Ok(Answer::Bearer(bearer)) => {
            let token = Password::new(password.to_owned());
            (Caller::from(bearer), Mark::of_token(), Some(token))
        }
        Ok(_) | Err(Failure::LoginRefused) => {
            attempt.failed();
            tokio::time::sleep_until(refused_at).await;
            return Err(Failure::LoginRefused);
        }
        Err(other) => return Err(other.for_strangers()),
    };
    attempt.succeeded();
    caller.check_comes_in()?;
    if let Some(before) = before {
        entrance.sessions.end(&before.id);
    }
    let vouched = Vouched {
        user: caller.user.name.detached(),
        mark,
    };
    let begun = entrance.sessions.begin(vouched, token);
    let cookie = set_cookie(Some(&begun.id), arrival);
    let body = Json(shape(&caller.user, &begun));
    let headers = [(header::SET_COOKIE, cookie)];
    let mut response = (StatusCode::CREATED, headers, body).into_response();
    say_user(&mut response, &caller.user.name);
    Ok(response)
}

/// The session of a request, as far as it belongs to one.
pub(crate) async fn show(
    Extension(Caller { user, .. }): Extension<Caller>,
    session: Option<Extension<Current>>,
) -> Result<Json<Value>, Failure> {
    let Extension(session) = session.ok_or(Failure::LoginWanted)?;
    Ok(Json(shape(&user, &session)))
}

/// Ends it.
pub(crate) async fn end(
    Extension(entrance): Extension<Arc<Entrance>>,
    session: Option<Extension<Current>>,
    request: Request,
) -> Result<Response, Failure> {
    let Extension(session) = session.ok_or(Failure::LoginWanted)?;
    entrance.sessions.end(&session.id);
    let forget = set_cookie(None, Arrival::of(request.extensions()));
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forget)]).into_response())
}

fn shape(user: &UserDefinition, session: &Current) -> Value {
    json!({
        "name": user.name.as_str(),
        "tags": shapes::names(&user.tags),
        "csrf": session.csrf,
    })
}
