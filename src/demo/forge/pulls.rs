//! Pull requests of the REST face: requests are checked as strictly as GitHub checks them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::http::{Asked, Reply};
use super::world::{HostedPullRequest, Permission, World, iso};
use crate::domain::pull_request::{BranchName, PullRequestState};
use crate::forge::github::BODY_CHARACTERS_MAX;

/// The longest title, in characters.
const TITLE_CHARACTERS_MAX: usize = 256;

/// Answers what is below `/repos/OWNER/NAME`.
pub(super) fn answer(world: &mut World, asked: &Asked, (id, rest): (u64, &[&str])) -> Result<Reply, Reply> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| Reply::not_found());
    match (asked.method.as_str(), rest) {
        ("POST", ["pulls"]) => open(world, asked, id),
        ("PATCH", ["pulls", text]) => change(world, asked, (id, number(text)?)),
        ("POST", ["pulls", text, "requested_reviewers"]) => request_reviews(world, asked, (id, number(text)?)),
        ("POST", ["issues", text, "labels"]) => add_labels(world, asked, (id, number(text)?)),
        ("POST", ["issues", text, "assignees"]) => assign(world, asked, (id, number(text)?)),
        ("POST", ["issues", text, "comments"]) => comment(world, asked, (id, number(text)?)),
        _ => Err(Reply::not_found()),
    }
}

/// The fields of a request's body; any other is refused.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn new(asked: &'a Asked, permitted: &[&str]) -> Result<Self, Reply> {
        let Some(fields) = asked.body.as_object() else {
            return Err(Reply::error(400, "Body should be a JSON object"));
        };
        match fields.keys().find(|key| !permitted.contains(&key.as_str())) {
            Some(key) => Err(Reply::error(422, format!("Invalid request.\n\n\"{key}\" is not a permitted key."))),
            None => Ok(Self(fields)),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, Reply> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(Self::wrong_type(name, other, "string")),
        }
    }

    fn required(&self, name: &str) -> Result<String, Reply> {
        let missing = || Reply::error(422, format!("Invalid request.\n\n\"{name}\" wasn't supplied."));
        self.text(name)?.ok_or_else(missing)
    }

    fn flag(&self, name: &str) -> Result<bool, Reply> {
        match self.0.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Self::wrong_type(name, other, "boolean")),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Reply> {
        let Some(value) = self.0.get(name) else { return Ok(Vec::new()) };
        let text = |item: &Value| item.as_str().map(ToOwned::to_owned);
        let texts = value.as_array().and_then(|items| items.iter().map(text).collect());
        texts.ok_or_else(|| Self::wrong_type(name, value, "array"))
    }

    fn wrong_type(name: &str, value: &Value, wanted: &str) -> Reply {
        Reply::error(422, format!("Invalid request.\n\nFor '{name}', {value} is not a {wanted}."))
    }
}

fn pull_request(world: &mut World, (id, number): (u64, u64)) -> Result<&mut HostedPullRequest, Reply> {
    let found = world.repositories.get_mut(&id).and_then(|found| found.pull_requests.get_mut(&number));
    found.ok_or_else(Reply::not_found)
}

fn check_lengths(title: Option<&str>, body: Option<&str>) -> Result<(), Reply> {
    for (text, field, most) in [(title, "title", TITLE_CHARACTERS_MAX), (body, "body", BODY_CHARACTERS_MAX)] {
        if text.is_some_and(|text| text.chars().count() > most) {
            let message = format!("{field} is too long (maximum is {most} characters)");
            let error = json!({ "resource": "Issue", "code": "custom", "field": field, "message": message });
            return Err(Reply::invalid(json!([error])));
        }
    }
    if title.is_some_and(|title| title.trim().is_empty()) {
        return Err(Reply::invalid(json!([{ "resource": "Issue", "code": "missing_field", "field": "title" }])));
    }
    Ok(())
}

