//! Merge requests of REST (<https://docs.gitlab.com/api/merge_requests/>, <https://docs.gitlab.com/api/notes/>).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rest::page;
use super::shown::{merge_request, user};
use super::{Asked, forbidden, not_found, refusal};
use crate::demo::forge::http::Reply;
use crate::demo::forge::world::{HostedPullRequest, Permission, World, iso};
use crate::domain::pull_request::{BranchName, PullRequestState};
use crate::forge::gitlab::{BODY_CHARACTERS_MAX, NOTE_CHARACTERS_MAX};

/// The longest title and the longest label, in characters.
const TITLE_CHARACTERS_MAX: usize = 255;
/// What marks a draft.
const DRAFT: &str = "Draft: ";

/// Those that the caller opened, of all repositories.
pub(super) fn own(world: &World, asked: &Asked) -> Result<Reply, Reply> {
    let login = world.login(&asked.caller);
    let all = world.repositories.iter().filter(|(_, found)| world.sees(&asked.caller, found));
    let ours = all.flat_map(|(id, found)| found.pull_requests.values().map(move |it| (*id, it)));
    let ours = ours.filter(|(_, it)| it.author == login && it.state == PullRequestState::Open);
    let shown: Result<Vec<_>, Reply> = ours.map(|(id, it)| shown(world, (id, it.number))).collect();
    Ok(page(asked, shown?))
}

/// Those of one repository, newest first.
pub(super) fn list(world: &World, asked: &Asked, id: u64) -> Result<Reply, Reply> {
    let found = world.repositories.get(&id).ok_or_else(|| not_found("Project"))?;
    let is_meant = |it: &&HostedPullRequest| {
        let is = |name: &str, value: &str| asked.text(name).is_none_or(|wanted| wanted == value);
        is("state", super::shown::state(it))
            && is("source_branch", it.branch.as_str())
            && is("target_branch", it.base.as_str())
    };
    let meant = found.pull_requests.values().rev().filter(is_meant);
    let shown: Result<Vec<_>, Reply> = meant.map(|it| shown(world, (id, it.number))).collect();
    Ok(page(asked, shown?))
}

pub(super) fn show(world: &World, place: (u64, u64)) -> Result<Reply, Reply> {
    Ok(Reply::new(200, shown(world, place)?))
}

pub(super) fn open(world: &mut World, asked: &Asked, id: u64) -> Result<Reply, Reply> {
    if world.denied.contains(&Permission::OpenPullRequests) {
        return Err(forbidden());
    }
    let (source, target) = (asked.required("source_branch")?, asked.required("target_branch")?);
    let (title, body) = (asked.required("title")?, asked.text("description").unwrap_or_default());
    check_lengths(Some(title), Some(body))?;
    let bare = world.bare(id)?.ok_or_else(|| not_found("Project"))?;
    let commit = |kind: &str, name: &str| {
        let missing = || refusal(422, json!([format!("{kind} branch \"{name}\" does not exist")]));
        let branch: BranchName = name.parse().map_err(|_| missing())?;
        bare.head(&branch)?.map(|head| (branch, head)).ok_or_else(missing)
    };
    let ((branch, head), (base, _)) = (commit("Source", source)?, commit("Target", target)?);
    let author = world.login(&asked.caller);
    let (assignees, reviewers) = (users(world, asked, "assignee_ids[]"), users(world, asked, "reviewer_ids[]"));
    let may_ask = !world.denied.contains(&Permission::RequestReviews);
    let created = world.now();
    let repository = world.repositories.get_mut(&id).ok_or_else(|| not_found("Project"))?;
    let is_same = |open: &&HostedPullRequest| {
        open.state == PullRequestState::Open && !open.from_fork && open.branch == branch && open.base == base
    };
    if let Some(same) = repository.pull_requests.values().find(is_same) {
        let message = format!("Another open merge request already exists for this source branch: !{}", same.number);
        return Err(refusal(409, json!([message])));
    }
    let number = repository.next_number();
    let mut opened = HostedPullRequest::new((number, created), author, (branch, head), base);
    set_title(&mut opened, title);
    opened.body = body.to_owned();
    opened.labels = labels(asked.text("labels").unwrap_or_default());
    opened.assignees = assignees;
    opened.reviewers = if may_ask { reviewers } else { BTreeSet::new() };
    opened.removes_branch = asked.flag("remove_source_branch");
    repository.pull_requests.insert(number, opened);
    Ok(Reply::new(201, shown(world, (id, number))?))
}

