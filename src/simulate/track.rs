//! What a program that looks every so often sees of a tag's moves.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::recording::Moved;
use crate::domain::digest::Digest;
use crate::domain::ledger::{History, Sighting};

/// The number of a look; those before the first one of a replay have negative numbers.
pub(super) type Look = i64;

/// A time at which repositories are planned, and the last look until then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub look: Look,
    pub now: Timestamp,
}

/// When looks are taken: one at `from`, and one each `pace` before and after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub from: Timestamp,
    /// **Invariant**: whole seconds, at least one.
    pace_seconds: i64,
}

/// One tag's moves and what is seen of them.
#[derive(Debug)]
pub(super) struct Track {
    moves: Vec<Moved>,
    /// In the order of time; what came and went between two looks is not in it.
    seen: Vec<Seen>,
    /// The tag is asked for in each look whose number this divides.
    stride: i64,
}

/// A digest that was the head in all looks from the first to the last.
#[derive(Debug, Clone, Copy)]
struct Seen {
    digest: Digest,
    first: Look,
    last: Look,
}

impl Grid {
    pub fn new(from: Timestamp, pace: SignedDuration) -> Self {
        Self { from, pace_seconds: pace.as_secs().max(1) }
    }

    pub fn at(&self, look: Look) -> Timestamp {
        let after = SignedDuration::from_secs(look.saturating_mul(self.pace_seconds));
        self.from.saturating_add(after).unwrap_or(Timestamp::MAX)
    }

    /// The first look at or after a time.
    pub fn look_from(&self, at: Timestamp) -> Look {
        let after = at.duration_since(self.from);
        let seconds = after.as_secs() + i64::from(after.subsec_nanos() > 0);
        seconds.div_euclid(self.pace_seconds) + i64::from(seconds.rem_euclid(self.pace_seconds) > 0)
    }

    /// The last look at or before a time.
    pub fn look_until(&self, at: Timestamp) -> Look {
        let next = self.look_from(at);
        next - i64::from(self.at(next) > at)
    }

    /// Every how many looks something is asked for that is asked for each `poll` at most.
    pub fn stride(&self, poll: SignedDuration) -> i64 {
        let seconds = poll.as_secs().max(1);
        seconds.div_euclid(self.pace_seconds) + i64::from(seconds.rem_euclid(self.pace_seconds) > 0)
    }
}

impl Track {
    pub fn new(moves: &[Moved], grid: &Grid, stride: i64) -> Self {
        let look_from = |at| ceil(grid.look_from(at), stride);
        let ends = moves.iter().skip(1).map(|next| look_from(next.at) - stride).chain([Look::MAX]);
        let seen =
            moves.iter().zip(ends).map(|(moved, last)| Seen { digest: moved.digest, first: look_from(moved.at), last });
        let seen = seen.filter(|seen| seen.first <= seen.last).collect();
        Self { moves: moves.to_vec(), seen, stride }
    }

    /// What the tag pointed to when it was last asked for; `None`: it was not there yet.
    pub fn head(&self, look: Look) -> Option<Digest> {
        let asked = floor(look, self.stride);
        self.seen.iter().rev().find(|seen| seen.first <= asked).map(|seen| seen.digest)
    }

    /// What the ledger holds of it.
    pub fn history(&self, look: Look, grid: &Grid) -> History {
        let asked = floor(look, self.stride);
        let seen = self.seen.iter().take_while(|seen| seen.first <= asked).map(|seen| Sighting {
            digest: seen.digest,
            first_seen: grid.at(seen.first),
            last_seen: grid.at(seen.last.min(asked)),
        });
        History::new(seen, BTreeMap::new())
    }

    /// The looks in which another digest is the head than in the one before.
    pub fn changes(&self) -> impl Iterator<Item = Look> {
        self.seen.iter().map(|seen| seen.first)
    }

    /// The look in which the digest that is the head then was the head for so long, where that is still to come; and
    /// when each digest that came short ago is that old.
    pub fn ripens(&self, look: Look, grid: &Grid, (min_age, settle): (SignedDuration, SignedDuration)) -> Vec<Look> {
        let asked = floor(look, self.stride);
        let later = |seen: &Seen, by| {
            let at = grid.at(seen.first).saturating_add(by).unwrap_or(Timestamp::MAX);
            grid.look_from(at)
        };
        let known = self.seen.iter().rev().skip_while(|seen| seen.first > asked);
        let aged = known.map(|seen| later(seen, min_age)).take_while(|ripe| *ripe > look);
        let head = self.seen.iter().rev().find(|seen| seen.first <= asked);
        let settled = head.map(|seen| ceil(later(seen, settle), self.stride)).filter(|ripe| *ripe > look);
        aged.chain(settled).collect()
    }

