//! What holds of every rollback, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refrom::domain::candidates::{Candidate, RepositoryKey, UseState};
use refrom::domain::denial::{Denial, Denials, Merged};
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::ledger::History;
use refrom::domain::marker::{Marker, MarkerPin};
use refrom::domain::plan::{Action, Knowledge, Plan};
use refrom::domain::policy::{Follow, Grouping, Policy};
use refrom::domain::proposal::{Evidence, NoImage, Pin, Reason};
use refrom::domain::pull_request::PullRequestState;
use refrom::domain::reference::TagRef;
use refrom::domain::tag_list::TagList;
use refrom::domain::target::{Choice, Rules, choose, wanted};
use refrom::domain::waves::{Adoptions, Pinned, changes};

use crate::laws::law;
use crate::plan_world::{Content, World, digest, tag};

const REPOS: [&str; 3] = ["acme/api", "acme/shop", "acme/web"];
const TAGS: [&str; 2] = ["dhi.io/nginx:1", "dhi.io/node:2"];
/// The digests of all tags. Fewer than are looked up on a way back.
const LETTERS: std::ops::Range<char> = 'a'..'j';
/// Rounds of a cycle and of merging everything, after which nothing moves any more.
const ROUNDS: usize = 6;

/// Something that happens in an hour.
#[derive(Debug, Clone)]
enum Event {
    Move(usize, char),
    Cycle,
    Merge(usize),
}

/// A digest that is taken back.
#[derive(Debug, Clone)]
struct TakenBack {
    tag: usize,
    letter: char,
    is_of_all_tags: bool,
    to: Option<char>,
}

#[derive(Debug, Clone)]
struct Story {
    events: Vec<Event>,
    group: Grouping,
    min_age: i64,
    settle: i64,
    /// One after the other.
    taken_back: Vec<TakenBack>,
    /// What the registry has lost by then.
    gone: BTreeSet<char>,
}

fn letter() -> impl Strategy<Value = char> {
    prop::sample::select(LETTERS.collect::<Vec<_>>())
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..TAGS.len(), letter()).prop_map(|(tag, letter)| Event::Move(tag, letter)),
        3 => Just(Event::Cycle),
        2 => (0..REPOS.len()).prop_map(Event::Merge),
    ]
}

fn taken_back() -> impl Strategy<Value = TakenBack> {
    (0..TAGS.len(), letter(), any::<bool>(), prop::option::weighted(0.3, letter())).prop_map(
        |(tag, letter, is_of_all_tags, to)| {
            // The command refuses the very digest.
            TakenBack { tag, letter, is_of_all_tags, to: to.filter(|to| *to != letter) }
        },
    )
}

fn story() -> impl Strategy<Value = Story> {
    let group = prop_oneof![Just(Grouping::Repository), Just(Grouping::Image), Just(Grouping::File)];
    let events = prop::collection::vec(event(), 0..40);
    let gone = prop::collection::btree_set(letter(), 0..8);
    let taken_back = prop::collection::vec(taken_back(), 1..4);
    (events, group, 0..3_i64, 0..3_i64, taken_back, gone).prop_map(
        |(events, group, min_age, settle, taken_back, gone)| Story { events, group, min_age, settle, taken_back, gone },
    )
}

/// A world with what was read on base branches.
struct Told {
    world: World,
    adoptions: Adoptions,
}

impl Told {
    fn of(story: &Story) -> Self {
        let mut world = World::new();
        for repo in REPOS {
            for path in ["Dockerfile", "web/Dockerfile"] {
                TAGS.iter().for_each(|tag| world.pin(repo, path, tag, 'a'));
            }
            let policy = &mut world.repo(repo).policy;
            policy.group = story.group;
            policy.min_age = SignedDuration::from_hours(story.min_age);
            policy.settle = SignedDuration::from_hours(story.settle);
        }
        let mut told = Self { world, adoptions: Adoptions::new() };
        told.look();
        for event in &story.events {
            match event {
                Event::Move(tag, letter) => told.world.moves(TAGS[*tag], *letter),
                Event::Cycle => drop(told.world.cycle()),
                Event::Merge(repo) => told.merge_all(REPOS[*repo]),
            }
            told.look();
        }
        told
    }

