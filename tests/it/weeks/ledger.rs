//! What the forges and registries recorded, cycle by cycle, against what the calendars say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use refrom::demo::server::Exchange;
use refrom::domain::digest::Digest;
use refrom::domain::pull_request::{CommitId, PullRequestState};

use super::at;
use super::calendar::Calendar;
use super::fleet::{CAPS, FORGES, IMAGES, OF_FIRST_REGISTRY, Repository};
use super::house::House;

/// The second registry, and then the first forge: each falls out just before a cycle.
pub const REGISTRY_OUTAGE: (&str, &str) = ("2026-10-21T07:59:00Z", "2026-10-21T19:59:00Z");
pub const FORGE_OUTAGE: (&str, &str) = ("2026-10-27T05:59:00Z", "2026-10-27T15:59:00Z");
/// When the configuration changes.
pub const RELOAD: &str = "2026-11-03T13:00:00Z";
const POLL: SignedDuration = SignedDuration::from_hours(4);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What was proposed, when, to whom.
#[derive(Debug, Clone)]
struct Proposed {
    at: Timestamp,
    image: usize,
    is_opened: bool,
}

/// A repository as the calendars and the records have it.
#[derive(Debug, Default)]
struct Page {
    last_turn: Option<Timestamp>,
    /// The last build that was proposed for each pin, or that it began with.
    proposed: Vec<usize>,
    /// The heads of its pull requests.
    heads: BTreeMap<u64, CommitId>,
    /// The pins with an open pull request, by its number.
    open: BTreeMap<u64, usize>,
}

/// What an image's registry answered last.
#[derive(Debug, Clone, Copy, Default)]
struct Image {
    /// The build that the answer named.
    known: usize,
    is_failing: bool,
}

pub struct Ledger {
    repositories: Vec<Page>,
    images: [Image; IMAGES],
    proposals: Vec<Proposed>,
    whole_cycles: Vec<Timestamp>,
    cycles: usize,
    version: usize,
    /// How many pull requests people closed.
    pub refused: usize,
    /// How often a repository waited for the next hour.
    capped: usize,
    /// Group, forge and zone of those that were proposed to.
    kinds: BTreeSet<(&'static str, &'static str, String)>,
}

impl Ledger {
    pub fn new(house: &House) -> Self {
        let page = |repository: &Repository| Page { proposed: vec![1; repository.pins.len()], ..Page::default() };
        Self {
            repositories: house.repositories.iter().map(page).collect(),
            images: [Image::default(); IMAGES],
            proposals: Vec::new(),
            whole_cycles: Vec::new(),
            cycles: 0,
            version: 0,
            refused: 0,
            capped: 0,
            kinds: BTreeSet::new(),
        }
    }

    pub fn configuration_changed(&mut self) {
        self.version = 1;
    }

    /// Looks at what was done since the last time; a cycle takes no time.
    pub fn cycles_ended(&mut self, house: &mut House) {
        let cycles = house.watched.cycles.borrow().clone();
        if cycles.len() == self.cycles {
            return;
        }
        assert_eq!(cycles.len(), self.cycles + 1, "one cycle at a time");
        self.cycles = cycles.len();
        let now = *house.clock.now.borrow();
        self.read_registries(house);
        let due: Vec<bool> = (0..self.repositories.len()).map(|index| self.is_due(house, index, now)).collect();
        self.read_forges(house, &due, now);
        if cycles.last() == Some(&true) {
            self.whole_cycles.push(now);
            self.expect_nothing_left(house, &due, now);
        }
    }

