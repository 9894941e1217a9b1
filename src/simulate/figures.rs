//! What a replay came to, in figures.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::days::Days;
use super::forge::DeedKind;
use super::notes::Note;
use super::samples::Sample;
use super::setup::Outcome;

const DAY_SECONDS: f64 = 24.0 * 60.0 * 60.0;
const DAYS_PER_WEEK: f64 = 7.0;

/// The cost of a policy and what it gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub from: Timestamp,
    pub to: Timestamp,
    pub repositories: usize,
    /// Those that the policies follow.
    pub pins: usize,
    pub opened: usize,
    pub updated: usize,
    pub merged: usize,
    pub closed: usize,
    /// Still open at the end.
    pub open: usize,
    /// Opened ones.
    pub per_repository_and_week: f64,
    /// One for each opening and each update.
    pub pipelines: usize,
    pub pipelines_per_repository_and_week: f64,
    /// Days since the tag of a pin first pointed to its digest, over all pins and days. This and what follows is over the
    /// pins that the policies follow.
    pub age: Quantiles,
    /// Days from when a tag left a pinned digest until the pin moved, or the replay ended, over all of these stretches.
    pub behind: Quantiles,
    /// How much of their time pins were behind, from 0 to 1.
    pub share_behind: f64,
    /// How long pins waited, in pin-days by the word of the reason; the longest first.
    pub waits: Vec<(&'static str, f64)>,
    /// What the configuration asks for and is in no figure.
    pub notes: Vec<Note>,
    /// How often a repository was planned.
    pub plans: u64,
    pub days: Vec<DayFigures>,
}

/// In days.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quantiles {
    pub median: f64,
    /// The 90th percentile.
    pub p90: f64,
}

/// One day of the replay, from midnight to midnight by UTC; of the first and the last one what is in the replay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DayFigures {
    pub date: Date,
    pub opened: usize,
    pub updated: usize,
    pub merged: usize,
    pub pipelines: usize,
    /// Over the pins that there are.
    pub age: Quantiles,
    pub share_behind: f64,
}

impl Figures {
    pub fn of(outcome: &Outcome) -> Self {
        let count = |kind| outcome.deeds.iter().filter(|deed| deed.kind == kind).count();
        let (opened, updated) = (count(DeedKind::Opened), count(DeedKind::Updated));
        let weeks = days(outcome.to.duration_since(outcome.from)) / DAYS_PER_WEEK;
        let per_repository_and_week = |count: usize| ratio(count as f64, outcome.repositories as f64 * weeks);
        let mut waits: Vec<_> = outcome.waits.iter().map(|(word, length)| (*word, days(*length))).collect();
        waits.sort_by(|(one, longer), (other, shorter)| shorter.total_cmp(longer).then(one.cmp(other)));
        Self {
            from: outcome.from,
            to: outcome.to,
            repositories: outcome.repositories,
            pins: outcome.pins,
            opened,
            updated,
            merged: count(DeedKind::Merged),
            closed: count(DeedKind::Closed),
            open: outcome.open,
            per_repository_and_week: per_repository_and_week(opened),
            pipelines: opened + updated,
            pipelines_per_repository_and_week: per_repository_and_week(opened + updated),
            age: Quantiles::of(outcome.samples.iter().map(|sample| (sample.age, sample.seconds))),
            behind: Quantiles::of(outcome.lags.iter().map(|lag| (*lag, 1))),
            share_behind: share_behind(&outcome.samples),
            waits,
            notes: outcome.notes.iter().copied().collect(),
            plans: outcome.plans,
            days: by_day(outcome),
        }
    }
}

impl Quantiles {
    /// By nearest rank, each length counted so many times; zero where there is nothing.
    fn of(lengths: impl Iterator<Item = (SignedDuration, i64)>) -> Self {
        let mut lengths: Vec<(SignedDuration, i64)> = lengths.collect();
        lengths.sort_unstable();
        let total: i64 = lengths.iter().map(|(_, times)| times).sum();
        let rank = |percent: i64| {
            let up_to = lengths.iter().scan(0, |up_to, (length, times)| {
                *up_to += times;
                Some((*up_to, *length))
            });
            let mut beyond = up_to.skip_while(|(up_to, _)| up_to * 100 < total * percent);
            beyond.next().map(|(_, length)| days(length)).unwrap_or_default()
        };
        Self { median: rank(50), p90: rank(90) }
    }
}

fn by_day(outcome: &Outcome) -> Vec<DayFigures> {
    let days = Days { from: outcome.from, to: outcome.to };
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); days.count()];
    for sample in &outcome.samples {
        samples.get_mut(sample.day).into_iter().for_each(|of_day| of_day.push(*sample));
    }
    let figures = |(day, samples): (usize, &Vec<Sample>)| DayFigures {
        date: days.date(day),
        age: Quantiles::of(samples.iter().map(|sample| (sample.age, sample.seconds))),
        share_behind: share_behind(samples),
        ..DayFigures::default()
    };
    let mut all: Vec<DayFigures> = samples.iter().enumerate().map(figures).collect();
    for deed in &outcome.deeds {
        let Some(day) = all.get_mut(days.of(deed.at)) else { continue };
        match deed.kind {
            DeedKind::Opened => (day.opened, day.pipelines) = (day.opened + 1, day.pipelines + 1),
            DeedKind::Updated => (day.updated, day.pipelines) = (day.updated + 1, day.pipelines + 1),
            DeedKind::Merged => day.merged += 1,
            DeedKind::Closed => {}
        }
    }
    all
}

fn share_behind(samples: &[Sample]) -> f64 {
    let seconds = |sample: &Sample| sample.seconds as f64;
    let behind: f64 = samples.iter().filter(|sample| sample.behind > SignedDuration::ZERO).map(seconds).sum();
    ratio(behind, samples.iter().map(seconds).sum())
}

fn days(length: SignedDuration) -> f64 {
    length.as_secs_f64() / DAY_SECONDS
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let of = |days: &[i64]| {
            let Quantiles { median, p90 } =
                Quantiles::of(days.iter().map(|days| (SignedDuration::from_hours(24 * days), 1)));
            (median, p90)
        };
        assert_eq!(of(&[]), (0.0, 0.0));
        assert_eq!(of(&[3]), (3.0, 3.0));
        assert_eq!(of(&[4, 1, 3, 2]), (2.0, 4.0));
        assert_eq!(of(&(1..=100).collect::<Vec<_>>()), (50.0, 90.0));
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let weighed = Quantiles::of([(days(9), 1), (days(2), 30), (days(5), 20)].into_iter());
        assert_eq!((weighed.median, weighed.p90), (2.0, 5.0));
    }
}
