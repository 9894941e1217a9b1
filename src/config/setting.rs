//! The values of the keys of `policy`, and what each does to a policy.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::effective::Origin;
use super::policy_key::PolicyKey;
use super::yaml::Place;
use crate::domain::cadence::{Freeze, Schedule, Window};
use crate::domain::image::Platform;
use crate::domain::pattern::Pattern;
use crate::domain::policy::{
    AutoMerge, CommentMode, CommitMode, DeniedDigest, FilePattern, Follow, Grouping, Pairing, PinMode, Policy, Stages,
    Unchanged,
};
use crate::domain::pull_request::BranchName;
use crate::domain::reference::Tag;

/// One key with its value.
#[derive(Debug, Clone)]
pub enum Setting {
    Enabled(bool),
    Images(Vec<Pattern>),
    Tags(Vec<(Pattern, Tag)>),
    Include(Vec<Pattern>),
    Exclude(Vec<Pattern>),
    Group(Grouping),
    Comment(CommentMode),
    Patterns(Vec<FilePattern>),
    Labels(Vec<String>),
    Reviewers(Vec<String>),
    Assignees(Vec<String>),
    Draft(bool),
    Base(BranchName),
    MaxOpen(u32),
    Commits(CommitMode),
    Automerge(AutoMerge),
    /// `None`: always.
    Schedule(Option<Schedule>),
    Timezone(TimeZone),
    Window(Window),
    /// Each with its place.
    Freeze(Vec<(Place, Freeze)>),
    Jitter(SignedDuration),
    MinAge(SignedDuration),
    Settle(SignedDuration),
    Unchanged(Unchanged),
    Platforms(Vec<Platform>),
    Denied(Vec<DeniedDigest>),
    Stages(Stages),
    Pair(Pairing),
    MinInterval(SignedDuration),
    /// `None`: never.
    StaleAfter(Option<SignedDuration>),
    Follow(Follow),
    Pin(PinMode),
    Title(String),
    Body(String),
    CommitMessage(String),
}

impl Setting {
    /// The key that `repository_may_set` speaks of.
    pub fn key(&self) -> PolicyKey {
        match self {
            Self::Enabled(_) => PolicyKey::Enabled,
            Self::Images(_) => PolicyKey::Images,
            Self::Tags(_) => PolicyKey::Tags,
            Self::Include(_) | Self::Exclude(_) => PolicyKey::Files,
            Self::Group(_) => PolicyKey::Group,
            Self::Comment(_) => PolicyKey::Comment,
            Self::Patterns(_) => PolicyKey::Patterns,
            Self::Labels(_) => PolicyKey::Labels,
            Self::Reviewers(_) => PolicyKey::Reviewers,
            Self::Assignees(_) => PolicyKey::Assignees,
            Self::Draft(_) => PolicyKey::Draft,
            Self::Base(_) => PolicyKey::Base,
            Self::MaxOpen(_) => PolicyKey::MaxOpen,
            Self::Commits(_) => PolicyKey::Commits,
            Self::Automerge(_) => PolicyKey::Automerge,
            Self::Schedule(_) => PolicyKey::Schedule,
            Self::Timezone(_) => PolicyKey::Timezone,
            Self::Window(_) => PolicyKey::Window,
            Self::Freeze(_) => PolicyKey::Freeze,
            Self::Jitter(_) => PolicyKey::Jitter,
            Self::MinAge(_) => PolicyKey::MinAge,
            Self::Settle(_) => PolicyKey::Settle,
            Self::Unchanged(_) => PolicyKey::Unchanged,
            Self::Platforms(_) => PolicyKey::Platforms,
            Self::Denied(_) => PolicyKey::Denied,
            Self::Stages(_) => PolicyKey::Stages,
            Self::Pair(_) => PolicyKey::Pair,
            Self::MinInterval(_) => PolicyKey::MinInterval,
            Self::StaleAfter(_) => PolicyKey::StaleAfter,
            Self::Follow(_) => PolicyKey::Follow,
            Self::Pin(_) => PolicyKey::Pin,
            Self::Title(_) => PolicyKey::Title,
            Self::Body(_) => PolicyKey::Body,
            Self::CommitMessage(_) => PolicyKey::CommitMessage,
        }
    }

    /// The key's path below `policy`: `group`, `files.include`.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Include(_) => "files.include",
            Self::Exclude(_) => "files.exclude",
            other => other.key().as_str(),
        }
    }

    /// Puts the value in the place of the one that held before; freezes and denied digests come to those that hold.
    /// `origin` names a place in the file of the value, for people.
    pub fn apply(&self, policy: &mut Policy, origin: &Origin) {
        let cadence = &mut policy.cadence;
        match self.clone() {
            Self::Enabled(value) => policy.enabled = value,
            Self::Images(value) => policy.images = value,
            Self::Tags(value) => policy.tags = value,
            Self::Include(value) => policy.files.include = value,
            Self::Exclude(value) => policy.files.exclude = value,
            Self::Group(value) => policy.group = value,
            Self::Comment(value) => policy.comment = value,
            Self::Patterns(value) => policy.patterns = value,
            Self::Labels(value) => policy.labels = value,
            Self::Reviewers(value) => policy.reviewers = value,
            Self::Assignees(value) => policy.assignees = value,
            Self::Draft(value) => policy.draft = value,
            Self::Base(value) => policy.base = Some(value),
            Self::MaxOpen(value) => policy.max_open = Some(value),
            Self::Commits(value) => policy.commits = value,
            Self::Automerge(value) => policy.automerge = value,
            Self::Schedule(value) => cadence.set_schedule(value, origin.to_string()),
            Self::Timezone(value) => cadence.set_zone(value),
            Self::Window(value) => cadence.set_window(value, origin.to_string()),
            Self::Freeze(value) => {
                value.into_iter().for_each(|(place, freeze)| cadence.add_freeze(freeze, origin.at(place).to_string()));
            }
            Self::Jitter(value) => cadence.jitter = value,
            Self::MinAge(value) => policy.min_age = value,
            Self::Settle(value) => policy.settle = value,
            Self::Unchanged(value) => policy.unchanged = value,
            Self::Platforms(value) => policy.platforms = value,
            Self::Denied(value) => policy.denied.extend(value),
            Self::Stages(value) => policy.stages = value,
            Self::Pair(value) => policy.pair = value,
            Self::MinInterval(value) => policy.min_interval = value,
            Self::StaleAfter(value) => policy.stale_after = value,
            Self::Follow(value) => policy.follow = value,
            Self::Pin(value) => policy.pin = value,
            Self::Title(value) => policy.title = Some(value),
            Self::Body(value) => policy.body = Some(value),
            Self::CommitMessage(value) => policy.commit_message = Some(value),
        }
    }
}