pub(super) fn change(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    let (title, body) = (asked.text("title"), asked.text("description"));
    check_lengths(title, body)?;
    let it = found(world, place)?;
    match (asked.text("state_event"), it.state) {
        (Some("close"), PullRequestState::Open) => it.state = PullRequestState::Closed,
        (Some("reopen"), PullRequestState::Closed) => it.state = PullRequestState::Open,
        _ => {}
    }
    if let Some(title) = title {
        set_title(it, title);
    }
    if let Some(body) = body {
        body.clone_into(&mut it.body);
    }
    show(world, place)
}

/// Newest first.
pub(super) fn notes(world: &World, asked: &Asked, (id, number): (u64, u64)) -> Result<Reply, Reply> {
    let it = world.repositories.get(&id).and_then(|found| found.pull_requests.get(&number));
    let it = it.ok_or_else(|| not_found("Merge Request"))?;
    let shown = it.comments.iter().enumerate().map(|(index, (author, text))| note(world, index, (author, text)));
    let mut shown: Vec<Value> = shown.collect();
    if asked.text("sort") != Some("asc") {
        shown.reverse();
    }
    Ok(page(asked, shown))
}

pub(super) fn comment(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    let text = asked.required("body")?.to_owned();
    if text.chars().count() > NOTE_CHARACTERS_MAX {
        return Err(refusal(400, json!({ "note": ["is too long (maximum is 1000000 characters)"] })));
    }
    let author = world.login(&asked.caller);
    let it = found(world, place)?;
    it.comments.push((author.clone(), text.clone()));
    let index = it.comments.len() - 1;
    Ok(Reply::new(201, note(world, index, (&author, &text))))
}

fn note(world: &World, index: usize, (author, text): (&str, &str)) -> Value {
    json!({
        "id": index + 1,
        "body": text,
        "author": user(world, author),
        "created_at": iso(world.now()),
        "system": false,
        "noteable_type": "MergeRequest",
    })
}

pub(super) fn found(world: &mut World, (id, number): (u64, u64)) -> Result<&mut HostedPullRequest, Reply> {
    let repository = world.repositories.get_mut(&id);
    repository.and_then(|found| found.pull_requests.get_mut(&number)).ok_or_else(|| not_found("Merge Request"))
}

fn shown(world: &World, place: (u64, u64)) -> Result<Value, Reply> {
    merge_request(world, place)?.ok_or_else(|| not_found("Merge Request"))
}

fn set_title(it: &mut HostedPullRequest, title: &str) {
    it.is_draft = title.starts_with(DRAFT);
    title.trim_start_matches(DRAFT).clone_into(&mut it.title);
}

/// Labels that cannot be are left out without a word.
fn labels(text: &str) -> BTreeSet<String> {
    let is_label = |label: &&str| !label.is_empty() && label.chars().count() <= TITLE_CHARACTERS_MAX;
    text.split(',').map(str::trim).filter(is_label).map(str::to_owned).collect()
}

/// The users of these numbers; the others are left out without a word.
fn users(world: &World, asked: &Asked, name: &str) -> BTreeSet<String> {
    let numbers = asked.numbers(name);
    world.users.iter().filter(|login| numbers.contains(&world.account(login).0)).cloned().collect()
}

fn check_lengths(title: Option<&str>, body: Option<&str>) -> Result<(), Reply> {
    for (name, text, max) in [("title", title, TITLE_CHARACTERS_MAX), ("description", body, BODY_CHARACTERS_MAX)] {
        if text.is_some_and(|text| text.chars().count() > max) {
            return Err(refusal(400, json!({ name: [format!("is too long (maximum is {max} characters)")] })));
        }
    }
    Ok(())
}
