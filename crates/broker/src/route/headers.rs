//! Header bindings: a message matches when its headers have all, or any, of the binding's.
//!
//! `x-match` is `all` (the default), `any`, `all-with-x` or `any-with-x`: only the latter two look at fields
//! whose names begin with `x-`. A field without a value asks only that the header is there. These are
//! RabbitMQ's rules (rabbit_exchange_type_headers).

use model::record::Destination;
use model::{FieldTable, Properties, Value};

/// The bindings of one exchange.
#[derive(Debug, Default)]
pub(crate) struct HeaderBindings(Vec<(Destination, FieldTable)>);

impl HeaderBindings {
    pub(crate) fn add(&mut self, destination: &Destination, arguments: &FieldTable) {
        self.0.push((destination.clone(), arguments.clone()));
    }

    pub(crate) fn remove(&mut self, destination: &Destination, arguments: &FieldTable) {
        let at = self
            .0
            .iter()
            .position(|(other, table)| other == destination && table == arguments);
        if let Some(at) = at {
            self.0.swap_remove(at);
        }
    }

    pub(crate) fn for_each<'a>(
        &'a self,
        properties: &Properties,
        mut found: impl FnMut(&'a Destination),
    ) {
        for (destination, arguments) in &self.0 {
            if matches(arguments, properties) {
                found(destination);
            }
        }
    }
}

fn matches(arguments: &FieldTable, properties: &Properties) -> bool {
    let mode = arguments
        .get("x-match")
        .and_then(Value::as_str)
        .unwrap_or("all");
    let with_x = mode.ends_with("-with-x");
    let mut asked = arguments
        .iter()
        .filter(|(name, _)| *name != "x-match" && (with_x || !name.starts_with("x-")));
    let has = |(name, wanted): (&str, Value<'_>)| {
        let value = properties.headers().and_then(|headers| headers.get(name));
        value.is_some_and(|value| wanted == Value::Void || wanted.same(value))
    };
    if mode.starts_with("any") {
        asked.any(has)
    } else {
        asked.all(has)
    }
}

/// What is wrong with the arguments of a binding to a headers exchange.
pub(crate) fn check(arguments: &FieldTable) -> Result<(), String> {
    let Some(mode) = arguments.get("x-match") else {
        return Ok(());
    };
    match mode.as_str() {
        Some("all" | "any" | "all-with-x" | "any-with-x") => Ok(()),
        Some(other) => Err(format!(
            "Invalid x-match field value <<\"{other}\">>; expected all, any, all-with-x, or any-with-x"
        )),
        None => {
            let kind = mode.kind();
            Err(format!(
                "Invalid x-match field type {kind}; expected longstr"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PropertiesBuilder, TableBuilder};

    #[test]
    fn the_four_modes() {
        let headers = TableBuilder::new()
            .field("a", Value::I32(1))
            .text("b", "two")
            .text("x-c", "three")
            .build();
        let message = PropertiesBuilder::new().headers(&headers).build();
        let ask = |mode: &str| TableBuilder::new().text("x-match", mode);
        let one = Value::I64(1);
        let cases = [
            (TableBuilder::new().build(), true),
            (ask("all").field("a", one).text("b", "two").build(), true),
            (ask("all").field("a", one).text("b", "other").build(), false),
            (ask("any").field("a", one).text("b", "other").build(), true),
            (ask("any").text("z", "").build(), false),
            (ask("any").build(), false),
            (ask("all").text("x-c", "other").build(), true),
            (ask("all-with-x").text("x-c", "other").build(), false),
            (ask("any-with-x").text("x-c", "three").build(), true),
            (ask("all").field("b", Value::Void).build(), true),
        ];
        for (arguments, expected) in cases {
            assert_eq!(matches(&arguments, &message), expected, "{arguments:?}");
        }
        assert!(!matches(
            &ask("all").field("a", one).build(),
            &Properties::default()
        ));
        assert!(check(&ask("some").build()).is_err());
    }
}
