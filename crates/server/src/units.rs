//! Sizes, parts and times as people write them: `16MiB`, `60%`, `90s`, or a plain number.

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: `4096`, `64KiB`, `1.5GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// A number of bytes, or a part of what there is: `512MiB`, `60%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Portion {
    /// So many bytes.
    Bytes(u64),
    /// So much of the whole: 0.6 for 60 %.
    Part(f64),
}

/// A part of all: `0.01`, `1%`, or `0` for none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

/// A stretch of time: `10` or `10s`, `250ms`, `5m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Text that is no such quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {wanted}")]
pub struct UnitError {
    text: String,
    wanted: &'static str,
}

const SIZES: &[(&str, f64)] = &[
    ("", 1.0),
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
];

const SPANS: &[(&str, f64)] = &[
    ("", 1.0),
    ("s", 1.0),
    ("ms", 0.001),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

/// The number in front of a unit, times what the unit stands for.
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, worth) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    let number: f64 = number.parse().ok()?;
    Some(number * worth).filter(|value| value.is_finite())
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = quantity(text, SIZES)
            .filter(|bytes| *bytes < 1e18)
            .ok_or_else(|| UnitError {
                text: text.to_owned(),
                wanted: "a size, such as 4096, 64KiB or 1GB",
            })?;
        Ok(Self(bytes as u64))
    }
}

impl FromStr for Portion {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError {
            text: text.to_owned(),
            wanted: "a size, such as 512MiB or 2GB, or a part, such as 60%",
        };
        match text.trim().strip_suffix('%') {
            Some(number) => {
                let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
                let is_part = percent > 0.0 && percent <= 100.0;
                is_part
                    .then_some(Self::Part(percent / 100.0))
                    .ok_or_else(wrong)
            }
            None => Size::from_str(text)
                .map(|size| Self::Bytes(size.0))
                .map_err(|_| wrong()),
        }
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, whole) = match text.trim().strip_suffix('%') {
            Some(number) => (number.trim_end(), 100.0),
            None => (text.trim(), 1.0),
        };
        let share = number.parse::<f64>().map(|number| number / whole);
        let share = share.ok().filter(|share| (0.0..=1.0).contains(share));
        share.map(Self).ok_or_else(|| UnitError {
            text: text.to_owned(),
            wanted: "a part of all, such as 0.01 or 1%",
        })
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let seconds = quantity(text, SPANS)
            .filter(|seconds| *seconds < 1e9)
            .ok_or_else(|| UnitError {
                text: text.to_owned(),
                wanted: "a time, such as 10s, 250ms or 5m",
            })?;
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

/// Reads text or a plain number of the configuration file alike.
struct Text<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = UnitError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or text with a unit")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Portion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0).ok();
        assert_eq!(size("4096"), Some(4096));
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1.5 GB"), Some(1_500_000_000));
        assert_eq!(size("64 parsecs"), None);
        assert_eq!(size("-1"), None);
        assert_eq!(size(""), None);
    }

    #[test]
    fn a_part_is_a_percentage_of_the_whole() {
        let portion = |text: &str| text.parse::<Portion>().ok();
        assert_eq!(portion("60%"), Some(Portion::Part(0.6)));
        assert_eq!(portion("12.5 %"), Some(Portion::Part(0.125)));
        assert_eq!(portion("1GiB"), Some(Portion::Bytes(1 << 30)));
        assert_eq!(portion("0%"), None);
        assert_eq!(portion("101%"), None);
        assert_eq!(portion("half"), None);
    }

    #[test]
    fn a_share_is_a_number_up_to_one_or_a_percentage() {
        let share = |text: &str| text.parse::<Share>().map(|share| share.0).ok();
        assert_eq!(share("0"), Some(0.0));
        assert_eq!(share("0.25"), Some(0.25));
        assert_eq!(share("50 %"), Some(0.5));
        assert_eq!(share("100%"), Some(1.0));
        assert_eq!(share("1.1"), None);
        assert_eq!(share("-0.1"), None);
        assert_eq!(share("NaN"), None);
    }

    #[test]
    fn times_are_seconds_unless_they_say_otherwise() {
        let span = |text: &str| text.parse::<Span>().map(|span| span.0.as_millis()).ok();
        assert_eq!(span("10"), Some(10_000));
        assert_eq!(span("250ms"), Some(250));
        assert_eq!(span("5m"), Some(300_000));
        assert_eq!(span("7d"), Some(604_800_000));
        assert_eq!(span("soon"), None);
    }
}
