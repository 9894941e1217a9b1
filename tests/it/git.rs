//! Fetching, reading and committing: over the embedded server and the real `git http-backend`.

use std::collections::{BTreeMap, BTreeSet};

use refrom::demo::git_repository::{Content, Filters};
use refrom::demo::server::Server;
use refrom::git::{
    Author, Base, Blob, Committed, Fetched, FileChange, Git, GitError, Identity, NewCommit, PushOutcome, SignOff,
    TreeFile, TreeFileKind, Update,
};
use refrom::net::{Network, Remote};
use refrom::secret::Secret;

use crate::git_world::{Face, World, branch, faces, name, posts, real_git, settings};

/// Content that no compression makes small.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(length)
    .collect()
}

fn ids(files: &[TreeFile]) -> BTreeSet<String> {
    files.iter().map(|file| file.blob.clone()).collect()
}

fn is_dockerfile(path: &str) -> bool {
    path.rsplit('/').next() == Some("Dockerfile")
}

pub fn author() -> Author {
    let identity = Identity { name: "refrom".to_owned(), email: "refrom@example.com".to_owned() };
    Author { identity, sign_off: SignOff::Omit, signing_key: None }
}

pub fn change(base: &Base, path: &str, content: &str) -> NewCommit {
    NewCommit {
        base: base.commit.clone(),
        changes: vec![FileChange { path: path.to_owned(), content: content.into() }],
        message: "fix(deps): update base images".to_owned(),
        author: author(),
    }
}

pub fn new_id(committed: Committed) -> refrom::domain::pull_request::CommitId {
    match committed {
        Committed::New(id) => id,
        Committed::Unchanged => panic!("nothing to commit"),
    }
}