    /// An hour goes by, and every tag and base branch is looked at.
    fn look(&mut self) {
        self.world.hour += 1;
        let now = self.world.now();
        for (tag, digest) in self.world.tags.clone() {
            self.world.ledger.note(tag, digest.unwrap(), now);
        }
        let mut pinned = Pinned::new();
        for facts in self.world.facts() {
            let tags = pinned.entry(facts.key()).or_default();
            for found in facts.files.iter().flat_map(|file| &file.uses) {
                tags.entry(found.tracked().unwrap()).or_default().extend(found.digest.map(Some));
            }
        }
        changes(&self.adoptions, &pinned).apply(&mut self.adoptions, now);
        self.world.denials.merged = merged(&self.adoptions);
    }

    fn merge_all(&mut self, repo: &str) {
        let open = self.world.repos[repo].pull_requests.iter().filter(|it| it.state == PullRequestState::Open);
        let numbers: Vec<u64> = open.map(|it| it.number).collect();
        numbers.into_iter().for_each(|number| self.world.merge(number));
    }

    /// Cycles and merges until nothing moves.
    fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.world.cycle();
            REPOS.iter().for_each(|repo| self.merge_all(repo));
            self.look();
        }
    }

    fn take_back(&mut self, taken_back: &TakenBack) {
        let TagRef { image, tag: name } = tag(TAGS[taken_back.tag]);
        let denial = Denial {
            image,
            tag: (!taken_back.is_of_all_tags).then_some(name),
            digest: digest(taken_back.letter),
            to: taken_back.to.map(digest),
            reason: "slow".to_owned(),
            at: self.world.now(),
        };
        self.world.denials.denials.push(denial);
    }

    fn is_denied(&self, tag: &TagRef, digest: &Digest) -> bool {
        self.world.denials.of(tag, digest).is_some()
    }

    fn is_there(&self, digest: &Digest) -> bool {
        !matches!(self.world.contents.get(digest), Some(Content::Gone))
    }

    /// Where a pin at a denied digest could go: back, or on to what its tag points to.
    fn exits(&self, key: &RepositoryKey, tag: &TagRef, pinned: &Digest) -> Vec<Digest> {
        let history = self.world.ledger.history(tag).unwrap();
        let back = self.world.denials.way_back(key, tag, (pinned, Follow::Digest), Some(history));
        let back = back.into_iter().flat_map(|back| back.ways).map(|way| way.digest);
        let on = forward(history, pinned).filter(|on| !self.is_denied(tag, on));
        back.chain(on).filter(|digest| self.is_there(digest)).collect()
    }

    /// The pins that are at a denied digest, by repository.
    fn left(&self) -> Vec<(RepositoryKey, TagRef, Digest)> {
        let pins = self.world.facts().into_iter().flat_map(|facts| {
            let uses = facts.files.clone().into_iter().flat_map(|file| file.uses);
            uses.map(move |found| (facts.key(), found.tracked().unwrap(), found.digest.unwrap()))
        });
        pins.filter(|(_, tag, digest)| self.is_denied(tag, digest)).collect()
    }
}

fn merged(adoptions: &Adoptions) -> Merged {
    let mut merged = Merged::new();
    for (tag, repositories) in adoptions {
        for (key, rows) in repositories {
            merged.entry(key.clone()).or_default().insert(tag.clone(), rows.clone());
        }
    }
    merged
}

/// What the tag points to, where that is a step forward.
fn forward(history: &History, pinned: &Digest) -> impl Iterator<Item = Digest> {
    let head = history.head().unwrap().digest;
    Some(head).filter(|head| head != pinned && !history.is_backwards(pinned, head)).into_iter()
}

fn proposed(plan: &Plan) -> impl Iterator<Item = &Pin> {
    let actions = plan.repositories.iter().flat_map(|repository| &repository.actions);
    let proposals = actions.filter_map(|action| match action {
        Action::Open { proposal, .. } | Action::Update { proposal, .. } => Some(proposal),
        Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => None,
    });
    proposals.flat_map(|proposal| proposal.changes.values().flatten())
}

/// The tags that a pin follows.
const VERSIONS: [&str; 3] = ["dhi.io/nginx:1.26", "dhi.io/nginx:1.27", "dhi.io/nginx:1.28"];

fn release(number: usize) -> Digest {
    Digest::of(format!("release {number}").as_bytes())
}

/// One pin on its way over digests and versions, and maybe another one of the same repository.
struct Road {
    policy: Policy,
    knowledge: Knowledge,
    key: RepositoryKey,
    now: Timestamp,
    releases: usize,
    /// Where it was, one after the other; the last is where it is.
    walked: Vec<(TagRef, Digest)>,
    /// The other pin stays where both began for so many steps, then it goes the same way, a look later each time.
    stays: Option<usize>,
    adoptions: Adoptions,
    gone: BTreeSet<Digest>,
}

