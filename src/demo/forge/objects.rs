//! git's objects of the REST face: blobs, trees, commits (<https://docs.github.com/en/rest/git>).

use base64::Engine as _;
use serde_json::{Value, json};

use super::http::{Asked, Reply};
use super::world::{Caller, World, iso};
use crate::demo::git_objects::{ObjectCommit, TreeEntry};
use crate::demo::git_repository::{BareRepository, Person};
use crate::domain::pull_request::CommitId;

/// Answers what is below `/repos/OWNER/NAME/git`.
pub(super) fn answer(world: &mut World, asked: &Asked, (id, rest): (u64, &[&str])) -> Result<Reply, Reply> {
    let bare = world.bare(id)?.ok_or_else(Reply::not_found)?;
    match (asked.method.as_str(), rest) {
        ("GET", ["commits", commit]) => {
            let commit = commit.parse().map_err(|_| Reply::not_found())?;
            let tree = bare.tree_of(&commit)?.ok_or_else(Reply::not_found)?;
            Ok(Reply::new(200, json!({ "sha": commit.as_str(), "tree": { "sha": tree } })))
        }
        ("POST", ["blobs"]) => Ok(made(&blob(&bare, asked)?)),
        ("POST", ["trees"]) => tree(&bare, asked),
        ("POST", ["commits"]) => commit(world, &bare, asked),
        _ => Err(Reply::not_found()),
    }
}

fn made(id: &str) -> Reply {
    Reply::new(201, json!({ "sha": id, "url": format!("https://forge.invalid/{id}") }))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Reply> {
    let missing = || Reply::error(422, format!("Invalid request.\n\n\"{name}\" wasn't supplied."));
    value.get(name).and_then(Value::as_str).ok_or_else(missing)
}

fn blob(bare: &BareRepository, asked: &Asked) -> Result<String, Reply> {
    let content = text(&asked.body, "content")?;
    let content = match asked.body.get("encoding").and_then(Value::as_str) {
        Some("base64") => base64::engine::general_purpose::STANDARD.decode(content),
        _ => Ok(content.as_bytes().to_vec()),
    };
    let content = content.map_err(|_| Reply::error(422, "content is not valid Base64"))?;
    Ok(bare.make_blob(&content)?)
}

fn tree(bare: &BareRepository, asked: &Asked) -> Result<Reply, Reply> {
    let base = text(&asked.body, "base_tree")?;
    let mut entries = Vec::new();
    for entry in asked.body.get("tree").and_then(Value::as_array).into_iter().flatten() {
        let mode = text(entry, "mode")?;
        if text(entry, "type")? != "blob" || !["100644", "100755"].contains(&mode) {
            return Err(Reply::error(422, "tree.mode is not a valid mode"));
        }
        let blob = match text(entry, "sha") {
            Ok(id) => id.to_owned(),
            Err(_) => bare.make_blob(text(entry, "content")?.as_bytes())?,
        };
        let mode = u32::from_str_radix(mode, 8).unwrap_or_default();
        entries.push(TreeEntry { path: text(entry, "path")?.to_owned(), mode, blob });
    }
    Ok(made(&bare.make_tree(base, &entries)?))
}

/// The commit is the caller's; GitHub itself is the committer of an App's, which it signs.
fn commit(world: &mut World, bare: &BareRepository, asked: &Asked) -> Result<Reply, Reply> {
    if asked.body.get("author").is_some() || asked.body.get("committer").is_some() {
        return Err(Reply::error(422, "the embedded forge makes commits of its caller alone"));
    }
    let parents: Vec<&str> =
        asked.body.get("parents").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let [parent] = parents.as_slice() else { return Err(Reply::error(422, "expected one parent")) };
    let parent: CommitId = parent.parse().map_err(|_| Reply::error(422, "Parent SHA does not exist"))?;
    let (message, tree) = (text(&asked.body, "message")?, text(&asked.body, "tree")?);
    let login = world.login(&asked.caller);
    let (_, email) = world.account(&login);
    let host = email.rsplit("@users.noreply.").next().unwrap_or_default();
    let (author, of_github) = (Person { name: &login, email: &email }, format!("noreply@{host}"));
    let committer = match asked.caller {
        Caller::User(_) => author,
        Caller::App | Caller::Installation(_) => Person { name: "GitHub", email: &of_github },
    };
    let time = world.tick();
    let id = bare.make_commit(ObjectCommit { author, committer, time, tree, parent: &parent, message })?;
    let person = |person: Person<'_>| json!({ "name": person.name, "email": person.email, "date": iso(time) });
    let body = json!({
        "sha": id.as_str(),
        "author": person(author),
        "committer": person(committer),
        "message": message,
        "tree": { "sha": tree },
        "parents": [{ "sha": parent.as_str() }],
        "verification": { "verified": author != committer, "reason": if author == committer { "unsigned" } else { "valid" } },
    });
    Ok(Reply::new(201, body))
}
