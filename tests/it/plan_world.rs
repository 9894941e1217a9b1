//! A small language for situations: repositories, a registry and a forge as values, and a model that applies plans.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use refrom::domain::cadence::CadenceMode;
use refrom::domain::candidates::{FileUses, Move, RepositoryFacts, RepositoryKey, Unanswered, Unknown, of_repository};
use refrom::domain::denial::Denials;
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind, Platform};
use refrom::domain::image_use::{ImageUse, Status, TagSource, UseKind};
use refrom::domain::ledger::Ledger;
use refrom::domain::plan::{
    Action, Closing, Knowledge, Limits, MergeTarget, Missing, Plan, Proposal, Refusals, held_moves, plan,
};
use refrom::domain::policy::{FilePolicy, Follow, Policy};
use refrom::domain::proposal::{Evidence, NoImage};
use refrom::domain::pull_request::{
    AutoMergesFrom, BotBranch, BranchName, CommitId, Mergeable, Pipeline, PullRequest, PullRequestState, RepoName,
    RepositoryHead, Vocabulary,
};
use refrom::domain::reference::{ImageName, Reference, TagRef};
use refrom::domain::tag_list::TagList;
use refrom::domain::target::{Rules, targets, wanted};

pub const OURS: &str = "bot@refrom.example";
/// Author and committer of commits that the forge makes for refrom.
pub const API_EMAILS: [&str; 2] = ["7+refrom[bot]@users.noreply.github.com", "noreply@github.com"];
pub const WEB: &str = "acme/web";
pub const API: &str = "acme/api";
pub const NGINX: &str = "dhi.io/nginx:1";
pub const DEV: &str = "dhi.io/nginx:1-dev";
pub const NODE: &str = "dhi.io/node:2";
pub const WHOLE: &str = "refrom/base-images";

/// What the registry says of a digest.
#[derive(Debug, Clone)]
pub enum Content {
    Image(Box<Image>),
    Gone,
    Unreadable,
}

#[derive(Debug, Clone)]
pub struct Pinned {
    pub path: String,
    pub tag: TagRef,
    pub digest: Digest,
}

#[derive(Debug)]
pub struct Repo {
    pub policy: Policy,
    pub pins: Vec<Pinned>,
    /// Counts the commits on the base.
    pub commits: u32,
    pub branches: BTreeMap<BranchName, BotBranch>,
    pub pull_requests: Vec<PullRequest>,
    pub unread: BTreeMap<String, Unknown>,
    pub auto_merges_from: AutoMergesFrom,
}

#[derive(Debug)]
pub struct World {
    pub repos: BTreeMap<String, Repo>,
    pub tags: BTreeMap<TagRef, Option<Digest>>,
    pub contents: BTreeMap<Digest, Content>,
    pub ledger: Ledger,
    pub denials: Denials,
    pub max_new_per_hour: Option<u32>,
    pub opened: u64,
    pub hour: i64,
    /// When repositories had their turn, by name.
    pub turns: BTreeMap<String, Timestamp>,
    /// When a pull request was last opened in them, by name.
    pub last_opened: BTreeMap<String, Timestamp>,
    /// Pinned digests that their registry does not have, by the name that is written.
    pub missing: BTreeMap<(ImageName, Digest), Missing>,
    /// What the store knows of digests besides the evidence.
    pub images: BTreeMap<(ImageName, Digest), Image>,
    /// What no mirror has yet.
    pub not_mirrored: BTreeSet<Digest>,
    pub cadence: CadenceMode,
    /// What was written to the forge, in words.
    pub writes: Vec<String>,
    numbers: u64,
    /// What the store remembers of it.
    pub told_to_merge: BTreeMap<RepositoryKey, BTreeMap<u64, CommitId>>,
    pub unfinished: BTreeMap<RepositoryKey, BTreeSet<BranchName>>,
}

pub fn digest(letter: char) -> Digest {
    Digest::of(letter.to_string().as_bytes())
}

