//! Our own branches of many repositories: their names by repositories, then their heads by names.
//!
//! `branchNames` weighs so much that 40 repositories fill a question; a head weighs little, and is asked for only where
//! there is such a branch.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::documents::{self, BRANCH_NAMES_FIRST};
use super::project::{LastCommit, Tree};
use super::{GitLab, protocol};
use crate::domain::pull_request::{BRANCH_PREFIX, BotBranch, BranchHead, BranchName, RepoName, RepositoryHead};
use crate::forge::portion::Portion;
use crate::forge::{ForgeError, ListingProblem};

/// How many names of one repository are read at once.
const NAMES_LIMIT: usize = 100;
/// How many further pages of names are read; refrom makes one branch per image at most.
const NAME_PAGES_MAX: usize = 20;
/// How many ids one question takes.
const IDS_MAX: usize = 100;

#[derive(Deserialize)]
struct Named {
    repository: Option<Names>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    branch_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Rooted {
    repository: Option<Root>,
}

#[derive(Deserialize)]
struct Root {
    tree: Option<Tree>,
}

/// By the repository's id.
type ById<T> = BTreeMap<String, Result<T, ForgeError>>;

/// The repositories with our branches; those whose branches cannot be read are problems.
pub(super) async fn with_ours(
    gitlab: &GitLab,
    found: BTreeMap<RepoName, RepositoryHead>,
) -> (Vec<RepositoryHead>, Vec<ListingProblem>) {
    let ids: Vec<String> = found.values().filter(|head| head.head.is_some()).map(|head| head.id.clone()).collect();
    let names = names(gitlab, &ids).await;
    let mut of_branch: BTreeMap<&BranchName, Vec<&str>> = BTreeMap::new();
    for (id, branches) in &names {
        for branch in branches.iter().flatten() {
            of_branch.entry(branch).or_default().push(id);
        }
    }
    let mut heads = heads(gitlab, of_branch).await;
    let (mut repositories, mut problems) = (Vec::new(), Vec::new());
    for (name, mut head) in found {
        let unreadable = names.get(&head.id).and_then(|names| names.as_ref().err()).map(ForgeError::for_another);
        match unreadable.map_or_else(|| heads.remove(&head.id).unwrap_or(Ok(Vec::new())), Err) {
            Ok(ours) => {
                head.bot_branches = ours;
                repositories.push(head);
            }
            Err(error) => problems.push(ListingProblem { subject: name.to_string(), error }),
        }
    }
    (repositories, problems)
}

/// The head of one branch. The repository has to be there; its branch need not.
pub(super) async fn head(
    gitlab: &GitLab,
    repository: &RepositoryHead,
    branch: &BranchName,
) -> Result<Option<BranchHead>, ForgeError> {
    let id = repository.id.as_str();
    let variables = json!({ "ids": [id], "ref": format!("refs/heads/{branch}") });
    let what = format!("the branch `{branch}` of `{}`", repository.name);
    let graph = gitlab.query(&documents::branch_head(), variables, &what).await?;
    let not_found = || ForgeError::NotFound { what: format!("`{}`", repository.name) };
    let root = match graph.projects(&["projects"], &what)?.by_id::<Rooted>(&[id]).remove(id) {
        Some(Err(ForgeError::NotFound { .. })) | None => return Err(not_found()),
        Some(root) => root?,
    };
    let Some(commit) = last_commit(&root) else { return Ok(None) };
    Ok(Some(BranchHead { commit: commit.sha.parse().map_err(protocol)?, pipeline: commit.pipeline() }))
}

/// The names of our branches.
async fn names(gitlab: &GitLab, ids: &[String]) -> ById<BTreeSet<BranchName>> {
    let mut all = BTreeMap::new();
    let mut portion = Portion::of_size(BRANCH_NAMES_FIRST);
    let mut rest = ids;
    while !rest.is_empty() {
        let (asked, later) = portion.of(rest);
        match page_of_names(gitlab, asked, 0, &mut portion).await {
            Ok(None) => continue,
            Ok(Some(page)) => all.extend(page),
            Err(error) => all.extend(asked.iter().map(|id| (id.clone(), Err(error.for_another())))),
        }
        rest = later;
    }
    for (id, found) in &mut all {
        if found.as_ref().is_ok_and(|names| names.len() >= NAMES_LIMIT)
            && let Err(error) = more_names(gitlab, id, found).await
        {
            *found = Err(error);
        }
    }
    all
}

async fn more_names(
    gitlab: &GitLab,
    id: &str,
    found: &mut Result<BTreeSet<BranchName>, ForgeError>,
) -> Result<(), ForgeError> {
    let Ok(names) = found else { return Ok(()) };
    for page in 1..=NAME_PAGES_MAX {
        let mut portion = Portion::of_size(1);
        let more = page_of_names(gitlab, &[id.to_owned()], page * NAMES_LIMIT, &mut portion).await?;
        let more = more.into_iter().flatten().map(|(_, names)| names).next().unwrap_or(Ok(BTreeSet::new()))?;
        let is_last = more.len() < NAMES_LIMIT;
        names.extend(more);
        if is_last {
            return Ok(());
        }
    }
    Err(ForgeError::Protocol { message: format!("the branches of `{id}` have no end") })
}

async fn page_of_names(
    gitlab: &GitLab,
    ids: &[String],
    offset: usize,
    portion: &mut Portion,
) -> Result<Option<ById<BTreeSet<BranchName>>>, ForgeError> {
    let variables = json!({
        "ids": ids,
        "first": ids.len(),
        "pattern": format!("{BRANCH_PREFIX}*"),
        "offset": offset,
        "limit": NAMES_LIMIT,
    });
    let what = format!("the branches of {} repositories", ids.len());
    let question = (&documents::branch_names(), variables);
    let Some(graph) = gitlab.query_portion(question, &what, portion).await? else { return Ok(None) };
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let page = graph.projects(&["projects"], &what)?.by_id::<Named>(&ids);
    let parsed = page.into_iter().map(|(id, named)| {
        let names = named.and_then(|named| {
            let names = named.repository.and_then(|it| it.branch_names).unwrap_or_default();
            names.iter().map(|name| name.parse().map_err(protocol)).collect()
        });
        (id, names)
    });
    Ok(Some(parsed.collect()))
}

/// The heads of branches, each of the repositories that have it; as many in one question as GitLab answers. A branch
/// without a head is not there, or was deleted while we asked.
async fn heads(gitlab: &GitLab, of_branch: BTreeMap<&BranchName, Vec<&str>>) -> ById<Vec<BotBranch>> {
    let groups: Vec<(&BranchName, &[&str])> =
        of_branch.iter().flat_map(|(branch, ids)| ids.chunks(IDS_MAX).map(|ids| (*branch, ids))).collect();
    let mut found: ById<Vec<BotBranch>> = BTreeMap::new();
    let mut rest = groups.as_slice();
    while !rest.is_empty() {
        let count = documents::branch_heads_that_fit(rest.iter().map(|(_, ids)| ids.len())).max(1);
        let (asked, later) = rest.split_at(count.min(rest.len()));
        let answer = ask_heads(gitlab, asked).await;
        for (index, (branch, ids)) in asked.iter().enumerate() {
            let of_group = answer.as_ref().map_err(ForgeError::for_another).and_then(|graph| {
                let what = format!("the branch `{branch}` of {} repositories", ids.len());
                Ok(graph.projects(&[&format!("b{index}")], &what)?.by_id::<Rooted>(ids))
            });
            for id in *ids {
                let head = match &of_group {
                    Ok(roots) => roots.get(*id).map_or(Ok(None), |root| bot_branch(branch, root)),
                    Err(error) => Err(error.for_another()),
                };
                add(&mut found, id, head);
            }
        }
        rest = later;
    }
    found
}

async fn ask_heads(gitlab: &GitLab, groups: &[(&BranchName, &[&str])]) -> Result<super::Graph, ForgeError> {
    let mut variables = Map::new();
    for (index, (branch, ids)) in groups.iter().enumerate() {
        variables.insert(format!("ids{index}"), json!(ids));
        variables.insert(format!("first{index}"), json!(ids.len()));
        variables.insert(format!("ref{index}"), json!(format!("refs/heads/{branch}")));
    }
    let what = format!("the heads of {} branches", groups.len());
    gitlab.query(&documents::branch_heads(groups.len()), Value::from(variables), &what).await
}

fn bot_branch(name: &BranchName, root: &Result<Rooted, ForgeError>) -> Result<Option<BotBranch>, ForgeError> {
    let root = root.as_ref().map_err(ForgeError::for_another)?;
    let Some(LastCommit { sha, author_email, committer_email, .. }) = last_commit(root) else { return Ok(None) };
    Ok(Some(BotBranch {
        name: name.clone(),
        head: sha.parse().map_err(protocol)?,
        author_email: author_email.clone().unwrap_or_default(),
        committer_email: committer_email.clone().unwrap_or_default(),
    }))
}

fn last_commit(root: &Rooted) -> Option<&LastCommit> {
    root.repository.as_ref()?.tree.as_ref()?.last_commit.as_ref()
}

/// An error stays, whatever else is found of the repository.
fn add(found: &mut ById<Vec<BotBranch>>, id: &str, head: Result<Option<BotBranch>, ForgeError>) {
    let of_repository = found.entry(id.to_owned()).or_insert_with(|| Ok(Vec::new()));
    match (of_repository, head) {
        (Ok(branches), Ok(head)) => branches.extend(head),
        (of_repository @ Ok(_), Err(error)) => *of_repository = Err(error),
        (Err(_), _) => {}
    }
}
