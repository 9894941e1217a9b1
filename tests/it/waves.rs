//! Waves: who gets a digest when, as values and in whole cycles.

mod laws;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::denial::Denial;
use refrom::domain::digest::Digest;
use refrom::domain::ledger::{History, Ledger};
use refrom::domain::pattern::Pattern;
use refrom::domain::policy::{DeniedDigest, Follow};
use refrom::domain::pull_request::Pipeline;
use refrom::domain::reference::TagRef;
use refrom::domain::waves::{
    Adoptions, Advance, BasePipeline, Pinned, UnderWay, Wave, WaveCandidate, WaveFacts, WaveWait, Waves, changes,
};

/// A fleet with one image, whose cycles look at everything that is told to them.
struct Fleet {
    waves: Vec<Wave>,
    advance: Advance,
    adoptions: Adoptions,
    pipelines: BTreeMap<RepositoryKey, BasePipeline>,
    /// How the pipelines of their heads stand.
    heads: BTreeMap<RepositoryKey, Pipeline>,
    /// What each repository pins now.
    pinned: Pinned,
    ledger: Ledger,
    unlisted: BTreeMap<String, Option<String>>,
    /// What people took back.
    taken_back: Vec<Denial>,
    /// What everybody's policy denies.
    denied: Vec<DeniedDigest>,
    /// How far everybody follows.
    follow: Follow,
    /// Where pins are on their way to: the tag, the digest, the tag that they leave.
    sought: Vec<(TagRef, Digest, Option<TagRef>)>,
    now: Timestamp,
}

/// `acme/a1` and `acme/a2` are of the first wave, `b…` of the second; all others of the last.
fn waves() -> Vec<Wave> {
    let wave =
        |name: &str, pattern: &str| Wave { name: name.to_owned(), repositories: vec![Pattern::new(pattern).unwrap()] };
    vec![wave("canary", "acme/a*"), wave("internal", "acme/b*"), wave("rest", "acme/c*")]
}

fn key(name: &str) -> RepositoryKey {
    RepositoryKey { forge: "github".to_owned(), name: format!("acme/{name}").parse().unwrap() }
}

fn digest(letter: char) -> Digest {
    Digest::of(letter.to_string().as_bytes())
}

fn tag(text: &str) -> TagRef {
    TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: text.parse().unwrap() }
}

/// `-`: the pin has none yet.
fn digests(letters: &str) -> BTreeSet<Option<Digest>> {
    letters.chars().map(|letter| (letter != '-').then(|| digest(letter))).collect()
}

impl Fleet {
    fn new(merged_percent: u8, green_for: SignedDuration) -> Self {
        Self {
            waves: waves(),
            advance: Advance { merged_percent, green_for },
            adoptions: Adoptions::new(),
            pipelines: BTreeMap::new(),
            heads: BTreeMap::new(),
            pinned: BTreeMap::new(),
            ledger: Ledger::default(),
            unlisted: BTreeMap::new(),
            taken_back: Vec::new(),
            denied: Vec::new(),
            follow: Follow::Digest,
            sought: Vec::new(),
            now: "2026-11-20T08:00:00Z".parse().unwrap(),
        }
    }

    /// The tag points to this digest from now on.
    fn moves(&mut self, letter: char) {
        self.ledger.note(tag("1"), digest(letter), self.now);
    }

    /// Repositories that pin the tag at a digest; each letter a file, and `-` one that shall get its digest.
    fn pins(&mut self, names: &[&str], letters: &str) {
        for name in names {
            self.pinned.insert(key(name), BTreeMap::from([(tag("1"), digests(letters))]));
            // What was merged now has no pipeline yet.
            self.heads.remove(&key(name));
        }
        self.look();
    }

    /// Somebody takes a digest back.
    fn takes_back(&mut self, letter: char) {
        let (image, reason) = (tag("1").image, "it is slow".to_owned());
        let denial = Denial { image, tag: None, digest: digest(letter), to: None, reason, at: self.now };
        self.taken_back.push(denial);
    }

    fn pipeline(&mut self, name: &str, look: Pipeline) {
        self.heads.insert(key(name), look);
        self.look_at_pipeline(&key(name), look);
    }

    fn look_at_pipeline(&mut self, key: &RepositoryKey, look: Pipeline) {
        let before = self.pipelines.get(key).copied();
        self.pipelines.extend(BasePipeline::after(before, look, self.now).map(|after| (key.clone(), after)));
    }

    /// Each of these has a pipeline that passes now.
    fn green(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.pipeline(name, Pipeline::Passed));
    }

    /// A cycle reads the fleet.
    fn look(&mut self) {
        let changes = changes(&self.adoptions, &self.pinned);
        changes.apply(&mut self.adoptions, self.now);
    }

    /// So many hours later a cycle looks at everybody's pipelines.
    fn hours(&mut self, hours: i64) {
        self.unseen_hours(hours);
        for (key, look) in self.heads.clone() {
            self.look_at_pipeline(&key, look);
        }
    }

    /// Nobody looks in between.
    fn unseen_hours(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }

    fn waves(&self) -> Waves {
        let (adoptions, pipelines) = (self.adoptions.clone(), self.pipelines.clone());
        let (unlisted, denied) = (self.unlisted.clone(), self.taken_back.clone());
        let mut facts = WaveFacts { adoptions, pipelines, unlisted, denied, sought: BTreeMap::new() };
        for (tag, digest, left) in self.sought.clone() {
            facts.sought.entry(tag).or_default().entry(digest).or_default().extend(left);
        }
        Waves::new(self.waves.clone(), self.advance, facts)
    }

    fn history(&self) -> Option<&History> {
        self.ledger.history(&tag("1"))
    }

    fn reached(&self, name: &str, letter: char) -> Result<(), WaveWait> {
        let (tag, digest, history) = (&tag("1"), &digest(letter), self.history());
        let candidate = WaveCandidate { tag, digest, left: None, follow: self.follow, history, denied: &self.denied };
        self.waves().reached(&key(name), candidate, self.now)
    }

    /// What a digest of `2` waits for in a repository whose pin leaves this tag for it.
    fn waits_leaving(&self, name: &str, letter: char, left: &str) -> String {
        self.waits_following(name, letter, (left, Follow::Digest))
    }

    fn waits_following(&self, name: &str, letter: char, (left, follow): (&str, Follow)) -> String {
        let (tag, digest, left) = (&tag("2"), &digest(letter), Some(&tag(left)));
        let candidate =
            WaveCandidate { tag, digest, left, follow, history: self.ledger.history(tag), denied: &self.denied };
        let reached = self.waves().reached(&key(name), candidate, self.now);
        reached.err().map(|wait| wait.to_string()).unwrap_or_default()
    }

    /// The digests on their way.
    fn under_way(&self) -> Vec<UnderWay> {
        self.waves().under_way(&self.ledger, (&self.denied, self.follow), self.now)
    }

    /// What a digest waits for in a repository.
    fn waits(&self, name: &str, letter: char) -> String {
        self.reached(name, letter).err().map(|wait| wait.to_string()).unwrap_or_default()
    }
}
