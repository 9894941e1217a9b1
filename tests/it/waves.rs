//! Waves: who gets a digest when, as values and in whole cycles.

mod laws;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::ledger::{History, Ledger};
use refrom::domain::pattern::Pattern;
use refrom::domain::pull_request::Pipeline;
use refrom::domain::reference::TagRef;
use refrom::domain::waves::{Adoptions, Advance, BasePipeline, Pinned, Wave, WaveFacts, WaveWait, Waves, changes};

/// A fleet with one image, whose cycles look at everything that is told to them.
struct Fleet {
    waves: Vec<Wave>,
    advance: Advance,
    adoptions: Adoptions,
    pipelines: BTreeMap<RepositoryKey, BasePipeline>,
    /// What each repository pins now.
    pinned: BTreeMap<RepositoryKey, BTreeMap<TagRef, BTreeSet<Digest>>>,
    ledger: Ledger,
    unlisted: BTreeSet<String>,
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

impl Fleet {
    fn new(merged_percent: u8, green_for: SignedDuration) -> Self {
        Self {
            waves: waves(),
            advance: Advance { merged_percent, green_for },
            adoptions: Adoptions::new(),
            pipelines: BTreeMap::new(),
            pinned: BTreeMap::new(),
            ledger: Ledger::default(),
            unlisted: BTreeSet::new(),
            now: "2026-11-20T08:00:00Z".parse().unwrap(),
        }
    }

    /// The tag points to this digest from now on.
    fn moves(&mut self, letter: char) {
        self.ledger.note(tag("1"), digest(letter), self.now);
    }

    /// Repositories that pin the tag at a digest; each letter a file.
    fn pins(&mut self, names: &[&str], letters: &str) {
        for name in names {
            let tags = BTreeMap::from([(tag("1"), letters.chars().map(digest).collect())]);
            self.pinned.insert(key(name), tags);
        }
        self.look();
    }

    fn pipeline(&mut self, name: &str, look: Pipeline) {
        let before = self.pipelines.get(&key(name)).copied();
        if let Some(after) = BasePipeline::after(before, look, self.now) {
            self.pipelines.insert(key(name), after);
        }
    }

    /// Each of these has a pipeline that passes now.
    fn green(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.pipeline(name, Pipeline::Passed));
    }

    /// A cycle reads the fleet.
    fn look(&mut self) {
        let changes = changes(&self.adoptions, &self.pinned as &Pinned);
        changes.apply(&mut self.adoptions, self.now);
    }

    fn hours(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }

    fn waves(&self) -> Waves {
        let (adoptions, pipelines) = (self.adoptions.clone(), self.pipelines.clone());
        let facts = WaveFacts { adoptions, pipelines, unlisted: self.unlisted.clone() };
        Waves::new(self.waves.clone(), self.advance, facts)
    }

    fn history(&self) -> Option<&History> {
        self.ledger.history(&tag("1"))
    }

    fn reached(&self, name: &str, letter: char) -> Result<(), WaveWait> {
        self.waves().reached(&key(name), &tag("1"), (&digest(letter), self.history()), self.now)
    }

    /// What a digest waits for in a repository.
    fn waits(&self, name: &str, letter: char) -> String {
        self.reached(name, letter).err().map(|wait| wait.to_string()).unwrap_or_default()
    }
}
