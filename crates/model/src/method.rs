//! The methods of AMQP 0-9-1 and of RabbitMQ's extensions, as plain values.
//!
//! One module a class, one struct a method, fields in the order of the wire. How they become bytes is `wire`'s
//! business; what they mean is `broker`'s. The numbers are those of the AMQP 0-9-1 specification and of
//! RabbitMQ's extended definition of it.

use crate::MethodId;

/// Any method. The variant's name is class and method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented at its struct")]
pub enum Method {
    ConnectionStart(connection::Start),
    ConnectionStartOk(connection::StartOk),
    ConnectionSecure(connection::Secure),
    ConnectionSecureOk(connection::SecureOk),
    ConnectionTune(connection::Tune),
    ConnectionTuneOk(connection::TuneOk),
    ConnectionOpen(connection::Open),
    ConnectionOpenOk(connection::OpenOk),
    ConnectionClose(connection::Close),
    ConnectionCloseOk(connection::CloseOk),
    ConnectionBlocked(connection::Blocked),
    ConnectionUnblocked(connection::Unblocked),
    ConnectionUpdateSecret(connection::UpdateSecret),
    ConnectionUpdateSecretOk(connection::UpdateSecretOk),
    ChannelOpen(channel::Open),
    ChannelOpenOk(channel::OpenOk),
    ChannelFlow(channel::Flow),
    ChannelFlowOk(channel::FlowOk),
    ChannelClose(channel::Close),
    ChannelCloseOk(channel::CloseOk),
    AccessRequest(access::Request),
    AccessRequestOk(access::RequestOk),
    ExchangeDeclare(exchange::Declare),
    ExchangeDeclareOk(exchange::DeclareOk),
    ExchangeDelete(exchange::Delete),
    ExchangeDeleteOk(exchange::DeleteOk),
    ExchangeBind(exchange::Bind),
    ExchangeBindOk(exchange::BindOk),
    ExchangeUnbind(exchange::Unbind),
    ExchangeUnbindOk(exchange::UnbindOk),
    QueueDeclare(queue::Declare),
    QueueDeclareOk(queue::DeclareOk),
    QueueBind(queue::Bind),
    QueueBindOk(queue::BindOk),
    QueuePurge(queue::Purge),
    QueuePurgeOk(queue::PurgeOk),
    QueueDelete(queue::Delete),
    QueueDeleteOk(queue::DeleteOk),
    QueueUnbind(queue::Unbind),
    QueueUnbindOk(queue::UnbindOk),
    BasicQos(basic::Qos),
    BasicQosOk(basic::QosOk),
    BasicConsume(basic::Consume),
    BasicConsumeOk(basic::ConsumeOk),
    BasicCancel(basic::Cancel),
    BasicCancelOk(basic::CancelOk),
    BasicPublish(basic::Publish),
    BasicReturn(basic::Return),
    BasicDeliver(basic::Deliver),
    BasicGet(basic::Get),
    BasicGetOk(basic::GetOk),
    BasicGetEmpty(basic::GetEmpty),
    BasicAck(basic::Ack),
    BasicReject(basic::Reject),
    BasicRecoverAsync(basic::RecoverAsync),
    BasicRecover(basic::Recover),
    BasicRecoverOk(basic::RecoverOk),
    BasicNack(basic::Nack),
    ConfirmSelect(confirm::Select),
    ConfirmSelectOk(confirm::SelectOk),
    TxSelect(tx::Select),
    TxSelectOk(tx::SelectOk),
    TxCommit(tx::Commit),
    TxCommitOk(tx::CommitOk),
    TxRollback(tx::Rollback),
    TxRollbackOk(tx::RollbackOk),
}

