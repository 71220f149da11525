//! `/api/landfall/settings`: what the node runs with, and where that was said.

use crate::described::{Described, Key, Kind};
use crate::endpoints::Api;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// An option of the server, as it is.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The name of its flag, which is also its key in the configuration file.
    pub name: String,
    /// What it is, in the words of whoever said it; a password is left out.
    pub value: String,
    /// Where that was said.
    pub from: Origin,
    /// What it is where nobody says anything.
    pub default: &'static str,
    /// Its variable.
    pub environment: &'static str,
    /// What it is for.
    pub does: &'static str,
}

/// Where something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the configuration file.
    File,
    /// In the environment.
    Environment,
    /// On the command line.
    Option,
}

impl Origin {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Option => "option",
        }
    }
}

/// What the node runs with.
pub(crate) const SETTINGS: Described = Described::new(
    "Settings",
    &[
        Key::new("node", Kind::Text, "the node").needed(),
        Key::new("version", Kind::Text, "the version of its program").needed(),
        Key::new(
            "settings",
            Kind::List(&Kind::Object(&SETTING)),
            "all of its options",
        )
        .needed(),
    ],
);

const SETTING: Described = Described::new(
    "Setting",
    &[
        Key::new(
            "name",
            Kind::Text,
            "its flag, and its key in the configuration file",
        )
        .needed(),
        Key::new("value", Kind::Text, "what it is; a password is left out").needed(),
        Key::new(
            "from",
            Kind::Words(&["default", "file", "environment", "option"]),
            "where that was said",
        )
        .needed(),
        Key::new(
            "default",
            Kind::Text,
            "what it is where nobody says anything",
        )
        .needed(),
        Key::new("environment", Kind::Text, "its variable").needed(),
        Key::new("does", Kind::Text, "what it is for").needed(),
    ],
);

/// `GET /api/landfall/settings`
pub(crate) async fn list(State(api): State<Api>) -> Json<Value> {
    let settings = api.node().settings().iter().map(|one| {
        json!({
            "name": one.name,
            "value": one.value,
            "from": one.from.word(),
            "default": one.default,
            "environment": one.environment,
            "does": one.does,
        })
    });
    Json(json!({
        "node": api.node_name(),
        "version": api.about().version,
        "settings": settings.collect::<Vec<_>>(),
    }))
}
