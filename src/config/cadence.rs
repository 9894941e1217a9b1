//! The keys about time → values of [`crate::domain::cadence`].

use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::cadence_file::{FreezeFile, ScheduleFile, WindowFile};
use super::check::Checker;
use super::mistake::{KeyPath, nearest};
use super::policy_file::OneOrMany;
use super::yaml::Place;
use crate::domain::cadence::{self, Days, Edge, Freeze, JITTER_MAX, Schedule, Span, TimeOfDay, Window};

/// The word for no schedule, so that an override can lift that of the policy.
const ALWAYS: &str = "always";
/// How many spans a window may have: some for each day of the week.
const SPANS_MAX: usize = 50;
/// How many freezes one list may have: a decade of them.
const FREEZES_MAX: usize = 200;
/// The longest reason, in characters: it stands in one line of a table.
const REASON_LENGTH_MAX: usize = 200;
/// More often a registry's limits are used up.
const POLL_MIN: SignedDuration = SignedDuration::from_mins(1);
/// A week: what is asked more rarely is not followed.
const POLL_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `None` inside is always.
pub fn schedule(checker: &mut Checker<'_>, path: &KeyPath, file: &ScheduleFile) -> Option<Option<Schedule>> {
    let (path, schedule) = match file {
        ScheduleFile::Text(text) if text == ALWAYS => return Some(None),
        ScheduleFile::Text(text) => (path.clone(), text.parse()),
        ScheduleFile::Every(file) => {
            let Some(text) = &file.every else {
                checker.missing(path, "expected `{ every: DURATION }`");
                return None;
            };
            (path.key("every"), Schedule::every(text))
        }
    };
    schedule.map_err(|error| checker.wrong(&path, error.to_string())).ok().map(Some)
}

/// A zone of the IANA database, the system's or else refrom's own.
pub fn timezone(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<TimeZone> {
    let zone = TimeZone::get(text).ok();
    if zone.is_none() {
        checker.wrong(path, format!("unknown time zone `{text}`: expected a name like `Europe/Berlin` or `UTC`"));
    }
    zone
}

pub fn window(checker: &mut Checker<'_>, path: &KeyPath, files: &[WindowFile]) -> Option<Window> {
    if files.is_empty() || files.len() > SPANS_MAX {
        checker.wrong(path, format!("expected 1 to {SPANS_MAX} spans; leave the key out for no window"));
        return None;
    }
    let mut spans = Vec::new();
    for (index, file) in files.iter().enumerate() {
        spans.extend(span(checker, &path.index(index), file));
    }
    if spans.len() < files.len() { None } else { Window::new(spans) }
}

fn span(checker: &mut Checker<'_>, path: &KeyPath, file: &WindowFile) -> Option<Span> {
    let days = days(checker, &path.key("days"), file.days.as_ref());
    let mut time = |key: &str, text: &Option<String>, default| match text {
        Some(text) => {
            let time = TimeOfDay::parse(text);
            if time.is_none() {
                checker.wrong(&path.key(key), format!("expected a time like `09:00`, found `{text}`"));
            }
            time
        }
        None => Some(default),
    };
    let (from, to) = (time("from", &file.from, TimeOfDay::MIDNIGHT), time("to", &file.to, TimeOfDay::END_OF_DAY));
    let span = Span { days: days?, from: from?, to: to? };
    if span.from == span.to {
        checker.wrong(path, format!("empty: it ends when it begins, at {}", span.to));
        return None;
    }
    Some(span)
}

fn days(checker: &mut Checker<'_>, path: &KeyPath, file: Option<&OneOrMany>) -> Option<Days> {
    let texts = match file {
        Some(OneOrMany::One(text)) => std::slice::from_ref(text),
        Some(OneOrMany::Many(texts)) if texts.is_empty() => {
            checker.wrong(path, "expected at least one day");
            return None;
        }
        Some(OneOrMany::Many(texts)) => texts,
        Some(OneOrMany::None) | None => return Some(Days::EVERY),
    };
    let is_list = matches!(file, Some(OneOrMany::Many(_)));
    let mut all = Some(Days::NONE);
    for (index, text) in texts.iter().enumerate() {
        let day = match text.as_str() {
            "weekdays" => Some(Days::WEEKDAYS),
            "weekend" => Some(Days::WEEKEND),
            name => Days::named(name),
        };
        if day.is_none() {
            let path = if is_list { path.index(index) } else { path.clone() };
            let known = Days::NAMES.into_iter().chain(["weekdays", "weekend"]);
            let meant = nearest(text, known).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            checker.wrong(&path, format!("expected `mon` to `sun`, `weekdays` or `weekend`, found `{text}`{meant}"));
        }
        all = all.zip(day).map(|(all, day)| all.with(day));
    }
    all
}

/// Each with its place.
pub fn freezes(checker: &mut Checker<'_>, path: &KeyPath, files: &[FreezeFile]) -> Vec<(Place, Freeze)> {
    if files.len() > FREEZES_MAX {
        checker.wrong(path, format!("too many: {} of at most {FREEZES_MAX}", files.len()));
        return Vec::new();
    }
    let mut freezes = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = path.index(index);
        let place = checker.tree.place_of(&path);
        freezes.extend(freeze(checker, &path, file).map(|freeze| (place, freeze)));
    }
    freezes
}

