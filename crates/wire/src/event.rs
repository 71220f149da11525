//! What a client did, as it is told to the shell.

use model::{ChannelNumber, ConnectionError, FieldTable, Method, Password, Publish, ShortStr};

/// What a client did. Events come in the order in which their bytes came.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The client says who it is. Answered by [`accept_login`](crate::ServerConnection::accept_login) or
    /// [`refuse_login`](crate::ServerConnection::refuse_login).
    Login {
        /// The user's name; empty if the client gave none. With EXTERNAL only what the client would like to be.
        user: String,
        /// The password as it came; empty with EXTERNAL.
        password: Password,
        /// How it was said: one of the mechanisms offered.
        mechanism: ShortStr,
        /// What the client says about itself.
        client_properties: FieldTable,
    },
    /// The client asks for a virtual host. Answered by sending connection.open-ok, or by closing with 530.
    Open {
        /// Its name; "/" where the client named none.
        vhost: ShortStr,
        /// What the client says about itself.
        client_properties: FieldTable,
        /// The client understands basic.cancel from the server.
        consumer_cancel_notify: bool,
        /// The client understands connection.blocked.
        blocked_notify: bool,
    },
    /// connection.update-secret, with what it says. Answered by sending connection.update-secret-ok, or by closing.
    SecretUpdated(Password),
    /// channel.open. Answered by sending channel.open-ok.
    ChannelOpened(ChannelNumber),
    /// The channel is over. Answered by sending channel.close-ok, which frees the number; where the client did not
    /// ask for it but broke a rule (a message over the limit), channel.close is written already, and the close-ok
    /// goes nowhere.
    ChannelClosed(ChannelNumber),
    /// A method other than basic.publish on an open channel.
    Method(ChannelNumber, Method),
    /// basic.publish with its whole content.
    Publish(ChannelNumber, Publish),
    /// The last event: `None` where the client closed (and was answered), else why the connection was given up.
    /// It does not come after [`close`](crate::ServerConnection::close) or `refuse_login`, whose caller knows.
    Closed(Option<ConnectionError>),
}
