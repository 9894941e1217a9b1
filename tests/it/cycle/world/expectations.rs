//! What a cycle did: looked at from outside, and compared with what a test expects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use refrom::cycle::{Outcome, Report};
use refrom::demo::forge::{Face, HostedPullRequest};
use refrom::demo::git_repository::SOMEBODY;
use refrom::demo::server::Exchange;
use refrom::domain::pull_request::{BranchName, PullRequestState, Vocabulary};

use super::super::meddling;
use super::{Costs, FORGE_TOKEN, REGISTRY_PASSWORD, SERVE_TOKEN, WEBHOOK_SECRET, World, branch, name};

impl World {
    /// Starts to look what happens.
    pub fn begin(&mut self) -> BTreeMap<String, String> {
        self.asked.extend(self.forge.traffic().take());
        let earlier = self.take_registries();
        self.asked.extend(earlier);
        self.refs()
    }

    /// Looks what happened, and that it was nothing outside of refrom's own branches.
    pub fn end(&mut self, before: &BTreeMap<String, String>) {
        let registry = self.take_registries();
        self.registry_asked = registry.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
        self.last = self.forge.traffic().take();
        let is_write = |it: &&Exchange| meddling::is_write(&it.method, &it.path, &it.request_body);
        self.costs = Costs {
            registry: registry.len(),
            git: self.last.iter().filter(|exchange| exchange.path.contains(".git/")).count(),
            writes: self.last.iter().filter(is_write).count(),
        };
        self.asked.extend(self.last.iter().cloned().chain(registry));
        let by_people = |target: &str| target.ends_with(SOMEBODY.email);
        for (reference, target) in self.refs() {
            let is_ours = reference.contains(" refs/heads/refrom/");
            let is_as_before = before.get(&reference) == Some(&target) || by_people(&target);
            assert!(is_ours || is_as_before, "`{reference}` was changed to {target}");
        }
    }

    fn take_registries(&self) -> Vec<Exchange> {
        let registries = std::iter::once(&self.registry).chain(&self.other_registry);
        registries.flat_map(|registry| registry.traffic().take()).collect()
    }

    /// What the last cycle cost.
    pub fn costs(&self) -> Costs {
        self.costs
    }

    /// How many requests of the last cycle are known by this.
    pub fn asked(&self, on: &str) -> usize {
        self.last.iter().filter(|exchange| meddling::known_by(exchange).contains(on)).count()
    }

    /// How many requests of the last cycle to registries were like this.
    pub fn registry_asked(&self, request: &str) -> usize {
        self.registry_asked.iter().filter(|asked| asked.contains(request)).count()
    }

    /// All refs of all repositories, with their target and its committer.
    fn refs(&self) -> BTreeMap<String, String> {
        let mut refs = BTreeMap::new();
        for directory in self.repositories() {
            let git = git2::Repository::open_bare(&directory).unwrap();
            for reference in git.references().unwrap() {
                let reference = reference.unwrap();
                let commit = reference.peel_to_commit().unwrap();
                let committer = commit.committer();
                let target = format!("{} by {}", commit.id(), committer.email().unwrap());
                refs.insert(format!("{} {}", directory.display(), reference.name().unwrap()), target);
            }
        }
        refs
    }

    fn repositories(&self) -> Vec<PathBuf> {
        let root = self.directory.path().join("forge");
        let inside = |path: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(path).map(|all| all.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
        };
        inside(&root).iter().flat_map(|owner| inside(owner)).collect()
    }

    pub fn pull_request(&self, repository: &str, number: u64) -> HostedPullRequest {
        self.forge.pull_request(&name(repository), number).unwrap()
    }

    /// Each of them as `#1 open refrom/base-images -> main`.
    pub fn expect_pull_requests(&self, repository: &str, expected: &[&str]) {
        let all = self.forge.pull_requests(&name(repository)).unwrap();
        let described: Vec<String> = all.iter().map(describe).collect();
        assert_eq!(described, expected, "{repository}");
    }

    /// The branches of refrom, by name.
    pub fn expect_branches(&self, repository: &str, expected: &[&str]) {
        let all = self.bare(repository).branches().unwrap();
        let ours: Vec<String> =
            all.iter().filter(|(name, _)| name.is_ours()).map(|(name, _)| name.to_string()).collect();
        assert_eq!(ours, expected, "{repository}");
    }

    /// A file as it is on a branch.
    pub fn file(&self, repository: &str, on: &str, path: &str) -> String {
        let bare = self.bare(repository);
        let head = bare.head(&branch(on)).unwrap().unwrap();
        String::from_utf8(bare.read(&head, path).unwrap().unwrap()).unwrap()
    }