    fn calendar<'h>(&self, house: &'h House, index: usize) -> &'h Calendar {
        &house.repositories[index].calendars[self.version]
    }

    fn is_due(&self, house: &House, index: usize, now: Timestamp) -> bool {
        let is_out = house.repositories[index].forge == 0 && is_within(FORGE_OUTAGE, now);
        !is_out && self.calendar(house, index).is_due(self.repositories[index].last_turn, now)
    }

    fn read_registries(&mut self, house: &House) {
        for asked in house.take_heads() {
            let Some(name) = asked.path.split("/image-").nth(1) else { continue };
            let image: usize = name.split('/').next().unwrap().parse().unwrap();
            let answered = asked.status == 200;
            assert!(answered || image >= OF_FIRST_REGISTRY, "{asked:?}");
            self.images[image].is_failing = !answered;
            if answered {
                self.images[image].known = house.builds[image];
            }
        }
    }

    /// Every proposal is due, new, of what the registry said, and within the caps.
    fn read_forges(&mut self, house: &House, due: &[bool], now: Timestamp) {
        let writes = house.take_writes();
        if writes.iter().all(Vec::is_empty) {
            return;
        }
        let before = self.proposals.len();
        for (index, due) in due.iter().enumerate() {
            self.read_repository(house, (index, *due), now);
        }
        let opened = self.proposals[before..].iter().filter(|proposed| proposed.is_opened).count();
        let posted = writes.iter().flatten().filter(|it| is_opening(it)).count();
        assert_eq!(posted, opened, "{now}: each opening is asked for once");
        let cap = CAPS[self.version];
        assert!(self.opened_in_hour(now) <= cap, "{now}: {} were opened in an hour", self.opened_in_hour(now));
    }

    fn read_repository(&mut self, house: &House, (index, is_due): (usize, bool), now: Timestamp) {
        let repository = &house.repositories[index];
        let page = &mut self.repositories[index];
        let hosted = house.forges[repository.forge].pull_requests(&repository.name).unwrap();
        for hosted in hosted {
            let before = page.heads.insert(hosted.number, hosted.head.clone());
            if hosted.state != PullRequestState::Open {
                page.open.remove(&hosted.number);
            }
            if before.as_ref() == Some(&hosted.head) {
                continue;
            }
            let what = format!("{now}: {}#{} of {}", repository.name, hosted.number, FORGES[repository.forge]);
            assert!(is_due, "{what}: not due, its last turn was {:?}", page.last_turn);
            assert_eq!(hosted.state, PullRequestState::Open, "{what}");
            let bare = house.forges[repository.forge].repository(&repository.name).unwrap();
            let build = |path: &str| {
                let text = String::from_utf8(bare.read(&hosted.head, path).unwrap().unwrap()).unwrap();
                let digest: Digest = text.trim_end().split('@').nth(1).unwrap().parse().unwrap();
                house.by_digest[&digest].1
            };
            let builds: Vec<usize> = repository.pins.iter().map(|(path, _)| build(path)).collect();
            let new: Vec<usize> = (0..builds.len()).filter(|pin| builds[*pin] > page.proposed[*pin]).collect();
            let [pin] = new[..] else { panic!("{what}: {builds:?} after {:?}", page.proposed) };
            let (image, known) = (repository.pins[pin].1, self.images[repository.pins[pin].1]);
            assert!(!known.is_failing && known.known == builds[pin], "{what}: {builds:?}, and {known:?}");
            page.proposed[pin] = builds[pin];
            page.open.insert(hosted.number, pin);
            page.last_turn = Some(now);
            self.proposals.push(Proposed { at: now, image, is_opened: before.is_none() });
            let zone = repository.calendars[0].zone.iana_name().unwrap().to_owned();
            self.kinds.insert((repository.group, FORGES[repository.forge], zone));
        }
        assert!(page.open.len() <= repository.max_open, "{now}: {}: {} are open", repository.name, page.open.len());
    }

    /// After a cycle over the whole fleet nothing is left behind whose turn it is, unless a cap holds it back.
    fn expect_nothing_left(&mut self, house: &House, due: &[bool], now: Timestamp) {
        // What was opened an hour ago to the second counts for whoever opens more, and not against a cap that held.
        let is_full = self.opened_from(now - HOUR) >= CAPS[self.version];
        for (index, repository) in house.repositories.iter().enumerate() {
            let is_known = repository.pins.iter().all(|(_, image)| !self.images[*image].is_failing);
            if !due[index] || !is_known {
                continue;
            }
            let page = &mut self.repositories[index];
            let behind: Vec<usize> = (0..repository.pins.len())
                .filter(|pin| page.proposed[*pin] < self.images[repository.pins[*pin].1].known)
                .collect();
            let is_new = behind.iter().all(|pin| !page.open.values().any(|open| open == pin));
            if behind.is_empty() {
                page.last_turn = Some(now);
            } else if is_new && page.open.len() >= repository.max_open {
                // It waits for what is open.
            } else if is_new && is_full {
                self.capped += 1;
            } else {
                panic!("{now}: {} waits though its turn has come: {page:?}", repository.name);
            }
        }
    }

    fn opened_in_hour(&self, now: Timestamp) -> usize {
        self.opened_from(now - HOUR + SignedDuration::from_secs(1))
    }

    fn opened_from(&self, from: Timestamp) -> usize {
        let opened = self.proposals.iter().rev().take_while(|proposed| proposed.at >= from);
        opened.filter(|proposed| proposed.is_opened).count()
    }

    /// What every part of these weeks has to have shown.
    pub fn finish(&self, begin: Timestamp, end: Timestamp) {
        let mut expected = Vec::new();
        for (from, until) in [(begin, at(RELOAD)), (at(RELOAD), end)] {
            let mut now = from;
            while now < until {
                expected.push(now);
                now += POLL;
            }
        }
        assert_eq!(self.whole_cycles, expected, "the fleet is looked at with every poll");
        assert!(self.capped > 0 && self.refused > 0, "{} {}", self.capped, self.refused);
        assert_eq!(self.kinds.len(), 10 * 2 * 2, "{:#?}", self.kinds);
        let second_registry = |proposed: &&Proposed| proposed.image >= OF_FIRST_REGISTRY;
        let count = |(from, to): (Timestamp, Timestamp)| {
            self.proposals.iter().filter(move |proposed| from <= proposed.at && proposed.at < to)
        };
        let outage = (at(REGISTRY_OUTAGE.0), at(REGISTRY_OUTAGE.1));
        assert_eq!(count(outage).filter(second_registry).count(), 0);
        assert!(count(outage).count() > 0, "the other registry goes on");
        assert!(count((outage.1, outage.1 + HOUR)).filter(second_registry).count() > 0, "they are caught up");
        for (from, to) in
            [("2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z"), ("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z")]
        {
            assert!(count((at(from), at(to))).count() > 0, "clocks change, and it goes on");
        }
    }
}

fn is_within((from, to): (&str, &str), now: Timestamp) -> bool {
    at(from) <= now && now < at(to)
}

fn is_opening(exchange: &Exchange) -> bool {
    let path = exchange.path.split('?').next().unwrap();
    exchange.method == "POST" && (path.ends_with("/pulls") || path.ends_with("/merge_requests"))
}
