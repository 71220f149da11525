//! Names of tables in SQL.

use std::fmt;

/// A table, with its schema where one was given; `Display` is how SQL spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    schema: Option<String>,
    name: String,
}

impl Table {
    /// `table` or `schema.table`.
    pub(super) fn named(text: &str) -> Self {
        match text.split_once('.') {
            Some((schema, name)) => Self {
                schema: Some(schema.into()),
                name: name.into(),
            },
            None => Self {
                schema: None,
                name: text.into(),
            },
        }
    }

    /// The one beside it whose name ends in `ending`.
    pub(super) fn with(&self, ending: &str) -> Self {
        Self {
            schema: self.schema.clone(),
            name: format!("{}{ending}", self.name),
        }
    }

    /// The name of something that belongs to the table and lives in its schema, like an index.
    pub(super) fn part(&self, ending: &str) -> String {
        quoted(&format!("{}{ending}", self.name))
    }

    /// The channel on which news of the table are told, as a name for LISTEN.
    pub(super) fn channel(&self) -> String {
        quoted(&self.name)
    }

    /// The same as pg_notify takes it.
    pub(super) fn channel_name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        f.write_str(&quoted(&self.name))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Makes what is missing. Two that do it at the same time get in each other's way without the lock, in spite of
/// IF NOT EXISTS; statements sent together are one transaction, so it ends with them.
pub(super) async fn create(
    client: &impl tokio_postgres::GenericClient,
    sql: &str,
) -> Result<(), tokio_postgres::Error> {
    let locked = format!("SELECT pg_advisory_xact_lock({LOCK}, 0);\n{sql}");
    client.batch_execute(&locked).await
}

/// The first half of our advisory locks' keys: "Land", so that an application's own locks hardly are the same.
pub(super) const LOCK: i32 = 0x4c61_6e64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(
            Table::named("landfall_inbox").to_string(),
            "\"landfall_inbox\""
        );
        assert_eq!(
            Table::named("app.in\"box").to_string(),
            "\"app\".\"in\"\"box\""
        );
        assert_eq!(
            Table::named("app.t").with("_relay").to_string(),
            "\"app\".\"t_relay\""
        );
        assert_eq!(Table::named("app.t").part("_by_age"), "\"t_by_age\"");
    }
}
