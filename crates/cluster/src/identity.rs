//! Which cluster a database belongs to.

use crate::database::Database;
use crate::error::DatabaseError;

/// Which cluster a database belongs to.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// A number that no other cluster has, as text.
    pub cluster: String,
    /// What only its nodes know, for they read it here.
    pub secret: u128,
}

impl Database {
    /// Which cluster it belongs to.
    ///
    /// # Errors
    /// `Unreachable`; `Refused` if the schema was tampered with.
    pub fn identity(&self) -> Result<Identity, DatabaseError> {
        let question = "select cluster::text, replace(secret::text, '-', '') from landfall.store";
        let row = self
            .desk()
            .ask("ask which cluster it is", async move |client| {
                client.query_one(question, &[]).await
            })?;
        let secret = u128::from_str_radix(row.get(1), 16);
        let secret = secret.map_err(|_| {
            DatabaseError::Refused("landfall.store holds no secret that is one".to_owned())
        })?;
        Ok(Identity {
            cluster: row.get(0),
            secret,
        })
    }
}
