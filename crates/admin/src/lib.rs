//! The HTTP API: what tools of operators call, with RabbitMQ's paths, fields and codes.
//!
//! It stands beside the broker, not in it: everything goes through an [`Operator`], to whom it says one of a closed
//! list of commands and who answers with values. What is not the broker's (whether the server lives, the `cluster`) a
//! [`node::Node`] answers. What the broker hands out becomes JSON in `shapes`; whole
//! definitions are written and read by `document`. The routes are one table, [`ENDPOINTS`], from which the router
//! and the document `docs/http-api.md` come; what bodies, queries and answers may say is `described` beside the code that
//! reads and writes it, and from both `openapi` makes the document that programs read; `entrance` stands
//! before all of it on the node that is asked (sessions, failed logins), and `access` asks each request who it is from.

mod operator;
pub use operator::{About, AskError, Content, Oauth, Operator, Reading};

pub mod clients;
pub mod cluster;
pub mod directory;
pub mod gathered;
pub mod histogram;
pub mod instruments;
pub mod journey;
pub mod node;
pub mod operations;
pub mod settings;

mod endpoint;
pub use endpoint::Endpoint;
mod endpoints;
pub use endpoints::{ENDPOINTS, Served, is_of_node, router};
mod api;
mod body;
mod described;
mod openapi;
mod query;

mod live;
pub use live::Sampling;

mod access;
pub use access::{FromNode, FromThisMachine, Needs, Vouched, has_been_let_in};
mod attempts;
mod entrance;
pub use entrance::{Arrival, USER_MARK, entrance};
mod hosts;
pub use hosts::{Hosts, answering};
mod session;
mod sessions;

mod answer;

mod asking;
mod audit;
mod bindings;
mod bodies;
mod channels;
mod connections;
mod consumers;
mod declare;
mod definitions;
mod features;
mod get;
mod limits;
mod message_shapes;
mod messages;
mod metrics;
mod moving;
mod on_behalf;
mod overview;
mod parameters;
mod permissions;
mod policies;
mod properties;
mod publish;
mod queues;
mod search;
mod self_test;
mod topology;
mod users;
mod vhosts;

mod document;
mod fields;
mod filter;
mod listing;
mod moments;
mod party;
pub use party::party;
mod password;
pub use password::fits_slowly;
mod rates;
mod reader;
mod selection;
mod shapes;
mod summary;

#[cfg(test)]
mod tests;
