//! What an error of ZooKeeper means here: ask again, begin a new session, or give up.

use super::error::{MembersError, Unreadable};
use std::time::Duration;
use zookeeper_client::Error;

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// The node was told to leave.
    Left,
    /// It expired, or what it stood for was taken from it: a new one has to be built from the ground, because the
    /// client's library never comes back from there.
    Lost(Error),
    /// A new one would end alike.
    Final(MembersError),
}

impl End {
    pub(super) fn unreadable(path: &str, why: Unreadable) -> Self {
        let path = path.to_owned();
        Self::Final(MembersError::Unreadable { path, why })
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::AuthFailed | Error::NoAuth | Error::InvalidAcl => {
                Self::Final(MembersError::Login(error.to_string()))
            }
            Error::BadArguments(why) => Self::Final(MembersError::Options((*why).to_string())),
            other => Self::Lost(other),
        }
    }
}

/// A busy server is asked again after so long.
const THROTTLED: Duration = Duration::from_millis(200);

/// Asks until there is an answer or the session is over. A question whose answer was lost with the connection is asked
/// again, so it must be one that may be: the next waits in the library until there is a connection, or no session.
pub(super) async fn persist<T>(ask: impl AsyncFn() -> Result<T, Error>) -> Result<T, End> {
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(Error::ConnectionLoss) => {}
            Err(Error::Throttled) => tokio::time::sleep(THROTTLED).await,
            Err(error) => return Err(error.into()),
        }
    }
}
