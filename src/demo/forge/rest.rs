//! GitHub's REST face, for what refrom uses (<https://docs.github.com/en/rest>).

use serde_json::{Value, json};

use super::http::{Asked, Reply};
use super::world::{Caller, Repository, World, iso};
use super::{objects, pulls};

/// What an enterprise's name begins with among the owners of installations; it has no login.
pub(super) const ENTERPRISE: &str = "enterprises/";
/// Items per page at most.
const PER_PAGE_MAX: usize = 100;

/// Answers one request.
pub(super) fn answer(world: &mut World, asked: &Asked) -> Result<Reply, Reply> {
    let segments: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    match (asked.method.as_str(), segments.as_slice()) {
        ("GET", ["app", "installations"]) => installations(world, asked),
        ("POST", ["app", "installations", id, "access_tokens"]) => access_token(world, asked, id),
        ("GET", ["installation", "repositories"]) => installation_repositories(world, asked),
        ("GET", ["repositories", id]) => {
            let id = id.parse().map_err(|_| Reply::not_found())?;
            let found = world.repositories.get(&id).filter(|found| world.sees(&asked.caller, found));
            found.map(|found| Reply::new(200, repository(world, id, found))).ok_or_else(Reply::not_found)
        }
        ("GET", ["user"]) => match &asked.caller {
            Caller::User(login) => {
                let body = json!({ "login": login, "id": world.account(login).0, "email": null, "type": "User" });
                Ok(Reply::new(200, body))
            }
            Caller::App | Caller::Installation(_) => Err(Reply::error(403, "Resource not accessible by integration")),
        },
        (_, ["repos", owner, name, "git", rest @ ..]) => {
            let id = reachable(world, asked, &format!("{owner}/{name}"), rest)?;
            objects::answer(world, asked, (id, rest))
        }
        (_, ["repos", owner, name, rest @ ..]) => {
            let id = reachable(world, asked, &format!("{owner}/{name}"), rest)?;
            pulls::answer(world, asked, (id, rest))
        }
        _ => Err(Reply::not_found()),
    }
}

/// The repository of a path, if the caller sees it. A former name is redirected to the id: 301, or 307 where a method
/// must stay what it is.
fn reachable(world: &mut World, asked: &Asked, name: &str, rest: &[&str]) -> Result<u64, Reply> {
    if let Some((id, found)) = world.find(name) {
        let is_seen = world.sees(&asked.caller, found);
        let is_archived = found.is_archived;
        if !is_seen {
            return Err(Reply::not_found());
        }
        if is_archived && asked.method != "GET" {
            return Err(Reply::error(403, "Repository was archived so is read-only."));
        }
        if asked.method != "GET" && world.is_reader(&asked.caller) {
            return Err(Reply::error(403, "Resource not accessible by personal access token"));
        }
        world.follow_branches(id)?;
        return Ok(id);
    }
    match world.resolve(name) {
        Some((id, found)) if world.sees(&asked.caller, found) => {
            let rest: String = rest.iter().map(|segment| format!("/{segment}")).collect();
            let location = format!("{}api/v3/repositories/{id}{rest}", world.url);
            let status = if asked.method == "GET" { 301 } else { 307 };
            let mut reply = Reply::error(status, "Moved Permanently");
            reply.headers.push(("location", location));
            Err(reply)
        }
        _ => Err(Reply::not_found()),
    }
}

fn app_only(asked: &Asked) -> Result<(), Reply> {
    if asked.caller == Caller::App { Ok(()) } else { Err(Reply::error(401, "A JSON web token could not be decoded")) }
}

fn installations(world: &World, asked: &Asked) -> Result<Reply, Reply> {
    app_only(asked)?;
    let app = world.app.as_ref().map(|app| (app.id, app.slug.clone())).unwrap_or_default();
    let all = world.installations.iter().map(|(id, owner)| {
        let suspended_at = world.suspended.contains(id).then(|| iso(world.now()));
        json!({
            "id": id,
            "account": match owner.strip_prefix(ENTERPRISE) {
                Some(slug) => json!({ "slug": slug, "name": slug }),
                None => json!({ "login": owner, "type": "Organization" }),
            },
            "app_id": app.0,
            "app_slug": app.1,
            "target_type": "Organization",
            "repository_selection": "all",
            "permissions": { "contents": "write", "metadata": "read", "pull_requests": "write" },
            "events": [],
            "suspended_at": suspended_at,
        })
    });
    let (page, link) = paged(world, asked, all.collect())?;
    Ok(with_link(Reply::new(200, Value::from(page)), link))
}

fn access_token(world: &mut World, asked: &Asked, id: &str) -> Result<Reply, Reply> {
    app_only(asked)?;
    let id: u64 = id.parse().map_err(|_| Reply::not_found())?;
    if !world.installations.contains_key(&id) {
        return Err(Reply::not_found());
    }
    if world.suspended.contains(&id) {
        return Err(Reply::error(403, "This installation has been suspended"));
    }
    let (token, expires) = world.mint(id);
    let permissions = json!({ "contents": "write", "metadata": "read", "pull_requests": "write" });
    let body = json!({
        "token": token,
        "expires_at": iso(expires),
        "permissions": permissions,
        "repository_selection": "all",
    });
    Ok(Reply::new(201, body))
}

fn installation_repositories(world: &World, asked: &Asked) -> Result<Reply, Reply> {
    if !matches!(asked.caller, Caller::Installation(_)) {
        return Err(Reply::error(403, "You must authenticate with an installation access token"));
    }
    let seen = world.repositories.iter().filter(|(_, found)| world.sees(&asked.caller, found));
    let all: Vec<Value> = seen.map(|(id, found)| repository(world, *id, found)).collect();
    let total = all.len();
    let (page, link) = paged(world, asked, all)?;
    let body = json!({ "total_count": total, "repository_selection": "all", "repositories": page });
    Ok(with_link(Reply::new(200, body), link))
}

fn repository(world: &World, id: u64, found: &Repository) -> Value {
    json!({
        "id": id,
        "node_id": Repository::node_id(id),
        "name": found.name.as_str().rsplit('/').next(),
        "full_name": found.name.as_str(),
        "owner": { "login": found.owner(), "type": "Organization" },
        "private": true,
        "html_url": format!("{}{}", world.url, found.name),
        "fork": found.is_fork,
        "archived": found.is_archived,
        "disabled": found.is_disabled,
        "topics": found.topics,
        "default_branch": found.default_branch.as_str(),
    })
}

/// One page of a list, and the `Link` header that leads to the next (RFC 8288).
fn paged(world: &World, asked: &Asked, all: Vec<Value>) -> Result<(Vec<Value>, Option<String>), Reply> {
    let parameter = |name: &str| {
        let mut pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.parse::<usize>()).transpose()
    };
    let bad = |_| Reply::error(400, "Bad Request");
    let per_page = parameter("per_page").map_err(bad)?.unwrap_or(30).clamp(1, PER_PAGE_MAX);
    let number = parameter("page").map_err(bad)?.unwrap_or(1).max(1);
    let total = all.len();
    let page = all.into_iter().skip((number - 1) * per_page).take(per_page).collect();
    let link = (number * per_page < total).then(|| {
        let path = &asked.path;
        format!("<{}api/v3{path}?per_page={per_page}&page={}>; rel=\"next\"", world.url, number + 1)
    });
    Ok((page, link))
}

fn with_link(mut reply: Reply, link: Option<String>) -> Reply {
    reply.headers.extend(link.map(|link| ("link", link)));
    reply
}
