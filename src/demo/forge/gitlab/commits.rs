//! Commits that GitLab makes
//! (<https://docs.gitlab.com/api/commits/#create-a-commit-with-multiple-files-and-actions>).

use base64::Engine as _;
use serde_json::json;

use super::{Asked, not_found, refusal};
use crate::demo::forge::http::Reply;
use crate::demo::forge::world::World;
use crate::demo::git_repository::{Content, Person};
use crate::domain::pull_request::{BranchName, CommitId};

/// One file's new content.
#[derive(Default)]
struct Action {
    kind: String,
    path: String,
    content: String,
    encoding: String,
}

/// A commit on a branch that is made for it, or again where that is wished.
pub(super) fn make(world: &World, asked: &Asked, id: u64) -> Result<Reply, Reply> {
    let bad = |message: &str| refusal(400, message);
    let branch: BranchName = asked.required("branch")?.parse().map_err(|_| bad("branch is invalid"))?;
    let start: CommitId = asked.required("start_sha")?.parse().map_err(|_| bad("Cannot find start_sha"))?;
    let message = asked.required("commit_message")?;
    let bare = world.bare(id)?.ok_or_else(|| not_found("Project"))?;
    if bare.head(&branch)?.is_some() && !asked.flag("force") {
        return Err(bad("A branch called that already exists. Switch to that branch in order to make changes"));
    }
    let mut files = Vec::new();
    for action in actions(asked) {
        // An update keeps the mode of a file that has to be there.
        let mode = bare.is_executable(&start, &action.path).map_err(|_| bad("Cannot find start_sha"))?;
        let (true, Some(is_executable)) = (action.kind == "update", mode) else {
            return Err(bad("A file with this name doesn't exist"));
        };
        let decoded = base64::engine::general_purpose::STANDARD.decode(&action.content);
        let content = if action.encoding == "base64" {
            decoded.map_err(|_| bad("content is no base64"))?
        } else {
            action.content.into_bytes()
        };
        files.push((action.path, content, is_executable));
    }
    let changes: Vec<(&str, Content<'_>)> = (files.iter())
        .map(|(path, content, is_executable)| {
            let content = if *is_executable { Content::Executable(content) } else { Content::File(content) };
            (path.as_str(), content)
        })
        .collect();
    let login = world.login(&asked.caller);
    let email = world.account(&login).1;
    bare.set_branch(&branch, &start)?;
    let made = bare.commit_by(Person { name: &login, email: &email }, &branch, &changes, message)?;
    let body = json!({
        "id": made.as_str(),
        "short_id": made.as_str().get(..8),
        "title": message.lines().next(),
        "message": message,
        "parent_ids": [start.as_str()],
        "author_name": login,
        "author_email": email,
        "committer_name": login,
        "committer_email": email,
    });
    Ok(Reply::new(201, body))
}

/// Each begins with its `action`.
fn actions(asked: &Asked) -> Vec<Action> {
    let mut actions: Vec<Action> = Vec::new();
    for (name, value) in &asked.parameters {
        if name == "actions[][action]" {
            actions.push(Action { kind: value.clone(), ..Action::default() });
        }
        let Some(last) = actions.last_mut() else { continue };
        match name.as_str() {
            "actions[][file_path]" => last.path.clone_from(value),
            "actions[][content]" => last.content.clone_from(value),
            "actions[][encoding]" => last.encoding.clone_from(value),
            _ => {}
        }
    }
    actions
}
