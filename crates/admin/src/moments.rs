//! Points in time as people and tools write them.

use model::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, in UTC: `2026-11-30T20:40:00.125Z`. `None` for what no calendar has.
pub(crate) fn written(at: Timestamp) -> Option<String> {
    moment(at)?.format(&Rfc3339).ok()
}

/// The same as RabbitMQ writes it: `2026-11-30T20:40:00.125+00:00`. Some tools take nothing else.
pub(crate) fn written_like_rabbitmq(at: Timestamp) -> Option<String> {
    let at = moment(at)?;
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, milli) = at.to_hms_milli();
    let month = u8::from(month);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}+00:00"
    ))
}

fn moment(at: Timestamp) -> Option<OffsetDateTime> {
    let nanoseconds = i128::from(at.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_with_their_milliseconds() {
        let at = written(Timestamp(1_790_000_000_125));
        assert_eq!(at.as_deref(), Some("2026-09-21T14:13:20.125Z"));
        assert_eq!(written(Timestamp(u64::MAX)), None);
        let at = written_like_rabbitmq(Timestamp(1_790_000_000_005));
        assert_eq!(at.as_deref(), Some("2026-09-21T14:13:20.005+00:00"));
        let at = written_like_rabbitmq(Timestamp(4_000));
        assert_eq!(at.as_deref(), Some("1970-01-01T00:00:04.000+00:00"));
        assert_eq!(written_like_rabbitmq(Timestamp(u64::MAX)), None);
    }
}