fn open(world: &mut World, asked: &Asked, id: u64) -> Result<Reply, Reply> {
    if world.denied.contains(&Permission::OpenPullRequests) {
        return Err(Reply::error(403, "Resource not accessible by integration"));
    }
    let fields =
        Fields::new(asked, &["title", "head", "base", "body", "draft", "maintainer_can_modify", "head_repo", "issue"])?;
    let (title, head, base) = (fields.required("title")?, fields.required("head")?, fields.required("base")?);
    let (body, is_draft) = (fields.text("body")?.unwrap_or_default(), fields.flag("draft")?);
    fields.flag("maintainer_can_modify")?;
    check_lengths(Some(&title), Some(&body))?;
    if is_draft && world.denied.contains(&Permission::OpenDrafts) {
        let message = "Draft pull requests are not supported in this repository.";
        let error = json!({ "resource": "PullRequest", "code": "custom", "field": "draft", "message": message });
        return Err(Reply::invalid(json!([error])));
    }
    let Some(bare) = world.bare(id)? else { return Err(Reply::not_found()) };
    let commit = |field: &str, name: &str| {
        let invalid = || Reply::invalid(json!([{ "resource": "PullRequest", "field": field, "code": "invalid" }]));
        let branch: BranchName = name.parse().map_err(|_| invalid())?;
        bare.head(&branch)?.map(|head| (branch, head)).ok_or_else(invalid)
    };
    let ((branch, head_commit), (base_branch, base_commit)) = (commit("head", &head)?, commit("base", &base)?);
    let custom =
        |message: String| Reply::invalid(json!([{ "resource": "PullRequest", "code": "custom", "message": message }]));
    if head_commit == base_commit {
        return Err(custom(format!("No commits between {base} and {head}")));
    }
    let author = world.login(&asked.caller);
    let created = world.now();
    let Some(repository) = world.repositories.get_mut(&id) else { return Err(Reply::not_found()) };
    let is_same = |open: &&HostedPullRequest| {
        open.state == PullRequestState::Open && !open.from_fork && open.branch == branch && open.base == base_branch
    };
    if repository.pull_requests.values().any(|open| is_same(&open)) {
        return Err(custom(format!("A pull request already exists for {}:{branch}.", repository.owner())));
    }
    let number = repository.next_number();
    let opened = HostedPullRequest {
        title,
        body,
        is_draft,
        ..HostedPullRequest::new((number, created), author, (branch, head_commit), base_branch)
    };
    repository.pull_requests.insert(number, opened);
    let body = json_of(world, (id, number))?;
    Ok(Reply::new(201, body))
}

fn change(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    let fields = Fields::new(asked, &["title", "body", "state", "base", "maintainer_can_modify"])?;
    let (title, body) = (fields.text("title")?, fields.text("body")?);
    check_lengths(title.as_deref(), body.as_deref())?;
    let state = match fields.text("state")?.as_deref() {
        None => None,
        Some("open") => Some(PullRequestState::Open),
        Some("closed") => Some(PullRequestState::Closed),
        Some(other) => return Err(Fields::wrong_type("state", &Value::from(other), "state")),
    };
    let found = pull_request(world, place)?;
    match (found.state, state) {
        (PullRequestState::Merged, Some(PullRequestState::Open)) => {
            let error = json!({ "resource": "PullRequest", "code": "invalid", "field": "state" });
            return Err(Reply::invalid(json!([error])));
        }
        (PullRequestState::Merged, _) | (_, None) => {}
        (_, Some(state)) => found.state = state,
    }
    found.title = title.unwrap_or_else(|| found.title.clone());
    found.body = body.unwrap_or_else(|| found.body.clone());
    Ok(Reply::new(200, json_of(world, place)?))
}

