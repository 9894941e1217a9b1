//! Which digest a pin moves to, by table: one pin, one tag, and what each rule says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::candidates::{Candidate, RepositoryKey, Unanswered, Unknown, UseState};
use refrom::domain::denial::Denial;
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind, Platform};
use refrom::domain::ledger::{History, Sighting};
use refrom::domain::marker::{Marker, MarkerPin};
use refrom::domain::pattern::Pattern;
use refrom::domain::plan::{Knowledge, Missing, Refusals};
use refrom::domain::policy::{CommentMode, DeniedDigest, Follow, Policy, Unchanged};
use refrom::domain::proposal::{Evidence, NoImage, Pin, Reason, Urgency};
use refrom::domain::pull_request::{Mergeable, Pipeline, PullRequest, PullRequestState};
use refrom::domain::reference::{Tag, TagRef};
use refrom::domain::tag_list::TagList;
use refrom::domain::target::{
    BACK_LOOKED_UP_MAX, Choice, Considered, LOOKED_UP_MAX, NOT_IN_MIRROR_MAX, Rules, choose, higher_tags, stays, wanted,
};
use refrom::domain::waves::{Adoption, Advance, Wave, WaveCause, WaveFacts, Waves};

use crate::plan_world::{branch, commit, digest, letter, manifests, tag};

/// One pin of `harbor.acme.internal/dhi/nginx:1`, asked for as `dhi.io/nginx:1`, and what is known of its tag.
#[derive(Clone)]
pub struct Bench {
    /// `1`, unless somebody says another one before anything is seen.
    pub tag: Tag,
    pub policy: Policy,
    pub knowledge: Knowledge,
    pub pinned: Option<Digest>,
    pub now: Timestamp,
    sightings: Vec<Sighting>,
    pinned_since: BTreeMap<Digest, Timestamp>,
    /// What the registry says where a digest is no index of two platforms.
    pub images: BTreeMap<Digest, Result<Image, NoImage>>,
    /// Whether the mirror has them; it does where nothing is said.
    pub mirrored: BTreeMap<Digest, Result<bool, Unanswered>>,
}

pub fn written() -> TagRef {
    tag("harbor.acme.internal/dhi/nginx:1")
}

pub fn asked() -> TagRef {
    tag("dhi.io/nginx:1")
}

pub fn repository() -> RepositoryKey {
    RepositoryKey { forge: "github".to_owned(), name: "acme/web".parse().unwrap() }
}

pub fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn index(digest: Digest) -> Image {
    let manifests = manifests(&["amd64", "arm64"], letter(&digest));
    Image { manifests, ..Image::bare(digest, ManifestKind::Index) }
}

impl Bench {
    /// A pin at this digest before anything was seen.
    pub fn at(pinned: char) -> Self {
        Self {
            tag: asked().tag,
            policy: Policy::default(),
            knowledge: Knowledge::default(),
            pinned: Some(digest(pinned)),
            now: Timestamp::from_second(0).unwrap(),
            sightings: Vec::new(),
            pinned_since: BTreeMap::new(),
            images: BTreeMap::new(),
            mirrored: BTreeMap::new(),
        }
    }

    /// A pin at one of these, or at another; the tag pointed to them in this order, an hour each.
    pub fn seen(pinned: char, letters: &str) -> Self {
        let mut bench = Self::at(pinned);
        for letter in letters.chars() {
            bench.after(1, digest(letter));
        }
        bench
    }

    /// So many hours later the tag points to this digest, and that is looked at.
    pub fn after(&mut self, hours: i64, head: Digest) {
        self.now += self::hours(hours);
        self.pinned_since.retain(|digest, _| Some(*digest) == self.pinned);
        if let Some(pinned) = self.pinned {
            self.pinned_since.entry(pinned).or_insert(self.now);
        }
        self.sightings.push(Sighting { digest: head, first_seen: self.now, last_seen: self.now });
        self.knowledge.observations.insert(self.asked(), Ok(head));
        let history = History::new(self.sightings.iter().copied(), self.pinned_since.clone());
        self.sightings = history.sightings().to_vec();
        self.knowledge.ledger.insert(self.asked(), history);
    }

    /// Another tag of the image points to this digest now, and that is looked at.
    pub fn also(&mut self, tag: &Tag, head: Digest) {
        let other = TagRef { tag: tag.clone(), ..asked() };
        self.knowledge.ledger.note(other.clone(), head, self.now);
        self.knowledge.observations.insert(other, Ok(head));
        if let Ok(tags) = self.knowledge.tags.entry(asked().image).or_insert(Ok(TagList::default())) {
            tags.insert(tag.clone());
        }
    }

    /// The registry lists another tag of the image.
    pub fn lists(&mut self, tag: Tag) {
        let tags = self.knowledge.tags.entry(asked().image).or_insert(Ok(TagList::default()));
        tags.as_mut().unwrap().insert(tag);
    }