pub fn letter(digest: &Digest) -> char {
    ('a'..='z').find(|letter| self::digest(*letter) == *digest).unwrap_or('?')
}

pub fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3600).unwrap()
}

/// The plan with more knowledge than the world has.
pub fn plan_with(world: &World, know: impl FnOnce(&mut Knowledge)) -> Plan {
    let facts = world.facts();
    let mut knowledge = world.knowledge(&facts);
    know(&mut knowledge);
    plan(&facts, &knowledge, &world.limits(), world.now())
}

pub fn tag(text: &str) -> TagRef {
    let reference: Reference = text.parse().unwrap();
    TagRef { image: reference.image, tag: reference.tag.unwrap() }
}

pub fn commit(text: &str) -> CommitId {
    Digest::of(text.as_bytes()).hex().chars().take(40).collect::<String>().parse().unwrap()
}

pub fn branch(text: &str) -> BranchName {
    text.parse().unwrap()
}

/// The manifests of an index with these architectures, as those of this content.
pub fn manifests(names: &[&str], content: char) -> BTreeMap<Platform, Digest> {
    let platform = |name: &&str| Platform { os: "linux".into(), architecture: (*name).into(), variant: None };
    names.iter().map(|name| (platform(name), Digest::of(format!("{name} {content}").as_bytes()))).collect()
}

pub fn policy() -> Policy {
    Policy { files: FilePolicy::default(), reviewers: vec!["platform-team".into()], ..Policy::default() }
}

fn index(digest: Digest) -> Image {
    Image {
        manifests: manifests(&["amd64", "arm64"], letter(&digest)),
        version: Some(format!("1.0-{}", letter(&digest))),
        created: Some("2026-11-20T08:00:00Z".parse().unwrap()),
        size_bytes: Some(12_345_678),
        ..Image::bare(digest, ManifestKind::Index)
    }
}

pub fn image_use(tag: &TagRef, digest: Digest, nth: usize) -> ImageUse {
    let start = nth * 100;
    ImageUse {
        kind: UseKind::From,
        line: u32::try_from(nth).unwrap() + 1,
        image: Some(tag.image.clone()),
        written_name: tag.image.familiar(),
        tag: Some(tag.tag.clone()),
        digest: Some(digest),
        digest_range: Some(start..start + 71),
        tag_range: None,
        digest_insertion: None,
        status: Status::Pinned,
        stage: None,
        is_final_stage: true,
        makes_final_image: true,
        platform: None,
        via: None,
        tag_source: Some(TagSource::Reference),
        comment: None,
        findings: BTreeSet::new(),
        comment_insertion: Some(start),
    }
}

impl World {
    pub fn new() -> Self {
        Self {
            repos: BTreeMap::new(),
            tags: BTreeMap::new(),
            contents: BTreeMap::new(),
            ledger: Ledger::default(),
            denials: Denials::default(),
            max_new_per_hour: None,
            opened: 0,
            hour: 1,
            turns: BTreeMap::new(),
            last_opened: BTreeMap::new(),
            missing: BTreeMap::new(),
            images: BTreeMap::new(),
            not_mirrored: BTreeSet::new(),
            cadence: CadenceMode::Honour,
            writes: Vec::new(),
            told_to_merge: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            numbers: 0,
        }
    }

    /// `acme/web` with `dhi.io/nginx:1` at digest `a` in its Dockerfile; the tag points to `b`.
    pub fn one_behind() -> Self {
        let mut world = Self::new();
        world.pin(WEB, "Dockerfile", "dhi.io/nginx:1", 'a');
        world.moves("dhi.io/nginx:1", 'b');
        world
    }

    /// The same, with the pull request open as `#1`.
    pub fn one_open() -> Self {
        let mut world = Self::one_behind();
        world.cycle();
        world
    }