fn freeze(checker: &mut Checker<'_>, path: &KeyPath, file: &FreezeFile) -> Option<Freeze> {
    let from = edge(checker, &path.key("from"), file.from.as_deref());
    let to = edge(checker, &path.key("to"), file.to.as_deref());
    let reason_path = path.key("reason");
    let why = match &file.reason {
        Some(text) => reason(checker, &reason_path, text),
        None => {
            checker.missing(&reason_path, "missing: why, for people who wait");
            None
        }
    };
    let (from, to) = (from?, to?);
    let freeze = Freeze::new(from, to, &why?);
    let freeze = if file.urgent == Some(true) { freeze.map(Freeze::letting_urgent_through) } else { freeze };
    if freeze.is_none() {
        checker.wrong(&path.key("to"), format!("it ends before it begins: {to} is not after {from}"));
    }
    freeze
}

/// Some words in one line.
pub fn reason(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        checker.wrong(path, "expected some words in one line");
    } else if text.chars().count() > REASON_LENGTH_MAX {
        checker.wrong(path, format!("expected at most {REASON_LENGTH_MAX} characters"));
    } else {
        return Some(text.to_owned());
    }
    None
}

fn edge(checker: &mut Checker<'_>, path: &KeyPath, text: Option<&str>) -> Option<Edge> {
    let Some(text) = text else {
        checker.missing(path, "missing: a date like `2026-12-20`, or `2026-12-20T18:00`");
        return None;
    };
    let edge = Edge::parse(text);
    if edge.is_none() {
        checker.wrong(
            path,
            format!(
                "expected a date like `2026-12-20`, or `2026-12-20T18:00` in the repository's zone, found `{text}`"
            ),
        );
    }
    edge
}

pub fn jitter(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<SignedDuration> {
    let jitter = cadence::duration(text).filter(|jitter| *jitter <= JITTER_MAX);
    if jitter.is_none() {
        let most = JITTER_MAX.as_hours();
        checker.wrong(path, format!("expected a duration like `30m` of at most {most} hours, found `{text}`"));
    }
    jitter
}

pub fn poll(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<Duration> {
    let poll = cadence::duration(text).filter(|poll| (POLL_MIN..=POLL_MAX).contains(poll));
    if poll.is_none() {
        let most = POLL_MAX.as_hours() / 24;
        checker.wrong(path, format!("expected a duration like `15m`, from 1 minute to {most} days, found `{text}`"));
    }
    poll.and_then(|poll| Duration::try_from(poll).ok())
}
