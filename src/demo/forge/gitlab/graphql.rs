//! GraphQL: answers exactly the documents that the adapter ships, by operation name and variables, and refuses what
//! GitLab would refuse: what weighs too much, and what is too long.

use serde_json::{Map, Value, json};

use super::shown::{merge_status, pipeline, source_project, title, url};
use super::weight::{self, WEIGHT_MAX};
use crate::demo::forge::http::Reply;
use crate::demo::forge::world::{Caller, HostedPullRequest, Repository, World, iso};
use crate::demo::git_repository::RepositoryError;
use crate::domain::pull_request::{BranchName, CommitId, PullRequestState};
use crate::forge::gitlab::documents::{self, Document, Heads, NAMES_MAX};

/// Nodes of a page at most.
const PAGE: usize = 100;
/// The longest document, in characters.
const DOCUMENT_CHARACTERS_MAX: usize = 10_000;
/// How many variables one branch of `BranchHeads` has.
const HEAD_VARIABLES: usize = 3;
/// The nodes of the first page of merge requests, and of merged ones.
const FIRST: usize = 20;

type Resolved = Result<Value, RepositoryError>;

/// One question with its variables.
struct Question<'a> {
    world: &'a World,
    caller: &'a Caller,
    variables: &'a Map<String, Value>,
    heads: Heads,
}

