//! What holds of every cadence, whatever it says and whenever it is asked.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refrom::domain::cadence::{Cadence, Days, Due, Edge, Freeze, Schedule, Span, Spread, TimeOfDay, Window};
use refrom::domain::candidates::RepositoryKey;

use crate::laws::law;

/// 2026-01-01, and two years.
const START: i64 = 1_767_225_600;
const SECONDS: i64 = 2 * 365 * 86_400;
const SCHEDULES: [&str; 8] =
    ["daily", "weekdays", "weekly", "monthly", "30 2 * * *", "*/30 * * * *", "0 9 * * 1", "0 0 1,15 * *"];
/// The last two change their clocks, on different days.
const ZONES: [&str; 4] = ["UTC", "Asia/Tokyo", "Europe/Berlin", "America/New_York"];

fn repository(number: u32) -> RepositoryKey {
    RepositoryKey { forge: "github".to_owned(), name: format!("acme/service-{number}").parse().unwrap() }
}

fn time(minutes: u16) -> TimeOfDay {
    TimeOfDay::parse(&format!("{:02}:{:02}", minutes / 60, minutes % 60)).unwrap()
}

fn schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        4 => prop::sample::select(SCHEDULES.to_vec()).prop_map(|text| text.parse().unwrap()),
        1 => prop::sample::select(vec!["1h", "6h", "25h", "2w"]).prop_map(|text| Schedule::every(text).unwrap()),
    ]
}

fn window() -> impl Strategy<Value = Window> {
    let days = prop::collection::vec(prop::sample::select(Days::NAMES.to_vec()), 1..5);
    let span = (days, 0..1440_u16, 0..1440_u16).prop_map(|(days, from, to)| Span {
        days: days.iter().filter_map(|name| Days::named(name)).fold(Days::NONE, Days::with),
        from: time(from),
        to: time(if from == to { (to + 1) % 1440 } else { to }),
    });
    prop::collection::vec(span, 1..4).prop_map(|spans| Window::new(spans).unwrap())
}

fn freeze() -> impl Strategy<Value = Freeze> {
    (0..730_i64, 0..40_i64).prop_map(|(start, days)| {
        let date = |day: i64| {
            let at = Timestamp::from_second(START + day * 86_400).unwrap();
            Edge::parse(&TimeZone::UTC.to_datetime(at).date().to_string()).unwrap()
        };
        Freeze::new(date(start), date(start + days), "because").unwrap()
    })
}

fn cadence(zones: &'static [&'static str]) -> impl Strategy<Value = Cadence> {
    let windows = prop::collection::vec(window(), 0..2);
    let freezes = prop::collection::vec(freeze(), 0..4);
    (prop::option::weighted(0.9, schedule()), windows, freezes, prop::sample::select(zones.to_vec()), 0..7200_i64)
        .prop_map(|(schedule, windows, freezes, zone, jitter)| {
            let mut cadence = Cadence { jitter: SignedDuration::from_secs(jitter), ..Cadence::default() };
            cadence.set_zone(TimeZone::get(zone).unwrap());
            cadence.set_schedule(schedule, "refrom.yaml:1:1".to_owned());
            windows.into_iter().for_each(|window| cadence.add_window(window, "refrom.yaml:2:1".to_owned()));
            freezes.into_iter().for_each(|freeze| cadence.add_freeze(freeze, "refrom.yaml:3:1".to_owned()));
            cadence
        })
}

/// A last turn, and how many seconds ago it was.
fn times() -> impl Strategy<Value = (Option<Timestamp>, Timestamp)> {
    (START..START + SECONDS, prop::option::weighted(0.9, 0..90 * 86_400_i64)).prop_map(|(now, ago)| {
        let at = |second| Timestamp::from_second(second).unwrap();
        (ago.map(|ago| at(now - ago)), at(now))
    })
}

/// Whether windows and freezes let through, by what the clock shows: right where no clock ever changes.
fn is_open(cadence: &Cadence, at: Timestamp) -> bool {
    let clock: DateTime = cadence.zone.to_datetime(at);
    let minute = |at: TimeOfDay| at.to_string();
    let now = clock.strftime("%H:%M").to_string();
    let in_span = |span: &Span| {
        let (today, yesterday) = (clock.date().weekday(), clock.date().yesterday().unwrap().weekday());
        let (from, to) = (minute(span.from), minute(span.to));
        if from < to {
            span.days.contains(today) && from <= now && now < to
        } else {
            span.days.contains(today) && from <= now || span.days.contains(yesterday) && now < to
        }
    };
    let in_freeze = |freeze: &Freeze| {
        let day = clock.date().to_string();
        freeze.from().to_string() <= day && day <= freeze.to().to_string()
    };
    cadence.windows.iter().all(|window| window.value.spans().iter().any(in_span))
        && !cadence.freezes.iter().any(|freeze| in_freeze(&freeze.value))
}