    pub fn repo(&mut self, name: &str) -> &mut Repo {
        self.repos.entry(name.to_owned()).or_insert_with(|| Repo {
            policy: policy(),
            pins: Vec::new(),
            commits: 0,
            branches: BTreeMap::new(),
            pull_requests: Vec::new(),
            unread: BTreeMap::new(),
            auto_merges_from: AutoMergesFrom::Opening,
        })
    }

    pub fn web(&mut self) -> &mut Repo {
        self.repo(WEB)
    }

    pub fn pin(&mut self, repo: &str, path: &str, tag_text: &str, letter: char) {
        let pinned = Pinned { path: path.to_owned(), tag: tag(tag_text), digest: digest(letter) };
        self.tags.entry(pinned.tag.clone()).or_insert(Some(pinned.digest));
        self.repo(repo).pins.push(pinned);
    }

    pub fn moves(&mut self, tag_text: &str, letter: char) {
        self.tags.insert(tag(tag_text), Some(digest(letter)));
    }

    pub fn fails(&mut self, tag_text: &str) {
        self.tags.insert(tag(tag_text), None);
    }

    /// The store saw these digests for the tag, in this order.
    pub fn saw(&mut self, tag_text: &str, letters: &str) {
        for (at, letter) in (0..).zip(letters.chars()) {
            self.ledger.note(tag(tag_text), digest(letter), Timestamp::from_second(at).unwrap());
        }
    }

    pub fn content(&mut self, letter: char, change: impl FnOnce(&mut Image)) {
        let mut image = index(digest(letter));
        change(&mut image);
        self.contents.insert(digest(letter), Content::Image(Box::new(image)));
    }

    pub fn pull_request(&mut self, number: u64) -> &mut PullRequest {
        let all = self.repos.values_mut().flat_map(|repo| &mut repo.pull_requests);
        all.into_iter().find(|it| it.number == number).expect("a pull request with this number")
    }

    pub fn close(&mut self, number: u64) {
        self.pull_request(number).state = PullRequestState::Closed;
    }

    pub fn merge(&mut self, number: u64) {
        let marker = refrom::domain::marker::Marker::read(&self.pull_request(number).body).unwrap();
        self.pull_request(number).state = PullRequestState::Merged;
        let name = self.name_of(number);
        let repo = self.repo(&name);
        repo.commits += 1;
        for changed in marker.pins {
            for pin in repo.pins.iter_mut().filter(|pin| pin.path == changed.file && pin.tag.image == changed.image) {
                if pin.tag.tag == changed.tag && Some(pin.digest) == changed.old {
                    pin.digest = changed.new;
                    pin.tag.tag = changed.new_tag.clone().unwrap_or(changed.tag.clone());
                }
            }
        }
    }

    /// Somebody commits on a branch, with or without a pull request.
    pub fn push(&mut self, repo: &str, name: &str, email: &str) {
        let head = commit(&format!("{email} on {name}"));
        let repo = self.repo(repo);
        let bot = BotBranch {
            name: branch(name),
            head: head.clone(),
            author_email: email.to_owned(),
            committer_email: email.to_owned(),
        };
        repo.branches.insert(branch(name), bot);
        for pull_request in repo.pull_requests.iter_mut() {
            if pull_request.branch == branch(name) && pull_request.state == PullRequestState::Open {
                pull_request.head = head.clone();
            }
        }
    }

    fn name_of(&self, number: u64) -> String {
        let has = |repo: &Repo| repo.pull_requests.iter().any(|it| it.number == number);
        self.repos.iter().find(|(_, repo)| has(repo)).map(|(name, _)| name.clone()).unwrap()
    }

    pub fn facts(&self) -> Vec<RepositoryFacts> {
        self.repos.iter().map(|(name, repo)| facts(name, repo)).collect()
    }

