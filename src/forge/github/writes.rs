//! Opening, changing and closing pull requests.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, Api, Call};
use super::comments::{self, Comment};
use super::{BODY_CHARACTERS_MAX, GitHub, owner_and_name, pull_requests};
use crate::domain::pull_request::{NewPullRequest, RepoName};
use crate::forge::{ForgeError, Opened};

/// The key of the sentence that is said when a pull request is closed.
const CLOSING_KEY: &str = "closed";

/// Of REST's pull request.
#[derive(Debug, Deserialize)]
struct OpenedParts {
    number: u64,
    html_url: String,
}

#[derive(Deserialize)]
struct Assigned {
    assignees: Vec<Login>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

/// One thing that is set on a pull request after it was opened.
struct Extra<'a> {
    /// For people: `the label`.
    noun: &'static str,
    path: String,
    /// The names that are set, and the field that takes them.
    names: Vec<&'a str>,
    field: &'static str,
}

/// A body that GitHub would refuse is not sent.
pub(super) fn check_length(body: &str) -> Result<(), ForgeError> {
    let length = body.chars().count();
    if length > BODY_CHARACTERS_MAX {
        return Err(ForgeError::Invalid {
            message: format!("the text has {length} characters of {BODY_CHARACTERS_MAX}"),
        });
    }
    Ok(())
}

/// Opens a pull request and sets what goes with it. A draft that is refused is opened ready for review: not every plan
/// has drafts, and no code tells that refusal apart; one for another reason is refused again.
pub(super) async fn open(github: &GitHub, repository: &RepoName, new: &NewPullRequest) -> Result<Opened, ForgeError> {
    check_length(&new.body)?;
    let account = github.account(owner_and_name(repository)?.0).await?;
    let mut warnings = Vec::new();
    let opened = match open_as(github, &account, repository, (new, new.draft)).await {
        Err(ForgeError::Invalid { message }) if new.draft => {
            let opened = open_as(github, &account, repository, (new, false)).await?;
            warnings.push(format!("it could not be opened as a draft, and is ready for review: {message}"));
            opened
        }
        opened => opened?,
    };
    let OpenedParts { number, html_url: url } = opened;
    warnings.extend(set_extras(github, &account, repository, (number, new)).await);
    Ok(Opened { number, url, warnings })
}

/// What goes with a pull request, as it is.
#[derive(Deserialize)]
struct Present {
    labels: Vec<Label>,
    #[serde(default)]
    assignees: Vec<Login>,
    #[serde(default)]
    requested_reviewers: Vec<Login>,
    #[serde(default)]
    requested_teams: Vec<Team>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
}

/// Sets what goes with an open pull request and is not there yet.
pub(super) async fn finish(
    github: &GitHub,
    repository: &RepoName,
    number: u64,
    new: &NewPullRequest,
) -> Result<Vec<String>, ForgeError> {
    let account = github.account(owner_and_name(repository)?.0).await?;
    let what = format!("pull request #{number} of `{repository}`");
    let path = format!("/repos/{repository}/pulls/{number}");
    let call = Call { api: Api::Rest, method: Method::GET, path, body: None, what };
    let present: Present = github.retry.run(|| account.call(&call)).await?.json(&call.what)?;
    let new = present.missing(new);
    Ok(set_extras(github, &account, repository, (number, &new)).await)
}

impl Present {
    /// The same without what is there.
    fn missing(&self, new: &NewPullRequest) -> NewPullRequest {
        let without = |wanted: &[String], present: Vec<&str>| -> Vec<String> {
            let name = |written: &str| written.trim_start_matches('@').to_lowercase();
            let is_missing = |wanted: &&String| !present.iter().any(|present| name(present) == name(wanted));
            wanted.iter().filter(is_missing).cloned().collect()
        };
        let is_asked = |team: &String| {
            let slug = team.split_once('/').map(|(_, slug)| slug);
            self.requested_teams.iter().any(|it| slug.is_some_and(|slug| slug.eq_ignore_ascii_case(&it.slug)))
        };
        let mut reviewers = without(&new.reviewers, logins(&self.requested_reviewers));
        reviewers.retain(|reviewer| !is_asked(reviewer));
        NewPullRequest {
            labels: without(&new.labels, self.labels.iter().map(|it| it.name.as_str()).collect()),
            assignees: without(&new.assignees, logins(&self.assignees)),
            reviewers,
            ..new.clone()
        }
    }
}