    /// Asks for the higher tags that the pin tries, and no others; each has one digest, [`Bench::only`]. How many they are.
    pub fn asks_for_higher_tags(&mut self) -> usize {
        let (own, key, candidate) = (self.asked(), repository(), self.candidate());
        let (ledger, tags) = (&self.knowledge.ledger, self.knowledge.tags.get_mut(&own.image));
        let Some(Ok(tags)) = tags else { return 0 };
        for tag in tags.tags().clone() {
            let history = ledger.history(&TagRef { tag: tag.clone(), ..own.clone() });
            if let Some(first) = history.and_then(|history| history.sightings().first()) {
                tags.see(&tag, first.first_seen);
            }
        }
        let rules = Rules { repository: Some(&key), policy: &self.policy, knowledge: &self.knowledge, now: self.now };
        let higher = higher_tags(&candidate, &rules);
        self.knowledge.observations.retain(|tag, _| *tag == own);
        for tag in &higher {
            self.knowledge.ledger.note(tag.clone(), Self::only(&tag.tag), self.now);
            self.knowledge.observations.insert(tag.clone(), Ok(Self::only(&tag.tag)));
        }
        higher.len()
    }

    /// The digest of a tag that has one.
    pub fn only(tag: &Tag) -> Digest {
        Digest::of(tag.as_str().as_bytes())
    }

    pub fn asked(&self) -> TagRef {
        TagRef { tag: self.tag.clone(), ..asked() }
    }

    pub fn history(&self) -> &History {
        self.knowledge.ledger.history(&self.asked()).unwrap()
    }

    pub fn candidate(&self) -> Candidate {
        let old = self.pinned;
        let state = match self.knowledge.observations.get(&self.asked()) {
            Some(Ok(head)) if Some(*head) == old => UseState::Current,
            Some(Ok(head)) => UseState::Behind { new: *head },
            Some(Err(Unanswered::Gone)) => UseState::TagGone,
            Some(Err(Unanswered::HeldBack(words))) => UseState::HeldBack(words.clone()),
            Some(Err(Unanswered::Unknown(unknown))) => UseState::Unknown(unknown.clone()),
            None => UseState::Unknown(Unknown { reason: "its registry was not asked".to_owned() }),
        };
        let (tag, asked) = (TagRef { tag: self.tag.clone(), ..written() }, self.asked());
        let (path, use_index, line, can_change_tag, in_use, place) =
            ("Dockerfile".to_owned(), 0, 1, true, Vec::new(), 0);
        Candidate { path, use_index, line, tag, can_change_tag, asked, old, state, in_use, place }
    }

    /// `dhi.io/nginx:2` is there as well, and pointed to these in this order, an hour each, until now.
    fn with_higher(mut self, letters: &str) -> Self {
        let at = |index: usize| self.now - hours(i64::try_from(index).unwrap());
        let seen = letters.chars().rev().enumerate();
        let sightings = seen.map(|(index, letter)| Sighting {
            digest: digest(letter),
            first_seen: at(index),
            last_seen: at(index),
        });
        let (tag, history) = (tag("dhi.io/nginx:2"), History::new(sightings, BTreeMap::new()));
        let head = history.head().unwrap().digest;
        self.policy.follow = Follow::Major;
        self.knowledge.tags.insert(tag.image.clone(), Ok([asked().tag, tag.tag.clone()].into_iter().collect()));
        self.knowledge.observations.insert(tag.clone(), Ok(head));
        self.knowledge.ledger.insert(tag, history);
        self
    }

    /// The registry has these no more.
    fn without(mut self, letters: &str) -> Self {
        self.images.extend(letters.chars().map(|letter| (digest(letter), Err(NoImage::Gone))));
        self
    }

    /// Somebody took this digest back.
    fn denying(mut self, letter: char) -> Self {
        let (image, digest, reason) = (asked().image, digest(letter), "it is slow".to_owned());
        self.knowledge.denials.denials.push(Denial { image, tag: None, digest, to: None, reason, at: self.now });
        self
    }

    fn image(&self, digest: Digest) -> Result<Image, NoImage> {
        self.images.get(&digest).cloned().unwrap_or_else(|| Ok(index(digest)))
    }

    fn says(&mut self, letter: char, image: Result<Image, NoImage>) {
        self.images.insert(digest(letter), image);
        self.knowledge.evidence.clear();
    }