    pub fn knowledge(&self, facts: &[RepositoryFacts]) -> Knowledge {
        let unknown = |reason: &str| Unknown { reason: reason.to_owned() };
        let seen = |digest: &Option<Digest>| digest.ok_or_else(|| Unanswered::Unknown(unknown("HTTP 503")));
        let mut knowledge = Knowledge {
            observations: self.tags.iter().map(|(tag, digest)| (tag.clone(), seen(digest))).collect(),
            ledger: self.ledger.clone(),
            denials: self.denials.clone(),
            missing: self.missing.clone(),
            images: self.images.clone(),
            own_emails: [OURS.to_owned()].into(),
            api_emails: [("github".to_owned(), API_EMAILS.map(str::to_owned).into())].into(),
            told_to_merge: self.told_to_merge.clone(),
            unfinished: self.unfinished.clone(),
            ..Knowledge::default()
        };
        for tag in self.tags.keys() {
            if let Ok(tags) = knowledge.tags.entry(tag.image.clone()).or_insert(Ok(TagList::default())) {
                tags.insert(tag.tag.clone());
            }
        }
        for facts in facts {
            let key = facts.key();
            let name = facts.head.name.as_str();
            knowledge.refused.insert(key.clone(), Refusals::of(&self.repos[name].pull_requests));
            knowledge.last_opened.extend(self.last_opened.get(name).map(|last| (key.clone(), *last)));
            let pins = of_repository(facts, &knowledge.observations);
            loop {
                let rules =
                    Rules { repository: Some(&key), policy: &facts.policy, knowledge: &knowledge, now: self.now() };
                let moves: BTreeSet<Move> = pins.iter().flat_map(|pin| wanted(pin, &rules)).collect();
                if moves.is_empty() {
                    break;
                }
                knowledge.evidence.extend(moves.into_iter().map(|wanted| (wanted.clone(), self.evidence(&wanted))));
            }
            let branches = targets(facts, &knowledge, self.now()).branches;
            let repo = &self.repos[facts.head.name.as_str()];
            let asked = repo.pull_requests.iter().filter(|it| branches.contains(&it.branch));
            knowledge.pull_requests.insert(key, Ok(asked.cloned().collect()));
            let held = held_moves(facts, &knowledge, self.now());
            knowledge.evidence.extend(held.into_iter().map(|wanted| (wanted.clone(), self.evidence(&wanted))));
            let turn = self.turns.get(facts.head.name.as_str());
            knowledge.turns.extend(turn.map(|turn| (facts.key(), *turn)));
        }
        knowledge
    }

    fn evidence(&self, wanted: &Move) -> Evidence {
        let image = |digest| match self.contents.get(&digest) {
            None => Ok(index(digest)),
            Some(Content::Image(image)) => Ok(Image::clone(image)),
            Some(Content::Gone) => Err(NoImage::Gone),
            Some(Content::Unreadable) => Err(NoImage::Unknown(Unknown { reason: "HTTP 500".to_owned() })),
        };
        let old = wanted.old.map_or(Err(NoImage::Unpinned), image);
        let in_mirror = wanted.mirror.as_ref().map(|_| Ok(!self.not_mirrored.contains(&wanted.new)));
        Evidence { new: image(wanted.new), old, in_mirror, contents: BTreeMap::new() }
    }

    pub fn plan(&self) -> Plan {
        let facts = self.facts();
        plan(&facts, &self.knowledge(&facts), &self.limits(), self.now())
    }

