//! Consistent hashing: each message goes to one destination, the same for equal keys, and as often as its weight
//! says. The binding key is the weight. When a binding comes or goes only the keys that it gets or had move.
//!
//! Names, arguments and texts are those of RabbitMQ's plugin (rabbitmq_consistent_hash_exchange). Its buckets are
//! not: here every destination draws a number for each key and the best draw wins, so that a weight of a million
//! takes no more memory than one, and the order in which bindings were made does not matter.

use model::record::Destination;
use model::{FieldTable, Properties, ShortStr, TableBuilder, Value};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The bindings of one exchange.
#[derive(Debug)]
pub(crate) struct HashBindings {
    by: HashedBy,
    /// The destinations of each weight, with the seed of their draws.
    weights: BTreeMap<u64, Vec<(u64, Destination)>>,
}

/// What of a message is hashed.
#[derive(Debug)]
enum HashedBy {
    RoutingKey,
    Header(ShortStr),
    Property(&'static str),
}

/// The properties that can be hashed.
const PROPERTIES: [&str; 3] = ["correlation_id", "message_id", "timestamp"];

impl HashBindings {
    /// Bindings of an exchange with these arguments, or what is wrong with them.
    pub(crate) fn new(arguments: &FieldTable) -> Result<Self, String> {
        let text = |name| arguments.get(name).and_then(Value::as_str);
        let by = match (text("hash-header"), text("hash-property")) {
            (Some(_), Some(_)) => {
                return Err("hash-header and hash-property are mutually exclusive".into());
            }
            (Some(header), None) => HashedBy::Header(ShortStr::truncated(header)),
            (None, Some(property)) => {
                let known = PROPERTIES.into_iter().find(|known| *known == property);
                HashedBy::Property(known.ok_or(format!("Unsupported property: {property}"))?)
            }
            (None, None) => HashedBy::RoutingKey,
        };
        Ok(Self {
            by,
            weights: BTreeMap::new(),
        })
    }

    /// The weights of a destination's bindings add up.
    pub(crate) fn add(&mut self, key: &str, destination: &Destination) {
        let before = self.take(destination);
        self.put(before.saturating_add(weight(key)), destination);
    }

    pub(crate) fn remove(&mut self, key: &str, destination: &Destination) {
        let before = self.take(destination);
        self.put(before.saturating_sub(weight(key)), destination);
    }

    /// The destination for a message, if there is any.
    pub(crate) fn find(
        &self,
        routing_keys: &[&[u8]],
        properties: &Properties,
    ) -> Option<&Destination> {
        let hashed = self.by.hash(routing_keys, properties);
        let mut winners = self.weights.iter().filter_map(|(weight, destinations)| {
            let draws = destinations.iter();
            let draws = draws.map(|(seed, destination)| (draw(hashed, *seed), destination));
            let (draw, destination) = draws.max()?;
            Some((*weight, draw, destination))
        });
        let first = winners.next()?;
        let (_, _, destination) = winners.fold(first, |best, other| {
            if waits(other.0, other.1) < waits(best.0, best.1) {
                other
            } else {
                best
            }
        });
        Some(destination)
    }

    /// Takes a destination out; its weight, 0 if it was not there.
    fn take(&mut self, destination: &Destination) -> u64 {
        let found = self.weights.iter().find_map(|(weight, destinations)| {
            let at = destinations
                .iter()
                .position(|(_, other)| other == destination)?;
            Some((*weight, at))
        });
        let Some((weight, at)) = found else {
            return 0;
        };
        let destinations = self.weights.get_mut(&weight).expect("just found");
        destinations.swap_remove(at);
        if destinations.is_empty() {
            self.weights.remove(&weight);
        }
        weight
    }

    fn put(&mut self, weight: u64, destination: &Destination) {
        if weight > 0 {
            let seed = match destination {
                Destination::Queue(queue) => xxh3_64(&queue.0.to_le_bytes()),
                Destination::Exchange(name) => xxh3_64(name.as_bytes()),
            };
            let destinations = self.weights.entry(weight).or_default();
            destinations.push((seed, destination.clone()));
        }
    }
}

impl HashedBy {
    /// A message that lacks what is hashed goes with all others that lack it.
    fn hash(&self, routing_keys: &[&[u8]], properties: &Properties) -> u64 {
        match self {
            Self::RoutingKey => match routing_keys {
                [key] => xxh3_64(key),
                keys => keys
                    .iter()
                    .fold(0, |hash, key| xxh3_64_with_seed(key, hash)),
            },
            Self::Header(name) => {
                let value = properties.headers().and_then(|headers| headers.get(name));
                value.map_or(0, hash_value)
            }
            Self::Property("correlation_id") => hash_text(properties.correlation_id()),
            Self::Property("message_id") => hash_text(properties.message_id()),
            Self::Property(_) => properties
                .timestamp()
                .map_or(0, |seconds| xxh3_64(&seconds.to_le_bytes())),
        }
    }
}

fn hash_text(text: Option<&str>) -> u64 {
    text.map_or(0, |text| xxh3_64(text.as_bytes()))
}

/// Equal integers of different width are equal.
fn hash_value(value: Value<'_>) -> u64 {
    match (value, value.as_integer()) {
        (Value::Str(bytes), _) => xxh3_64(bytes),
        (_, Some(number)) => xxh3_64(&number.to_le_bytes()),
        _ => xxh3_64(TableBuilder::new().field("", value).build().as_bytes()),
    }
}

/// A destination's draw for a key: the finalizer of MurmurHash3, which spreads every bit over all.
fn draw(hashed: u64, seed: u64) -> u64 {
    let mut mixed = hashed ^ seed;
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// The time until the first of `weight` equally likely things happens: whoever waits least wins, which he does
/// as often as his weight says.
#[expect(
    clippy::cast_precision_loss,
    reason = "the last bits of a draw or a weight do not matter"
)]
fn waits(weight: u64, draw: u64) -> f64 {
    let chance = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -chance.ln() / weight as f64
}

