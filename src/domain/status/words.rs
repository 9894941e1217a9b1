//! Lengths of time and numbers, as people say them.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A twelfth of a year of 365.25 days.
const MONTH: i64 = 2_629_800;
const YEAR: i64 = 12 * MONTH;

/// Units with the first length that is said in the next one: two of a unit come before one of the next, because
/// `30 hours` says more than `1 day`.
const UNITS: [(i64, i64, &str); 5] = [
    (HOUR, MINUTE, "minute"),
    (2 * DAY, HOUR, "hour"),
    (2 * MONTH, DAY, "day"),
    (2 * YEAR, MONTH, "month"),
    (i64::MAX, YEAR, "year"),
];

/// The time between two moments, whichever comes first, in its greatest fitting unit: `3 days`.
pub fn duration(one: Timestamp, other: Timestamp) -> String {
    let seconds = one.duration_since(other).abs().as_secs();
    let unit = UNITS.iter().find(|(end, unit, _)| seconds >= *unit && seconds < *end);
    let Some((_, unit, name)) = unit else { return "less than a minute".to_owned() };
    let count = seconds / unit;
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

/// When something is due: `now`, `in 5 hours`, `never`.
pub fn due(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        Some(at) if at == Timestamp::MAX => "never".to_owned(),
        Some(at) if at > now => format!("in {}", duration(at, now)),
        Some(_) | None => "now".to_owned(),
    }
}

/// `1 repository`, `2 repositories`.
pub fn plural(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Bytes as people read them: `12.3 MB`.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// `no errors`, `1 error`, `2 errors`.
pub fn error_count(count: usize) -> String {
    if count == 0 { "no errors".to_owned() } else { plural(count, "error", "errors") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_size_is_said_in_the_unit_that_it_has_one_of() {
        let said = [0, 179, 999, 1_000, 11_849_999, 999_999_999, 2_500_000_000].map(size);
        assert_eq!(said, ["0 B", "179 B", "999 B", "1.0 kB", "11.8 MB", "999.9 MB", "2.5 GB"]);
    }

    #[test]
    fn a_length_of_time_is_said_in_one_unit() {
        let start = Timestamp::UNIX_EPOCH;
        for (seconds, words) in [
            (0, "less than a minute"),
            (59, "less than a minute"),
            (60, "1 minute"),
            (3_599, "59 minutes"),
            (3_600, "1 hour"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (60 * DAY, "60 days"),
            (61 * DAY, "2 months"),
            (23 * MONTH, "23 months"),
            (24 * MONTH, "2 years"),
        ] {
            let then = start + SignedDuration::from_secs(seconds);
            assert_eq!(duration(start, then), words);
            assert_eq!(duration(then, start), words);
        }
    }

    #[test]
    fn what_is_due_is_so_now_or_later_or_never() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + SignedDuration::from_hours(30);
        for (at, words) in
            [(None, "now"), (Some(now), "now"), (Some(later), "in 30 hours"), (Some(Timestamp::MAX), "never")]
        {
            assert_eq!(due(at, now), words);
        }
    }
}
