//! What a tag says of a version: whether one says the same as another, only more exactly, and which of two is higher.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use super::reference::Tag;

/// Floating tags that name no version and no variant: any version may be what they stand for.
const OPEN_TAGS: [&str; 2] = ["latest", "stable"];

/// Whether `comment` refines `tag`: it is the same text; or its version begins with the tag's, component by component,
/// and its variant is the tag's or extends it.
///
/// `1.27.0-alpine` refines `1.27-alpine`, `1.27` and `alpine`, but neither `1.2` nor `1.27-slim`. A leading `v` before
/// a digit does not count; `latest` is refined by anything.
pub fn refines(comment: &Tag, tag: &Tag) -> bool {
    if comment == tag || OPEN_TAGS.contains(&tag.as_str()) {
        return true;
    }
    let (comment_version, comment_variant) = split(comment.as_str());
    let (tag_version, tag_variant) = split(tag.as_str());
    let comment_parts: Vec<&str> = components(comment_version);
    let tag_parts: Vec<&str> = components(tag_version);
    comment_parts.starts_with(&tag_parts) && extends(comment_variant, tag_variant)
}

/// `v1.27.0-alpine` → `1.27.0`, `alpine`
fn split(tag: &str) -> (&str, &str) {
    let is_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let tag = tag.strip_prefix('v').filter(|rest| is_version(rest)).unwrap_or(tag);
    let end = tag.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tag.len());
    let (version, variant) = tag.split_at(end);
    (version.trim_end_matches('.'), variant.trim_start_matches(['-', '_', '.']))
}

fn components(version: &str) -> Vec<&str> {
    version.split('.').filter(|part| !part.is_empty()).collect()
}

/// `alpine3.22` and `alpine-perl` extend `alpine`; `1712` does not extend `17`.
fn extends(variant: &str, base: &str) -> bool {
    let Some(rest) = variant.strip_prefix(base) else { return false };
    let (Some(last), Some(next)) = (base.chars().last(), rest.chars().next()) else { return true };
    !(last.is_ascii_digit() && next.is_ascii_digit() || last.is_ascii_alphabetic() && next.is_ascii_alphabetic())
}

/// How many digits make a number a date or a time (`20260218`, `1786321990`) rather than a count: such numbers are
/// higher or lower only among their like.
const DATE_DIGITS_MIN: usize = 8;
/// The first parts that are a year: `2026.1` is no higher version of what was `3.1` before.
const YEARS: RangeInclusive<u64> = 1990..=2199;
/// How many digits a single number has that is no day and may be a commit's short id (git's have seven, others eight): one
/// in thirty of those is decimal throughout, and nobody counts versions so high.
const COMMIT_ID_DIGITS: RangeInclusive<usize> = 7..=8;
/// How many digits more a higher single number may have: `9` goes to `10`, and not to what counts builds.
const LONGER_BY_MAX: usize = 1;
/// What begins a pre-release, the lowest first.
const PRE_RELEASES: [&str; 5] = ["alpha", "beta", "preview", "pre", "rc"];
/// The short forms of the first two, which Python has: `3.15.0a4`.
const SHORT_PRE_RELEASES: [&str; 2] = ["a", "b"];
/// What may stand between the parts of a version and the number of a package's release.
const RELEASE_SEPARATORS: [&str; 3] = [EXPLICIT_RELEASE, "-", "_"];
/// What says that a release follows: that of a package of Alpine's.
const EXPLICIT_RELEASE: &str = "-r";

/// A tag that begins with a version, taken apart: `v` `1.27.3` `rc1` `-r2` `-alpine3.22-dev`.
///
/// Everything but the numbers is its shape. Two tags of different shapes are neither higher nor lower: another variant,
/// libc, distribution or number of parts is another thing, not another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagVersion<'a> {
    /// `v`, or nothing.
    prefix: &'a str,
    /// `1`, `27`, `3`. **Invariant**: at least one.
    parts: Vec<Number>,
    pre_release: Option<PreRelease>,
    /// The releases of the package, each with what stands before it: `22.23.2-0`, `3.13.9-r2-20260218175623`, `21.0.5_11`.
    /// **Invariant**: behind a single part the first of them is explicit, as in `1-r2`.
    releases: Vec<(&'static str, Number)>,
    /// What is left, with the character that parts it: `-debian13-dev`, and `-20-bookworm` of `1-20-bookworm`.
    variant: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    value: u64,
    digits: usize,
}

