//! Where a server is and who asks: the `amqp://` URL, or with TLS `amqps://`.
//!
//! The form is the one that every AMQP client takes (the "RabbitMQ URI specification"), without parameters:
//! `amqp://user:password@host:port/vhost`, each part but the host's name optional, each percent-encoded.

use std::fmt;
use std::str::FromStr;

/// A server's address with the login and the virtual host to ask for.
///
/// ```
/// let address: landfall_client::Address = "amqp://ann:s%40cret@[::1]:5673/orders".parse()?;
/// assert_eq!(address.to_string(), "amqp://ann@[::1]:5673/orders");
/// # Ok::<(), landfall_client::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// The user's name.
    pub user: String,
    /// The user's password; never shown by `Debug` or `Display`.
    pub password: String,
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The virtual host.
    pub vhost: String,
    /// Whether all goes through TLS: `amqps://`. Needs the feature `tls`.
    pub tls: bool,
}

/// Why text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text begins neither with `amqp://` nor with `amqps://`.
    #[error("an address begins with amqp:// or amqps://")]
    Scheme,
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} is not a port")]
    Port(String),
    /// An IPv6 address without its closing bracket, or with something else behind it.
    #[error("an IPv6 address stands in brackets: [::1]:5672")]
    Brackets,
    /// A `%` without two hexadecimal digits, or what they say is not UTF-8.
    #[error("{0:?} is not percent-encoded text")]
    Encoding(String),
    /// A `?` or `#`: options are given in the program, not in the address.
    #[error("an address has no parameters: leave out {0:?}")]
    Parameters(String),
    /// More than one `/` behind the host; a `/` in a virtual host's name is written `%2f`.
    #[error("a virtual host's / is written %2f")]
    Path,
}

impl Address {
    /// The port of AMQP.
    pub const PORT: u16 = 5672;

    /// The port of AMQP over TLS.
    pub const TLS_PORT: u16 = 5671;

    /// Host and port as `tokio::net` takes them.
    pub(crate) fn socket(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl Default for Address {
    /// `guest` on this machine, virtual host `/`.
    fn default() -> Self {
        Self {
            user: "guest".into(),
            password: "guest".into(),
            host: "localhost".into(),
            port: Self::PORT,
            vhost: "/".into(),
            tls: false,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut address = Self::default();
        let rest = if let Some(rest) = text.strip_prefix("amqps://") {
            address.tls = true;
            address.port = Self::TLS_PORT;
            rest
        } else {
            text.strip_prefix("amqp://").ok_or(AddressError::Scheme)?
        };
        if let Some(at) = rest.find(['?', '#']) {
            return Err(AddressError::Parameters(rest[at..].into()));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = match authority.rsplit_once('@') {
            None => authority,
            Some((login, host)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                address.user = decode(user)?;
                address.password = decode(password)?;
                host
            }
        };
        let (host, port) = split_port(host)?;
        if !host.is_empty() {
            address.host = decode(host)?;
        }
        if let Some(port) = port {
            address.port = match port.parse() {
                Ok(0) | Err(_) => return Err(AddressError::Port(port.into())),
                Ok(number) => number,
            };
        }
        if path.contains('/') {
            return Err(AddressError::Path);
        }
        if !path.is_empty() {
            address.vhost = decode(path)?;
        }
        Ok(address)
    }
}

/// Cuts `host:port` or `[v6]:port`, and takes the brackets off.
fn split_port(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(AddressError::Brackets)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(AddressError::Brackets),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(AddressError::Brackets),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn decode(text: &str) -> Result<String, AddressError> {
    let wrong = || AddressError::Encoding(text.into());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let digits = after.get(..2).ok_or_else(wrong)?;
        let value = digits.iter().try_fold(0, |value, &digit| {
            char::from(digit)
                .to_digit(16)
                .map(|digit| value * 16 + digit)
        });
        bytes.push(value.and_then(|v| u8::try_from(v).ok()).ok_or_else(wrong)?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
    }
    encoded
}

/// The URL without the password: for logs and messages.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        write!(f, "{scheme}://{}@", encode(&self.user))?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        write!(f, ":{}/{}", self.port, encode(&self.vhost))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String, u16, String) {
        let address: Address = text.parse().expect("a good address");
        (
            address.user,
            address.password,
            address.host,
            address.port,
            address.vhost,
        )
    }

    #[test]
    fn what_is_left_out_is_guest_at_localhost() {
        let guest = |host: &str, port, vhost: &str| {
            (
                "guest".into(),
                "guest".into(),
                host.into(),
                port,
                vhost.into(),
            )
        };
        assert_eq!(parts("amqp://"), guest("localhost", 5672, "/"));
        assert_eq!(parts("amqp://queue.test"), guest("queue.test", 5672, "/"));
        assert_eq!(parts("amqp://h:1234/"), guest("h", 1234, "/"));
        assert_eq!(parts("amqp://h/%2f"), guest("h", 5672, "/"));
        assert_eq!(parts("amqp://h/my%20host"), guest("h", 5672, "my host"));
        assert_eq!(parts("amqp://[::1]"), guest("::1", 5672, "/"));
        assert_eq!(parts("amqp://[::1]:7"), guest("::1", 7, "/"));
    }

    #[test]
    fn login_parts_are_decoded() {
        let (user, password, host, ..) = parts("amqp://a%3Ab:p%40s:s@h");
        assert_eq!(
            (user.as_str(), password.as_str(), host.as_str()),
            ("a:b", "p@s:s", "h")
        );
        let (user, password, ..) = parts("amqp://only@h");
        assert_eq!((user.as_str(), password.as_str()), ("only", ""));
    }

    #[test]
    fn each_mistake_has_its_error() {
        let error = |text: &str| text.parse::<Address>().expect_err("a bad address");
        assert_eq!(error("localhost:5672"), AddressError::Scheme);
        assert_eq!(error("amqp://h:0"), AddressError::Port("0".into()));
        assert_eq!(error("amqp://h:70000"), AddressError::Port("70000".into()));
        assert_eq!(error("amqp://[::1"), AddressError::Brackets);
        assert_eq!(error("amqp://::1"), AddressError::Brackets);
        assert_eq!(error("amqp://h/%2"), AddressError::Encoding("%2".into()));
        assert_eq!(error("amqp://h/%ff"), AddressError::Encoding("%ff".into()));
        assert_eq!(
            error("amqp://h/v?x=1"),
            AddressError::Parameters("?x=1".into())
        );
        assert_eq!(error("amqp://h/a/b"), AddressError::Path);
    }

    #[test]
    fn the_password_is_never_shown() {
        let address: Address = "amqp://ann:secret@h/a%2fb".parse().expect("a good address");
        assert_eq!(address.to_string(), "amqp://ann@h:5672/a%2fb");
        assert!(!format!("{address:?}").contains("secret"));
        let address: Address = "amqps://ann:secret@h".parse().expect("a good address");
        assert_eq!(address.to_string(), "amqps://ann@h:5671/%2f");
    }
}