    /// The choice once everything is looked up that it depends on, and how many looks that took.
    pub fn chosen(&mut self) -> (Choice, usize) {
        let (candidate, key) = (self.candidate(), repository());
        for looks in 0.. {
            let rules =
                Rules { repository: Some(&key), policy: &self.policy, knowledge: &self.knowledge, now: self.now };
            let moves = wanted(&candidate, &rules);
            if moves.is_empty() {
                return (choose(&candidate, &rules), looks);
            }
            for wanted in moves {
                assert_eq!(wanted.mirror.as_ref(), Some(&written().image));
                let in_mirror = self.mirrored.get(&wanted.new).cloned().unwrap_or(Ok(true));
                let evidence = Evidence {
                    new: self.image(wanted.new),
                    old: wanted.old.map_or(Err(NoImage::Unpinned), |old| self.image(old)),
                    in_mirror: Some(in_mirror),
                    contents: BTreeMap::new(),
                };
                self.knowledge.evidence.insert(wanted, evidence);
            }
        }
        unreachable!("the search ends")
    }

    pub fn target(&mut self) -> Result<Pin, Option<Reason>> {
        match self.chosen().0 {
            Choice::Propose(pin) => Ok(*pin),
            Choice::Wait(waiting) => Err(Some(waiting.reason)),
            Choice::Nothing => Err(None),
        }
    }

    /// The letter of the target, or why there is none.
    pub fn goes(&mut self) -> Result<char, Option<Reason>> {
        self.target().map(|pin| letter(&pin.new))
    }

    /// Why a pull request that holds this digest goes on holding it.
    fn stays(&mut self, held: char) -> Option<Reason> {
        self.stays_at(None, held)
    }

    /// The same of a digest of this tag.
    fn stays_at(&mut self, new_tag: Option<&str>, held: char) -> Option<Reason> {
        let new_tag = new_tag.map(|tag| tag.parse().unwrap());
        let choice = self.chosen().0;
        let considered = Considered { candidate: self.candidate(), choice };
        let TagRef { image, tag } = written();
        let (old, new) = (self.pinned, digest(held));
        let held = MarkerPin { file: "Dockerfile".to_owned(), line: 1, image, tag, new_tag, old, new };
        let key = repository();
        let rules = Rules { repository: Some(&key), policy: &self.policy, knowledge: &self.knowledge, now: self.now };
        stays(&considered, &held, &rules)
    }
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(hours * 3600).unwrap()
}

/// The waves of a fleet in which the canary pins these tags, and the repository `1` and `3`.
fn waves(of_canary: &[&str]) -> Waves {
    let wave = |name: &str, pattern| Wave { name: name.to_owned(), repositories: vec![Pattern::new(pattern).unwrap()] };
    let canary = RepositoryKey { name: "acme/canary".parse().unwrap(), ..repository() };
    let mut facts = WaveFacts::default();
    for (key, tags) in [(canary, of_canary), (repository(), &["1", "3"])] {
        for text in tags {
            let tag = TagRef { tag: text.parse().unwrap(), ..asked() };
            let row = Adoption { digest: Some(digest('a')), since: at(0), until: None };
            facts.adoptions.entry(tag).or_default().insert(key.clone(), vec![row]);
        }
    }
    Waves::new(vec![wave("canary", "acme/canary"), wave("rest", "**")], Advance::default(), facts)
}

#[test]
fn a_higher_tag_waits_for_the_earlier_repositories_that_have_the_tag_of_the_pin() {
    let mut bench = Bench::seen('a', "a").with_higher("x");
    bench.knowledge.waves = waves(&["0.9-alpine"]);
    assert_eq!(bench.goes(), Ok('x'), "what the canary has is left by nobody");
    bench.knowledge.waves = waves(&["3"]);
    let Err(Some(Reason::Wave(wait))) = bench.goes() else { panic!("{:?}", bench.goes()) };
    assert!(
        matches!(wait.cause, WaveCause::Unknown(_)),
        "it went past that tag, and nobody knows how that went: {wait}"
    );
    bench.knowledge.waves = waves(&["1", "3"]);
    let Err(Some(Reason::Wave(wait))) = bench.goes() else { panic!("{:?}", bench.goes()) };
    assert_eq!(wait.cause, WaveCause::Merged { have: 0, of: 1 });
}

#[test]
fn without_rules_the_head_is_the_target_at_once() {
    let mut bench = Bench::seen('a', "abcd");
    assert_eq!(bench.goes(), Ok('d'));
    let pin = bench.target().unwrap();
    assert_eq!((pin.tag, pin.asked, pin.urgency), (written(), asked(), None));
    assert_eq!(Bench::seen('d', "abcd").goes(), Err(None), "it is there already");
    assert_eq!(bench.chosen().1, 0, "what is known is not looked up again");
}

