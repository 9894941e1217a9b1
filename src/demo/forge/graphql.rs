//! GitHub's GraphQL face: answers exactly the documents that the adapter ships, by operation name and variables.
//!
//! Errors stand beside the data, with a type and a path, and the value at the path is `null`
//! (<https://spec.graphql.org/October2021/#sec-Errors>).

use serde_json::{Map, Value, json};

use super::http::{Asked, Reply};
use super::merging;
use super::world::{Caller, HostedPullRequest, Permission, Repository, World, iso};
use crate::demo::git_repository::RepositoryError;
use crate::domain::pull_request::{BRANCH_PREFIX, BranchName, CommitId, Mergeable, PullRequestState};
use crate::forge::github::documents::{self, Document, Heads, PULL_REQUESTS_FIRST};

/// How many nodes GitHub resolves by id in one request.
const IDS_MAX: usize = 100;
/// How many variables one branch of `PullRequests` has.
const PAIR_VARIABLES: usize = 3;
/// How many labels a page of pull requests has for each.
const LABELS_FIRST: usize = 20;

/// One question with its variables.
pub(super) struct Question<'a> {
    pub world: &'a World,
    pub caller: &'a Caller,
    pub variables: &'a Map<String, Value>,
    pub heads: Heads,
    pub errors: Vec<Value>,
}

type Resolved = Result<Value, RepositoryError>;

/// Answers one document.
pub(super) fn answer(world: &mut World, asked: &Asked) -> Result<Reply, Reply> {
    if asked.caller == Caller::App {
        return Err(Reply::error(403, "Resource not accessible by integration"));
    }
    for id in world.repositories.keys().copied().collect::<Vec<_>>() {
        world.follow_branches(id)?;
    }
    let text = |name: &str| asked.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let empty = Map::new();
    let variables = asked.body.get("variables").and_then(Value::as_object).unwrap_or(&empty);
    let name = text("operationName");
    let heads = Heads::ALL
        .into_iter()
        .find(|heads| document(name, variables, *heads).is_some_and(|document| document.text == text("query")));
    let Some(heads) = heads.filter(|_| asked.method == "POST") else {
        let error = json!({ "message": format!("the embedded forge does not know this document: {name}") });
        return Ok(Reply::new(200, json!({ "errors": [error] })));
    };
    if name == "EnableAutoMerge" {
        return Ok(merging::enable(world, &asked.caller, variables));
    }
    let mut question = Question { world, caller: &asked.caller, variables, heads, errors: Vec::new() };
    let mut data = question.resolve(name)?;
    if world.denied.contains(&Permission::ReadChecks) {
        merging::hide_checks(&mut data, &mut Vec::new(), &mut question.errors);
    }
    let mut body = Map::from_iter([("data".to_owned(), data)]);
    if !question.errors.is_empty() {
        body.insert("errors".to_owned(), Value::from(question.errors));
    }
    Ok(Reply::new(200, Value::from(body)))
}

fn document(name: &str, variables: &Map<String, Value>, heads: Heads) -> Option<Document> {
    Some(match name {
        "OwnerRepositories" => documents::owner_repositories(heads),
        "ViewerRepositories" => documents::viewer_repositories(heads),
        "RepositoriesById" => documents::repositories_by_id(heads),
        "RepositoriesByName" => documents::repositories_by_name(variables.len() / 2, heads),
        "BotBranches" => documents::bot_branches(),
        "BranchHead" => documents::branch_head(),
        "PullRequests" => documents::pull_requests(variables.len() / PAIR_VARIABLES),
        "PullRequestLabels" => documents::pull_request_labels(),
        "OpenPullRequests" => documents::open_pull_requests(),
        "OwnComments" => documents::own_comments(),
        "MergeSettings" => documents::merge_settings(),
        "EnableAutoMerge" => documents::enable_auto_merge(),
        "Viewer" => documents::viewer(),
        _ => return None,
    })
}

