//! A checked `policy`: the keys that are set, each with its place and its value.

use std::sync::Arc;

use jiff::SignedDuration;
use regex::Regex;

use super::cadence;
use super::check::Checker;
use super::digest;
use super::mistake::{KeyPath, nearest};
use super::policy_file::{OneOrMany, PatternFile, PolicyFile, PolicyKey, TagFile};
use super::setting::Setting;
use super::yaml::Place;
use crate::domain::message::{TemplateKind, validate_template};
use crate::domain::pattern::{self, Pattern};
use crate::domain::policy::FilePattern;
use crate::domain::pull_request::BranchName;
use crate::domain::reference::Tag;

/// The longest label that GitHub takes, in characters.
const LABEL_LENGTH_MAX: usize = 50;
/// The label by which people hold a pull request.
const HOLD_LABEL: &str = "refrom:hold";
/// How many labels, reviewers or assignees a list may have; GitHub takes 100 labels, 15 reviewers and 10 assignees.
const NAMES_MAX: usize = 100;
/// The longest template, in bytes. GitHub takes bodies of 65,536 characters.
const TEMPLATE_LENGTH_MAX: usize = 64 * 1024;
/// The named groups of a file pattern; the first two are needed.
const GROUPS: [&str; 4] = ["image", "digest", "tag", "comment"];
const GROUPS_NEEDED: usize = 2;

/// The keys that one file sets, in the order of [`PolicyKey`].
#[derive(Debug, Clone, Default)]
pub struct Layer(pub Vec<(Place, Setting)>);

/// The setting that a template becomes.
type FromText = fn(String) -> Setting;
/// The setting that a length of time becomes.
type FromDuration = fn(SignedDuration) -> Setting;

/// Checks one `policy`; `path` is where it stands.
pub fn layer(checker: &mut Checker<'_>, path: &KeyPath, file: &PolicyFile) -> Layer {
    let mut builder = Builder { checker, path, settings: Vec::new() };
    builder.set(PolicyKey::Enabled, &file.enabled, |_, _, value| Some(Setting::Enabled(*value)));
    builder.set(PolicyKey::Images, &file.images, |checker, path, texts| {
        Some(Setting::Images(checker.patterns(path, texts)))
    });
    builder
        .set(PolicyKey::Tags, &file.tags, |checker, path, tags| Some(Setting::Tags(image_tags(checker, path, tags))));
    builder.files(file);
    builder.set(PolicyKey::Group, &file.group, |_, _, value| Some(Setting::Group((*value).into())));
    builder.set(PolicyKey::Comment, &file.comment, |_, _, value| Some(Setting::Comment((*value).into())));
    builder.set(PolicyKey::Patterns, &file.patterns, |checker, path, patterns| {
        let patterns = patterns.iter().enumerate();
        let read = patterns.filter_map(|(index, pattern)| file_pattern(checker, &path.index(index), pattern));
        Some(Setting::Patterns(read.collect()))
    });
    builder.set(PolicyKey::Labels, &file.labels, |checker, path, labels| {
        Some(Setting::Labels(names(checker, path, labels, label)))
    });
    builder.set(PolicyKey::Reviewers, &file.reviewers, |checker, path, people| {
        Some(Setting::Reviewers(names(checker, path, people, person)))
    });
    builder.set(PolicyKey::Assignees, &file.assignees, |checker, path, people| {
        Some(Setting::Assignees(names(checker, path, people, person)))
    });
    builder.set(PolicyKey::Draft, &file.draft, |_, _, value| Some(Setting::Draft(*value)));
    builder.set(PolicyKey::Base, &file.base, |checker, path, text| base(checker, path, text).map(Setting::Base));
    builder.set(PolicyKey::MaxOpen, &file.max_open, |checker, path, value| at_least_one(checker, path, *value));
    builder.set(PolicyKey::Commits, &file.commits, |_, _, value| Some(Setting::Commits((*value).into())));
    builder.set(PolicyKey::Automerge, &file.automerge, |_, _, value| Some(Setting::Automerge((*value).into())));
    keys_of_time(&mut builder, file);
    keys_of_digests(&mut builder, file);
    let templates: [(PolicyKey, TemplateKind, &Option<String>, FromText); 3] = [
        (PolicyKey::Title, TemplateKind::Title, &file.title, Setting::Title),
        (PolicyKey::Body, TemplateKind::Body, &file.body, Setting::Body),
        (PolicyKey::CommitMessage, TemplateKind::CommitMessage, &file.commit_message, Setting::CommitMessage),
    ];
    for (key, kind, text, setting) in templates {
        builder
            .set(key, text, |checker, path, text| template(checker, path, kind, text).then(|| setting(text.clone())));
    }
    Layer(builder.settings)
}