#[test]
fn with_min_age_the_newest_digest_of_that_age_is_the_target() {
    let mut bench = Bench::seen('a', "abcd");
    for (min_age, target) in [(1, 'c'), (2, 'b')] {
        bench.policy.min_age = hours(min_age);
        assert_eq!(bench.goes(), Ok(target), "{min_age}");
    }
    bench.policy.min_age = hours(5);
    let young = Reason::TooYoung { digest: digest('b'), from: at(7) };
    assert_eq!(bench.goes(), Err(Some(young)), "the first that may go, not the newest, which another one overtakes");
}

#[test]
fn with_settle_a_digest_counts_once_it_was_the_head_in_two_looks() {
    let mut bench = Bench::seen('a', "abbcd");
    bench.policy.settle = hours(1);
    assert_eq!(bench.goes(), Ok('b'), "c and d were the head in one look each");
    bench.after(1, digest('d'));
    assert_eq!(bench.goes(), Ok('d'));
    let mut bench = Bench::seen('a', "ab");
    bench.policy.settle = hours(3);
    bench.after(2, digest('b'));
    assert_eq!(bench.goes(), Err(Some(Reason::Unsettled { digest: digest('b'), from: at(5) })));
}

#[test]
fn nothing_goes_back_and_a_flap_is_one() {
    assert_eq!(Bench::seen('b', "aba").goes(), Err(Some(Reason::Backwards)));
    assert_eq!(Bench::seen('b', "abca").goes(), Err(Some(Reason::Backwards)), "c was withdrawn, too");
    assert_eq!(Bench::seen('a', "abcb").goes(), Ok('b'), "c was withdrawn");
    assert_eq!(Bench::seen('a', "aba").goes(), Err(None), "back where the pin is");
    assert_eq!(Bench::seen('a', "abab").goes(), Ok('b'), "it came back");
}

#[test]
fn where_the_tag_never_had_the_pinned_digest_what_came_since_and_the_head_are_candidates() {
    let mut bench = Bench::seen('p', "abc");
    assert_eq!(bench.goes(), Ok('c'));
    bench.policy.min_age = hours(2);
    assert_eq!(bench.goes(), Ok('a'), "it was seen first when the pin was, and nobody can tell that it is older");
    let mut bench = Bench::seen('c', "abc");
    bench.pinned = Some(digest('p'));
    bench.after(1, digest('d'));
    bench.after(1, digest('e'));
    bench.policy.min_age = hours(1);
    assert_eq!(bench.goes(), Ok('d'));
    bench.policy.min_age = hours(2);
    let young = Reason::TooYoung { digest: digest('d'), from: at(6) };
    assert_eq!(bench.goes(), Err(Some(young)), "what the tag had before somebody pinned is no candidate");
}

#[test]
fn a_denied_digest_gives_way_to_the_one_before_it() {
    let mut bench = Bench::seen('a', "abc");
    let denied = |letter, reason: Option<&str>| DeniedDigest { digest: digest(letter), reason: reason.map(Into::into) };
    bench.policy.denied = vec![denied('c', Some("CVE"))];
    assert_eq!(bench.goes(), Ok('b'));
    bench.policy.denied.push(denied('b', None));
    assert_eq!(bench.goes(), Err(Some(Reason::Denied { digest: digest('c'), reason: Some("CVE".to_owned()) })));
}

#[test]
fn what_the_registry_says_no_to_gives_way_to_the_one_before_it() {
    let single = Image::bare(digest('c'), ManifestKind::Image);
    let smaller = Image { manifests: manifests(&["amd64"], 'c'), ..index(digest('c')) };
    let held_back = || NoImage::HeldBack("scan pending".to_owned());
    for (said, reason) in [
        (Err(NoImage::Gone), Reason::DigestGone(digest('c'))),
        (Err(held_back()), Reason::HeldBack("scan pending".to_owned())),
        (Ok(single), Reason::NoLongerIndex),
        (Ok(smaller), Reason::PlatformsGone(vec!["linux/arm64".to_owned()])),
    ] {
        let mut bench = Bench::seen('a', "abc");
        bench.says('c', said.clone());
        assert_eq!(bench.goes(), Ok('b'), "{reason:?}");
        let mut bench = Bench::seen('a', "ac");
        bench.says('c', said);
        assert_eq!(bench.goes(), Err(Some(reason)));
    }
}

#[test]
fn what_is_not_in_the_mirror_yet_gives_way_to_the_one_before_it() {
    let mut bench = Bench::seen('a', "abc");
    bench.mirrored.insert(digest('c'), Ok(false));
    assert_eq!(bench.goes(), Ok('b'));
    let mut bench = Bench::seen('a', "abc");
    bench.mirrored.extend(['b', 'c'].map(|letter| (digest(letter), Ok(false))));
    assert_eq!(bench.goes(), Err(Some(Reason::NotInMirror { digest: digest('c'), since: at(3) })));
    let mut bench = Bench::seen('a', "abc");
    bench.mirrored.insert(digest('c'), Err(Unanswered::Unknown(Unknown { reason: "HTTP 503".to_owned() })));
    assert!(matches!(bench.goes(), Err(Some(Reason::Unknown(_)))));
    let mut bench = Bench::seen('a', "abc");
    bench.mirrored.insert(digest('c'), Err(Unanswered::HeldBack("vulnerable".to_owned())));
    assert_eq!(bench.goes(), Ok('b'), "a policy of the mirror");
}