/// Ordered as the versions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PreRelease {
    rank: usize,
    number: u64,
}

impl<'a> TagVersion<'a> {
    /// `None` where a tag begins with no version: `latest`, `bookworm-20260218`, a commit's id; or with numbers that none
    /// has.
    pub fn read(tag: &'a Tag) -> Option<Self> {
        let text = tag.as_str();
        let prefix = text.get(..1).filter(|first| *first == "v").unwrap_or_default();
        let (first, mut rest) = number(text.get(prefix.len()..)?)?;
        let mut parts = vec![first];
        while let Some((part, after)) = rest.strip_prefix('.').and_then(number) {
            parts.push(part);
            rest = after;
        }
        let mut pre_release = None;
        if let Some((found, after)) = self::pre_release(rest) {
            (pre_release, rest) = (Some(found), after);
        }
        let mut releases = Vec::new();
        while let Some((separator, found, after)) = release(rest) {
            // Behind a single part a bare number may count anything: the Node.js in `1-20-bookworm`, the PostGIS in `16-3`.
            if parts.len() == 1 && releases.is_empty() && separator != EXPLICIT_RELEASE {
                break;
            }
            releases.push((separator, found));
            rest = after;
        }
        let is_variant = rest.is_empty() || rest.starts_with(['-', '_']);
        let is_version = parts.len() > 1 || !first.may_be_commit_id();
        (is_variant && is_version).then_some(Self { prefix, parts, pre_release, releases, variant: rest })
    }

    /// How many parts it has: three in `1.27.3`.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// What follows the version: `-debian13-dev`.
    pub fn variant(&self) -> &'a str {
        self.variant
    }

    /// Whether something below its parts can change while they stay: a pre-release, or a package's release.
    pub fn has_release(&self) -> bool {
        self.pre_release.is_some() || !self.releases.is_empty()
    }

    /// The first part in which they differ, from 0; `None` where all of them are equal.
    pub fn first_difference(&self, other: &Self) -> Option<usize> {
        self.parts.iter().zip(&other.parts).position(|(one, other)| one.value != other.value)
    }

    /// Whether it is higher than one of the same shape. A pre-release is only higher than another pre-release.
    pub fn is_higher_than(&self, lower: &Self) -> bool {
        let may_be_pre_release = self.pre_release.is_none() || lower.pre_release.is_some();
        let is_higher = self.has_shape_of(lower) && self.compare(lower) == Ordering::Greater;
        may_be_pre_release && is_higher && !self.is_much_longer_than(lower)
    }

    /// Orders versions of one shape.
    pub fn compare(&self, other: &Self) -> Ordering {
        let parts = |version: &Self| version.parts.iter().map(|part| part.value).collect::<Vec<_>>();
        let releases = |version: &Self| version.releases.iter().map(|(_, number)| number.value).collect::<Vec<_>>();
        // What is released comes after every pre-release of it.
        let pre_release = |version: &Self| version.pre_release.map_or((1, None), |pre_release| (0, Some(pre_release)));
        (parts(self), pre_release(self), releases(self)).cmp(&(parts(other), pre_release(other), releases(other)))
    }

    fn has_shape_of(&self, other: &Self) -> bool {
        let separators = |version: &Self| version.releases.iter().map(|(separator, _)| *separator).collect::<Vec<_>>();
        let numbers = |version: &Self| {
            let releases = version.releases.iter().map(|(_, number)| *number);
            version.parts.iter().copied().chain(releases).collect::<Vec<_>>()
        };
        (self.prefix, self.variant, self.parts.len()) == (other.prefix, other.variant, other.parts.len())
            && separators(self) == separators(other)
            && self.begins_with_year() == other.begins_with_year()
            && self.single().is_some_and(Number::is_month) == other.single().is_some_and(Number::is_month)
            && numbers(self).iter().zip(numbers(other)).all(|(one, other)| one.is_like(other))
    }

    fn begins_with_year(&self) -> bool {
        self.parts.first().is_some_and(|first| first.digits == 4 && YEARS.contains(&first.value))
    }

    /// Its number where it has only one.
    fn single(&self) -> Option<Number> {
        self.parts.first().copied().filter(|_| self.parts.len() == 1)
    }

    fn is_much_longer_than(&self, other: &Self) -> bool {
        let digits = |version: &Self| version.single().map_or(0, |number| number.digits);
        digits(self) > digits(other) + LONGER_BY_MAX
    }
}

