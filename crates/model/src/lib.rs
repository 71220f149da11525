//! The words of Landfall as types: one word for one thing, for every crate above.
//!
//! Nothing in here does IO, reads a clock or waits. What is kept as raw bytes (names, field tables,
//! properties) is validated once, when it is made, so that whoever holds it may read it without errors.
//!
//! In reading order: text and ids, then tables and properties, then the methods of AMQP 0-9-1, then what
//! the store keeps.

mod short;
pub use short::{ShortStr, TooLong};

mod ids;
pub use ids::{
    ChannelNumber, ConnectionId, DeliveryTag, Position, PublishingId, QueueId, Timestamp,
};

mod runs;
pub use runs::{Run, Runs};

pub mod table;
pub use table::{ArrayBuilder, FieldTable, Fields, TableBuilder, TableError, Value, Values};

pub mod properties;
pub use properties::{Properties, PropertiesBuilder, PropertiesError};

pub mod method;
pub use method::Method;

pub mod publish;
pub use publish::Publish;

mod reply;
pub use reply::{ChannelError, ConnectionError, MethodId, ReplyCode};

mod password;
pub use password::Password;

pub mod record;
pub use record::{Definition, MessageRecord, Record};

mod limits;
pub use limits::{DeclareMismatch, Limits, TABLE_DEPTH_MAX, UnknownMismatch};