fn weight(key: &str) -> u64 {
    let weight = key.parse::<i128>().unwrap_or(0).max(0);
    u64::try_from(weight).unwrap_or(u64::MAX)
}

/// What is wrong with the key of a binding.
pub(crate) fn check_weight(key: &str) -> Result<(), String> {
    match key.parse::<i128>() {
        Ok(1..) => Ok(()),
        Ok(_) => Err("The binding key must be greater than 0".into()),
        Err(_) if key.is_empty() => Err("The binding key must be an integer: <<>>".into()),
        Err(_) => Err(format!("The binding key must be an integer: <<\"{key}\">>")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PropertiesBuilder, QueueId};

    fn queue(number: u64) -> Destination {
        Destination::Queue(QueueId(number))
    }

    fn bindings(weights: &[u64]) -> HashBindings {
        let mut bindings = HashBindings::new(&FieldTable::new()).expect("no arguments");
        for (number, weight) in weights.iter().enumerate() {
            bindings.add(&weight.to_string(), &queue(number as u64));
        }
        bindings
    }

    fn winner(bindings: &HashBindings, key: u64) -> u64 {
        let key = format!("key-{key}");
        match bindings.find(&[key.as_bytes()], &Properties::default()) {
            Some(Destination::Queue(queue)) => queue.0,
            other => panic!("{other:?} won"),
        }
    }

    fn shares(bindings: &HashBindings, count: usize) -> Vec<u64> {
        let mut shares = vec![0; count];
        for key in 0..100_000 {
            shares[usize::try_from(winner(bindings, key)).expect("small")] += 1;
        }
        shares
    }

    #[test]
    fn each_gets_what_its_weight_says() {
        for share in shares(&bindings(&[1; 10]), 10) {
            assert!((9_500..10_500).contains(&share), "{share} of 100000");
        }
        let shares = shares(&bindings(&[1, 2, 7]), 3);
        assert!((9_500..10_500).contains(&shares[0]), "{shares:?}");
        assert!((19_500..20_500).contains(&shares[1]), "{shares:?}");
    }

    #[test]
    fn a_binding_that_comes_takes_its_share_and_moves_nothing_else() {
        for weights in [&[1, 1, 1, 1, 1][..], &[1, 3, 1, 5, 2]] {
            let (before, with) = (bindings(&weights[..4]), bindings(weights));
            let mut without = bindings(weights);
            without.remove(&weights[4].to_string(), &queue(4));
            for key in 0..10_000 {
                let (old, new) = (winner(&before, key), winner(&with, key));
                assert!(
                    new == old || new == 4,
                    "key {key} moved from {old} to {new}"
                );
                assert_eq!(winner(&without, key), old);
            }
        }
    }

    #[test]
    fn weights_of_one_destination_add_up() {
        let mut twice = bindings(&[1, 2]);
        twice.add("1", &queue(0));
        assert_eq!(twice.weights.keys().collect::<Vec<_>>(), [&2]);
        twice.remove("2", &queue(1));
        twice.remove("1", &queue(0));
        twice.remove("1", &queue(0));
        assert!(twice.find(&[b"k"], &Properties::default()).is_none());
    }

    /// Who gets which key must not change from one release to the next: receivers rely on it.
    #[test]
    fn the_choice_is_frozen() {
        let bindings = bindings(&[1, 1, 2, 3]);
        let winners: Vec<u64> = (0..12).map(|key| winner(&bindings, key)).collect();
        assert_eq!(winners, [3, 3, 3, 2, 0, 2, 1, 2, 3, 1, 3, 3]);
    }

    #[test]
    fn what_is_hashed_can_be_a_header_or_a_property() {
        let hashed = |arguments: TableBuilder, builder: PropertiesBuilder| {
            let by = HashBindings::new(&arguments.build()).expect("valid").by;
            by.hash(&[b"key"], &builder.build())
        };
        let argument = |name, value| TableBuilder::new().text(name, value);
        let id = |text| PropertiesBuilder::new().message_id(&ShortStr::from_static(text));
        let by_id = |text| hashed(argument("hash-property", "message_id"), id(text));
        assert_eq!(by_id("a"), xxh3_64(b"a"));
        assert_ne!(by_id("a"), by_id("b"));
        let header = |value| {
            let headers = TableBuilder::new().field("h", value).build();
            let builder = PropertiesBuilder::new().headers(&headers);
            hashed(argument("hash-header", "h"), builder)
        };
        assert_eq!(header(Value::I8(5)), header(Value::I64(5)));
        assert_eq!(header(Value::Str(b"a")), xxh3_64(b"a"));
        assert_eq!(hashed(argument("hash-header", "h"), id("a")), 0);
        let both = argument("hash-header", "h").text("hash-property", "timestamp");
        assert!(HashBindings::new(&both.build()).is_err());
        assert!(HashBindings::new(&argument("hash-property", "priority").build()).is_err());
    }
}
