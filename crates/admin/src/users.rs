//! `/api/users`.

use crate::answer::{Failure, put};
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::listing::Wanted;
use crate::reader::Reader;
use crate::vhosts::name;
use crate::{document, password, shapes};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::{Command, Definitions};
use model::record::{Hashing, UserDefinition};
use serde_json::{Value, json};

/// What is said of a user.
pub(crate) const USER: Described = Described::new(
    "UserChange",
    &[
        Key::new(
            "password",
            Kind::Text,
            "it is hashed here; without it and a hash nobody logs in with one",
        )
        .such_as(r#""a long one""#),
        Key::new(
            "password_hash",
            Kind::Text,
            "salt and hash in base64, or `$argon2id$…`; instead of `password`",
        ),
        Key::new(
            "hashing_algorithm",
            Kind::Text,
            "`rabbit_password_hashing_sha256`, `…_sha512`, `…_md5`; `argon2id` where nothing is said with a password",
        ),
        Key::new(
            "tags",
            Kind::Names,
            "what the user may here: `administrator`, `monitoring`, `policymaker`, `management`",
        )
        .needed()
        .such_as(r#"["management"]"#),
    ],
);

/// Several users to remove.
pub(crate) const BULK_DELETE: Described = Described::new(
    "UsersToDelete",
    &[Key::new("users", Kind::List(&Kind::Text), "their names")
        .needed()
        .such_as(r#"["ada"]"#)],
);

/// A password's hash.
pub(crate) const HASHED: Described = Described::new(
    "HashedPassword",
    &[Key::new("ok", Kind::Text, "salt and hash, in base64").needed()],
);

pub(crate) async fn list(State(api): State<Api>, wanted: Wanted) -> Result<Json<Value>, Failure> {
    wanted.of(api.definitions().await?.users.iter().map(shapes::user))
}

pub(crate) async fn without_permissions(
    State(api): State<Api>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let without = definitions.users.iter().filter(|user| {
        let mut permissions = definitions.permissions.iter();
        permissions.all(|permission| permission.user != user.name)
    });
    wanted.of(without.map(shapes::user))
}

/// The user of that name, or 404.
pub(crate) fn find<'a>(
    definitions: &'a Definitions,
    name: &str,
) -> Result<&'a UserDefinition, Failure> {
    let mut users = definitions.users.iter();
    users
        .find(|user| user.name == *name)
        .ok_or(Failure::NotFound)
}

pub(crate) async fn one(
    State(api): State<Api>,
    Path(user): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    Ok(wanted.one(&shapes::user(find(&definitions, &user)?)))
}

pub(crate) async fn set(
    State(api): State<Api>,
    Path(text): Path<String>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let user = name(&text)?;
    // Held until the change has landed: between them nobody else changes it through the API.
    let mut there = api.definitions().await?;
    let known = find(&there, &text).cloned();
    let known = known.unwrap_or_else(|_| UserDefinition {
        name: user,
        ..UserDefinition::default()
    });
    let reading = move |_: &Definitions| document::user(&mut Reader::of(&USER, &body)?, known);
    let asked = there.beside(reading).await?;
    Ok(put(api.change(Command::PutUser(asked)).await?))
}

pub(crate) async fn remove(
    State(api): State<Api>,
    Path(text): Path<String>,
) -> Result<StatusCode, Failure> {
    let user = name(&text)?;
    api.change(Command::RemoveUser { user }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn bulk_delete(
    State(api): State<Api>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let definitions = api.definitions().await?;
    let mut body = Reader::of(&BULK_DELETE, &body)?;
    if body.get("users").is_none() {
        return Err(body.mistake("the key 'users' is missing").into());
    }
    let named = body.list("users")?;
    // All of them, or none.
    let users: Vec<_> = named
        .iter()
        .map(|json| {
            let text = json.as_str().unwrap_or_default();
            let found = find(&definitions, text);
            found.map_err(|_| Failure::BadRequest(format!("no such user: {json}")))
        })
        .collect::<Result<_, _>>()?;
    for user in users {
        let user = user.name.clone();
        api.change(Command::RemoveUser { user }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn hash_password(Path(password): Path<String>) -> Json<Value> {
    let hash = password::hash(Hashing::default(), &password);
    Json(json!({"ok": STANDARD.encode(hash)}))
}