impl Method {
    /// Class and method number.
    pub const fn id(&self) -> MethodId {
        match self {
            Self::ConnectionStart(_) => connection::Start::ID,
            Self::ConnectionStartOk(_) => connection::StartOk::ID,
            Self::ConnectionSecure(_) => connection::Secure::ID,
            Self::ConnectionSecureOk(_) => connection::SecureOk::ID,
            Self::ConnectionTune(_) => connection::Tune::ID,
            Self::ConnectionTuneOk(_) => connection::TuneOk::ID,
            Self::ConnectionOpen(_) => connection::Open::ID,
            Self::ConnectionOpenOk(_) => connection::OpenOk::ID,
            Self::ConnectionClose(_) => connection::Close::ID,
            Self::ConnectionCloseOk(_) => connection::CloseOk::ID,
            Self::ConnectionBlocked(_) => connection::Blocked::ID,
            Self::ConnectionUnblocked(_) => connection::Unblocked::ID,
            Self::ConnectionUpdateSecret(_) => connection::UpdateSecret::ID,
            Self::ConnectionUpdateSecretOk(_) => connection::UpdateSecretOk::ID,
            Self::ChannelOpen(_) => channel::Open::ID,
            Self::ChannelOpenOk(_) => channel::OpenOk::ID,
            Self::ChannelFlow(_) => channel::Flow::ID,
            Self::ChannelFlowOk(_) => channel::FlowOk::ID,
            Self::ChannelClose(_) => channel::Close::ID,
            Self::ChannelCloseOk(_) => channel::CloseOk::ID,
            Self::AccessRequest(_) => access::Request::ID,
            Self::AccessRequestOk(_) => access::RequestOk::ID,
            Self::ExchangeDeclare(_) => exchange::Declare::ID,
            Self::ExchangeDeclareOk(_) => exchange::DeclareOk::ID,
            Self::ExchangeDelete(_) => exchange::Delete::ID,
            Self::ExchangeDeleteOk(_) => exchange::DeleteOk::ID,
            Self::ExchangeBind(_) => exchange::Bind::ID,
            Self::ExchangeBindOk(_) => exchange::BindOk::ID,
            Self::ExchangeUnbind(_) => exchange::Unbind::ID,
            Self::ExchangeUnbindOk(_) => exchange::UnbindOk::ID,
            Self::QueueDeclare(_) => queue::Declare::ID,
            Self::QueueDeclareOk(_) => queue::DeclareOk::ID,
            Self::QueueBind(_) => queue::Bind::ID,
            Self::QueueBindOk(_) => queue::BindOk::ID,
            Self::QueuePurge(_) => queue::Purge::ID,
            Self::QueuePurgeOk(_) => queue::PurgeOk::ID,
            Self::QueueDelete(_) => queue::Delete::ID,
            Self::QueueDeleteOk(_) => queue::DeleteOk::ID,
            Self::QueueUnbind(_) => queue::Unbind::ID,
            Self::QueueUnbindOk(_) => queue::UnbindOk::ID,
            Self::BasicQos(_) => basic::Qos::ID,
            Self::BasicQosOk(_) => basic::QosOk::ID,
            Self::BasicConsume(_) => basic::Consume::ID,
            Self::BasicConsumeOk(_) => basic::ConsumeOk::ID,
            Self::BasicCancel(_) => basic::Cancel::ID,
            Self::BasicCancelOk(_) => basic::CancelOk::ID,
            Self::BasicPublish(_) => basic::Publish::ID,
            Self::BasicReturn(_) => basic::Return::ID,
            Self::BasicDeliver(_) => basic::Deliver::ID,
            Self::BasicGet(_) => basic::Get::ID,
            Self::BasicGetOk(_) => basic::GetOk::ID,
            Self::BasicGetEmpty(_) => basic::GetEmpty::ID,
            Self::BasicAck(_) => basic::Ack::ID,
            Self::BasicReject(_) => basic::Reject::ID,
            Self::BasicRecoverAsync(_) => basic::RecoverAsync::ID,
            Self::BasicRecover(_) => basic::Recover::ID,
            Self::BasicRecoverOk(_) => basic::RecoverOk::ID,
            Self::BasicNack(_) => basic::Nack::ID,
            Self::ConfirmSelect(_) => confirm::Select::ID,
            Self::ConfirmSelectOk(_) => confirm::SelectOk::ID,
            Self::TxSelect(_) => tx::Select::ID,
            Self::TxSelectOk(_) => tx::SelectOk::ID,
            Self::TxCommit(_) => tx::Commit::ID,
            Self::TxCommitOk(_) => tx::CommitOk::ID,
            Self::TxRollback(_) => tx::Rollback::ID,
            Self::TxRollbackOk(_) => tx::RollbackOk::ID,
        }
    }