    /// The pull request is open, and its branch is one commit of refrom on the base, with this Dockerfile.
    pub fn expect_proposal(&self, repository: &str, number: u64, dockerfile: &str) {
        let hosted = self.pull_request(repository, number);
        assert_eq!(hosted.state, PullRequestState::Open, "{repository}#{number}");
        assert_eq!(self.file(repository, hosted.branch.as_str(), "Dockerfile"), dockerfile, "{repository}#{number}");
        let git = git2::Repository::open_bare(self.bare(repository).directory()).unwrap();
        let find = |branch: &BranchName| {
            git.find_reference(&format!("refs/heads/{branch}")).unwrap().peel_to_commit().unwrap()
        };
        let (commit, base) = (find(&hosted.branch), find(&hosted.base));
        assert_eq!(commit.parent_count(), 1);
        assert!(git.merge_base(commit.id(), base.id()).unwrap() == commit.parent_id(0).unwrap());
        assert_eq!(commit.author().email().unwrap(), "refrom@refrom.invalid");
    }

    /// What every test ends with.
    pub fn finish(mut self) {
        self.is_finished = true;
        assert!(
            self.meddlings.is_empty() && self.forge.has_no_fault_left(),
            "something that was prepared did not happen"
        );
        self.begin();
        let logged = String::from_utf8_lossy(&self.logs.0.lock().unwrap()).into_owned();
        assert!(logged.contains("planned"), "nothing was logged");
        if !self.has_expected_problems {
            let errors: Vec<&str> = logged.lines().filter(|line| line.contains(" ERROR ")).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
        let secrets = self.secrets();
        let check = |place: &str, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for secret in &secrets {
                assert!(!text.contains(secret), "the secret `{secret}` is in {place}");
            }
        };
        check("the logs", logged.as_bytes());
        for exchange in self.asked.iter().filter(|exchange| exchange.path.contains("/api/")) {
            self.check_words(&exchange.request_body);
        }
        for exchange in &self.asked {
            check("a request's path", exchange.path.as_bytes());
            check("a request's body", &exchange.request_body);
        }
        for directory in self.repositories() {
            let git = git2::Repository::open_bare(&directory).unwrap();
            let odb = git.odb().unwrap();
            let mut objects = Vec::new();
            odb.foreach(|id| {
                objects.push(*id);
                true
            })
            .unwrap();
            for id in objects {
                check("a pushed object", odb.read(id).unwrap().data());
            }
        }
        for path in files_below(&self.state()) {
            // SQLite may be removing its log just now.
            check(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
        }
    }

    /// What is shown on a forge is in its own words; a form has `+` for a blank.
    fn check_words(&self, body: &[u8]) {
        let text = String::from_utf8_lossy(body).to_lowercase().replace('+', " ");
        let foreign = match self.face {
            Face::GitHub => Vocabulary::MergeRequest,
            Face::GitLab => Vocabulary::PullRequest,
        };
        assert!(!text.contains(foreign.noun()), "the words of another forge: {text}");
    }

    /// The secrets of the configuration, and everything that was sent to prove an identity.
    fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> =
            [FORGE_TOKEN, REGISTRY_PASSWORD, WEBHOOK_SECRET, SERVE_TOKEN, "PRIVATE KEY"].map(String::from).into();
        let sent = self.asked.iter().filter_map(|exchange| exchange.authorization.as_deref());
        secrets.extend(sent.filter_map(|value| Some(value.split_once(' ')?.1.to_owned())));
        secrets.sort();
        secrets.dedup();
        secrets
    }
}

fn describe(hosted: &HostedPullRequest) -> String {
    let state = match hosted.state {
        PullRequestState::Open => "open",
        PullRequestState::Merged => "merged",
        PullRequestState::Closed => "closed",
    };
    format!("#{} {state} {} -> {}", hosted.number, hosted.branch, hosted.base)
}

pub(super) fn expect_problems(report: &Report, expected: &[&str]) {
    let problems = problems(report);
    assert_eq!(report.is_incomplete(), !problems.is_empty());
    for problem in &problems {
        assert!(expected.iter().any(|expected| problem.contains(expected)), "unexpected: {problem}");
    }
    for expected in expected {
        assert!(problems.iter().any(|problem| problem.contains(expected)), "no `{expected}` in {problems:#?}");
    }
}

/// Everything that makes a cycle incomplete, with the name of what it is about.
fn problems(report: &Report) -> Vec<String> {
    let mut problems: Vec<String> =
        report.problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.message)).collect();
    for repository in &report.repositories {
        let name = &repository.plan.repository;
        let words = repository.plan.vocabulary;
        problems.extend(repository.deeds.iter().filter_map(|deed| match &deed.outcome {
            Outcome::Failed(reason) => Some(format!("{name}: {reason}")),
            Outcome::Planned | Outcome::Done => None,
        }));
        problems.extend(repository.plan.problem.iter().map(|problem| format!("{name}: {problem}")));
        let waiting = repository.plan.not_proposed.iter().filter(|waiting| waiting.reason.is_incomplete());
        problems.extend(waiting.map(|waiting| format!("{name}: {}: {}", waiting.path, waiting.reason.told(words))));
        let alone = repository.plan.left_alone.iter().filter(|left| left.reason.is_incomplete());
        problems
            .extend(alone.map(|left| format!("{name}: {}: {}", words.numbered(left.number), left.reason.told(words))));
    }
    problems
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