#[tokio::test]
async fn a_fetch_brings_the_trees_and_then_the_wanted_blobs_in_one_request() {
    for face in faces() {
        let world = World::new(face).await;
        let large = noise(3 << 20);
        let mut paths: Vec<String> = (0..60).map(|index| format!("service-{index}/Dockerfile")).collect();
        paths.push("Dockerfile".to_owned());
        let contents: Vec<String> = paths.iter().map(|path| format!("FROM scratch # {path}\n")).collect();
        let mut changes: Vec<(&str, Content<'_>)> =
            paths.iter().zip(&contents).map(|(path, text)| (path.as_str(), Content::File(text.as_bytes()))).collect();
        changes.push(("data/large.bin", Content::File(&large)));
        let base = world.commit(&changes);
        let cache = world.cache();
        assert!(!cache.has(&base.commit).await.unwrap());
        assert_eq!(cache.fetch(&world.remote, &base).await.unwrap(), Fetched::Anew);
        assert!(cache.has(&base.commit).await.unwrap());
        let exchanges = world.server.traffic().take();
        let bytes: u64 = exchanges.iter().map(|exchange| exchange.response_bytes).sum();
        assert!(bytes < 50_000, "{face:?}: {bytes} bytes");

        let files = cache.files(&base.commit, is_dockerfile).await.unwrap();
        assert_eq!(files.len(), 61);
        assert!(files.is_sorted_by_key(|file| &file.path));
        assert!(world.server.traffic().take().is_empty(), "reading trees sends nothing");
        let blobs = cache.blobs(&world.remote, &base, &ids(&files)).await.unwrap();
        let exchanges = world.server.traffic().take();
        assert_eq!(posts(&exchanges, "git-upload-pack"), 1, "{face:?}: {exchanges:?}");
        assert_eq!(exchanges.len(), 2, "{face:?}: the advertisement and the blobs");
        for (path, text) in paths.iter().zip(&contents) {
            let file = files.iter().find(|file| &file.path == path).unwrap();
            assert_eq!(blobs[&file.blob], Blob::Content(text.clone().into_bytes()));
        }

        assert_eq!(cache.fetch(&world.remote, &base).await.unwrap(), Fetched::AlreadyThere);
        assert_eq!(cache.blobs(&world.remote, &base, &ids(&files)).await.unwrap(), blobs);
        assert!(world.server.traffic().take().is_empty(), "nothing is fetched while the head stays");
    }
}

#[tokio::test]
async fn a_moved_head_costs_what_changed() {
    for face in faces() {
        let world = World::new(face).await;
        let many: Vec<String> = (0..400).map(|index| format!("folder-{index}/file")).collect();
        let mut changes: Vec<(&str, Content<'_>)> =
            many.iter().map(|path| (path.as_str(), Content::File(path.as_bytes()))).collect();
        changes.push(("Dockerfile", Content::File(b"FROM a\n")));
        let first = world.commit(&changes);
        let cache = world.cache();
        cache.fetch(&world.remote, &first).await.unwrap();
        let whole: u64 = world.server.traffic().take().iter().map(|exchange| exchange.response_bytes).sum();
        let second = world.commit(&[("folder-7/Dockerfile", Content::File(b"FROM b\n"))]);
        cache.fetch(&world.remote, &second).await.unwrap();
        let more: u64 = world.server.traffic().take().iter().map(|exchange| exchange.response_bytes).sum();
        assert!(more * 2 < whole, "{face:?}: {more} of {whole}");
        let files = cache.files(&second.commit, is_dockerfile).await.unwrap();
        let blobs = cache.blobs(&world.remote, &second, &ids(&files)).await.unwrap();
        assert_eq!(blobs.len(), 2);
        assert!(cache.has(&first.commit).await.unwrap());
    }
}

#[tokio::test]
async fn a_server_that_cannot_filter_is_read_all_the_same() {
    for face in faces() {
        let world = World::new(face).await;
        world.repository.set_filters(Filters::Off).unwrap();
        let base = world.commit(&[("a/Dockerfile", Content::File(b"FROM a\n"))]);
        let cache = world.cache();
        cache.fetch(&world.remote, &base).await.unwrap();
        let files = cache.files(&base.commit, is_dockerfile).await.unwrap();
        world.server.traffic().take();
        let blobs = cache.blobs(&world.remote, &base, &ids(&files)).await.unwrap();
        assert_eq!(blobs[&files[0].blob], Blob::Content(b"FROM a\n".to_vec()));
        assert!(world.server.traffic().take().is_empty(), "the blobs came with the commit");
    }
}

#[tokio::test]
async fn a_server_that_gives_no_object_by_its_id_is_read_by_its_branch() {
    let world = World::with_layer(|router| {
        // Protocol version 0, as behind a proxy that drops the header.
        router.layer(axum::middleware::map_request(|mut request: axum::extract::Request| async move {
            request.headers_mut().remove("git-protocol");
            request
        }))
    })
    .await;
    let path = world.repository.directory().to_str().unwrap();
    assert!(real_git(&["--git-dir", path, "config", "uploadpack.allowAnySHA1InWant", "false"]).status.success());
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let cache = world.cache();
    cache.fetch(&world.remote, &base).await.unwrap();
    let files = cache.files(&base.commit, is_dockerfile).await.unwrap();
    let blobs = cache.blobs(&world.remote, &base, &ids(&files)).await.unwrap();
    assert_eq!(blobs[&files[0].blob], Blob::Content(b"FROM a\n".to_vec()));
    assert!(cache.has(&base.commit).await.unwrap(), "the commit is still there");

    let gone = world.commit(&[("Dockerfile", Content::File(b"FROM b\n"))]);
    world.repository.set_branch(&branch("main"), &base.commit).unwrap();
    assert!(matches!(cache.fetch(&world.remote, &gone).await, Err(GitError::HeadMoved { .. })));
}

#[tokio::test]
async fn every_kind_of_file_is_seen_for_what_it_is() {
    let world = World::new(Face::Embedded).await;
    let first = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let base = world.commit(&[
        ("run.sh", Content::Executable(b"#!/bin/sh\n")),
        ("link", Content::Symlink("Dockerfile")),
        ("module", Content::Submodule(&first.commit)),
        ("a/b/c/Dockerfile", Content::File(b"FROM b\n")),
    ]);
    let cache = world.cache();
    cache.fetch(&world.remote, &base).await.unwrap();
    let files = cache.files(&base.commit, |_| true).await.unwrap();
    let seen: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.mode, file.kind)).collect();
    let expected = vec![
        ("Dockerfile", 0o100_644, TreeFileKind::File),
        ("a/b/c/Dockerfile", 0o100_644, TreeFileKind::File),
        ("link", 0o120_000, TreeFileKind::Symlink),
        ("module", 0o160_000, TreeFileKind::Submodule),
        ("run.sh", 0o100_755, TreeFileKind::Executable),
    ];
    assert_eq!(seen, expected);
    for path in ["link", "module", "a", "missing", "a/b/missing"] {
        let result = cache.commit(change(&base, path, "x")).await;
        assert!(matches!(result, Err(GitError::NoSuchFile { .. })), "{path}: {result:?}");
    }
}