    /// The name in the standard's spelling, `queue.declare-ok`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ConnectionStart(_) => "connection.start",
            Self::ConnectionStartOk(_) => "connection.start-ok",
            Self::ConnectionSecure(_) => "connection.secure",
            Self::ConnectionSecureOk(_) => "connection.secure-ok",
            Self::ConnectionTune(_) => "connection.tune",
            Self::ConnectionTuneOk(_) => "connection.tune-ok",
            Self::ConnectionOpen(_) => "connection.open",
            Self::ConnectionOpenOk(_) => "connection.open-ok",
            Self::ConnectionClose(_) => "connection.close",
            Self::ConnectionCloseOk(_) => "connection.close-ok",
            Self::ConnectionBlocked(_) => "connection.blocked",
            Self::ConnectionUnblocked(_) => "connection.unblocked",
            Self::ConnectionUpdateSecret(_) => "connection.update-secret",
            Self::ConnectionUpdateSecretOk(_) => "connection.update-secret-ok",
            Self::ChannelOpen(_) => "channel.open",
            Self::ChannelOpenOk(_) => "channel.open-ok",
            Self::ChannelFlow(_) => "channel.flow",
            Self::ChannelFlowOk(_) => "channel.flow-ok",
            Self::ChannelClose(_) => "channel.close",
            Self::ChannelCloseOk(_) => "channel.close-ok",
            Self::AccessRequest(_) => "access.request",
            Self::AccessRequestOk(_) => "access.request-ok",
            Self::ExchangeDeclare(_) => "exchange.declare",
            Self::ExchangeDeclareOk(_) => "exchange.declare-ok",
            Self::ExchangeDelete(_) => "exchange.delete",
            Self::ExchangeDeleteOk(_) => "exchange.delete-ok",
            Self::ExchangeBind(_) => "exchange.bind",
            Self::ExchangeBindOk(_) => "exchange.bind-ok",
            Self::ExchangeUnbind(_) => "exchange.unbind",
            Self::ExchangeUnbindOk(_) => "exchange.unbind-ok",
            Self::QueueDeclare(_) => "queue.declare",
            Self::QueueDeclareOk(_) => "queue.declare-ok",
            Self::QueueBind(_) => "queue.bind",
            Self::QueueBindOk(_) => "queue.bind-ok",
            Self::QueuePurge(_) => "queue.purge",
            Self::QueuePurgeOk(_) => "queue.purge-ok",
            Self::QueueDelete(_) => "queue.delete",
            Self::QueueDeleteOk(_) => "queue.delete-ok",
            Self::QueueUnbind(_) => "queue.unbind",
            Self::QueueUnbindOk(_) => "queue.unbind-ok",
            Self::BasicQos(_) => "basic.qos",
            Self::BasicQosOk(_) => "basic.qos-ok",
            Self::BasicConsume(_) => "basic.consume",
            Self::BasicConsumeOk(_) => "basic.consume-ok",
            Self::BasicCancel(_) => "basic.cancel",
            Self::BasicCancelOk(_) => "basic.cancel-ok",
            Self::BasicPublish(_) => "basic.publish",
            Self::BasicReturn(_) => "basic.return",
            Self::BasicDeliver(_) => "basic.deliver",
            Self::BasicGet(_) => "basic.get",
            Self::BasicGetOk(_) => "basic.get-ok",
            Self::BasicGetEmpty(_) => "basic.get-empty",
            Self::BasicAck(_) => "basic.ack",
            Self::BasicReject(_) => "basic.reject",
            Self::BasicRecoverAsync(_) => "basic.recover-async",
            Self::BasicRecover(_) => "basic.recover",
            Self::BasicRecoverOk(_) => "basic.recover-ok",
            Self::BasicNack(_) => "basic.nack",
            Self::ConfirmSelect(_) => "confirm.select",
            Self::ConfirmSelectOk(_) => "confirm.select-ok",
            Self::TxSelect(_) => "tx.select",
            Self::TxSelectOk(_) => "tx.select-ok",
            Self::TxCommit(_) => "tx.commit",
            Self::TxCommitOk(_) => "tx.commit-ok",
            Self::TxRollback(_) => "tx.rollback",
            Self::TxRollbackOk(_) => "tx.rollback-ok",
        }
    }
}