fn request_reviews(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    if world.denied.contains(&Permission::RequestReviews) {
        return Err(Reply::error(403, "Resource not accessible by integration"));
    }
    let fields = Fields::new(asked, &["reviewers", "team_reviewers"])?;
    let (users, teams) = (fields.texts("reviewers")?, fields.texts("team_reviewers")?);
    let owner = world.repositories.get(&place.0).map(|found| found.owner().to_owned()).unwrap_or_default();
    let author = pull_request(world, place)?.author.clone();
    if users.contains(&author) {
        return Err(Reply::error(422, "Review cannot be requested from pull request author."));
    }
    let is_known = users.iter().all(|user| world.users.contains(user))
        && teams.iter().all(|team| world.teams.contains(&format!("{owner}/{team}")));
    if !is_known {
        let message = "Reviews may only be requested from collaborators. One or more of the users or teams you \
                       specified is not a collaborator of the repository.";
        return Err(Reply::error(422, message));
    }
    let found = pull_request(world, place)?;
    found.reviewers.extend(users);
    found.team_reviewers.extend(teams);
    Ok(Reply::new(201, without(json_of(world, place)?, &["merged"])))
}

fn add_labels(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    let labels = Fields::new(asked, &["labels"])?.texts("labels")?;
    if labels.iter().any(|label| label.trim().is_empty() || label.chars().count() > 50) {
        return Err(Reply::invalid(json!([{ "resource": "Label", "code": "invalid", "field": "name" }])));
    }
    let found = pull_request(world, place)?;
    found.labels.extend(labels);
    let body = found.labels.iter().map(|label| json!({ "name": label, "color": "ededed", "default": false }));
    Ok(Reply::new(200, body.collect()))
}

/// Who cannot be assigned is left out without a word.
fn assign(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    let wanted: BTreeSet<String> = Fields::new(asked, &["assignees"])?.texts("assignees")?.into_iter().collect();
    let known: Vec<String> = wanted.intersection(&world.users).cloned().collect();
    pull_request(world, place)?.assignees.extend(known);
    // An issue, as which every pull request counts here.
    let issue = without(json_of(world, place)?, &["head", "base", "merged", "requested_reviewers", "requested_teams"]);
    Ok(Reply::new(201, issue))
}

fn comment(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    let text = Fields::new(asked, &["body"])?.required("body")?;
    check_lengths(None, Some(&text))?;
    let author = world.login(&asked.caller);
    let found = pull_request(world, place)?;
    found.comments.push((author.clone(), text.clone()));
    let body = json!({ "id": found.comments.len(), "user": { "login": author }, "body": text });
    Ok(Reply::new(201, body))
}

fn without(mut body: Value, fields: &[&str]) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.retain(|name, _| !fields.contains(&name.as_str()));
    }
    body
}

fn json_of(world: &World, (id, number): (u64, u64)) -> Result<Value, Reply> {
    let repository = world.repositories.get(&id).ok_or_else(Reply::not_found)?;
    let found = repository.pull_requests.get(&number).ok_or_else(Reply::not_found)?;
    let (owner, path) = (repository.owner(), format!("{}/pull/{number}", repository.name));
    let state = if found.state == PullRequestState::Open { "open" } else { "closed" };
    let people = |logins: &BTreeSet<String>| logins.iter().map(|login| json!({ "login": login })).collect::<Value>();
    let side = |branch: &BranchName| json!({ "ref": branch.as_str(), "label": format!("{owner}:{branch}") });
    Ok(json!({
        "id": number,
        "node_id": HostedPullRequest::node_id(id, number),
        "number": number,
        "state": state,
        "locked": false,
        "draft": found.is_draft,
        "title": found.title,
        "body": found.body,
        "html_url": format!("{}{path}", world.url),
        "user": { "login": found.author },
        "head": side(&found.branch),
        "base": side(&found.base),
        "labels": found.labels.iter().map(|label| json!({ "name": label })).collect::<Value>(),
        "assignees": people(&found.assignees),
        "requested_reviewers": people(&found.reviewers),
        "requested_teams": found.team_reviewers.iter().map(|slug| json!({ "slug": slug })).collect::<Value>(),
        "merged": found.state == PullRequestState::Merged,
        "created_at": iso(found.created),
        "updated_at": iso(world.now()),
    }))
}
