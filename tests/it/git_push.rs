//! Pushing: leases, refusals, failures, and what must never be seen.

use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use refrom::demo::git_repository::Content;
use refrom::domain::pull_request::CommitId;
use refrom::git::{Base, Git, GitError, PushOutcome, Repository, Settings, Update};
use refrom::net::{Network, Remote, Transient as _};
use secrecy::SecretString;

use crate::git::{change, new_id};
use crate::git_world::{Face, TOKEN, World, branch, faces, name, posts, settings, wrapper};

const BOT: &str = "refrom/base-images";

async fn one(cache: &Repository, remote: &Remote, update: Update) -> PushOutcome {
    let outcomes = cache.push(remote, std::slice::from_ref(&update)).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(&outcomes[0].0, update.branch());
    outcomes[0].1.clone()
}

fn create(name: &str, new: &CommitId) -> Update {
    Update::Create { branch: branch(name), new: new.clone() }
}

fn replace(name: &str, lease: &CommitId, new: &CommitId) -> Update {
    Update::Replace { branch: branch(name), lease: lease.clone(), new: new.clone() }
}

fn delete(name: &str, lease: &CommitId) -> Update {
    Update::Delete { branch: branch(name), lease: lease.clone() }
}

/// A base on the server and three commits on it in the cache.
async fn prepared(world: &World) -> (Base, Repository, [CommitId; 3]) {
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let cache = world.cache();
    cache.fetch(&world.remote, &base).await.unwrap();
    let mut ids = Vec::new();
    for text in ["FROM b\n", "FROM c\n", "FROM d\n"] {
        ids.push(new_id(cache.commit(change(&base, "Dockerfile", text)).await.unwrap()));
    }
    (base, cache, ids.try_into().unwrap())
}

#[tokio::test]
async fn a_branch_changes_only_from_the_head_that_was_seen() {
    for face in faces() {
        let world = World::new(face).await;
        let (_, cache, [first, second, third]) = prepared(&world).await;
        let remote = &world.remote;
        assert_eq!(one(&cache, remote, create(BOT, &first)).await, PushOutcome::Pushed, "{face:?}");
        assert_eq!(one(&cache, remote, create(BOT, &first)).await, PushOutcome::UpToDate);
        assert_eq!(one(&cache, remote, create(BOT, &second)).await, PushOutcome::StaleLease);
        assert_eq!(world.head(BOT), Some(first.clone()));
        assert_eq!(one(&cache, remote, replace(BOT, &first, &second)).await, PushOutcome::Pushed);
        assert_eq!(one(&cache, remote, replace(BOT, &first, &third)).await, PushOutcome::StaleLease);
        assert_eq!(one(&cache, remote, delete(BOT, &first)).await, PushOutcome::StaleLease);
        assert_eq!(world.head(BOT), Some(second.clone()));
        assert_eq!(one(&cache, remote, delete(BOT, &second)).await, PushOutcome::Pushed);
        assert_eq!(world.head(BOT), None);
        // What is gone already is as wanted.
        assert_eq!(one(&cache, remote, delete(BOT, &second)).await, PushOutcome::UpToDate);
        assert_eq!(one(&cache, remote, replace(BOT, &second, &third)).await, PushOutcome::StaleLease);
        assert_eq!(world.head(BOT), None);
    }
}

#[tokio::test]
async fn a_branch_whose_head_was_never_fetched_is_replaced_without_fetching_it() {
    for face in faces() {
        let world = World::new(face).await;
        let (base, cache, [first, ..]) = prepared(&world).await;
        let unknown = world.repository.commit(&branch("main"), &[("x", Content::File(b"x"))], "x").unwrap();
        world.repository.set_branch(&branch(BOT), &unknown).unwrap();
        world.repository.set_branch(&branch("main"), &base.commit).unwrap();
        world.server.traffic().take();
        assert_eq!(one(&cache, &world.remote, replace(BOT, &unknown, &first)).await, PushOutcome::Pushed);
        let exchanges = world.server.traffic().take();
        assert_eq!(posts(&exchanges, "git-upload-pack"), 0);
        assert!(exchanges.iter().all(|exchange| !exchange.path.contains("upload-pack")), "{exchanges:?}");
        // A cache that has nothing can still delete.
        assert_eq!(one(&world.other_cache(), &world.remote, delete(BOT, &first)).await, PushOutcome::Pushed);
    }
}