    pub fn limits(&self) -> Limits {
        Limits { max_new_per_hour: self.max_new_per_hour, opened_in_last_hour: self.opened, cadence: self.cadence }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.hour * 3600).unwrap()
    }

    /// Notes in the ledger what the tags point to.
    pub fn look(&mut self) {
        let now = self.now();
        for (tag, digest) in self.tags.iter().filter_map(|(tag, digest)| Some((tag, (*digest)?))) {
            self.ledger.note(tag.clone(), digest, now);
        }
    }

    /// Looks, plans and applies; what the plan says.
    pub fn cycle(&mut self) -> Vec<String> {
        self.look();
        let plan = self.plan();
        self.apply(&plan);
        says(&plan)
    }

    pub fn apply(&mut self, plan: &Plan) {
        for repository in &plan.repositories {
            for action in &repository.actions {
                self.act(&repository.repository, action);
            }
            if repository.has_turn(self.now()) && !repository.is_incomplete() {
                self.turns.insert(repository.repository.name.to_string(), self.now());
            }
        }
    }

    fn act(&mut self, key: &RepositoryKey, action: &Action) {
        let name = key.name.as_str();
        match action {
            Action::Open { proposal, replaces } => {
                if let Some(closing) = replaces {
                    self.act_close(name, closing);
                }
                let head = self.act_push(name, proposal);
                self.numbers += 1;
                self.opened += 1;
                self.last_opened.insert(name.to_owned(), self.now());
                let new = PullRequest {
                    number: self.numbers,
                    url: format!("https://forge.example/{name}/{}", self.numbers),
                    state: PullRequestState::Open,
                    branch: proposal.branch.clone(),
                    base: proposal.base.clone(),
                    head: head.clone(),
                    title: proposal.title.clone(),
                    body: proposal.body.with_commit(&head),
                    labels: proposal.labels.clone(),
                    mergeable: Mergeable::Clean,
                    is_draft: proposal.draft,
                    pipeline: Pipeline::Absent,
                    is_auto_merging: false,
                    opened_at: None,
                    merged_at: None,
                };
                self.writes.push(format!("open #{}", new.number));
                self.repo(name).pull_requests.push(new);
            }
            Action::Update { proposal, pull_request } => {
                let head = self.act_push(name, proposal);
                self.writes.push(format!("edit #{}", pull_request.number));
                let open = self.pull_request(pull_request.number);
                open.title.clone_from(&proposal.title);
                open.body = proposal.body.with_commit(&head);
                open.head = head;
                open.mergeable = Mergeable::Clean;
                if proposal.finishes_opening {
                    self.writes.push(format!("finish #{}", pull_request.number));
                    self.unfinished.clear();
                }
            }
            Action::AutoMerge { branch, target } => {
                let open = self.repo(name).pull_requests.iter_mut();
                let mut open = open.filter(|it| it.state == PullRequestState::Open && it.branch == *branch);
                let open = open.next().expect("an open pull request of this branch");
                if let MergeTarget::Standing { number, head, .. } = target {
                    assert_eq!((open.number, &open.head), (*number, head));
                }
                open.is_auto_merging = true;
                let (number, head) = (open.number, open.head.clone());
                self.told_to_merge.entry(key.clone()).or_default().insert(number, head);
                self.writes.push(format!("auto-merge #{number}"));
            }
            Action::Close(closing) => self.act_close(name, closing),
            Action::DeleteBranch { branch, lease, .. } => self.act_delete(name, branch, lease),
        }
    }

    fn act_push(&mut self, name: &str, proposal: &Proposal) -> CommitId {
        let there = self.repo(name).branches.get(&proposal.branch).map(|branch| branch.head.clone());
        assert_eq!(there, proposal.expected, "the lease of {}", proposal.branch);
        let head = commit(&format!("{} {:?} {}", proposal.base_commit, proposal.changes, proposal.commit_message));
        if there.as_ref() != Some(&head) {
            self.writes.push(format!("push {}", proposal.branch));
            let bot = BotBranch {
                name: proposal.branch.clone(),
                head: head.clone(),
                author_email: OURS.to_owned(),
                committer_email: OURS.to_owned(),
            };
            self.repo(name).branches.insert(proposal.branch.clone(), bot);
        }
        head
    }

    fn act_close(&mut self, name: &str, closing: &Closing) {
        let open = self.pull_request(closing.number);
        if let Some(body) = &closing.body {
            open.body.clone_from(body);
        }
        open.state = PullRequestState::Closed;
        self.writes.push(format!("close #{}", closing.number));
        if let Some(lease) = &closing.delete {
            self.act_delete(name, &closing.branch, lease);
        }
    }

    fn act_delete(&mut self, name: &str, branch: &BranchName, lease: &CommitId) {
        let deleted = self.repo(name).branches.remove(branch).expect("a branch to delete");
        assert_eq!(deleted.head, *lease, "the lease of {branch}");
        self.writes.push(format!("delete {branch}"));
    }
}

