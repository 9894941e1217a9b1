//! REST: who is who, which repositories there are, and the way to merge requests.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::shown::user;
use super::{Asked, commits, forbidden, merge_requests, merging, not_found};
use crate::demo::forge::http::Reply;
use crate::demo::forge::world::{Repository, World, iso};

/// Items per page, where nothing is said, and at most.
const PER_PAGE: usize = 20;
const PER_PAGE_MAX: usize = 100;

/// Answers one request.
pub(super) fn answer(world: &mut World, asked: &Asked) -> Result<Reply, Reply> {
    let segments: Vec<&str> = asked.segments.iter().map(String::as_str).collect();
    match (asked.method.as_str(), segments.as_slice()) {
        ("GET", ["user"]) => {
            let login = world.login(&asked.caller);
            let mut body = user(world, &login);
            let email = world.account(&login).1;
            if let Some(body) = body.as_object_mut() {
                body.insert("email".to_owned(), Value::from(email.as_str()));
                body.insert("commit_email".to_owned(), Value::from(email));
                body.insert("bot".to_owned(), Value::from(login.contains("_bot_")));
            }
            Ok(Reply::new(200, body))
        }
        ("GET", ["personal_access_tokens", "self"]) => Ok(Reply::new(200, token(world, asked))),
        ("GET", ["users"]) => {
            let named = asked.text("username").unwrap_or_default();
            let found = world.users.iter().filter(|login| login.eq_ignore_ascii_case(named));
            Ok(Reply::new(200, found.map(|login| user(world, login)).collect()))
        }
        ("GET", ["merge_requests"]) => merge_requests::own(world, asked),
        (_, ["projects", project, rest @ ..]) => {
            let id = reachable(world, asked, project)?;
            of_project(world, asked, (id, rest))
        }
        _ => Err(not_found("Route")),
    }
}

fn of_project(world: &mut World, asked: &Asked, (id, rest): (u64, &[&str])) -> Result<Reply, Reply> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| not_found("Merge Request"));
    match (asked.method.as_str(), rest) {
        ("GET", []) => {
            let found = world.repositories.get(&id).ok_or_else(|| not_found("Project"))?;
            Ok(Reply::new(200, project(world, id, found)))
        }
        ("GET", ["merge_requests"]) => merge_requests::list(world, asked, id),
        ("POST", ["merge_requests"]) => merge_requests::open(world, asked, id),
        ("GET", ["merge_requests", text]) => merge_requests::show(world, (id, number(text)?)),
        ("PUT", ["merge_requests", text]) => merge_requests::change(world, asked, (id, number(text)?)),
        ("PUT", ["merge_requests", text, "merge"]) => merging::merge(world, asked, (id, number(text)?)),
        ("GET", ["merge_requests", text, "notes"]) => merge_requests::notes(world, asked, (id, number(text)?)),
        ("POST", ["merge_requests", text, "notes"]) => merge_requests::comment(world, asked, (id, number(text)?)),
        ("POST", ["repository", "commits"]) => commits::make(world, asked, id),
        _ => Err(not_found("Route")),
    }
}

/// The repository of a path, by number or name, if the caller sees it and may do this. A former name is redirected to
/// the number where something is read, and not found otherwise.
fn reachable(world: &mut World, asked: &Asked, named: &str) -> Result<u64, Reply> {
    let by_number = named.parse().ok().and_then(|id| world.repositories.get(&id).map(|found| (id, found)));
    let is_read = asked.method == "GET";
    if let Some((id, found)) = by_number.or_else(|| world.find(named)) {
        if !world.sees(&asked.caller, found) {
            return Err(not_found("Project"));
        }
        if !is_read && (found.is_archived || world.is_reader(&asked.caller)) {
            return Err(forbidden());
        }
        world.follow_branches(id)?;
        return Ok(id);
    }
    match world.resolve(named).filter(|(_, found)| is_read && world.sees(&asked.caller, found)) {
        Some((id, _)) => {
            let mut reply = Reply::new(301, json!({ "message": "This resource has been moved permanently" }));
            let rest: String = asked.segments.iter().skip(2).map(|segment| format!("/{segment}")).collect();
            reply.headers.push(("location", format!("{}api/v4/projects/{id}{rest}", world.url)));
            Err(reply)
        }
        None => Err(not_found("Project")),
    }
}

/// The caller's token, which ends with a day.
fn token(world: &World, asked: &Asked) -> Value {
    let end = asked.expires.and_then(|second| Timestamp::from_second(second).ok());
    json!({
        "id": 1,
        "name": "refrom",
        "revoked": false,
        "created_at": iso(world.now()),
        "scopes": ["api"],
        "user_id": world.account(&world.login(&asked.caller)).0,
        "last_used_at": iso(world.now()),
        "active": true,
        "expires_at": end.map(|end| end.strftime("%Y-%m-%d").to_string()),
    })
}

fn project(world: &World, id: u64, found: &Repository) -> Value {
    let path = found.name.as_str();
    json!({
        "id": id,
        "name": path.rsplit('/').next(),
        "path": path.rsplit('/').next(),
        "path_with_namespace": path,
        "default_branch": found.default_branch.as_str(),
        "topics": found.topics,
        "web_url": format!("{}{path}", world.url),
        "http_url_to_repo": format!("{}{path}.git", world.url),
        "archived": found.is_archived,
    })
}

/// One page of a list, by number.
pub(super) fn page(asked: &Asked, all: Vec<Value>) -> Reply {
    let number = |name: &str| asked.text(name).and_then(|text| text.parse::<usize>().ok());
    let per_page = number("per_page").unwrap_or(PER_PAGE).clamp(1, PER_PAGE_MAX);
    let number = number("page").unwrap_or(1).max(1);
    Reply::new(200, all.into_iter().skip((number - 1) * per_page).take(per_page).collect())
}
