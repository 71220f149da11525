//! Lists, for people as tables and for programs as JSON.

use super::AdminServer;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write;

/// Prints a list: as JSON, or the columns by their JSON names.
pub(super) fn print(server: &AdminServer, list: &Value, columns: &[&str]) -> Result<()> {
    if server.json {
        say(&format!("{list:#}"))
    } else {
        say(table(list, columns).trim_end())
    }
}

/// Says something on standard output.
pub(super) fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

/// The columns by their JSON names, below each other; `queue.name` is the name in the queue.
pub(crate) fn table(list: &Value, columns: &[&str]) -> String {
    let rows = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let heads = columns.iter().map(|column| column.replace(['_', '.'], " "));
    let mut lines: Vec<Vec<String>> = vec![heads.collect()];
    lines.extend((rows.iter()).map(|row| {
        columns
            .iter()
            .map(|column| cell(found(row, column)))
            .collect()
    }));
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            write!(row, "{cell:<width$}  ").expect("strings take everything");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn found<'a>(row: &'a Value, column: &str) -> &'a Value {
    column.split('.').fold(row, |value, name| &value[name])
}

/// A value as text that cannot command a terminal.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // What stands in a terminal must not command it.
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        Value::Array(list) => list.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| format!("{key}={}", cell(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_below_each_other() {
        let list = json!([
            {"name": "guest", "tags": ["administrator"], "limits": {}},
            {"name": "ada\u{1b}[2J", "tags": ["a", "b"], "limits": {"max-channels": 3}},
        ]);
        let expected = "\
name    tags           limits
guest   administrator
ada[2J  a,b            max-channels=3
";
        assert_eq!(table(&list, &["name", "tags", "limits"]), expected);
    }
}