#[test]
fn a_pinned_digest_that_its_registry_refuses_is_left() {
    let mut bench = Bench::seen('a', "ab");
    bench.says('a', Err(NoImage::HeldBack("vulnerable".to_owned())));
    assert_eq!(bench.goes(), Ok('b'));
    let mut bench = Bench::seen('a', "ab");
    bench.says('a', Err(NoImage::Unknown(Unknown { reason: "HTTP 503".to_owned() })));
    assert!(matches!(bench.goes(), Err(Some(Reason::Unknown(_)))));
}

#[test]
fn a_platform_that_is_named_otherwise_is_there() {
    let with = |letter, variant: Option<&str>| {
        let mut manifests = manifests(&["amd64", "arm64"], letter);
        let arm = manifests.pop_last().unwrap();
        manifests.insert(Platform { variant: variant.map(str::to_owned), ..arm.0 }, arm.1);
        Image { manifests, ..index(digest(letter)) }
    };
    for (old, new) in [(Some("v8"), None), (None, Some("v8"))] {
        let mut bench = Bench::seen('a', "ab");
        bench.says('a', Ok(with('a', old)));
        bench.says('b', Ok(with('b', new)));
        assert_eq!(bench.goes(), Ok('b'), "{old:?} to {new:?}");
    }
}

#[test]
fn an_outage_ends_the_search_and_no_pin_looks_for_ever() {
    let unreadable = || Err(NoImage::Unknown(Unknown { reason: "HTTP 500".to_owned() }));
    let mut bench = Bench::seen('a', "abc");
    bench.says('c', unreadable());
    assert!(matches!(bench.goes(), Err(Some(Reason::Unknown(_)))), "b would be overtaken at once");
    let mut bench = Bench::seen('a', "abcdefgh");
    bench.images.extend("defgh".chars().map(|letter| (digest(letter), Err(NoImage::Gone))));
    let (choice, looks) = bench.chosen();
    let Choice::Wait(waiting) = choice else { panic!("{choice:?}") };
    assert_eq!((waiting.reason, looks), (Reason::DigestGone(digest('h')), LOOKED_UP_MAX));
}

#[test]
fn a_single_platforms_pin_looks_for_no_older_index() {
    let mut bench = Bench::seen('a', "abc");
    bench.says('a', Ok(Image::bare(digest('a'), ManifestKind::Image)));
    let (choice, looks) = bench.chosen();
    assert!(matches!(choice, Choice::Wait(waiting) if waiting.reason == Reason::SinglePlatform));
    assert_eq!(looks, 1);
}

#[test]
fn a_pinned_digest_that_is_gone_makes_the_newest_urgent() {
    let mut bench = Bench::seen('a', "abc");
    bench.policy.min_age = hours(9);
    let gone = |looks| [((written().image, digest('a')), Missing { since: at(2), looks })].into();
    bench.knowledge.missing = gone(1);
    assert!(matches!(bench.goes(), Err(Some(Reason::TooYoung { .. }))));
    bench.knowledge.missing = gone(2);
    let pin = bench.target().unwrap();
    assert_eq!((letter(&pin.new), pin.urgency), ('c', Some(Urgency::Gone)));
    bench.policy.settle = hours(1);
    assert!(matches!(bench.goes(), Err(Some(Reason::Unsettled { .. }))), "not past `settle`");
}

#[test]
fn who_must_leave_a_lost_digest_goes_to_what_is_old_enough_where_there_is_one() {
    let gone = || {
        let mut bench = Bench::seen('a', "abcd");
        bench.policy.min_age = hours(1);
        bench.knowledge.missing = [((written().image, digest('a')), Missing { since: at(2), looks: 2 })].into();
        bench
    };
    let mut bench = gone();
    let pin = bench.target().unwrap();
    assert_eq!((letter(&pin.new), pin.urgency), ('c', Some(Urgency::Gone)), "it is an hour old");
    assert!(matches!(bench.stays('d'), Some(Reason::TooYoung { .. })), "what is proposed takes no step back");
    assert_eq!(gone().without("c").goes(), Ok('b'));
    assert_eq!(gone().without("bc").goes(), Ok('d'), "past `min_age` where nothing older ends it");
    let mut bench = gone().without("d");
    bench.says('c', Err(NoImage::Unknown(Unknown { reason: "HTTP 500".to_owned() })));
    assert!(matches!(bench.goes(), Err(Some(Reason::Unknown(_)))), "an outage makes nothing older");
}