proptest! {
    #![proptest_config(law(400))]

    #[test]
    fn what_is_due_lies_in_its_windows_and_in_no_freeze(
        cadence in cadence(&ZONES[..2]), (last, now) in times(), number in 0..50_u32
    ) {
        let at = match cadence.due(&repository(number), last, now) {
            Due::Now { .. } => now,
            Due::Later(wait) => wait.until.timestamp(),
        };
        prop_assert!(is_open(&cadence, at), "{at}");
        prop_assert!(at >= now && last.is_none_or(|last| at >= last));
    }

    #[test]
    fn a_turn_comes_after_the_last_one_and_what_was_promised_is_kept(
        cadence in cadence(&ZONES), (last, now) in times(), number in 0..50_u32, part in 0.0..1.0_f64
    ) {
        let repository = repository(number);
        let Due::Later(wait) = cadence.due(&repository, last, now) else { return Ok(()) };
        let until = wait.until.timestamp();
        prop_assert!(until > now);
        prop_assert!(matches!(cadence.due(&repository, last, until), Due::Now { .. }), "due at {until}");
        let ahead = until.duration_since(now).as_secs_f64() * part;
        let between = now.saturating_add(SignedDuration::from_secs(ahead as i64)).unwrap();
        prop_assume!(between < until);
        let meanwhile = cadence.due(&repository, last, between);
        prop_assert_eq!(meanwhile.at().map(|at| at.timestamp()), Some(until), "asked at {}", between);
    }

    #[test]
    fn however_many_turns_were_missed_one_is_due(
        cadence in cadence(&ZONES), (last, now) in times(), number in 0..50_u32
    ) {
        let repository = repository(number);
        prop_assume!(cadence.schedule.is_some() && cadence.due(&repository, last, now).at().is_none());
        prop_assert!(cadence.due(&repository, Some(now), now).at().is_some());
    }

    #[test]
    fn the_next_times_are_what_a_repository_gets(cadence in cadence(&ZONES), (_, now) in times(), number in 0..50_u32) {
        let repository = repository(number);
        prop_assume!(cadence.schedule.is_some());
        let mut last = now;
        for next in cadence.upcoming(Spread::of(&repository), now, 5) {
            let due = cadence.due(&repository, Some(last), last);
            prop_assert_eq!(due.at(), Some(&next.at));
            prop_assert!(next.at.timestamp() > last);
            last = next.at.timestamp();
        }
    }
}

/// In how many of the equal parts of a length of time how many of a thousand repositories start.
fn starts(cadence: &Cadence, parts_seconds: i64) -> BTreeMap<i64, u32> {
    let last: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let mut starts = BTreeMap::new();
    for number in 0..1000 {
        let due = cadence.due(&repository(number), Some(last), last);
        let again = cadence.due(&repository(number), Some(last), last);
        assert_eq!(due, again, "a place stays");
        let at = due.at().unwrap().timestamp().as_second();
        *starts.entry(at.div_euclid(parts_seconds)).or_default() += 1;
    }
    starts
}

#[test]
fn a_thousand_repositories_with_one_schedule_are_spread_evenly() {
    let mut cadence = Cadence::default();
    cadence.set_schedule("daily".parse().ok(), String::new());
    let minutes = starts(&cadence, 60);
    assert_eq!(minutes.len(), 30);
    assert!(minutes.values().all(|count| (12..=60).contains(count)), "{minutes:?}");
    cadence.set_schedule(Schedule::every("6h").ok(), String::new());
    let quarters = starts(&cadence, 900);
    assert_eq!(quarters.len(), 24);
    assert!(quarters.values().all(|count| (20..=70).contains(count)), "{quarters:?}");
}

#[test]
fn those_that_wait_for_one_window_do_not_start_when_it_opens() {
    let mut cadence = Cadence::default();
    cadence.set_schedule("daily".parse().ok(), String::new());
    let span = |from, to| Span { days: Days::EVERY, from: time(from), to: time(to) };
    cadence.set_window(Window::new(vec![span(540, 1020)]).unwrap(), String::new());
    let minutes = starts(&cadence, 60);
    assert!(minutes.len() == 30 && minutes.values().all(|count| (12..=60).contains(count)), "{minutes:?}");
    // A window that is shorter than the jitter takes all of them.
    cadence.set_window(Window::new(vec![span(540, 550)]).unwrap(), String::new());
    let minutes = starts(&cadence, 60);
    assert!(minutes.len() == 10 && minutes.values().all(|count| (60..=140).contains(count)), "{minutes:?}");
}