macro_rules! into_method {
    ($($variant:ident($class:ident::$name:ident)),* $(,)?) => {
        $(impl From<$class::$name> for Method {
            fn from(method: $class::$name) -> Self {
                Self::$variant(method)
            }
        })*
    };
}

into_method! {
    ConnectionStart(connection::Start),
    ConnectionStartOk(connection::StartOk),
    ConnectionSecure(connection::Secure),
    ConnectionSecureOk(connection::SecureOk),
    ConnectionTune(connection::Tune),
    ConnectionTuneOk(connection::TuneOk),
    ConnectionOpen(connection::Open),
    ConnectionOpenOk(connection::OpenOk),
    ConnectionClose(connection::Close),
    ConnectionCloseOk(connection::CloseOk),
    ConnectionBlocked(connection::Blocked),
    ConnectionUnblocked(connection::Unblocked),
    ConnectionUpdateSecret(connection::UpdateSecret),
    ConnectionUpdateSecretOk(connection::UpdateSecretOk),
    ChannelOpen(channel::Open),
    ChannelOpenOk(channel::OpenOk),
    ChannelFlow(channel::Flow),
    ChannelFlowOk(channel::FlowOk),
    ChannelClose(channel::Close),
    ChannelCloseOk(channel::CloseOk),
    AccessRequest(access::Request),
    AccessRequestOk(access::RequestOk),
    ExchangeDeclare(exchange::Declare),
    ExchangeDeclareOk(exchange::DeclareOk),
    ExchangeDelete(exchange::Delete),
    ExchangeDeleteOk(exchange::DeleteOk),
    ExchangeBind(exchange::Bind),
    ExchangeBindOk(exchange::BindOk),
    ExchangeUnbind(exchange::Unbind),
    ExchangeUnbindOk(exchange::UnbindOk),
    QueueDeclare(queue::Declare),
    QueueDeclareOk(queue::DeclareOk),
    QueueBind(queue::Bind),
    QueueBindOk(queue::BindOk),
    QueuePurge(queue::Purge),
    QueuePurgeOk(queue::PurgeOk),
    QueueDelete(queue::Delete),
    QueueDeleteOk(queue::DeleteOk),
    QueueUnbind(queue::Unbind),
    QueueUnbindOk(queue::UnbindOk),
    BasicQos(basic::Qos),
    BasicQosOk(basic::QosOk),
    BasicConsume(basic::Consume),
    BasicConsumeOk(basic::ConsumeOk),
    BasicCancel(basic::Cancel),
    BasicCancelOk(basic::CancelOk),
    BasicPublish(basic::Publish),
    BasicReturn(basic::Return),
    BasicDeliver(basic::Deliver),
    BasicGet(basic::Get),
    BasicGetOk(basic::GetOk),
    BasicGetEmpty(basic::GetEmpty),
    BasicAck(basic::Ack),
    BasicReject(basic::Reject),
    BasicRecoverAsync(basic::RecoverAsync),
    BasicRecover(basic::Recover),
    BasicRecoverOk(basic::RecoverOk),
    BasicNack(basic::Nack),
    ConfirmSelect(confirm::Select),
    ConfirmSelectOk(confirm::SelectOk),
    TxSelect(tx::Select),
    TxSelectOk(tx::SelectOk),
    TxCommit(tx::Commit),
    TxCommitOk(tx::CommitOk),
    TxRollback(tx::Rollback),
    TxRollbackOk(tx::RollbackOk),
}