impl Road {
    fn new(stays: Option<usize>) -> Self {
        let key = RepositoryKey { forge: "github".to_owned(), name: "acme/web".parse().unwrap() };
        let policy = Policy { follow: Follow::Minor, ..Policy::default() };
        let (now, knowledge) = (Timestamp::UNIX_EPOCH, Knowledge::default());
        let (walked, adoptions, gone) = (Vec::new(), Adoptions::new(), BTreeSet::new());
        let mut road = Self { policy, knowledge, key, now, releases: 0, walked, stays, adoptions, gone };
        road.release(0);
        road.goes_to((tag(VERSIONS[0]), release(0)));
        road
    }

    /// A version gets its next digest; it is there with its first one.
    fn release(&mut self, version: usize) {
        self.now += SignedDuration::from_hours(1);
        let (tag, digest) = (tag(VERSIONS[version]), release(self.releases));
        self.releases += 1;
        let tags = self.knowledge.tags.entry(tag.image.clone()).or_insert_with(|| Ok(TagList::default()));
        tags.as_mut().unwrap().insert(tag.tag.clone());
        self.knowledge.ledger.note(tag.clone(), digest, self.now);
        self.knowledge.observations.insert(tag, Ok(digest));
    }

    fn goes_to(&mut self, goal: (TagRef, Digest)) {
        let before = self.walked.last().unwrap_or(&goal).clone();
        self.walked.push(goal.clone());
        let steps = self.walked.len() - 1;
        match self.stays {
            None => self.look(&[goal]),
            Some(stays) if steps < stays => self.look(&[goal, self.walked[0].clone()]),
            Some(stays) => {
                let other = if steps == stays { self.walked[0].clone() } else { before };
                self.look(&[goal.clone(), other]);
                self.look(&[goal]);
            }
        }
    }

    /// The base branch is read, with pins at these.
    fn look(&mut self, pins: &[(TagRef, Digest)]) {
        self.now += SignedDuration::from_hours(1);
        let mut tags: BTreeMap<TagRef, BTreeSet<Option<Digest>>> = BTreeMap::new();
        for (tag, digest) in pins {
            tags.entry(tag.clone()).or_default().insert(Some(*digest));
        }
        let pinned = Pinned::from([(self.key.clone(), tags)]);
        changes(&self.adoptions, &pinned).apply(&mut self.adoptions, self.now);
        self.knowledge.denials.merged = merged(&self.adoptions);
    }

    fn deny(&mut self, (tag, digest): &(TagRef, Digest)) {
        let (image, tag, reason, at) = (tag.image.clone(), Some(tag.tag.clone()), "slow".to_owned(), self.now);
        self.knowledge.denials.denials.push(Denial { image, tag, digest: *digest, to: None, reason, at });
    }

    fn lose(&mut self, gone: impl Iterator<Item = Digest>) {
        self.gone.extend(gone);
        self.knowledge.evidence.clear();
    }

    /// Where it goes once everything is looked up that it depends on.
    fn goes(&mut self) -> Option<(TagRef, Digest)> {
        let (tag, old) = self.walked.last().cloned().unwrap();
        let state = match self.knowledge.observations[&tag] {
            Ok(new) if new == old => UseState::Current,
            Ok(new) => UseState::Behind { new },
            Err(_) => unreachable!("every tag answers"),
        };
        let candidate = Candidate {
            path: "Dockerfile".to_owned(),
            use_index: 0,
            line: 1,
            can_change_tag: true,
            asked: tag.clone(),
            tag,
            old: Some(old),
            state,
            in_use: Vec::new(),
            place: 0,
        };
        loop {
            let (knowledge, now) = (&self.knowledge, self.now);
            let rules = Rules { repository: Some(&self.key), policy: &self.policy, knowledge, now };
            let moves = wanted(&candidate, &rules);
            if moves.is_empty() {
                return match choose(&candidate, &rules) {
                    Choice::Propose(pin) => Some((pin.asked, pin.new)),
                    Choice::Wait(_) | Choice::Nothing => None,
                };
            }
            for wanted in moves {
                let image = |digest: Digest| match self.gone.contains(&digest) {
                    true => Err(NoImage::Gone),
                    false => Ok(Image::bare(digest, ManifestKind::Index)),
                };
                let (new, old) = (image(wanted.new), image(wanted.old.unwrap()));
                let evidence = Evidence { new, old, in_mirror: None, contents: BTreeMap::new() };
                self.knowledge.evidence.insert(wanted, evidence);
            }
        }
    }
}