/// Answers one document.
pub(super) fn answer(world: &mut World, caller: &Caller, body: &Value) -> Result<Reply, Reply> {
    for id in world.repositories.keys().copied().collect::<Vec<_>>() {
        world.follow_branches(id)?;
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let empty = Map::new();
    let variables = body.get("variables").and_then(Value::as_object).unwrap_or(&empty);
    let (name, query) = (text("operationName"), text("query"));
    let refused = |message: String| Ok(Reply::new(200, json!({ "errors": [{ "message": message }] })));
    let is_asked = |heads: &Heads| document(name, variables, *heads).is_some_and(|document| document.text == query);
    let Some(heads) = Heads::ALL.into_iter().find(is_asked) else {
        return refused(format!("the embedded forge does not know this document: {name}"));
    };
    if query.chars().count() > DOCUMENT_CHARACTERS_MAX {
        return refused("Query too large".to_owned());
    }
    let weight = weight::of(query, variables);
    if weight > WEIGHT_MAX {
        let message = format!("Query has complexity of {weight}, which exceeds max complexity of {WEIGHT_MAX}");
        return refused(message);
    }
    let names = variables.get("names").and_then(Value::as_array).map_or(0, Vec::len);
    if names > NAMES_MAX {
        return refused(format!("You cannot provide more than {NAMES_MAX} full_paths"));
    }
    let question = Question { world, caller, variables, heads };
    Ok(Reply::new(200, json!({ "data": question.resolve(name)? })))
}

fn document(name: &str, variables: &Map<String, Value>, heads: Heads) -> Option<Document> {
    Some(match name {
        "NamespaceProjects" => documents::namespace_projects(heads),
        "MemberProjects" => documents::member_projects(heads),
        "NamedProjects" => documents::named_projects(heads),
        "BranchNames" => documents::branch_names(),
        "BranchHead" => documents::branch_head(),
        "BranchHeads" => documents::branch_heads(variables.len() / HEAD_VARIABLES),
        "MergeRequests" => documents::merge_requests(),
        "MoreOpened" => documents::more_opened(),
        "MoreClosed" => documents::more_closed(),
        _ => return None,
    })
}

/// Makes one project of an answer an error: `null` where it stood, and why. GitLab's errors have no types.
pub(super) fn spoil(body: &mut Value, repository: &str) {
    let Some(nodes) = body.pointer_mut("/data").and_then(nodes_of) else { return };
    let (path, nodes) = nodes;
    let is_meant = |node: &Value| node.get("fullPath").and_then(Value::as_str) == Some(repository);
    let Some(index) = nodes.iter().position(is_meant) else { return };
    if let Some(node) = nodes.get_mut(index) {
        *node = Value::Null;
    }
    let path: Vec<Value> = path.into_iter().chain([json!("nodes"), json!(index)]).collect();
    if let Some(body) = body.as_object_mut() {
        body.insert("errors".to_owned(), json!([{ "message": "something went wrong here", "path": path }]));
    }
}

/// The nodes of the only connection of an answer, and the way to it.
fn nodes_of(data: &mut Value) -> Option<(Vec<Value>, &mut Vec<Value>)> {
    let (name, below) = data.as_object_mut()?.iter_mut().next()?;
    let name = Value::from(name.as_str());
    if below.get("nodes").is_some() {
        return Some((vec![name], below.get_mut("nodes")?.as_array_mut()?));
    }
    let (mut path, nodes) = nodes_of(below)?;
    path.insert(0, name);
    Some((path, nodes))
}

impl Question<'_> {
    fn text(&self, name: &str) -> &str {
        self.variables.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        let all = self.variables.get(name).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn number(&self, name: &str) -> usize {
        let number = self.variables.get(name).and_then(Value::as_u64);
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
    }

    fn resolve(&self, name: &str) -> Resolved {
        match name {
            "NamespaceProjects" => {
                let (namespace, is_deep) =
                    (self.text("namespace"), self.variables.get("subgroups") == Some(&json!(true)));
                let below = self.seen().into_iter().filter(|(_, found)| is_below(found, namespace)).collect::<Vec<_>>();
                let is_known = !below.is_empty() || self.world.users.contains(namespace);
                let depth = namespace.matches('/').count() + 1;
                let is_direct = |found: &Repository| found.name.as_str().matches('/').count() == depth;
                let listed: Vec<_> = below.into_iter().filter(|(_, found)| is_deep || is_direct(found)).collect();
                Ok(
                    json!({ "namespace": if is_known { json!({ "projects": self.list(&listed)? }) } else { Value::Null } }),
                )
            }
            "MemberProjects" => Ok(json!({ "projects": self.list(&self.seen())? })),
            "NamedProjects" => {
                let names = self.texts("names");
                let is_named =
                    |found: &Repository| names.iter().any(|name| found.name.as_str().eq_ignore_ascii_case(name));
                let named: Vec<_> = self.seen().into_iter().filter(|(_, found)| is_named(found)).collect();
                Ok(json!({ "projects": self.list(&named)? }))
            }
            "BranchNames" => self.of_ids(("ids", "first"), |id, found| self.branch_names(id, found)),
            "BranchHead" => {
                let (ids, branch) = (self.texts("ids"), self.text("ref"));
                self.of(&ids, 1, |id, found| self.branch_head(id, found, branch))
            }
            "BranchHeads" => {
                let mut data = Map::new();
                for index in 0..self.variables.len() / HEAD_VARIABLES {
                    let (ids, first) = (format!("ids{index}"), format!("first{index}"));
                    let branch = self.text(&format!("ref{index}"));
                    let group = self.of_ids((&ids, &first), |id, found| self.branch_head(id, found, branch))?;
                    data.insert(format!("b{index}"), group.get("projects").cloned().unwrap_or_default());
                }
                Ok(Value::from(data))
            }
            "MergeRequests" => self.of_ids(("ids", "first"), |id, found| {
                let opened = self.merge_requests((id, found), PullRequestState::Open, FIRST)?;
                let closed = self.merge_requests((id, found), PullRequestState::Closed, FIRST)?;
                let merged = self.merge_requests((id, found), PullRequestState::Merged, FIRST)?;
                Ok(json!({ "opened": opened, "closed": closed, "merged": { "nodes": merged.get("nodes") } }))
            }),
            "MoreOpened" => self.of_ids(("ids", "first"), |id, found| {
                Ok(json!({ "opened": self.merge_requests((id, found), PullRequestState::Open, PAGE)? }))
            }),
            "MoreClosed" => self.of_ids(("ids", "first"), |id, found| {
                Ok(json!({ "closed": self.merge_requests((id, found), PullRequestState::Closed, PAGE)? }))
            }),
            _ => Ok(Value::Null),
        }
    }

    /// What the caller sees, the newest first.
    fn seen(&self) -> Vec<(u64, &'_ Repository)> {
        let all = self.world.repositories.iter().rev().map(|(id, found)| (*id, found));
        all.filter(|(_, found)| self.world.sees(self.caller, found)).collect()
    }

    fn list(&self, repositories: &[(u64, &Repository)]) -> Resolved {
        let nodes: Result<Vec<_>, _> = repositories.iter().map(|(id, found)| self.project(*id, found)).collect();
        Ok(page(nodes?, self.number("first"), self.text("after")))
    }

    /// `projects(ids:)`: those that are there and seen, in an order of GitLab's own.
    fn of_ids(&self, (ids, first): (&str, &str), fields: impl Fn(u64, &Repository) -> Resolved) -> Resolved {
        self.of(&self.texts(ids), self.number(first), fields)
    }

    fn of(&self, ids: &[&str], first: usize, fields: impl Fn(u64, &Repository) -> Resolved) -> Resolved {
        let meant = self.seen().into_iter().filter(|(id, _)| ids.contains(&gid(*id).as_str()));
        let nodes = meant.take(first.min(PAGE)).map(|(id, found)| {
            let mut node = fields(id, found)?;
            if let Some(node) = node.as_object_mut() {
                node.insert("id".to_owned(), Value::from(gid(id)));
                node.insert("fullPath".to_owned(), Value::from(found.name.as_str()));
            }
            Ok(node)
        });
        let nodes: Result<Vec<Value>, RepositoryError> = nodes.collect();
        Ok(json!({ "projects": { "nodes": nodes? } }))
    }

    fn project(&self, id: u64, found: &Repository) -> Resolved {
        let head = match self.world.bare(id)? {
            Some(bare) => bare.head(&found.default_branch)?,
            None => None,
        };
        let last_commit = head.as_ref().map(|head| match self.heads {
            Heads::Bare => json!({ "sha": head.as_str() }),
            Heads::Checked => json!({ "sha": head.as_str(), "pipelines": pipelines(found, head) }),
        });
        let repository = json!({
            "rootRef": head.as_ref().map(|_| found.default_branch.as_str()),
            "empty": head.is_none(),
            "tree": { "lastCommit": last_commit },
        });
        Ok(json!({
            "id": gid(id),
            "fullPath": found.name.as_str(),
            "archived": found.is_archived,
            "isForked": found.is_fork,
            "topics": found.topics,
            "repository": if found.is_disabled { Value::Null } else { repository },
        }))
    }

    fn branch_names(&self, id: u64, found: &Repository) -> Resolved {
        let branches = self.world.bare(id)?.map(|bare| bare.branches()).transpose()?.unwrap_or_default();
        let start = self.text("pattern").trim_end_matches('*');
        let names = branches.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(start));
        let names: Vec<&str> = names.skip(self.number("offset")).take(self.number("limit")).collect();
        let repository = json!({ "branchNames": names });
        Ok(json!({ "repository": if found.is_disabled { Value::Null } else { repository } }))
    }

    /// A branch that is not there has a tree without a last commit.
    fn branch_head(&self, id: u64, found: &Repository, branch: &str) -> Resolved {
        let name = branch.strip_prefix("refs/heads/").and_then(|name| name.parse::<BranchName>().ok());
        let (Some(bare), Some(name)) = (self.world.bare(id)?, name) else {
            return Ok(json!({ "repository": null }));
        };
        let last_commit = match bare.head(&name)? {
            Some(head) => {
                let (author, committer) = bare.emails(&head)?;
                json!({
                    "sha": head.as_str(),
                    "authorEmail": author,
                    "committerEmail": committer,
                    "pipelines": pipelines(found, &head),
                })
            }
            None => Value::Null,
        };
        let repository = json!({ "tree": { "lastCommit": last_commit } });
        Ok(json!({ "repository": if found.is_disabled { Value::Null } else { repository } }))
    }

    /// A page of merge requests by their author, from these branches, newest first.
    fn merge_requests(&self, (id, found): (u64, &Repository), state: PullRequestState, first: usize) -> Resolved {
        let (branches, author) = (self.texts("branches"), self.text("author"));
        let is_meant = |it: &&HostedPullRequest| {
            it.state == state && it.author == author && branches.contains(&it.branch.as_str())
        };
        let meant = found.pull_requests.values().rev().filter(is_meant);
        let nodes: Result<Vec<_>, _> = meant.map(|it| self.merge_request(id, found, it)).collect();
        Ok(page(nodes?, first, self.text("after")))
    }

    fn merge_request(&self, id: u64, found: &Repository, it: &HostedPullRequest) -> Resolved {
        let mut node = json!({
            "iid": it.number.to_string(),
            "webUrl": url(self.world, found, it),
            "sourceBranch": it.branch.as_str(),
            "targetBranch": it.base.as_str(),
            "sourceProjectId": source_project(id, it),
            "author": { "username": it.author },
            "title": title(it),
            "description": it.body,
            "createdAt": iso(it.created),
        });
        let labels: Vec<Value> = it.labels.iter().map(|label| json!({ "title": label })).collect();
        let diff_refs = json!({ "headSha": it.head.as_str() });
        let more = match it.state {
            PullRequestState::Open => json!({
                "diffHeadSha": it.head.as_str(),
                "mergeStatusEnum": merge_status(self.world, id, it)?.to_uppercase(),
                "autoMergeEnabled": it.is_auto_merging,
                "headPipeline": pipeline_node(found, &it.head),
                "labels": page(labels, PAGE, ""),
            }),
            PullRequestState::Closed => json!({ "diffRefs": diff_refs, "labels": page(labels, PAGE, "") }),
            PullRequestState::Merged => json!({ "diffRefs": diff_refs, "mergedAt": it.merged.map(iso) }),
        };
        if let (Some(node), Value::Object(more)) = (node.as_object_mut(), more) {
            node.extend(more);
        }
        Ok(node)
    }
}

fn pipeline_node(found: &Repository, head: &CommitId) -> Option<Value> {
    pipeline(found, head).map(|status| json!({ "status": status.to_uppercase() }))
}

/// `pipelines(first: 1)`
fn pipelines(found: &Repository, head: &CommitId) -> Value {
    json!({ "nodes": pipeline_node(found, head).into_iter().collect::<Value>() })
}

fn gid(id: u64) -> String {
    format!("gid://gitlab/Project/{id}")
}

fn is_below(found: &Repository, namespace: &str) -> bool {
    let start = format!("{}/", namespace.to_lowercase());
    found.name.as_str().to_lowercase().starts_with(&start)
}

/// One page of a connection; a cursor is the index of the last item before the next page.
fn page(all: Vec<Value>, first: usize, after: &str) -> Value {
    let first = first.min(PAGE);
    let start = after.parse::<usize>().map_or(0, |index| index + 1);
    let has_next_page = start + first < all.len();
    let nodes: Vec<Value> = all.into_iter().skip(start).take(first).collect();
    let end_cursor = nodes.len().checked_sub(1).map(|last| (start + last).to_string());
    json!({ "pageInfo": { "hasNextPage": has_next_page, "endCursor": end_cursor }, "nodes": nodes })
}