/// The keys about time.
fn keys_of_time(builder: &mut Builder<'_, '_>, file: &PolicyFile) {
    builder.set(PolicyKey::Schedule, &file.schedule, |checker, path, value| {
        cadence::schedule(checker, path, value).map(Setting::Schedule)
    });
    builder.set(PolicyKey::Timezone, &file.timezone, |checker, path, text| {
        cadence::timezone(checker, path, text).map(Setting::Timezone)
    });
    builder.set(PolicyKey::Window, &file.window, |checker, path, spans| {
        cadence::window(checker, path, spans).map(Setting::Window)
    });
    builder.set(PolicyKey::Freeze, &file.freeze, |checker, path, files| {
        Some(Setting::Freeze(cadence::freezes(checker, path, files)))
    });
    builder.set(PolicyKey::Jitter, &file.jitter, |checker, path, text| {
        cadence::jitter(checker, path, text).map(Setting::Jitter)
    });
}

/// The keys about which digest is proposed.
fn keys_of_digests(builder: &mut Builder<'_, '_>, file: &PolicyFile) {
    let durations: [(PolicyKey, &Option<String>, FromDuration); 3] = [
        (PolicyKey::MinAge, &file.min_age, Setting::MinAge),
        (PolicyKey::Settle, &file.settle, Setting::Settle),
        (PolicyKey::MinInterval, &file.min_interval, Setting::MinInterval),
    ];
    for (key, text, setting) in durations {
        builder.set(key, text, |checker, path, text| digest::duration(checker, path, text).map(setting));
    }
    builder.set(PolicyKey::Unchanged, &file.unchanged, |_, _, value| Some(Setting::Unchanged((*value).into())));
    builder.set(PolicyKey::Platforms, &file.platforms, |checker, path, texts| {
        digest::platforms(checker, path, texts).map(Setting::Platforms)
    });
    builder.set(PolicyKey::Denied, &file.denied, |checker, path, files| {
        digest::denied(checker, path, files).map(Setting::Denied)
    });
    builder.set(PolicyKey::Stages, &file.stages, |_, _, value| Some(Setting::Stages((*value).into())));
    builder.set(PolicyKey::Pair, &file.pair, |_, _, value| Some(Setting::Pair((*value).into())));
    builder.set(PolicyKey::StaleAfter, &file.stale_after, |checker, path, text| {
        digest::stale_after(checker, path, text).map(Setting::StaleAfter)
    });
    builder.set(PolicyKey::Follow, &file.follow, |_, _, value| Some(Setting::Follow((*value).into())));
    builder.set(PolicyKey::Pin, &file.pin, |_, _, value| Some(Setting::Pin((*value).into())));
}

struct Builder<'a, 'c> {
    checker: &'a mut Checker<'c>,
    path: &'a KeyPath,
    settings: Vec<(Place, Setting)>,
}

