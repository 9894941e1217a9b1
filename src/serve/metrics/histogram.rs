//! Distributions with fixed bounds.

use std::time::Duration;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// Times to patch: an automatic merge takes minutes, people take days, auditors ask about months.
pub const PATCH_BOUNDS: &[f64] = &[
    5.0 * MINUTE,
    15.0 * MINUTE,
    HOUR,
    4.0 * HOUR,
    12.0 * HOUR,
    DAY,
    2.0 * DAY,
    3.0 * DAY,
    7.0 * DAY,
    14.0 * DAY,
    30.0 * DAY,
    60.0 * DAY,
    90.0 * DAY,
    180.0 * DAY,
];
/// Cycles: seconds where nothing is new, minutes at the forge's pace where everything is.
pub const CYCLE_BOUNDS: &[f64] =
    &[1.0, 2.5, 5.0, 10.0, 30.0, MINUTE, 2.0 * MINUTE, 5.0 * MINUTE, 10.0 * MINUTE, 30.0 * MINUTE, HOUR];

/// A distribution, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Upper bounds, inclusive, with how many observations fell between the one before and this; infinity is the last.
    pub buckets: Vec<(f64, u64)>,
    pub sum: f64,
    pub count: u64,
}

impl Histogram {
    pub fn new(bounds: &[f64]) -> Self {
        let buckets = bounds.iter().copied().chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
        Self { buckets, sum: 0.0, count: 0 }
    }

    pub fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some((_, count)) = self.buckets.iter_mut().find(|(bound, _)| seconds <= *bound) {
            *count += 1;
        }
        self.sum += seconds;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::new(&[1.0, 5.0]);
        for seconds in [0, 1, 2, 600] {
            histogram.observe(Duration::from_secs(seconds));
        }
        assert_eq!(histogram.buckets, [(1.0, 2), (5.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((histogram.sum, histogram.count), (603.0, 4));
    }

    #[test]
    fn bounds_rise() {
        for bounds in [PATCH_BOUNDS, CYCLE_BOUNDS] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
        }
    }
}