    /// What is seen, in the order of time.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.seen.iter().map(|seen| seen.digest)
    }

    /// When the tag first pointed to a digest.
    pub fn came(&self, digest: &Digest) -> Option<Timestamp> {
        self.moves.iter().find(|moved| moved.digest == *digest).map(|moved| moved.at)
    }

    /// Since when the tag points to something else, at a time; `None`: it points to this digest.
    pub fn left(&self, digest: &Digest, at: Timestamp) -> Option<Timestamp> {
        let so_far = self.moves.iter().take_while(|moved| moved.at <= at);
        so_far.fold(None, |left, moved| if moved.digest == *digest { None } else { left.or(Some(moved.at)) })
    }
}

/// The last multiple of `stride` that is not after a look.
fn floor(look: Look, stride: i64) -> Look {
    look.div_euclid(stride) * stride
}

/// The first multiple of `stride` that is not before a look.
fn ceil(look: Look, stride: i64) -> Look {
    floor(look, stride) + if look.rem_euclid(stride) > 0 { stride } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: i64 = 1_782_864_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(FROM + 60 * minutes).unwrap()
    }

    fn digest(letter: char) -> Digest {
        Digest::of(letter.to_string().as_bytes())
    }

    /// Looks each ten minutes; the tag is asked for in every `stride`th.
    fn track(moves: &[(i64, char)], stride: i64) -> (Track, Grid) {
        let grid = Grid::new(at(0), SignedDuration::from_mins(10));
        let moves: Vec<_> = moves.iter().map(|(minutes, it)| Moved { at: at(*minutes), digest: digest(*it) }).collect();
        (Track::new(&moves, &grid, stride), grid)
    }

    #[test]
    fn looks_are_counted_from_the_beginning_both_ways() {
        let grid = Grid::new(at(0), SignedDuration::from_mins(10));
        for (minutes, look) in [(0, 0), (1, 1), (10, 1), (11, 2), (-1, 0), (-10, -1), (-11, -1)] {
            assert_eq!(grid.look_from(at(minutes)), look, "{minutes}");
            assert_eq!(grid.look_until(at(minutes)), look - i64::from(minutes % 10 != 0), "{minutes}");
        }
        let strides = [1, 10, 11, 20].map(|minutes| grid.stride(SignedDuration::from_mins(minutes)));
        assert_eq!(strides, [1, 1, 2, 2]);
    }

    #[test]
    fn what_comes_and_goes_between_two_looks_is_not_seen() {
        let (track, grid) = track(&[(-25, 'a'), (1, 'b'), (5, 'c'), (30, 'd')], 1);
        let heads: Vec<_> = (-4..5).map(|look| track.head(look)).collect();
        let [a, c, d] = ['a', 'c', 'd'].map(|letter| Some(digest(letter)));
        assert_eq!(heads, [None, None, a, a, a, c, c, d, d]);
        assert_eq!(track.changes().collect::<Vec<_>>(), [-2, 1, 3]);
        let seen: Vec<_> = track.history(2, &grid).sightings().iter().map(|it| (it.first_seen, it.last_seen)).collect();
        assert_eq!(seen, [(at(-20), at(0)), (at(10), at(20))]);
    }

    #[test]
    fn a_tag_that_is_asked_for_less_often_is_seen_later() {
        let (track, grid) = track(&[(0, 'a'), (1, 'b')], 3);
        let heads: Vec<_> = (0..5).map(|look| track.head(look)).collect();
        let [a, b] = ['a', 'b'].map(|letter| Some(digest(letter)));
        assert_eq!(heads, [a, a, a, b, b]);
        assert_eq!(track.history(5, &grid).head().unwrap().last_seen, at(30));
        // Settled in the look at minute 60, old enough at minute 55.
        let (age, settle) = (SignedDuration::from_mins(25), SignedDuration::from_mins(25));
        assert_eq!(track.ripens(3, &grid, (age, settle)), [6, 6]);
        assert_eq!(track.ripens(6, &grid, (age, settle)), Vec::<Look>::new());
    }

    #[test]
    fn a_digest_is_left_when_the_tag_moves_and_not_when_it_comes_back() {
        let (track, _) = track(&[(0, 'a'), (7, 'b'), (30, 'a'), (50, 'c')], 1);
        assert_eq!(track.came(&digest('a')), Some(at(0)));
        let left = |letter, minutes| track.left(&digest(letter), at(minutes));
        assert_eq!(
            [left('a', 5), left('a', 10), left('a', 30), left('a', 60)],
            [None, Some(at(7)), None, Some(at(50))]
        );
        assert_eq!(left('b', 60), Some(at(30)));
    }
}