fn facts(name: &str, repo: &Repo) -> RepositoryFacts {
    let mut files: BTreeMap<String, Vec<ImageUse>> = BTreeMap::new();
    for pin in repo.pins.iter().filter(|pin| !repo.unread.contains_key(&pin.path)) {
        let uses = files.entry(pin.path.clone()).or_default();
        let found = image_use(&pin.tag, pin.digest, uses.len());
        let tag_range = found.digest_range.clone().filter(|_| repo.policy.follow != Follow::Digest);
        uses.push(ImageUse { tag_range, ..found });
    }
    let base = repo.policy.base.clone().unwrap_or_else(|| branch("main"));
    let base_commit = commit(&format!("{name} {base} {}", repo.commits));
    RepositoryFacts {
        forge: "github".to_owned(),
        vocabulary: Vocabulary::PullRequest,
        auto_merges_from: repo.auto_merges_from,
        head: RepositoryHead {
            name: name.parse::<RepoName>().unwrap(),
            id: name.to_owned(),
            default_branch: branch("main"),
            head: Some(base_commit.clone()),
            pipeline: Pipeline::Unknown,
            is_archived: false,
            is_disabled: false,
            is_fork: false,
            topics: Vec::new(),
            bot_branches: repo.branches.values().cloned().collect(),
        },
        base,
        base_commit,
        policy: repo.policy.clone(),
        files: files.into_iter().map(|(path, uses)| FileUses { path, uses }).collect(),
        problems: repo.unread.clone(),
    }
}

/// What a plan says, one line per thing.
pub fn says(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for repository in &plan.repositories {
        for action in &repository.actions {
            lines.push(match action {
                Action::Open { proposal, replaces } => {
                    let replaces = replaces.as_ref().map(|it| format!(" replacing #{}", it.number)).unwrap_or_default();
                    format!("open {}{replaces}: {}", proposal.branch, changes(proposal))
                }
                Action::Update { proposal, pull_request } => {
                    format!("update #{}: {}", pull_request.number, changes(proposal))
                }
                Action::AutoMerge { branch, target: MergeTarget::Proposed } => format!("auto-merge {branch}"),
                Action::AutoMerge { target: MergeTarget::Standing { number, .. }, .. } => {
                    format!("auto-merge #{number}")
                }
                Action::Close(closing) => {
                    let branch = if closing.delete.is_some() { "deletes" } else { "keeps" };
                    format!("close #{}: {:?}, {branch} its branch", closing.number, closing.cause)
                }
                Action::DeleteBranch { branch, cause, .. } => format!("delete {branch}: {cause:?}"),
            });
        }
        for left in &repository.left_alone {
            let comment = if left.comment.is_some() { ", and says so" } else { "" };
            lines.push(format!("leave #{} alone{comment}: {}", left.number, left.reason.told(repository.vocabulary)));
        }
        lines.extend(repository.up_to_date.iter().map(|it| format!("#{} is up to date", it.number)));
        for pin in &repository.not_proposed {
            lines.push(format!("{} line {} waits: {}", pin.path, pin.line, pin.reason.told(repository.vocabulary)));
        }
        lines.extend(repository.problem.iter().map(|problem| format!("problem: {problem}")));
        lines.extend(repository.warnings.iter().map(|warning| format!("warning: {warning}")));
    }
    lines
}

fn changes(proposal: &Proposal) -> String {
    let pins = proposal.changes.values().flatten();
    let words = pins.map(|pin| {
        format!(
            "{}:{} {} {}→{}",
            pin.path,
            pin.line,
            pin.tag.image.last_segment(),
            pin.old.map_or("-".to_owned(), |old| letter(&old).to_string()),
            letter(&pin.new)
        )
    });
    words.collect::<Vec<_>>().join(", ")
}