/// Opening is not repeated before it was looked whether it happened.
async fn open_as(
    github: &GitHub,
    account: &Account,
    repository: &RepoName,
    (new, is_draft): (&NewPullRequest, bool),
) -> Result<OpenedParts, ForgeError> {
    let body = json!({
        "head": new.branch.as_str(),
        "base": new.base.as_str(),
        "title": new.title,
        "body": new.body,
        "draft": is_draft,
    });
    let call = Call {
        api: Api::Rest,
        method: Method::POST,
        path: format!("/repos/{repository}/pulls"),
        body: Some(body),
        what: format!("`{repository}`"),
    };
    let is_first = AtomicBool::new(true);
    let attempt = || async {
        if !is_first.swap(false, Ordering::Relaxed)
            && let Some(opened) = opened_before(github, account, repository, new).await?
        {
            return Ok(opened);
        }
        match github.write_once(account, &call).await {
            Ok(answer) => answer.json(&call.what),
            // "A pull request already exists" has no code of its own: looking tells.
            Err(error @ ForgeError::Invalid { .. }) => {
                opened_before(github, account, repository, new).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    };
    github.retry.run(attempt).await
}

/// The pull request that is open already for this branch and base. One of somebody else's is in the way.
async fn opened_before(
    github: &GitHub,
    account: &Account,
    repository: &RepoName,
    new: &NewPullRequest,
) -> Result<Option<OpenedParts>, ForgeError> {
    let found = pull_requests::open_of(github, account, repository, (&new.branch, &new.base)).await?;
    match found.into_iter().next() {
        Some(found) if found.is_ours() => Ok(Some(OpenedParts { number: found.number, html_url: found.url })),
        Some(found) => Err(ForgeError::Denied {
            message: format!("somebody else opened #{} of `{repository}` from `{}`", found.number, new.branch),
        }),
        None => Ok(None),
    }
}

/// Sets labels, assignees and reviewers. What is refused is told, and the rest is set.
async fn set_extras(
    github: &GitHub,
    account: &Account,
    repository: &RepoName,
    (number, new): (u64, &NewPullRequest),
) -> Vec<String> {
    let issue = format!("/repos/{repository}/issues/{number}");
    let reviewers = format!("/repos/{repository}/pulls/{number}/requested_reviewers");
    let (teams, users): (Vec<_>, Vec<_>) =
        new.reviewers.iter().map(String::as_str).partition(|name| name.contains('/'));
    let (teams, mut warnings) = slugs(repository, &teams);
    let extras = [
        Extra { noun: "label", path: format!("{issue}/labels"), names: texts(&new.labels), field: "labels" },
        Extra {
            noun: "assignee",
            path: format!("{issue}/assignees"),
            names: plain(texts(&new.assignees)),
            field: "assignees",
        },
        Extra { noun: "reviewer", path: reviewers.clone(), names: plain(users), field: "reviewers" },
        Extra { noun: "reviewing team", path: reviewers, names: teams, field: "team_reviewers" },
    ];
    for extra in extras.iter().filter(|extra| !extra.names.is_empty()) {
        warnings.extend(extra.set(github, account).await);
    }
    warnings
}

/// `@org/team` is known by its slug in the repository's own organization. One of another organization is refused here:
/// GitHub would take the team that has the same slug.
fn slugs<'a>(repository: &RepoName, teams: &[&'a str]) -> (Vec<&'a str>, Vec<String>) {
    let owner = repository.as_str().split('/').next().unwrap_or_default();
    let (mut slugs, mut warnings) = (Vec::new(), Vec::new());
    for team in teams {
        match team.trim_start_matches('@').split_once('/') {
            Some((organization, slug)) if organization.eq_ignore_ascii_case(owner) => slugs.push(slug),
            _ => warnings.push(format!("the reviewing team `{team}` could not be set: it is not of `{owner}`")),
        }
    }
    (slugs, warnings)
}

fn logins(people: &[Login]) -> Vec<&str> {
    people.iter().map(|person| person.login.as_str()).collect()
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Without the `@` that people write before a name.
fn plain(names: Vec<&str>) -> Vec<&str> {
    names.into_iter().map(|name| name.trim_start_matches('@')).collect()
}

impl Extra<'_> {
    /// All at once; one by one where GitHub refuses them together, so that one wrong name does not cost the others.
    async fn set(&self, github: &GitHub, account: &Account) -> Vec<String> {
        match self.send(github, account, &self.names).await {
            Err(ForgeError::Invalid { .. }) if self.names.len() > 1 => {
                let mut warnings = Vec::new();
                for name in &self.names {
                    warnings.extend(
                        self.send(github, account, &[name])
                            .await
                            .unwrap_or_else(|error| vec![self.warning(name, &error)]),
                    );
                }
                warnings
            }
            Err(error) => vec![self.warning(&self.names.join("`, `"), &error)],
            Ok(warnings) => warnings,
        }
    }

    async fn send(&self, github: &GitHub, account: &Account, names: &[&str]) -> Result<Vec<String>, ForgeError> {
        let body = Value::from_iter([(self.field, names)]);
        let what = format!("the {} `{}`", self.noun, names.join("`, `"));
        let call = Call {
            api: Api::Rest,
            method: Method::POST,
            path: self.path.clone(),
            body: Some(body),
            what: what.clone(),
        };
        let answer = github.write(account, &call).await?;
        if self.field != "assignees" {
            return Ok(Vec::new());
        }
        // GitHub leaves out who cannot be assigned, and says so only by leaving them out.
        let set = answer.json::<Assigned>(&what)?.assignees;
        let is_set = |name: &&&str| !set.iter().any(|assigned| assigned.login.eq_ignore_ascii_case(name));
        Ok(names.iter().filter(is_set).map(|name| format!("the assignee `{name}` could not be set")).collect())
    }

    fn warning(&self, names: &str, error: &ForgeError) -> String {
        format!("the {} `{names}` could not be set: {error}", self.noun)
    }
}

/// Changes title and body.
pub(super) async fn update(
    github: &GitHub,
    repository: &RepoName,
    number: u64,
    title: &str,
    body: &str,
) -> Result<(), ForgeError> {
    check_length(body)?;
    patch(github, repository, number, json!({ "title": title, "body": body })).await
}

/// Says why, then closes.
pub(super) async fn close(
    github: &GitHub,
    repository: &RepoName,
    number: u64,
    sentence: &str,
) -> Result<(), ForgeError> {
    comments::once(github, Comment { repository, number, key: CLOSING_KEY, text: sentence }).await?;
    patch(github, repository, number, json!({ "state": "closed" })).await
}

async fn patch(github: &GitHub, repository: &RepoName, number: u64, body: Value) -> Result<(), ForgeError> {
    let account = github.account(owner_and_name(repository)?.0).await?;
    let path = format!("/repos/{repository}/pulls/{number}");
    let what = format!("pull request #{number} of `{repository}`");
    let call = Call { api: Api::Rest, method: Method::PATCH, path, body: Some(body), what };
    github.write(&account, &call).await.map(|_| ())
}