impl Question<'_> {
    pub fn text(&self, name: &str) -> &str {
        self.variables.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn resolve(&mut self, name: &str) -> Resolved {
        match name {
            "OwnerRepositories" => {
                let owner = self.text("owner").to_owned();
                let is_owner = |(_, found): &(u64, &Repository)| found.is_of(&owner);
                let repositories: Vec<_> = self.seen().into_iter().filter(is_owner).collect();
                let is_known = !repositories.is_empty() || self.world.users.contains(&owner);
                let found = if is_known { self.connection(&repositories)? } else { Value::Null };
                Ok(json!({ "repositoryOwner": found }))
            }
            "ViewerRepositories" => {
                let repositories = self.seen();
                Ok(json!({ "viewer": self.connection(&repositories)? }))
            }
            "RepositoriesById" => self.by_ids(|question, id, found| question.repository(id, found)),
            "RepositoriesByName" => self.by_names(),
            "BotBranches" => {
                let (id, after) = (self.text("id").to_owned(), self.text("after").to_owned());
                match self.node(&id) {
                    Some((number, _)) => {
                        Ok(json!({ "node": { "refs": page(self.bot_branches(number)?, 100, &after) } }))
                    }
                    None => Ok(self.missing_node("node", &id)),
                }
            }
            "BranchHead" => self.branch_head(),
            "PullRequests" => self.pull_requests(),
            "PullRequestLabels" => Ok(self.labels()),
            "OpenPullRequests" => self.open_pull_requests(),
            "OwnComments" => Ok(self.comments()),
            "MergeSettings" => Ok(self.merge_settings()),
            "Viewer" => {
                let login = self.world.login(self.caller);
                Ok(json!({ "viewer": { "login": login, "databaseId": self.world.account(&login).0 } }))
            }
            _ => Ok(Value::Null),
        }
    }

    /// What the caller sees, sorted by name.
    fn seen(&self) -> Vec<(u64, &'_ Repository)> {
        let all = self.world.repositories.iter().map(|(id, found)| (*id, found));
        let mut seen: Vec<_> = all.filter(|(_, found)| self.world.sees(self.caller, found)).collect();
        seen.sort_by(|(_, left), (_, right)| left.name.cmp(&right.name));
        seen
    }

    fn node(&self, id: &str) -> Option<(u64, &Repository)> {
        self.seen().into_iter().find(|(number, _)| Repository::node_id(*number) == id)
    }

    fn connection(&self, repositories: &[(u64, &Repository)]) -> Resolved {
        let nodes: Result<Vec<_>, _> = repositories.iter().map(|(id, found)| self.repository(*id, found)).collect();
        let first = self.variables.get("first").and_then(Value::as_u64);
        let first = first.and_then(|first| usize::try_from(first).ok()).unwrap_or_default();
        Ok(json!({ "repositories": page(nodes?, first, self.text("after")) }))
    }

    fn by_ids(&mut self, resolve: impl Fn(&Self, u64, &Repository) -> Resolved) -> Resolved {
        let ids = self.variables.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
        if ids.len() > IDS_MAX {
            let message = format!("You may not provide more than {IDS_MAX} node ids; you provided {}.", ids.len());
            self.errors.push(json!({ "type": "ARGUMENT_LIMIT", "path": ["nodes"], "message": message }));
            return Ok(Value::Null);
        }
        let mut nodes = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let id = id.as_str().unwrap_or_default();
            match self.node(id) {
                Some((number, found)) => nodes.push(resolve(self, number, found)?),
                None => {
                    nodes.push(Value::Null);
                    self.not_found(json!(["nodes", index]), &format!("a node with the global id of '{id}'"));
                }
            }
        }
        Ok(json!({ "nodes": nodes }))
    }

    /// The alias form: one field per name. A former name leads to the repository, as `followRenames` does.
    fn by_names(&mut self) -> Resolved {
        let mut data = Map::new();
        for index in 0..self.variables.len() / 2 {
            let (owner, name) = (self.text(&format!("owner{index}")), self.text(&format!("name{index}")));
            let full = format!("{owner}/{name}");
            let alias = format!("r{index}");
            let found = match self.visible(&full) {
                Some((id, found)) => self.repository(id, found)?,
                None => {
                    self.not_found(json!([alias]), &format!("a Repository with the name '{full}'"));
                    Value::Null
                }
            };
            data.insert(alias, found);
        }
        Ok(Value::from(data))
    }

    pub fn visible(&self, full: &str) -> Option<(u64, &Repository)> {
        self.world.resolve(full).filter(|(_, found)| self.world.sees(self.caller, found))
    }

    pub fn not_found(&mut self, path: Value, what: &str) {
        let message = format!("Could not resolve to {what}.");
        self.errors.push(json!({ "type": "NOT_FOUND", "path": path, "message": message }));
    }

    fn missing_node(&mut self, field: &str, id: &str) -> Value {
        self.not_found(json!([field]), &format!("a node with the global id of '{id}'"));
        json!({ field: null })
    }

    fn repository(&self, id: u64, found: &Repository) -> Resolved {
        let head = match self.world.bare(id)? {
            Some(bare) => bare.head(&found.default_branch)?,
            None => None,
        };
        let default_branch = head.as_ref().map(|head| {
            let target = match self.heads {
                Heads::Bare => json!({ "oid": head.as_str() }),
                Heads::Checked => merging::checked(found, head),
            };
            json!({ "name": found.default_branch.as_str(), "target": target })
        });
        Ok(json!({
            "id": Repository::node_id(id),
            "nameWithOwner": found.name.as_str(),
            "isArchived": found.is_archived,
            "isDisabled": found.is_disabled,
            "isFork": found.is_fork,
            "isEmpty": head.is_none(),
            "repositoryTopics": {
                "nodes": found.topics.iter().map(|topic| json!({ "topic": { "name": topic } })).collect::<Value>(),
            },
            "defaultBranchRef": default_branch,
            "refs": page(self.bot_branches(id)?, 50, ""),
        }))
    }

    fn bot_branches(&self, id: u64) -> Result<Vec<Value>, RepositoryError> {
        let Some(bare) = self.world.bare(id)? else { return Ok(Vec::new()) };
        let ours = bare.branches()?.into_iter().filter(|(name, _)| name.is_ours());
        let node = |(name, head): (BranchName, CommitId)| {
            let (author, committer) = bare.emails(&head)?;
            Ok(json!({
                "prefix": format!("refs/heads/{BRANCH_PREFIX}"),
                "name": name.as_str().trim_start_matches(BRANCH_PREFIX),
                "target": { "oid": head.as_str(), "author": { "email": author }, "committer": { "email": committer } },
            }))
        };
        ours.map(node).collect()
    }

    fn branch_head(&mut self) -> Resolved {
        let (id, branch) = (self.text("id").to_owned(), self.text("branch").to_owned());
        let Some((number, found)) = self.node(&id) else { return Ok(self.missing_node("node", &id)) };
        let branch = branch.strip_prefix("refs/heads/").and_then(|name| name.parse::<BranchName>().ok());
        let head = match (self.world.bare(number)?, &branch) {
            (Some(bare), Some(branch)) => bare.head(branch)?,
            _ => None,
        };
        Ok(json!({ "node": { "ref": head.map(|head| json!({ "target": merging::checked(found, &head) })) } }))
    }

    /// One alias per branch: the newest first, those that were not merged by pages, and the last that was.
    fn pull_requests(&mut self) -> Resolved {
        let mut data = Map::new();
        for index in 0..self.variables.len() / PAIR_VARIABLES {
            let text = |name: &str| self.text(&format!("{name}{index}")).to_owned();
            let (alias, id, branch, after) = (format!("p{index}"), text("id"), text("branch"), text("after"));
            let Some((number, found)) = self.node(&id) else {
                self.not_found(json!([alias]), &format!("a node with the global id of '{id}'"));
                data.insert(alias, Value::Null);
                continue;
            };
            let of_branch = found.pull_requests.values().rev().filter(|it| it.branch.as_str() == branch);
            let (merged, unmerged): (Vec<_>, Vec<_>) = of_branch.partition(|it| it.state == PullRequestState::Merged);
            let unmerged = unmerged.into_iter().map(|it| {
                let mut node = self.pull_request(number, found, it)?;
                if let Some(node) = node.as_object_mut() {
                    node.insert("labels".to_owned(), page(label_nodes(it), LABELS_FIRST, ""));
                    node.insert("commits".to_owned(), merging::last_commit(found, it));
                }
                Ok(node)
            });
            let unmerged: Result<Vec<_>, RepositoryError> = unmerged.collect();
            let merged: Result<Vec<_>, _> =
                merged.into_iter().take(1).map(|it| self.pull_request(number, found, it)).collect();
            let value = json!({
                "unmerged": page(unmerged?, PULL_REQUESTS_FIRST, &after),
                "merged": { "nodes": merged? },
            });
            data.insert(alias, value);
        }
        Ok(Value::from(data))
    }

    fn labels(&mut self) -> Value {
        let (id, after) = (self.text("id").to_owned(), self.text("after").to_owned());
        let all = self.seen().into_iter().flat_map(|(number, found)| {
            found.pull_requests.values().map(move |it| (HostedPullRequest::node_id(number, it.number), it))
        });
        match all.into_iter().find(|(node_id, _)| *node_id == id) {
            Some((_, it)) => json!({ "node": { "labels": page(label_nodes(it), 100, &after) } }),
            None => self.missing_node("node", &id),
        }
    }

    fn open_pull_requests(&mut self) -> Resolved {
        let full = format!("{}/{}", self.text("owner"), self.text("name"));
        let Some((id, found)) = self.visible(&full) else {
            self.not_found(json!(["repository"]), &format!("a Repository with the name '{full}'"));
            return Ok(json!({ "repository": null }));
        };
        let (branch, base) = (self.text("branch"), self.text("base"));
        let is_meant = |it: &&HostedPullRequest| {
            it.state == PullRequestState::Open && it.branch.as_str() == branch && it.base.as_str() == base
        };
        let meant = found.pull_requests.values().filter(is_meant);
        let nodes: Result<Vec<_>, _> = meant.map(|it| self.pull_request(id, found, it)).collect();
        Ok(json!({ "repository": { "pullRequests": { "nodes": nodes? } } }))
    }

    fn pull_request(&self, id: u64, repository: &Repository, it: &HostedPullRequest) -> Resolved {
        let state = match it.state {
            PullRequestState::Open => "OPEN",
            PullRequestState::Merged => "MERGED",
            PullRequestState::Closed => "CLOSED",
        };
        let mergeable = match self.world.mergeable(id, it)? {
            Mergeable::Clean => "MERGEABLE",
            Mergeable::Conflicting => "CONFLICTING",
            Mergeable::Unknown => "UNKNOWN",
        };
        Ok(json!({
            "id": HostedPullRequest::node_id(id, it.number),
            "number": it.number,
            "url": format!("{}{}/pull/{}", self.world.url, repository.name, it.number),
            "state": state,
            "headRefName": it.branch.as_str(),
            "baseRefName": it.base.as_str(),
            "headRefOid": it.head.as_str(),
            "isCrossRepository": it.from_fork,
            "viewerDidAuthor": it.author == self.world.login(self.caller),
            "title": it.title,
            "body": it.body,
            "mergeable": mergeable,
            "isDraft": it.is_draft,
            "createdAt": iso(it.created),
            "mergedAt": it.merged.map(iso),
            "autoMergeRequest": merging::request(it),
        }))
    }

    /// From the newest page backwards, in the order they were written within a page.
    fn comments(&mut self) -> Value {
        let full = format!("{}/{}", self.text("owner"), self.text("name"));
        let number = self.variables.get("number").and_then(Value::as_u64).unwrap_or_default();
        let login = self.world.login(self.caller);
        let found = self.visible(&full).and_then(|(_, found)| found.pull_requests.get(&number));
        let Some(found) = found else {
            self.not_found(json!(["repository", "pullRequest"]), &format!("a PullRequest with the number of {number}"));
            return json!({ "repository": { "pullRequest": null } });
        };
        let end = self.text("before").parse().unwrap_or(found.comments.len());
        let start = end.saturating_sub(100);
        let shown = found.comments.iter().take(end).skip(start);
        let nodes: Value =
            shown.map(|(author, text)| json!({ "viewerDidAuthor": *author == login, "body": text })).collect();
        let page_info = json!({ "hasPreviousPage": start > 0, "startCursor": start.to_string() });
        json!({ "repository": { "pullRequest": { "comments": { "pageInfo": page_info, "nodes": nodes } } } })
    }
}

fn label_nodes(it: &HostedPullRequest) -> Vec<Value> {
    it.labels.iter().map(|label| json!({ "name": label })).collect()
}

/// One page of a connection; a cursor is the index of the last item before the next page.
fn page(all: Vec<Value>, first: usize, after: &str) -> Value {
    let start = after.parse::<usize>().map_or(0, |index| index + 1);
    let has_next_page = start + first < all.len();
    let nodes: Vec<Value> = all.into_iter().skip(start).take(first).collect();
    let end_cursor = nodes.len().checked_sub(1).map(|last| (start + last).to_string());
    json!({ "pageInfo": { "hasNextPage": has_next_page, "endCursor": end_cursor }, "nodes": nodes })
}