/// The life of a connection, always on channel 0.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod connection {
    use crate::{FieldTable, MethodId, ShortStr};
    use bytes::Bytes;

    /// The server's greeting.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Start {
        pub version_major: u8,
        pub version_minor: u8,
        pub server_properties: FieldTable,
        pub mechanisms: Bytes,
        pub locales: Bytes,
    }

    impl Start {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 10);
    }

    /// The client's mechanism and its first answer.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct StartOk {
        pub client_properties: FieldTable,
        pub mechanism: ShortStr,
        pub response: Bytes,
        pub locale: ShortStr,
    }

    impl StartOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 11);
    }

    /// A further challenge.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Secure {
        pub challenge: Bytes,
    }

    impl Secure {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 20);
    }

    /// The answer to a challenge.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct SecureOk {
        pub response: Bytes,
    }

    impl SecureOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 21);
    }

    /// The server's limits.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Tune {
        pub channel_max: u16,
        pub frame_max: u32,
        pub heartbeat_s: u16,
    }

    impl Tune {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 30);
    }

    /// The client's limits.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct TuneOk {
        pub channel_max: u16,
        pub frame_max: u32,
        pub heartbeat_s: u16,
    }

    impl TuneOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 31);
    }

    /// Opens a virtual host.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Open {
        pub virtual_host: ShortStr,
        pub capabilities: ShortStr,
        pub insist: bool,
    }

    impl Open {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 40);
    }

    /// The virtual host is open.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct OpenOk {
        pub known_hosts: ShortStr,
    }

    impl OpenOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 41);
    }

    /// Ends the connection, with the reason.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Close {
        pub reply_code: u16,
        pub reply_text: ShortStr,
        pub class_id: u16,
        pub method_id: u16,
    }

    impl Close {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 50);
    }

    /// The end is agreed.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct CloseOk;

    impl CloseOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 51);
    }

    /// The server takes no publishes for now.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Blocked {
        pub reason: ShortStr,
    }

    impl Blocked {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 60);
    }

    /// The server takes publishes again.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Unblocked;

    impl Unblocked {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 61);
    }

    /// A new secret for a long connection.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct UpdateSecret {
        pub new_secret: Bytes,
        pub reason: ShortStr,
    }

    impl UpdateSecret {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 70);
    }

    /// The new secret is taken.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct UpdateSecretOk;

    impl UpdateSecretOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(10, 71);
    }
}

/// The life of a channel.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod channel {
    use crate::{MethodId, ShortStr};
    use bytes::Bytes;

    /// Opens a channel.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Open {
        pub out_of_band: ShortStr,
    }

    impl Open {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(20, 10);
    }

    /// The channel is open.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct OpenOk {
        pub channel_id: Bytes,
    }

    impl OpenOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(20, 11);
    }

    /// Asks the peer to pause or go on.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Flow {
        pub active: bool,
    }

    impl Flow {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(20, 20);
    }

    /// Answers a flow.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct FlowOk {
        pub active: bool,
    }

    impl FlowOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(20, 21);
    }

    /// Ends the channel, with the reason.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Close {
        pub reply_code: u16,
        pub reply_text: ShortStr,
        pub class_id: u16,
        pub method_id: u16,
    }

    impl Close {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(20, 40);
    }

    /// The end is agreed.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct CloseOk;

    impl CloseOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(20, 41);
    }
}

/// Tickets, which old clients ask for and nobody checks.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod access {
    use crate::{MethodId, ShortStr};

    /// Asks for a ticket.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Request {
        pub realm: ShortStr,
        pub exclusive: bool,
        pub passive: bool,
        pub active: bool,
        pub write: bool,
        pub read: bool,
    }

    impl Request {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(30, 10);
    }

    /// Gives the ticket.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct RequestOk {
        pub ticket: u16,
    }

    impl RequestOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(30, 11);
    }
}