#[tokio::test]
async fn several_branches_go_in_one_push_and_each_has_its_outcome() {
    for face in faces() {
        let world = World::new(face).await;
        let (base, cache, [first, second, third]) = prepared(&world).await;
        world.repository.set_branch(&branch("refrom/old"), &base.commit).unwrap();
        world.repository.set_branch(&branch("refrom/moved"), &base.commit).unwrap();
        world.server.traffic().take();
        let updates = [
            create("refrom/a", &first),
            replace("refrom/moved", &second, &third),
            delete("refrom/old", &base.commit),
            create("refrom/b", &second),
        ];
        let outcomes: Vec<_> =
            cache.push(&world.remote, &updates).await.unwrap().into_iter().map(|(_, outcome)| outcome).collect();
        use PushOutcome::{Pushed, StaleLease};
        assert_eq!(outcomes, [Pushed, StaleLease, Pushed, Pushed], "{face:?}");
        assert_eq!(posts(&world.server.traffic().take(), "git-receive-pack"), 1);
        assert_eq!((world.head("refrom/a"), world.head("refrom/old")), (Some(first), None));
    }
}

#[tokio::test]
async fn a_branch_of_somebody_else_is_never_touched() {
    let world = World::new(Face::Embedded).await;
    let (base, cache, [first, ..]) = prepared(&world).await;
    world.server.traffic().take();
    let result = cache.push(&world.remote, &[create("refrom/a", &first), replace("main", &base.commit, &first)]).await;
    assert!(matches!(result, Err(GitError::ForeignBranch { .. })), "{result:?}");
    assert!(world.server.traffic().take().is_empty());
}