/// Writes a tree with entries that git itself would not make; its id.
fn raw_tree(world: &World, entries: &str) -> String {
    use std::io::Write as _;
    let mut mktree = std::process::Command::new("git");
    mktree.arg("--git-dir").arg(world.repository.directory()).args(["mktree", "-z"]);
    let mut child = mktree.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(entries.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_tree_that_leads_out_of_its_folder_spoils_nothing() {
    let world = World::new(Face::Embedded).await;
    let first = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let path = world.repository.directory().to_str().unwrap().to_owned();
    let blob = real_git(&["--git-dir", &path, "rev-parse", &format!("{}:Dockerfile", first.commit)]);
    let blob = String::from_utf8(blob.stdout).unwrap().trim().to_owned();
    let inner = raw_tree(&world, &format!("100644 blob {blob}\tDockerfile\0"));
    let folders = ["..", ".git", ".GIT", "a\nb", "fine"].map(|name| format!("040000 tree {inner}\t{name}\0")).concat();
    let root = raw_tree(&world, &format!("{folders}100644 blob {blob}\tDockerfile\0"));
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    let made = real_git(&[&identity[..], &["--git-dir", &path, "commit-tree", "-m", "odd", &root]].concat());
    let commit = String::from_utf8(made.stdout).unwrap().trim().parse().unwrap();
    world.repository.set_branch(&branch("main"), &commit).unwrap();
    let base = Base { branch: branch("main"), commit };
    let cache = world.cache();
    cache.fetch(&world.remote, &base).await.unwrap();
    let files = cache.files(&base.commit, is_dockerfile).await.unwrap();
    let seen: BTreeMap<_, _> = files.iter().map(|file| (file.path.as_str(), file.kind)).collect();
    assert_eq!(seen["fine/Dockerfile"], TreeFileKind::File);
    assert_eq!(seen["a\nb/Dockerfile"], TreeFileKind::File);
    for odd in ["../Dockerfile", ".git/Dockerfile", ".GIT/Dockerfile"] {
        assert_eq!(seen[odd], TreeFileKind::OddPath, "{odd}");
        let result = cache.commit(change(&base, odd, "FROM b\n")).await;
        assert!(matches!(result, Err(GitError::NoSuchFile { .. })), "{odd}: {result:?}");
    }
    for path in ["a\nb/Dockerfile", "Dockerfile"] {
        let id = new_id(cache.commit(change(&base, path, "FROM b\n")).await.unwrap());
        let branch = branch(&format!("refrom/{}", path.len()));
        let pushed = cache.push(&world.remote, &[Update::Create { branch: branch.clone(), new: id.clone() }]).await;
        assert_eq!(pushed.unwrap(), vec![(branch, PushOutcome::Pushed)]);
        assert_eq!(world.repository.read(&id, path).unwrap().unwrap(), b"FROM b\n");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_sends_more_than_is_taken_is_cut_off() {
    let world = World::new(Face::Embedded).await;
    world.repository.set_filters(Filters::Off).unwrap();
    let large = noise(3 << 20);
    let base = world.commit(&[("data", Content::File(&large))]);
    let narrow = refrom::git::Settings { pack_bytes_max: 1 << 20, ..settings(world.directory.path()) };
    let git = Git::new(narrow).await.unwrap();
    let error = git.repository("github", &name()).fetch(&world.remote, &base).await.unwrap_err();
    assert!(matches!(error, GitError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_over_one_mebibyte_is_not_read() {
    let world = World::new(Face::Embedded).await;
    let large = noise((1 << 20) + 1);
    let base = world.commit(&[("Dockerfile", Content::File(&large))]);
    let cache = world.cache();
    cache.fetch(&world.remote, &base).await.unwrap();
    let files = cache.files(&base.commit, is_dockerfile).await.unwrap();
    let blobs = cache.blobs(&world.remote, &base, &ids(&files)).await.unwrap();
    assert_eq!(blobs, BTreeMap::from([(files[0].blob.clone(), Blob::TooLarge { bytes: (1 << 20) + 1 })]));
}

#[tokio::test]
async fn a_commit_changes_its_paths_only_and_keeps_their_modes() {
    for face in faces() {
        let world = World::new(face).await;
        let base = world.commit(&[
            ("docker/build", Content::Executable(b"FROM a\n")),
            ("docker/other", Content::File(b"not fetched")),
            ("Dockerfile", Content::File(b"FROM a\n")),
            ("link", Content::Symlink("Dockerfile")),
        ]);
        let cache = world.cache();
        cache.fetch(&world.remote, &base).await.unwrap();
        let id = new_id(cache.commit(change(&base, "docker/build", "FROM b\n")).await.unwrap());
        let update = Update::Create { branch: branch("refrom/base-images"), new: id.clone() };
        world.server.traffic().take();
        let outcome = cache.push(&world.remote, &[update]).await.unwrap();
        assert_eq!(outcome, vec![(branch("refrom/base-images"), PushOutcome::Pushed)], "{face:?}");
        let exchanges = world.server.traffic().take();
        assert_eq!(posts(&exchanges, "git-upload-pack"), 0, "nothing is fetched for a push");
        let path = world.repository.directory().to_str().unwrap();
        let diff = real_git(&["--git-dir", path, "diff-tree", "-r", "--no-commit-id", id.as_str()]);
        let diff = String::from_utf8(diff.stdout).unwrap();
        assert_eq!(diff.lines().count(), 1, "{diff}");
        assert!(diff.starts_with(":100755 100755 ") && diff.ends_with("M\tdocker/build\n"), "{diff}");
        assert_eq!(world.repository.read(&id, "docker/build").unwrap().unwrap(), b"FROM b\n");
        assert_eq!(world.repository.read(&id, "docker/other").unwrap().unwrap(), b"not fetched");
        assert!(real_git(&["--git-dir", path, "fsck", "--strict"]).status.success());
    }
}

#[tokio::test]
async fn the_same_plan_gives_the_same_commit_wherever_it_is_made() {
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("a/Dockerfile", Content::File(b"FROM a\n"))]);
    let mut ids = BTreeSet::new();
    for cache in [world.cache(), world.cache(), world.other_cache()] {
        cache.fetch(&world.remote, &base).await.unwrap();
        ids.insert(new_id(cache.commit(change(&base, "a/Dockerfile", "FROM b\n")).await.unwrap()));
    }
    assert_eq!(ids.len(), 1);
    let unchanged = world.cache().commit(change(&base, "a/Dockerfile", "FROM a\n")).await.unwrap();
    assert_eq!(unchanged, Committed::Unchanged);
    let later = world.commit(&[("a/other", Content::File(b""))]);
    world.cache().fetch(&world.remote, &later).await.unwrap();
    let rebuilt = new_id(world.cache().commit(change(&later, "a/Dockerfile", "FROM b\n")).await.unwrap());
    assert!(!ids.contains(&rebuilt));
}

#[tokio::test]
async fn a_signed_commit_is_accepted_by_git_and_signed_the_same_twice() {
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let key = ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]));
    let text = key.to_openssh(ssh_key::LineEnding::LF).unwrap();
    refrom::git::check_signing_key(&Secret::from(text.as_str())).unwrap();
    let mut ids = BTreeSet::new();
    for cache in [world.cache(), world.other_cache()] {
        cache.fetch(&world.remote, &base).await.unwrap();
        let mut new = change(&base, "Dockerfile", "FROM b\n");
        new.author.signing_key = Some(Secret::from(text.as_str()));
        new.author.sign_off = SignOff::Add;
        ids.insert(new_id(cache.commit(new).await.unwrap()));
    }
    assert_eq!(ids.len(), 1);
    let id = ids.into_iter().next().unwrap();
    let update = Update::Create { branch: branch("refrom/base-images"), new: id.clone() };
    world.cache().push(&world.remote, &[update]).await.unwrap();
    let signers = world.directory.path().join("signers");
    std::fs::write(&signers, format!("refrom@example.com {}\n", key.public_key().to_openssh().unwrap())).unwrap();
    let path = world.repository.directory().to_str().unwrap();
    let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    let output = real_git(&["-c", &signers, "--git-dir", path, "verify-commit", id.as_str()]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if words.contains("ssh-keygen") && !output.status.success() {
        assert!(std::env::var_os("CI").is_none(), "`ssh-keygen` is missing");
        eprintln!("left out: `git verify-commit` needs `ssh-keygen`");
        return;
    }
    assert!(output.status.success() && words.contains("Good \"git\" signature for refrom@example.com"), "{words}");
    let message = real_git(&["--git-dir", path, "log", "-1", "--format=%B", id.as_str()]);
    let expected = "fix(deps): update base images\n\nSigned-off-by: refrom <refrom@example.com>\n\n";
    assert_eq!(String::from_utf8(message.stdout).unwrap(), expected);
}

#[tokio::test]
async fn a_damaged_cache_is_made_anew() {
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("a/Dockerfile", Content::File(b"FROM a\n"))]);
    let cache = world.cache();
    let packs = cache.directory().join("objects/pack");
    for damage in ["cut", "emptied", "locked", "headless"] {
        cache.fetch(&world.remote, &base).await.unwrap();
        assert!(cache.has(&base.commit).await.unwrap());
        for entry in std::fs::read_dir(&packs).unwrap() {
            let path = entry.unwrap().path();
            let is_pack = path.extension().is_some_and(|extension| extension == "pack");
            match damage {
                "cut" if is_pack => {
                    let bytes = std::fs::read(&path).unwrap();
                    std::fs::remove_file(&path).unwrap();
                    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
                }
                "emptied" => {
                    std::fs::remove_file(&path).unwrap();
                    std::fs::write(&path, b"").unwrap();
                }
                "locked" | "headless" => std::fs::remove_file(&path).unwrap(),
                _ => {}
            }
        }
        if damage == "locked" {
            std::fs::write(cache.directory().join("shallow.lock"), b"").unwrap();
        }
        if damage == "headless" {
            std::fs::remove_file(cache.directory().join("HEAD")).unwrap();
            std::fs::write(cache.directory().join("config"), b"[core\n").unwrap();
        }
        assert_eq!(cache.fetch(&world.remote, &base).await.unwrap(), Fetched::Anew, "{damage}");
        assert_eq!(cache.files(&base.commit, is_dockerfile).await.unwrap().len(), 1, "{damage}");
    }
}

#[tokio::test]
async fn work_on_a_commit_that_was_not_fetched_says_so() {
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let result = world.cache().files(&base.commit, |_| true).await;
    assert!(matches!(result, Err(GitError::NotFetched { .. })), "{result:?}");
    let result = world.cache().commit(change(&base, "Dockerfile", "FROM b\n")).await;
    assert!(matches!(result, Err(GitError::NotFetched { .. })), "{result:?}");
    assert!(world.server.traffic().take().is_empty());
}

#[tokio::test]
async fn two_tasks_share_one_fetch() {
    let world = World::new(Face::Embedded).await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let (one, other) = (world.cache(), world.cache());
    let (one, other) = tokio::join!(one.fetch(&world.remote, &base), other.fetch(&world.remote, &base));
    assert_eq!((one.unwrap(), other.unwrap()), (Fetched::Anew, Fetched::AlreadyThere));
}

#[tokio::test]
async fn a_proxy_carries_everything_and_gets_its_credentials() {
    let world = World::with_layer(|router| {
        router.layer(axum::middleware::from_fn(|request: axum::extract::Request, next: axum::middleware::Next| async {
            let expected = "Basic bWU6cEBzcw==";
            if request.headers().get("proxy-authorization").is_some_and(|value| value == expected) {
                return next.run(request).await;
            }
            let challenge = [("proxy-authenticate", "Basic realm=\"proxy\"")];
            axum::response::IntoResponse::into_response((
                axum::http::StatusCode::PROXY_AUTHENTICATION_REQUIRED,
                challenge,
            ))
        }))
    })
    .await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let network = Network {
        proxy: Some(world.server.url().parse().unwrap()),
        proxy_auth: Some(("me".to_owned(), Secret::from("p@ss"))),
        ca_file: None,
    };
    let git = Git::new(refrom::git::Settings { network, ..settings(world.directory.path()) }).await.unwrap();
    let url = "http://nowhere.invalid/acme/web.git".parse().unwrap();
    let remote = Remote { url, ..world.remote.clone() };
    assert_eq!(git.repository("github", &name()).fetch(&remote, &base).await.unwrap(), Fetched::Anew);
}

#[tokio::test]
async fn a_repository_of_sha256_ids_is_refused_clearly() {
    let world = World::new(Face::Embedded).await;
    let root = world.directory.path().join("server/acme/new.git");
    let made = real_git(&["init", "--quiet", "--bare", "--object-format=sha256", root.to_str().unwrap()]);
    assert!(made.status.success());
    let url: url::Url = format!("{}acme/new.git", world.server.url()).parse().unwrap();
    let remote = Remote { url, ..world.remote.clone() };
    let cache = world.git.repository("github", &"acme/new".parse().unwrap());
    for digits in [64, 40] {
        let base = Base { branch: branch("main"), commit: "1".repeat(digits).parse().unwrap() };
        let error = cache.fetch(&remote, &base).await.unwrap_err();
        assert!(matches!(error, GitError::ObjectFormat), "{digits}: {error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(axum::Router::new()).await.unwrap();
    let target = elsewhere.url();
    let world = World::with_layer(move |_| {
        axum::Router::new().fallback(move |uri: axum::http::Uri| async move {
            axum::response::Redirect::permanent(&format!("{target}{}", uri.path_and_query().unwrap()))
        })
    })
    .await;
    let base = world.commit(&[("Dockerfile", Content::File(b"FROM a\n"))]);
    let error = world.cache().fetch(&world.remote, &base).await.unwrap_err();
    assert!(matches!(error, GitError::Redirected { .. }), "{error:?}");
    assert!(elsewhere.traffic().take().is_empty());
}
