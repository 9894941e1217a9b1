//! A repository on a server, and refrom's git in front of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use refrom::demo::git_repository::{BareRepository, Content};
use refrom::demo::git_server::{self, Access};
use refrom::demo::server::{Exchange, Server};
use refrom::domain::pull_request::{BranchName, CommitId, RepoName};
use refrom::git::{Base, Git, Repository, Settings};
use refrom::net::{Network, Remote, RetryPolicy};
use secrecy::SecretString;
use tokio::io::AsyncWriteExt as _;

pub const TOKEN: &str = "ghs_verySecretToken0123456789";
/// Long enough for any machine, and short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// What speaks git's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    Embedded,
    /// The real `git http-backend`, as forges and web servers run it.
    Backend,
}

pub struct World {
    pub directory: tempfile::TempDir,
    pub repository: BareRepository,
    pub server: Server,
    pub remote: Remote,
    pub git: Git,
}

/// The servers that are here. In CI a missing one is a failure.
pub fn faces() -> Vec<Face> {
    let mut faces = vec![Face::Embedded];
    if backend().is_file() {
        faces.push(Face::Backend);
    } else {
        assert!(std::env::var_os("CI").is_none(), "`git http-backend` is missing");
        eprintln!("left out: `git http-backend` is not installed");
    }
    faces
}

pub fn name() -> RepoName {
    "acme/web".parse().unwrap()
}

pub fn branch(name: &str) -> BranchName {
    name.parse().unwrap()
}

impl World {
    pub async fn new(face: Face) -> Self {
        let root = tempfile::tempdir().unwrap();
        let router = match face {
            Face::Embedded => git_server::router(root.path().join("server"), signed_in()),
            Face::Backend => backend_router(root.path().join("server")),
        };
        Self::with(root, router).await
    }

    pub async fn with_layer(layer: impl FnOnce(Router) -> Router) -> Self {
        let root = tempfile::tempdir().unwrap();
        let router = layer(git_server::router(root.path().join("server"), signed_in()));
        Self::with(root, router).await
    }

    async fn with(directory: tempfile::TempDir, router: Router) -> Self {
        let root = directory.path().join("server");
        let repository = BareRepository::create(&root, &name(), &branch("main")).unwrap();
        let server = Server::start(router).await.unwrap();
        let url = format!("{}acme/web.git", server.url()).parse().unwrap();
        let remote = Remote { url, credentials: Some(("x-access-token".to_owned(), SecretString::from(TOKEN))) };
        let git = Git::new(settings(directory.path())).await.unwrap();
        Self { directory, repository, server, remote, git }
    }

    pub fn cache(&self) -> Repository {
        self.git.repository("github", &name())
    }

    /// Another machine's cache of the same repository.
    pub fn other_cache(&self) -> Repository {
        self.git.repository("elsewhere", &name())
    }

    pub fn commit(&self, changes: &[(&str, Content<'_>)]) -> Base {
        let commit = self.repository.commit(&branch("main"), changes, "a change\n").unwrap();
        Base { branch: branch("main"), commit }
    }

    pub fn head(&self, name: &str) -> Option<CommitId> {
        self.repository.head(&branch(name)).unwrap()
    }
}

pub fn settings(directory: &Path) -> Settings {
    let at_once = Duration::from_millis(1);
    let retry = RetryPolicy { attempts: 2, first_delay: at_once, max_delay: at_once, deadline: PATIENCE };
    Settings { timeout: PATIENCE, retry, ..Settings::new(directory.join("state"), Network::default()) }
}

/// A program that does something before it becomes git.
pub fn wrapper(directory: &Path, script: &str) -> PathBuf {
    use std::io::Write as _;
    let path = directory.join("wrapper");
    // Written by another process: a git that a test beside this one starts would inherit the open file, and nobody can
    // run a program that is open for writing.
    let mut writer = std::process::Command::new("/bin/sh");
    let writer = writer.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(&path).stdin(Stdio::piped());
    let mut writer = writer.spawn().unwrap();
    writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
    path
}

/// Requests to a service's own URL; the advertisement is not one of them.
pub fn posts(exchanges: &[Exchange], service: &str) -> usize {
    exchanges.iter().filter(|exchange| exchange.method == "POST" && exchange.path.ends_with(service)).count()
}

/// A real git with nothing of its user, for looking at results.
pub fn real_git(arguments: &[&str]) -> std::process::Output {
    std::process::Command::new("git")
        .args(arguments)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/nonexistent")])
        .output()
        .unwrap()
}

/// Nobody without the token; the rest is hidden from them.
fn signed_in() -> git_server::Authorize {
    Arc::new(|name, credentials, _| match credentials {
        None => Access::SignIn,
        Some(credentials) if credentials.password != TOKEN => Access::SignIn,
        Some(_) if name.as_str().starts_with("locked/") => Access::Denied,
        Some(_) => Access::Allowed,
    })
}

fn backend() -> PathBuf {
    let output = real_git(&["--exec-path"]);
    Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("git-http-backend")
}

/// A CGI front (RFC 3875), as small as it can be.
fn backend_router(root: PathBuf) -> Router {
    Router::new().fallback(move |request: Request| {
        let root = root.clone();
        async move { cgi(&root, request).await }
    })
}

pub async fn cgi(root: &Path, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let mut command = tokio::process::Command::new(backend());
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("GIT_PROJECT_ROOT", root).envs([
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_HTTP_EXPORT_ALL", "1"),
        ("REMOTE_USER", "x-access-token"),
        ("REQUEST_METHOD", head.method.as_str()),
        ("PATH_INFO", head.uri.path()),
        ("QUERY_STRING", head.uri.query().unwrap_or_default()),
        ("CONTENT_TYPE", header("content-type")),
        ("HTTP_CONTENT_ENCODING", header("content-encoding")),
        ("HTTP_GIT_PROTOCOL", header("git-protocol")),
    ]);
    command.env("CONTENT_LENGTH", body.len().to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let send = async move {
        let _ = stdin.write_all(&body).await;
    };
    let ((), output) = tokio::join!(send, child.wait_with_output());
    let output = output.unwrap().stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut response = Response::new(Body::from(output[end + 4..].to_vec()));
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *response.status_mut() = StatusCode::from_bytes(&value.as_bytes()[..3]).unwrap();
        } else {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
    }
    response
}