#[test]
fn who_must_leave_a_lost_digest_tries_no_other_version_for_that() {
    let gone = || {
        let mut bench = Bench::seen('a', "abc").with_higher("xyz");
        bench.knowledge.missing = [((written().image, digest('a')), Missing { since: at(2), looks: 2 })].into();
        bench
    };
    let pin = gone().target().unwrap();
    assert_eq!((pin.new_tag, letter(&pin.new), pin.urgency), (None, 'c', Some(Urgency::Gone)));
    let pin = gone().without("bc").target().unwrap();
    assert_eq!((letter(&pin.new), pin.urgency), ('z', None), "as any other pin");
    let mut bench = gone().without("bc");
    bench.policy.min_age = hours(2);
    assert_eq!(bench.goes(), Ok('x'), "which waits for its age");
}

#[test]
fn what_is_wrong_with_a_higher_tag_keeps_the_own_tag_from_nothing() {
    let follows = || Bench::seen('a', "abc").with_higher("qrstuvw");
    let pin = follows().target().unwrap();
    assert_eq!((pin.new_tag, letter(&pin.new)), (Some("2".parse().unwrap()), 'w'));
    for lost in ["w", "vw"] {
        let target = follows().without(lost).target().unwrap();
        assert!(target.new_tag.is_some(), "an older digest of it: {lost}");
    }
    let mut bench = follows().without("qrstuvw");
    let (choice, looks) = bench.chosen();
    let Choice::Propose(pin) = choice else { panic!("{choice:?}") };
    assert_eq!((pin.new_tag, letter(&pin.new), looks), (None, 'c', LOOKED_UP_MAX + 1));
    let mut bench = follows();
    bench.mirrored.extend("qrstuvw".chars().map(|letter| (digest(letter), Ok(false))));
    assert_eq!(bench.goes(), Ok('c'), "a mirror of the own tag alone");
    assert_eq!(follows().without("qrstuvwc").goes(), Ok('b'), "its own limit");
    let mut bench = follows();
    for letter in ['a', 'b', 'c'] {
        bench.says(letter, Ok(Image::bare(digest(letter), ManifestKind::Image)));
    }
    assert_eq!(bench.goes(), Ok('c'), "a single manifest, where the higher tag is an index");
}

/// `acme/web`'s pull request #1, which brings a pin at `a` to this tag and digest.
fn proposed(state: PullRequestState, new_tag: Option<&str>, new: char) -> PullRequest {
    let TagRef { image, tag } = written();
    let (new_tag, old, new) = (new_tag.map(|tag| tag.parse().unwrap()), Some(digest('a')), digest(new));
    let pin = MarkerPin { file: "Dockerfile".to_owned(), line: 1, image, tag, new_tag, old, new };
    let marker = Marker { commit: None, comment: CommentMode::Update, is_withdrawn: false, pins: vec![pin] };
    PullRequest {
        number: 1,
        url: "https://forge.example/acme/web/1".to_owned(),
        state,
        branch: branch("refrom/base-images"),
        base: branch("main"),
        head: commit("1"),
        title: String::new(),
        body: marker.write(),
        labels: Vec::new(),
        mergeable: Mergeable::Clean,
        is_draft: false,
        pipeline: Pipeline::Absent,
        is_auto_merging: false,
        opened_at: None,
        merged_at: None,
    }
}

#[test]
fn a_refused_version_is_refused_with_every_digest_and_its_own_pins_go_on() {
    let after = |seen: &[PullRequest], letters: &str| {
        let mut bench = Bench::seen('a', letters).with_higher("xyz");
        bench.knowledge.refused.insert(repository(), Refusals::of(seen));
        bench
    };
    let closed = |new_tag, new| proposed(PullRequestState::Closed, new_tag, new);
    let version = closed(Some("2"), 'w');
    let mut bench = after(std::slice::from_ref(&version), "ab");
    assert_eq!(bench.goes(), Ok('b'), "`2` was at w then, and is at z now");
    bench.pinned = Some(digest('b'));
    assert_eq!(bench.goes(), Err(Some(Reason::Refused(1))), "which is said where nothing else is to do");
    let reopened = proposed(PullRequestState::Open, Some("2"), 'x');
    assert_eq!(after(&[version.clone(), reopened.clone()], "ab").goes(), Ok('z'), "what is open again is not refused");
    let elsewhere = PullRequest { branch: branch("refrom/base-images-b"), ..reopened };
    for elsewhere in
        [elsewhere.clone(), PullRequest { body: proposed(PullRequestState::Open, Some("2"), 'w').body, ..elsewhere }]
    {
        assert_eq!(after(&[version.clone(), elsewhere], "ab").goes(), Ok('b'), "open for another file");
    }
    assert_eq!(after(&[closed(Some("3"), 'z')], "ab").goes(), Ok('b'), "by its digest, as before");
    assert_eq!(after(&[closed(None, 'w')], "ab").goes(), Ok('z'), "a digest of the own tag says nothing of versions");
    assert!(Refusals::of(&[proposed(PullRequestState::Merged, Some("2"), 'z')]).is_empty());
}