proptest! {
    #![proptest_config(law(100))]

    #[test]
    fn a_rollback_ends_with_nobody_on_the_digest_wherever_anything_else_exists(story in story()) {
        let mut told = Told::of(&story);
        story.gone.iter().for_each(|letter| drop(told.world.contents.insert(digest(*letter), Content::Gone)));
        for taken_back in &story.taken_back {
            told.take_back(taken_back);
            let plan = told.world.plan();
            for pin in proposed(&plan) {
                prop_assert!(!told.is_denied(&pin.asked, &pin.new) && told.is_there(&pin.new), "{:?}", pin);
            }
            told.world.apply(&plan);
            prop_assert!(told.world.plan().is_empty(), "applying a plan leaves an empty one");
            let tag_of = |pin: &MarkerPin| TagRef { image: pin.image.clone(), tag: pin.tag.clone() };
            let is_denied = |pin: &MarkerPin| told.is_denied(&tag_of(pin), &pin.new);
            let proposes = |body: &str| Marker::read(body).unwrap().pins.iter().any(is_denied);
            for open in told.world.repos.values().flat_map(|repo| &repo.pull_requests) {
                prop_assert!(open.state != PullRequestState::Open || !proposes(&open.body), "{:?} stays open", open.branch);
            }
        }
        told.settle();
        let left = told.left();
        for (key, tag, pinned) in &left {
            prop_assert_eq!(told.exits(key, tag, pinned), Vec::new(), "{:?} at {:?} of {:?}", key, pinned, tag);
        }
        // Only where nobody knows another digest, and everybody says so.
        let plan = told.world.plan();
        prop_assert!(plan.is_empty());
        let waiting = plan.repositories.iter().flat_map(|repository| &repository.not_proposed);
        let says = waiting.filter(|pin| matches!(&pin.reason, Reason::NoWayBack { digest, .. } if pin.old == Some(*digest)));
        prop_assert_eq!(says.count(), left.len());

        // Once all of it is allowed again it is proposed wherever the tag is at it and it is a step forward.
        told.world.denials = Denials { denials: Vec::new(), ..std::mem::take(&mut told.world.denials) };
        told.settle();
        for (tag, head) in told.world.tags.clone() {
            let (head, history) = (head.unwrap(), told.world.ledger.history(&tag).unwrap());
            for pin in told.world.repos.values().flat_map(|repo| &repo.pins).filter(|pin| pin.tag == tag) {
                let is_newer = history.is_backwards(&pin.digest, &head);
                prop_assert!(pin.digest == head || is_newer || !told.is_there(&head), "{:?}: {:?}", pin, history);
            }
        }
    }

    #[test]
    fn who_followed_a_version_goes_back_the_way_that_he_came(
        steps in prop::collection::vec(prop_oneof![(0..VERSIONS.len()).prop_map(Some), Just(None)], 0..20),
        denied in 1..5_usize,
        gone in prop::collection::btree_set(0..20_usize, 0..4),
        stays in prop::option::of(0..8_usize),
    ) {
        let mut road = Road::new(stays);
        for step in steps {
            match step {
                Some(version) => road.release(version),
                None => road.goes().into_iter().for_each(|goal| road.goes_to(goal)),
            }
        }
        let walked = road.walked.clone();
        let (here, before) = walked.split_last().unwrap();
        // The present digest, and some that it had before.
        walked.iter().rev().take(denied).for_each(|stay| road.deny(stay));
        road.lose(gone.into_iter().map(release));
        // What it had of its tag, and of the one from which it came to that.
        let arrived = walked.iter().position(|(tag, _)| *tag == here.0).unwrap();
        let is_good = |(tag, digest): &&(TagRef, Digest)| {
            road.knowledge.denials.of(tag, digest).is_none() && !road.gone.contains(digest)
        };
        let expected = before.iter().skip(arrived.saturating_sub(1)).rev().find(is_good).cloned();
        let goal = road.goes();
        if expected.is_some() {
            prop_assert_eq!(&goal, &expected, "{:?}, {:?}", walked, stays);
        }
        let mut goal = goal;
        for _ in 0..ROUNDS {
            let Some(stay) = goal else { break };
            prop_assert!(road.knowledge.denials.of(&stay.0, &stay.1).is_none() && !road.gone.contains(&stay.1));
            road.goes_to(stay);
            goal = road.goes();
        }
        prop_assert_eq!(goal, None, "it comes to rest");
    }
}
