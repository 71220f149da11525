//! What the server runs with, and where that was said: the words are those of whoever said them, without secrets.

use super::{Given, OPTIONS};
use admin::settings::{Origin, Setting};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use std::collections::HashMap;

/// What was said of one option: where, and in which words.
type Said = (Origin, String);

/// What was said on the command line and in the environment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sourced {
    pub(super) given: Given,
    said: HashMap<&'static str, Said>,
}

impl Sourced {
    fn note(matches: &ArgMatches) -> HashMap<&'static str, Said> {
        let said = OPTIONS.iter().filter_map(|option| {
            let from = match matches.value_source(option.field)? {
                ValueSource::EnvVariable => Origin::Environment,
                _ => Origin::Option,
            };
            let words = matches.get_raw(option.field)?;
            let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
            Some((option.field, (from, words.join(","))))
        });
        said.collect()
    }
}

impl FromArgMatches for Sourced {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        // First: the values are taken out.
        let said = Self::note(matches);
        let given = Given::from_arg_matches_mut(matches)?;
        Ok(Self { given, said })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.said.extend(Self::note(matches));
        self.given.update_from_arg_matches(matches)
    }
}

impl Args for Sourced {
    fn augment_args(command: Command) -> Command {
        Given::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Given::augment_args_for_update(command)
    }
}

/// All options: what they are, and who said so.
pub(super) fn settings(said: &Sourced, file: &toml::Table) -> Vec<Setting> {
    let all = OPTIONS.iter().map(|option| {
        let name = option.field.replace('_', "-");
        let in_file = || Some((Origin::File, words(file.get(&name)?)));
        let said = said.said.get(option.field).cloned().or_else(in_file);
        let (from, value) = said.unwrap_or_else(|| (Origin::Default, option.default.to_owned()));
        Setting {
            value: without_secret(&name, &value),
            name,
            from,
            default: option.default,
            environment: option.environment,
            does: option.does,
        }
    });
    all.collect()
}

/// A value of the file as it would stand on the command line.
fn words(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// What stands in the place of a secret.
const HIDDEN: &str = "…";

/// The options whose values may hold a password: `USER:PASSWORD`, or an address with such before its host.
fn without_secret(name: &str, value: &str) -> String {
    if name == "zookeeper-login" {
        return match value.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}"),
            None => value.to_owned(),
        };
    }
    let Some((scheme, rest)) = value.split_once("://") else {
        // The other way to say where a database is: `host=… password=…`.
        let hides = name == "database" && value.contains('=');
        return if hides { HIDDEN } else { value }.to_owned();
    };
    // A password may hold an `@`; what follows the last one is the host. And drivers take one behind a `?`, too.
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = match address.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{user}:{HIDDEN}@{host}")
        }
        None => address.to_owned(),
    };
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{HIDDEN}")
    };
    format!("{scheme}://{address}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_told() {
        for (name, value, told) in [
            ("zookeeper-login", "mq:pass:word", "mq:…"),
            ("zookeeper-login", "none", "none"),
            (
                "database",
                "postgres://mq:a@b@db1,db2/landfall",
                "postgres://mq:…@db1,db2/landfall",
            ),
            (
                "database",
                "postgres://db1/x?user=mq&password=p",
                "postgres://db1/x?…",
            ),
            ("database", "host=db1 password=p", "…"),
            (
                "otlp-endpoint",
                "http://key@host:4318",
                "http://key:…@host:4318",
            ),
            ("listen", "127.0.0.1:5672", "127.0.0.1:5672"),
        ] {
            assert_eq!(without_secret(name, value), told);
        }
    }
}