#[test]
fn below_the_versions_that_people_refused_is_the_next_lower_one() {
    let mut bench = Bench::seen('a', "a");
    bench.policy.follow = Follow::Major;
    for version in 2..=7 {
        bench.lists(version.to_string().parse().unwrap());
    }
    let mut refused = Vec::new();
    for expected in ["7", "6", "5", "4", "3", "2"] {
        bench.knowledge.refused.insert(repository(), Refusals::of(&refused));
        bench.asks_for_higher_tags();
        let pin = bench.target().unwrap();
        assert_eq!(pin.new_tag.as_ref().map(Tag::as_str), Some(expected));
        refused.push(proposed(PullRequestState::Closed, Some(expected), 'w'));
    }
    bench.knowledge.refused.insert(repository(), Refusals::of(&refused));
    assert_eq!((bench.asks_for_higher_tags(), bench.goes()), (0, Err(Some(Reason::Refused(1)))));
}

#[test]
fn a_closed_way_back_to_a_lower_tag_refuses_no_version() {
    let mut back = proposed(PullRequestState::Closed, Some("2"), 'w');
    back.body = back.body.replace("\"tag\":\"1\"", "\"tag\":\"3\"");
    assert!(Marker::read(&back.body).unwrap().pins.iter().all(|pin| pin.tag.as_str() == "3"));
    let mut bench = Bench::seen('a', "ab").with_higher("xyz");
    bench.knowledge.refused.insert(repository(), Refusals::of(&[back]));
    assert_eq!(bench.goes(), Ok('z'), "`2` as a step forward");
}

#[test]
fn what_stays_so_at_a_higher_tag_hides_nothing_of_the_own_tag() {
    let young = |bench: &mut Bench| bench.policy.min_age = hours(1);
    let refused = || {
        let mut bench = Bench::seen('a', "ab").with_higher("z");
        let version = proposed(PullRequestState::Closed, Some("2"), 'w');
        bench.knowledge.refused.insert(repository(), Refusals::of(&[version]));
        bench
    };
    let mut bench = refused();
    young(&mut bench);
    assert_eq!(bench.goes(), Err(Some(Reason::TooYoung { digest: digest('b'), from: at(3) })));
    let mut bench = refused();
    bench.mirrored.insert(digest('b'), Ok(false));
    assert_eq!(bench.goes(), Err(Some(Reason::NotInMirror { digest: digest('b'), since: at(2) })));
    let mut bench = refused().denying('b');
    assert!(matches!(bench.goes(), Err(Some(Reason::Denied { .. }))), "nor what stays so at its own");
    // What comes by itself is told of the higher tag.
    let mut bench = Bench::seen('a', "ab").with_higher("z").denying('b');
    bench.mirrored.insert(digest('z'), Ok(false));
    assert!(matches!(bench.goes(), Err(Some(Reason::NotInMirror { digest, .. })) if digest == self::digest('z')));
}

#[test]
fn a_pull_request_to_a_higher_tag_stays_where_the_own_tag_has_no_news() {
    let mut bench = Bench::seen('a', "ab").with_higher("yz");
    bench.policy.unchanged = Unchanged::Platforms;
    let same = Image { manifests: manifests(&["amd64", "arm64"], 'a'), ..index(digest('b')) };
    bench.says('b', Ok(same));
    bench.says('y', Err(NoImage::HeldBack("scan pending".to_owned())));
    bench.policy.denied = vec![DeniedDigest { digest: digest('z'), reason: None }];
    assert_eq!(bench.goes(), Err(Some(Reason::Unchanged(Unchanged::Platforms))));
    assert_eq!(bench.stays_at(Some("2"), 'y'), Some(Reason::Unchanged(Unchanged::Platforms)));
    assert_eq!(bench.stays('b'), None, "of its own tag it is no news");
}