#[tokio::test]
async fn a_hooks_refusal_is_told_in_its_own_words() {
    for face in faces() {
        let world = World::new(face).await;
        let (_, cache, [first, ..]) = prepared(&world).await;
        let hooks = world.repository.directory().join("hooks");
        std::fs::create_dir_all(&hooks).unwrap();
        let script = wrapper(&hooks, "echo 'Commits need a ticket number.' >&2; exit 1");
        std::fs::rename(script, hooks.join("pre-receive")).unwrap();
        let outcome = one(&cache, &world.remote, create(BOT, &first)).await;
        let PushOutcome::Rejected { reason } = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason, "[remote rejected] (pre-receive hook declined): Commits need a ticket number.");
        assert_eq!(world.head(BOT), None);
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let world = World::new(Face::Embedded).await;
    let (base, cache, [first, ..]) = prepared(&world).await;
    let at = |path: &str| Remote { url: world.remote.url.join(path).unwrap(), ..world.remote.clone() };
    let anonymous = Remote { credentials: None, ..world.remote.clone() };
    let wrong = Remote {
        credentials: Some(("x-access-token".to_owned(), SecretString::from("wrong-token"))),
        ..world.remote.clone()
    };
    for remote in [anonymous, wrong] {
        let error = world.other_cache().fetch(&remote, &base).await.unwrap_err();
        assert!(matches!(error, GitError::Unauthorized { .. }), "{error:?}");
        let error = cache.push(&remote, &[create(BOT, &first)]).await.unwrap_err();
        assert!(matches!(error, GitError::Unauthorized { .. }), "{error:?}");
    }
    let error = cache.push(&at("/locked/web.git"), &[create(BOT, &first)]).await.unwrap_err();
    assert!(matches!(error, GitError::Denied { .. }), "{error:?}");
    let error = world.other_cache().fetch(&at("/acme/gone.git"), &base).await.unwrap_err();
    assert!(matches!(error, GitError::NotFound { .. }), "{error:?}");
    let absent = Base { commit: "1".repeat(40).parse().unwrap(), ..base.clone() };
    let error = world.other_cache().fetch(&world.remote, &absent).await.unwrap_err();
    assert!(matches!(error, GitError::HeadMoved { .. }), "{error:?}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Remote { url: format!("http://{free}/acme/web.git").parse().unwrap(), ..world.remote.clone() };
    let empty = world.git.repository("a third", &name());
    let error = empty.fetch(&nobody, &base).await.unwrap_err();
    assert!(matches!(error, GitError::Unavailable { .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again_later() {
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY] {
        for method in ["GET", "POST"] {
            let world = World::with_layer(move |router| {
                router.layer(axum::middleware::from_fn(
                    move |request: axum::extract::Request, next: axum::middleware::Next| async move {
                        if request.method() == method {
                            return axum::response::IntoResponse::into_response(status);
                        }
                        next.run(request).await
                    },
                ))
            })
            .await;
            let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
            let error = world.cache().fetch(&world.remote, &base).await.unwrap_err();
            assert!(matches!(error, GitError::Unavailable { .. }), "{status} {method}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_asked_again_at_once() {
    let failures = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&failures);
    let world = World::with_layer(move |router| {
        router.layer(axum::middleware::from_fn(move |request: axum::extract::Request, next: axum::middleware::Next| {
            let is_first = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            async move {
                if is_first {
                    return axum::response::IntoResponse::into_response(StatusCode::BAD_GATEWAY);
                }
                next.run(request).await
            }
        }))
    })
    .await;
    let (_, cache, [first, ..]) = prepared(&world).await;
    failures.store(0, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(one(&cache, &world.remote, create(BOT, &first)).await, PushOutcome::Pushed);
}

/// Whether a process still works; one that nobody has collected yet does not.
fn is_running(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// A server that never answers, a git that started one more program, and where their process ids stand.
async fn hanging() -> (World, Base, std::path::PathBuf) {
    let world = World::with_layer(|_| axum::Router::new().fallback(std::future::pending::<StatusCode>)).await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let log = world.directory.path().join("pids");
    // A child that does not care for a polite signal.
    let script = format!(
        "case \"$*\" in *fetch*) (trap '' TERM; exec sleep 1000) & echo $! >> '{log}'; echo $$ >> '{log}';; esac\nexec git \"$@\"",
        log = log.display()
    );
    wrapper(world.directory.path(), &script);
    (world, base, log)
}

async fn all_end(pids: &str) {
    assert_eq!(pids.lines().count(), 2);
    if !Path::new("/proc/self/stat").exists() {
        eprintln!("left out: this system has no /proc");
        return;
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while pids.lines().any(is_running) {
        assert!(std::time::Instant::now() < deadline, "still running: {pids}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_ends_git_and_all_that_it_started() {
    let (world, base, log) = hanging().await;
    let (program, timeout) = (world.directory.path().join("wrapper"), Duration::from_secs(2));
    let git = Git::new(Settings { program, timeout, ..settings(world.directory.path()) }).await.unwrap();
    let error = git.repository("github", &name()).fetch(&world.remote, &base).await.unwrap_err();
    assert!(matches!(error, GitError::Timeout { .. }), "{error:?}");
    all_end(&std::fs::read_to_string(&log).unwrap()).await;
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_ends_git_too() {
    let (world, base, log) = hanging().await;
    let program = world.directory.path().join("wrapper");
    let git = Git::new(Settings { program, ..settings(world.directory.path()) }).await.unwrap();
    let cache = git.repository("github", &name());
    let pids = || std::fs::read_to_string(&log).unwrap_or_default();
    let started = async {
        while pids().lines().count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        result = cache.fetch(&world.remote, &base) => panic!("{result:?}"),
        () = started => {}
    }
    all_end(&pids()).await;
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test]
async fn the_token_is_in_no_argument_error_or_file() {
    let world = World::new(Face::Embedded).await;
    let trace = world.directory.path().join("trace");
    // git's own trace has the arguments of the programs that it starts.
    let script = format!(
        "printf '%s\\n' \"$@\" >> '{trace}'; GIT_TRACE='{trace}'; export GIT_TRACE; exec git \"$@\"",
        trace = trace.display()
    );
    let program = wrapper(world.directory.path(), &script);
    let git = Git::new(Settings { program, ..settings(world.directory.path()) }).await.unwrap();
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let cache = git.repository("github", &name());
    cache.fetch(&world.remote, &base).await.unwrap();
    let files = cache.files(&base.commit, |_| true).await.unwrap();
    let ids = files.iter().map(|file| file.blob.clone()).collect();
    cache.blobs(&world.remote, &base, &ids).await.unwrap();
    let id = new_id(cache.commit(change(&base, "Dockerfile", "FROM b\n")).await.unwrap());
    assert_eq!(one(&cache, &world.remote, create(BOT, &id)).await, PushOutcome::Pushed);
    let hooks = world.repository.directory().join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let script = wrapper(&hooks, &format!("echo 'you sent {TOKEN}' >&2; exit 1"));
    std::fs::rename(script, hooks.join("pre-receive")).unwrap();
    let refused = one(&cache, &world.remote, delete(BOT, &id)).await;
    assert!(format!("{refused:?}").contains("you sent …"), "{refused:?}");

    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"));
    let exchanges = world.server.traffic().take();
    let header = format!("Basic {encoded}");
    assert!(exchanges.iter().all(|exchange| exchange.authorization.as_deref() == Some(&header)), "{exchanges:?}");
    assert!(exchanges.iter().all(|exchange| !exchange.path.contains(TOKEN)));
    let traced = std::fs::read_to_string(&trace).unwrap();
    assert!(traced.contains("remote-http") && traced.contains("--force-with-lease"), "{traced}");
    let mut places = vec![trace];
    places.extend(files_below(&world.directory.path().join("state")));
    assert!(places.len() > 5);
    for place in places {
        let bytes = std::fs::read(&place).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(TOKEN) && !text.contains(&encoded), "{}", place.display());
    }
}

#[tokio::test]
async fn a_state_directory_that_was_thrown_away_in_the_middle_is_made_anew() {
    let world = World::new(Face::Embedded).await;
    let authority = world.directory.path().join("authority.pem");
    std::fs::write(&authority, "-----OURS-----").unwrap();
    let network = Network { ca_file: Some(authority), ..Network::default() };
    let git = Git::new(Settings { network, ..settings(world.directory.path()) }).await.unwrap();
    for content in ["FROM a\n", "FROM c\n"] {
        let base = world.commit(&[("Dockerfile", Content::File(content.as_bytes()))]);
        round(&git, &world.remote, &base).await;
        assert!(world.repository.delete_branch(&branch(BOT)).unwrap());
        std::fs::remove_dir_all(world.directory.path().join("state")).unwrap();
    }
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_used_is_named() {
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let cache = world.cache();
    std::fs::write(cache.directory(), "a file in its place").unwrap();
    let error = cache.fetch(&world.remote, &base).await.unwrap_err();
    assert!(matches!(&error, GitError::Cache { path, .. } if path == cache.directory()), "{error:?}");
}

#[tokio::test]
async fn endless_words_are_cut() {
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let script = "[ \"$1\" = version ] && exec git version; yes remote: nonsense | head -c 20000000 >&2; exit 1";
    let program = wrapper(world.directory.path(), script);
    let git = Git::new(Settings { program, ..settings(world.directory.path()) }).await.unwrap();
    let error = git.repository("github", &name()).fetch(&world.remote, &base).await.unwrap_err();
    assert!(matches!(&error, GitError::Failed { words } if words.len() <= 4000), "{error:?}");
}

/// Fetches, commits and pushes.
async fn round(git: &Git, remote: &Remote, base: &Base) {
    let cache = git.repository("github", &name());
    cache.fetch(remote, base).await.unwrap();
    let files = cache.files(&base.commit, |_| true).await.unwrap();
    let ids = files.iter().map(|file| file.blob.clone()).collect();
    cache.blobs(remote, base, &ids).await.unwrap();
    let id = new_id(cache.commit(change(base, "Dockerfile", "FROM b\n")).await.unwrap());
    assert_eq!(one(&cache, remote, create(BOT, &id)).await, PushOutcome::Pushed);
}

/// In a world of its own, or against the server that the test below names.
#[tokio::test]
async fn a_whole_round() {
    if let (Ok(url), Ok(commit)) = (std::env::var("ROUND_URL"), std::env::var("ROUND_COMMIT")) {
        let credentials = Some(("x-access-token".to_owned(), SecretString::from(TOKEN)));
        let base = Base { branch: branch("main"), commit: commit.parse().unwrap() };
        let git = Git::new(settings(&std::env::temp_dir())).await.unwrap();
        return round(&git, &Remote { url: url.parse().unwrap(), credentials }, &base).await;
    }
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    round(&world.git, &world.remote, &base).await;
}

/// The round above in a process whose user's configuration would divert or break everything.
#[tokio::test]
async fn nothing_of_the_users_configuration_is_read() {
    let home = tempfile::tempdir().unwrap();
    let marker = home.path().join("marker");
    for hook in ["pre-push", "reference-transaction"] {
        let script = wrapper(home.path(), &format!("echo hook >> '{}'", marker.display()));
        std::fs::rename(script, home.path().join(hook)).unwrap();
    }
    let hostile = format!(
        "[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = http://\n[core]\n\thooksPath = {home}\n\
         [credential]\n\thelper = \"!echo helper >> {marker}; false\"\n[http]\n\tproxy = http://127.0.0.1:1\n",
        home = home.path().display(),
        marker = marker.display()
    );
    let system = home.path().join("system");
    std::fs::write(&system, &hostile).unwrap();
    std::fs::write(home.path().join(".netrc"), "machine 127.0.0.1 login a password b\n").unwrap();
    for content in [hostile.as_str(), "[broken"] {
        std::fs::write(home.path().join(".gitconfig"), content).unwrap();
        let world = World::new(Face::Embedded).await;
        let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
        let output = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "git_push::a_whole_round"])
            .envs([("ROUND_URL", world.remote.url.as_str()), ("ROUND_COMMIT", base.commit.as_str())])
            .envs([("HOME", home.path()), ("GIT_CONFIG_SYSTEM", &system), ("TMPDIR", world.directory.path())])
            .envs([("GIT_DIR", "/nonexistent"), ("GIT_ASKPASS", "/nonexistent"), ("http_proxy", "http://127.0.0.1:1")])
            .envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.bare"), ("GIT_CONFIG_VALUE_0", "nonsense")])
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        assert!(!marker.exists(), "{:?}", std::fs::read_to_string(&marker));
        assert!(world.head(BOT).is_some());
    }
}

#[tokio::test]
async fn a_git_that_is_missing_or_too_old_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("no-git");
    let error = Git::new(Settings { program, ..settings(directory.path()) }).await.unwrap_err();
    assert!(matches!(error, GitError::Program { .. }) && error.to_string().contains("no-git"), "{error}");
    let program = wrapper(directory.path(), "echo git version 2.25.1");
    let error = Git::new(Settings { program, ..settings(directory.path()) }).await.unwrap_err();
    assert!(matches!(error, GitError::TooOld { .. }), "{error}");
}
