//! Lengths of time as people write them.

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Reads `30m`, `6h`, `2d`, `1w`; a day has 24 hours. `None` for anything else: months and years have no fixed length, and
/// nothing here goes back in time.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (!duration.is_negative()).then_some(duration)
}

/// The same length as text: `1h 30m`, and from two days on, where they are whole, in days: `60d`.
pub fn shown(duration: SignedDuration) -> String {
    let days = duration.as_hours() / 24;
    if days > 1 && SignedDuration::from_hours(days * 24) == duration {
        format!("{days}d")
    } else {
        format!("{duration:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_without_a_fixed_meaning_are_refused() {
        for (text, seconds) in
            [("30m", 1800), ("6h", 21_600), ("1d", 86_400), ("1w", 604_800), ("1h30m", 5400), ("0s", 0)]
        {
            assert_eq!(duration(text).map(|duration| duration.as_secs()), Some(seconds), "{text}");
        }
        for text in ["", "6", "1mo", "1y", "-5m", "soon", "5m ago"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["30m", "6h", "1h 30m", "90s", "0s", "24h", "25h", "60d", "1w", "1d 1s"] {
            let read = duration(text).unwrap();
            assert_eq!(duration(&shown(read)), Some(read), "{text}");
        }
        for (text, days) in [("24h", "24h"), ("48h", "2d"), ("60d", "60d"), ("2w", "14d"), ("25h", "25h"), ("0s", "0s")]
        {
            assert_eq!(shown(duration(text).unwrap()), days);
        }
    }
}