#[test]
fn what_the_mirror_lacks_uses_no_look_up_of_what_it_has() {
    let far_behind = |lacking: usize| {
        let mut bench = Bench::seen('a', "ab");
        for build in 0..lacking {
            let digest = Digest::of(format!("build {build}").as_bytes());
            bench.after(1, digest);
            bench.mirrored.insert(digest, Ok(false));
        }
        bench
    };
    assert_eq!(far_behind(NOT_IN_MIRROR_MAX - 1).goes(), Ok('b'));
    assert!(matches!(far_behind(NOT_IN_MIRROR_MAX).goes(), Err(Some(Reason::NotInMirror { .. }))), "it ends");
    let mut bench = far_behind(20).without("b");
    assert!(matches!(bench.goes(), Err(Some(Reason::NotInMirror { .. }))), "said of the newest");
    // Neither does what a higher tag has.
    let mut bench = Bench::seen('a', "ab").with_higher("cdefghijklmnopqrstuvwxyz");
    bench.mirrored.extend(('c'..='z').map(|letter| (digest(letter), Ok(false))));
    assert_eq!(bench.goes(), Ok('b'));
    // Nor does what a rollback passes over.
    let mut bench = Bench::seen('z', "abcdefghijkp").denying('p');
    bench.pinned = Some(digest('p'));
    bench.mirrored.extend(('b'..='k').map(|letter| (digest(letter), Ok(false))));
    assert_eq!(bench.goes(), Ok('a'));
}

#[test]
fn who_is_at_a_digest_that_was_taken_back_leaves_it_however_much_is_lost() {
    let at_p = |letters: &str| {
        let mut bench = Bench::seen('z', letters).denying('p');
        bench.pinned = Some(digest('p'));
        bench
    };
    for lost in 0..=14 {
        let before: String = ('a'..='o').take(lost).collect();
        let mut bench = at_p(&format!("{before}pq")).without(&before);
        let (choice, looks) = bench.chosen();
        let Choice::Propose(pin) = choice else { panic!("{lost}: {choice:?}") };
        assert_eq!((letter(&pin.new), looks), ('q', lost.min(BACK_LOOKED_UP_MAX) + 1), "{lost}");
    }
    let mut bench = at_p("abcdefgp").without("bcdefg");
    assert_eq!(bench.goes(), Ok('a'));
    let mut bench = at_p("abp");
    bench.says('p', Ok(Image::bare(digest('p'), ManifestKind::Image)));
    bench.says('a', Ok(Image::bare(digest('a'), ManifestKind::Image)));
    assert_eq!(bench.goes(), Ok('a'), "of its own kind");
    let mut bench = at_p("abcp").without("abc");
    assert!(matches!(bench.goes(), Err(Some(Reason::NoWayBack { .. }))), "which somebody has to know");
    bench.says('b', Err(NoImage::HeldBack("scan pending".to_owned())));
    assert_eq!(bench.goes(), Err(Some(Reason::HeldBack("scan pending".to_owned()))), "which may come");
}

#[test]
fn a_tag_without_a_digest_gets_the_newest_that_may_be_proposed() {
    let mut bench = Bench::seen('a', "abc");
    bench.pinned = None;
    assert_eq!(bench.goes(), Ok('c'));
    bench.policy.min_age = hours(1);
    let pin = bench.target().unwrap();
    assert_eq!((pin.old, letter(&pin.new), pin.old_image), (None, 'b', None));
}

#[test]
fn a_tag_that_does_not_answer_tells_why() {
    let unknown = Unknown { reason: "HTTP 503".to_owned() };
    for (answer, reason) in [
        (Unanswered::Gone, Reason::TagGone),
        (Unanswered::HeldBack("quarantined".to_owned()), Reason::HeldBack("quarantined".to_owned())),
        (Unanswered::Unknown(unknown.clone()), Reason::Unknown(unknown)),
    ] {
        let mut bench = Bench::seen('a', "abc");
        bench.knowledge.observations.insert(asked(), Err(answer));
        assert_eq!(bench.goes(), Err(Some(reason.clone())));
        assert_eq!(bench.stays('b'), Some(reason), "what is open stays");
    }
}

#[test]
fn a_pull_request_takes_no_step_back_while_nothing_forbids_what_it_holds() {
    let mut bench = Bench::seen('a', "abc");
    assert_eq!(bench.stays('b'), None, "c is newer");
    bench.says('c', Err(NoImage::HeldBack("scan pending".to_owned())));
    assert_eq!((bench.goes(), bench.stays('c').is_some()), (Ok('b'), true), "it is held back for now");
    bench.says('c', Err(NoImage::Gone));
    assert_eq!((bench.goes(), bench.stays('c')), (Ok('b'), None), "it is gone");
    let mut bench = Bench::seen('a', "abc");
    bench.policy.denied = vec![DeniedDigest { digest: digest('c'), reason: None }];
    assert_eq!((bench.goes(), bench.stays('c')), (Ok('b'), None), "it is denied");
    let mut bench = Bench::seen('a', "abcb");
    assert_eq!((bench.goes(), bench.stays('c')), (Ok('b'), None), "it was withdrawn");
    let mut bench = Bench::seen('a', "d");
    bench.policy.min_age = hours(5);
    assert!(matches!(bench.stays('c'), Some(Reason::TooYoung { .. })), "of a memory that was lost");
}