impl Number {
    /// `202602`
    fn is_month(self) -> bool {
        self.digits == 6 && YEARS.contains(&(self.value / 100)) && (1..=12).contains(&(self.value % 100))
    }

    /// `20260218`
    fn is_day(self) -> bool {
        let month = Self { value: self.value / 100, digits: self.digits.saturating_sub(2) };
        month.is_month() && (1..=31).contains(&(self.value % 100))
    }

    fn may_be_commit_id(self) -> bool {
        COMMIT_ID_DIGITS.contains(&self.digits) && !self.is_day()
    }

    /// A date is like a date that is written in the same way, and a count is like every count.
    fn is_like(self, other: Self) -> bool {
        let is_date = |number: Self| number.digits >= DATE_DIGITS_MIN;
        !is_date(self) && !is_date(other) || self.digits == other.digits
    }
}

/// The number that a text begins with, and what follows it.
fn number(text: &str) -> Option<(Number, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((Number { value: number.parse().ok()?, digits }, rest))
}

/// `-rc.1`, `rc1`, `-beta`, `a4`, up to the next character that parts.
fn pre_release(text: &str) -> Option<(PreRelease, &str)> {
    let word = text.strip_prefix(['-', '.', '_']).unwrap_or(text);
    let long = PRE_RELEASES.iter().enumerate().find_map(|(rank, name)| Some((rank, word.strip_prefix(name)?)));
    let short = SHORT_PRE_RELEASES.iter().enumerate().find_map(|(rank, name)| {
        let rest = text.strip_prefix(name)?;
        rest.starts_with(|next: char| next.is_ascii_digit()).then_some((rank, rest))
    });
    let (rank, rest) = long.or(short)?;
    let (number, rest) = match number(rest.strip_prefix(['.', '-']).unwrap_or(rest)) {
        Some((number, after)) => (number.value, after),
        None => (0, rest),
    };
    is_boundary(rest).then_some((PreRelease { rank, number }, rest))
}

/// `-0`, `-r2`, `_11`. A number with a point is none: `-26.04` is a distribution's.
fn release(text: &str) -> Option<(&'static str, Number, &str)> {
    RELEASE_SEPARATORS.into_iter().find_map(|separator| {
        let (number, rest) = number(text.strip_prefix(separator)?)?;
        is_boundary(rest).then_some((separator, number, rest))
    })
}

fn is_boundary(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['-', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_more_exact_version_refines_a_tag() {
        let tag = |text: &str| text.parse::<Tag>().expect("a tag");
        for (comment, of, expected) in [
            ("1.27.0-alpine", "1.27-alpine", true),
            ("1.27.0-alpine", "1.27", true),
            ("1.27.0-alpine", "alpine", true),
            ("1.27", "1.27", true),
            ("v1.27.3", "1.27", true),
            ("1.27.0", "latest", true),
            ("1.27.0-alpine3.22", "1-alpine", true),
            ("8.6-751", "8.6", true),
            ("8.6-751", "8.6-75", false),
            ("1.27", "1.2", false),
            ("1.26", "1.27", false),
            ("1.27", "1.27.0", false),
            ("1.27.0-slim", "1.27-alpine", false),
            ("1.27.0", "1.27-alpine", false),
            ("bookworm-slim", "bookworm", true),
            ("bullseye", "bookworm", false),
        ] {
            assert_eq!(refines(&tag(comment), &tag(of)), expected, "{comment} of {of}");
        }
    }
}