impl<'c> Builder<'_, 'c> {
    fn set<T>(
        &mut self,
        key: PolicyKey,
        value: &Option<T>,
        check: impl FnOnce(&mut Checker<'c>, &KeyPath, &T) -> Option<Setting>,
    ) {
        self.set_at(&self.path.key(key.as_str()), value, check);
    }

    fn files(&mut self, file: &PolicyFile) {
        let Some(files) = &file.files else { return };
        let path = self.path.key(PolicyKey::Files.as_str());
        self.set_at(&path.key("include"), &files.include, |checker, path, texts| {
            Some(Setting::Include(checker.patterns(path, texts)))
        });
        self.set_at(&path.key("exclude"), &files.exclude, |checker, path, texts| {
            Some(Setting::Exclude(checker.patterns(path, texts)))
        });
    }

    fn set_at<T>(
        &mut self,
        path: &KeyPath,
        value: &Option<T>,
        check: impl FnOnce(&mut Checker<'c>, &KeyPath, &T) -> Option<Setting>,
    ) {
        let setting = value.as_ref().and_then(|value| check(self.checker, path, value));
        let place = self.checker.tree.place_of(path);
        self.settings.extend(setting.map(|setting| (place, setting)));
    }
}

fn image_tags(checker: &mut Checker<'_>, path: &KeyPath, tags: &[TagFile]) -> Vec<(Pattern, Tag)> {
    let mut read = Vec::new();
    for (index, file) in tags.iter().enumerate() {
        let path = path.index(index);
        let pattern = match &file.image {
            Some(text) => checker.pattern(&path.key("image"), text),
            None => {
                checker.missing(&path.key("image"), "missing: a pattern over registry and repository");
                None
            }
        };
        let tag = match &file.tag {
            Some(text) => checker.parse(&path.key("tag"), text, "a tag"),
            None => {
                checker.missing(&path.key("tag"), "missing: the tag to track");
                None
            }
        };
        read.extend(pattern.zip(tag));
    }
    read
}

fn file_pattern(checker: &mut Checker<'_>, path: &KeyPath, file: &PatternFile) -> Option<FilePattern> {
    let files_path = path.key("files");
    let files = match &file.files {
        Some(OneOrMany::One(text)) => checker.pattern(&files_path, text).into_iter().collect(),
        Some(OneOrMany::Many(texts)) => checker.patterns(&files_path, texts),
        Some(OneOrMany::None) | None => Vec::new(),
    };
    if files.is_empty() {
        checker.missing(&files_path, "missing: a pattern over the path");
    }
    let path = path.key("regex");
    let Some(expression) = &file.regex else {
        checker.missing(&path, "missing: a regular expression");
        return None;
    };
    if !checker.takes_pattern(&path) {
        return None;
    }
    match pattern::regex(expression) {
        Ok(regex) => {
            let is_usable = has_groups(checker, &path, &regex) && !files.is_empty();
            is_usable.then(|| FilePattern { files, regex: Arc::new(regex) })
        }
        Err(reason) => {
            checker.wrong(&path, format!("bad regular expression: {reason}"));
            None
        }
    }
}

fn has_groups(checker: &mut Checker<'_>, path: &KeyPath, regex: &Regex) -> bool {
    let before = checker.mistakes.len();
    for name in regex.capture_names().flatten().filter(|name| !GROUPS.contains(name)) {
        let meant = nearest(name, GROUPS).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        checker.wrong(path, format!("unknown group `{name}`{meant}"));
    }
    for group in
        GROUPS.iter().take(GROUPS_NEEDED).filter(|group| !regex.capture_names().flatten().any(|n| n == **group))
    {
        checker.wrong(path, format!("the named group `(?<{group}>…)` is missing"));
    }
    checker.mistakes.len() == before
}

/// What is wrong with a name.
type Rule = fn(&str) -> Option<String>;

fn names(checker: &mut Checker<'_>, path: &KeyPath, texts: &[String], rule: Rule) -> Vec<String> {
    if texts.len() > NAMES_MAX {
        checker.wrong(path, format!("too many: {} of at most {NAMES_MAX}", texts.len()));
    }
    for (index, text) in texts.iter().enumerate() {
        if let Some(message) = rule(text) {
            checker.wrong(&path.index(index), message);
        }
    }
    texts.to_vec()
}

fn label(text: &str) -> Option<String> {
    let is_good = !text.is_empty() && text.trim() == text && !text.chars().any(|c| c.is_control() || c == ',');
    if !is_good || text.chars().count() > LABEL_LENGTH_MAX {
        return Some(format!("expected a label of 1 to {LABEL_LENGTH_MAX} characters without commas, found `{text}`"));
    }
    (text == HOLD_LABEL).then(|| format!("`{HOLD_LABEL}` is for people: it would hold every pull request"))
}

fn person(text: &str) -> Option<String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "-_.[]".contains(c));
    (!name.split('/').all(is_name)).then(|| format!("expected a user or a team (`@org/team`), found `{text}`"))
}

fn base(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<BranchName> {
    let branch: BranchName = checker.parse(path, text, "a branch name")?;
    if branch.is_ours() {
        checker.wrong(path, "the branches under `refrom/` are refrom's own");
        return None;
    }
    Some(branch)
}

fn at_least_one(checker: &mut Checker<'_>, path: &KeyPath, value: u32) -> Option<Setting> {
    if value == 0 {
        checker.wrong(path, "expected 1 or more; `enabled: false` opens none");
        return None;
    }
    Some(Setting::MaxOpen(value))
}

fn template(checker: &mut Checker<'_>, path: &KeyPath, kind: TemplateKind, text: &str) -> bool {
    if text.trim().is_empty() || text.len() > TEMPLATE_LENGTH_MAX {
        checker.wrong(path, format!("expected a template of 1 to {TEMPLATE_LENGTH_MAX} bytes"));
        return false;
    }
    match validate_template(kind, text) {
        Ok(()) => true,
        Err(error) => {
            checker.wrong(path, format!("bad template: {error}"));
            false
        }
    }
}