#[test]
fn whoever_looks_once_a_day_when_the_window_opens_finds_each_repository_due_on_the_next_day_at_the_latest() {
    let mut cadence = Cadence::default();
    cadence.set_schedule("daily".parse().ok(), String::new());
    let office = Span { days: Days::EVERY, from: time(540), to: time(1020) };
    cadence.set_window(Window::new(vec![office]).unwrap(), String::new());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let last = at("2026-11-18T09:00:05Z");
    let is_due = |number: u32, now: &str| cadence.due(&repository(number), Some(last), at(now)).at().is_none();
    let soon = (0..100).filter(|number| is_due(*number, "2026-11-19T09:00:05Z")).count();
    assert!(soon < 20, "{soon} do not wait for their place");
    assert!(
        (0..100).all(|number| is_due(number, "2026-11-20T09:00:05Z")),
        "a place that was passed by is not waited for"
    );
}

#[test]
fn a_turn_waits_for_its_window_and_says_which_rules_make_it_so() {
    let mut cadence = Cadence { jitter: SignedDuration::ZERO, ..Cadence::default() };
    cadence.set_zone(TimeZone::get("Europe/Berlin").unwrap());
    cadence.set_schedule("weekly".parse().ok(), "refrom.yaml:2:13".to_owned());
    let office = Span { days: Days::WEEKDAYS, from: time(540), to: time(1020) };
    cadence.set_window(Window::new(vec![office]).unwrap(), "refrom.yaml:3:11".to_owned());
    let (from, to) = (Edge::parse("2026-12-20").unwrap(), Edge::parse("2027-01-06").unwrap());
    cadence.add_freeze(Freeze::new(from, to, "year end").unwrap(), "refrom.yaml:4:12".to_owned());
    let repository = repository(1);
    let says = |last: &str, now: &str| match cadence.due(&repository, last.parse().ok(), now.parse().unwrap()) {
        Due::Now { because } => format!("now: {because}"),
        Due::Later(wait) => wait.to_string(),
    };
    let thursday = "2026-11-19T12:00:00Z";
    assert_eq!(
        says(thursday, "2026-11-20T12:00:00Z"),
        "not due until 2026-11-23 09:00 CET: schedule `weekly` (refrom.yaml:2:13), then window `weekdays 09:00–17:00` \
         (refrom.yaml:3:11)"
    );
    assert_eq!(
        says(thursday, "2026-11-23T06:00:00Z"),
        "outside of its window until 2026-11-23 09:00 CET: window `weekdays 09:00–17:00` (refrom.yaml:3:11)"
    );
    assert_eq!(says(thursday, "2026-11-23T08:00:00Z"), "now: schedule `weekly` (refrom.yaml:2:13)");
    assert_eq!(says("", "2026-11-23T08:00:00Z"), "now: schedule `weekly` (refrom.yaml:2:13), its first turn");
    assert_eq!(
        says(thursday, "2026-12-21T08:00:00Z"),
        "frozen until 2027-01-07 09:00 CET: freeze `year end` (2026-12-20 to 2027-01-06) (refrom.yaml:4:12), then window \
         `weekdays 09:00–17:00` (refrom.yaml:3:11)"
    );
    cadence.set_schedule(None, String::new());
    let due = cadence.due(&repository, None, "2026-11-20T12:00:00Z".parse().unwrap());
    assert_eq!(due, Due::Now { because: "no schedule".to_owned() });
}

#[test]
fn a_clock_that_was_years_ahead_starves_nobody() {
    let mut cadence = Cadence { jitter: SignedDuration::ZERO, ..Cadence::default() };
    cadence.set_schedule("daily".parse().ok(), String::new());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let due = cadence.due(&repository(1), Some(at("2031-01-01T00:00:00Z")), at("2026-11-20T12:00:00Z"));
    assert_eq!(due.at().map(|due| due.timestamp()), Some(at("2026-11-21T00:00:00Z")));
}

#[test]
fn windows_that_never_meet_leave_no_time_and_are_a_conflict() {
    let span = |name, from, to| Window::new(vec![Span { days: Days::named(name).unwrap(), from, to }]).unwrap();
    let (noon, night) = (time(720), TimeOfDay::END_OF_DAY);
    let mut cadence = Cadence::default();
    cadence.set_window(span("mon", TimeOfDay::MIDNIGHT, noon), "a".to_owned());
    assert_eq!(cadence.conflict(), None);
    cadence.add_window(span("mon", noon, night), "b".to_owned());
    let conflict = cadence.conflict().unwrap().to_string();
    assert_eq!(conflict, "the window `mon 12:00–24:00` (b) never meets the window `mon 00:00–12:00` (a)");
    let Due::Later(wait) = cadence.due(&repository(1), None, Timestamp::UNIX_EPOCH) else { panic!("it is due") };
    assert_eq!(wait.until.timestamp(), Timestamp::MAX);
}