/// Exchanges and their bindings to one another.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod exchange {
    use crate::{FieldTable, MethodId, ShortStr};

    /// Makes an exchange, or checks one.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Declare {
        pub ticket: u16,
        pub exchange: ShortStr,
        pub kind: ShortStr,
        pub passive: bool,
        pub durable: bool,
        pub auto_delete: bool,
        pub internal: bool,
        pub no_wait: bool,
        pub arguments: FieldTable,
    }

    impl Declare {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 10);
    }

    /// The exchange is there.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct DeclareOk;

    impl DeclareOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 11);
    }

    /// Removes an exchange.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Delete {
        pub ticket: u16,
        pub exchange: ShortStr,
        pub if_unused: bool,
        pub no_wait: bool,
    }

    impl Delete {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 20);
    }

    /// The exchange is gone.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct DeleteOk;

    impl DeleteOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 21);
    }

    /// Binds an exchange to another.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Bind {
        pub ticket: u16,
        pub destination: ShortStr,
        pub source: ShortStr,
        pub routing_key: ShortStr,
        pub no_wait: bool,
        pub arguments: FieldTable,
    }

    impl Bind {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 30);
    }

    /// The binding is there.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BindOk;

    impl BindOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 31);
    }

    /// Removes a binding.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Unbind {
        pub ticket: u16,
        pub destination: ShortStr,
        pub source: ShortStr,
        pub routing_key: ShortStr,
        pub no_wait: bool,
        pub arguments: FieldTable,
    }

    impl Unbind {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 40);
    }

    /// The binding is gone. Its number is 51, not 41.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct UnbindOk;

    impl UnbindOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(40, 51);
    }
}

/// Queues and their bindings.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod queue {
    use crate::{FieldTable, MethodId, ShortStr};

    /// Makes a queue, or checks one.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Declare {
        pub ticket: u16,
        pub queue: ShortStr,
        pub passive: bool,
        pub durable: bool,
        pub exclusive: bool,
        pub auto_delete: bool,
        pub no_wait: bool,
        pub arguments: FieldTable,
    }

    impl Declare {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 10);
    }

    /// The queue is there.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct DeclareOk {
        pub queue: ShortStr,
        pub message_count: u32,
        pub consumer_count: u32,
    }

    impl DeclareOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 11);
    }

    /// Binds a queue to an exchange.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Bind {
        pub ticket: u16,
        pub queue: ShortStr,
        pub exchange: ShortStr,
        pub routing_key: ShortStr,
        pub no_wait: bool,
        pub arguments: FieldTable,
    }

    impl Bind {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 20);
    }

    /// The binding is there.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BindOk;

    impl BindOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 21);
    }

    /// Removes all ready messages.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Purge {
        pub ticket: u16,
        pub queue: ShortStr,
        pub no_wait: bool,
    }

    impl Purge {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 30);
    }

    /// How many were removed.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct PurgeOk {
        pub message_count: u32,
    }

    impl PurgeOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 31);
    }

    /// Removes a queue.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Delete {
        pub ticket: u16,
        pub queue: ShortStr,
        pub if_unused: bool,
        pub if_empty: bool,
        pub no_wait: bool,
    }

    impl Delete {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 40);
    }

    /// How many messages went with it.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct DeleteOk {
        pub message_count: u32,
    }

    impl DeleteOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 41);
    }

    /// Removes a binding; it has no no-wait.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Unbind {
        pub ticket: u16,
        pub queue: ShortStr,
        pub exchange: ShortStr,
        pub routing_key: ShortStr,
        pub arguments: FieldTable,
    }

    impl Unbind {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 50);
    }

    /// The binding is gone.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct UnbindOk;

    impl UnbindOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(50, 51);
    }
}

