//! Points in time as people and tools write them.

use model::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, in UTC: `2026-11-30T20:40:00.125Z`. `None` for what no calendar has.
pub(crate) fn written(at: Timestamp) -> Option<String> {
    let nanoseconds = i128::from(at.0) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    at.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_with_their_milliseconds() {
        let at = written(Timestamp(1_790_000_000_125));
        assert_eq!(at.as_deref(), Some("2026-09-21T14:13:20.125Z"));
        assert_eq!(written(Timestamp(u64::MAX)), None);
    }
}