/// Messages.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod basic {
    use crate::{DeliveryTag, FieldTable, MethodId, ShortStr};

    /// How much may be unacked.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Qos {
        pub prefetch_size: u32,
        pub prefetch_count: u16,
        pub global: bool,
    }

    impl Qos {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 10);
    }

    /// The limit holds.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct QosOk;

    impl QosOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 11);
    }

    /// Starts a consumer.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Consume {
        pub ticket: u16,
        pub queue: ShortStr,
        pub consumer_tag: ShortStr,
        pub no_local: bool,
        pub no_ack: bool,
        pub exclusive: bool,
        pub no_wait: bool,
        pub arguments: FieldTable,
    }

    impl Consume {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 20);
    }

    /// The consumer is there.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ConsumeOk {
        pub consumer_tag: ShortStr,
    }

    impl ConsumeOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 21);
    }

    /// Ends a consumer; also from server to client.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Cancel {
        pub consumer_tag: ShortStr,
        pub no_wait: bool,
    }

    impl Cancel {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 30);
    }

    /// The consumer is gone.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct CancelOk {
        pub consumer_tag: ShortStr,
    }

    impl CancelOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 31);
    }

    /// Sends a message; content follows.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Publish {
        pub ticket: u16,
        pub exchange: ShortStr,
        pub routing_key: ShortStr,
        pub mandatory: bool,
        pub immediate: bool,
    }

    impl Publish {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 40);
    }

    /// Gives an unroutable message back; content follows.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Return {
        pub reply_code: u16,
        pub reply_text: ShortStr,
        pub exchange: ShortStr,
        pub routing_key: ShortStr,
    }

    impl Return {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 50);
    }

    /// Brings a message to a consumer; content follows.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Deliver {
        pub consumer_tag: ShortStr,
        pub delivery_tag: DeliveryTag,
        pub redelivered: bool,
        pub exchange: ShortStr,
        pub routing_key: ShortStr,
    }

    impl Deliver {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 60);
    }

    /// Asks for one message.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Get {
        pub ticket: u16,
        pub queue: ShortStr,
        pub no_ack: bool,
    }

    impl Get {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 70);
    }

    /// Brings it; content follows.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct GetOk {
        pub delivery_tag: DeliveryTag,
        pub redelivered: bool,
        pub exchange: ShortStr,
        pub routing_key: ShortStr,
        pub message_count: u32,
    }

    impl GetOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 71);
    }

    /// There is none.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct GetEmpty {
        pub cluster_id: ShortStr,
    }

    impl GetEmpty {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 72);
    }

    /// Settles deliveries; from the server: confirms publishes.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Ack {
        pub delivery_tag: DeliveryTag,
        pub multiple: bool,
    }

    impl Ack {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 80);
    }

    /// Refuses one delivery.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Reject {
        pub delivery_tag: DeliveryTag,
        pub requeue: bool,
    }

    impl Reject {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 90);
    }

    /// Asks for the unacked again, without an answer.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct RecoverAsync {
        pub requeue: bool,
    }

    impl RecoverAsync {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 100);
    }

    /// Asks for the unacked again.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Recover {
        pub requeue: bool,
    }

    impl Recover {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 110);
    }

    /// They come again.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct RecoverOk;

    impl RecoverOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 111);
    }

    /// Refuses deliveries; from the server: the publishes did not land.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Nack {
        pub delivery_tag: DeliveryTag,
        pub multiple: bool,
        pub requeue: bool,
    }

    impl Nack {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(60, 120);
    }
}

/// Confirms of publishes.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod confirm {
    use crate::MethodId;

    /// Turns confirms on.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Select {
        pub no_wait: bool,
    }

    impl Select {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(85, 10);
    }

    /// Confirms are on.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct SelectOk;

    impl SelectOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(85, 11);
    }
}

/// Transactions.
#[allow(missing_docs, reason = "the fields' names are the standard's")]
pub mod tx {
    use crate::MethodId;

    /// Turns transactions on.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Select;

    impl Select {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(90, 10);
    }

    /// Transactions are on.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct SelectOk;

    impl SelectOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(90, 11);
    }

    /// Lands what the transaction holds.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Commit;

    impl Commit {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(90, 20);
    }

    /// It has landed.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct CommitOk;

    impl CommitOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(90, 21);
    }

    /// Forgets what the transaction holds.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Rollback;

    impl Rollback {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(90, 30);
    }

    /// It is forgotten.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct RollbackOk;

    impl RollbackOk {
        /// Class and method number.
        pub const ID: MethodId = MethodId::new(90, 31);
    }
}
