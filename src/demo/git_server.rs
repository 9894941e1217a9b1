//! Git repositories over smart HTTP on loopback, served by the git that is installed (gitprotocol-http(5)).
//!
//! Needs no web server and no `git http-backend`, which some systems ship apart from git.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use base64::Engine as _;
use tokio::io::AsyncWriteExt as _;

use super::git_repository;
use crate::domain::pull_request::RepoName;

/// The largest request body, sent or unpacked, in bytes: a push of a demo repository is a few KiB.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// What a client wants of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

/// User name and password of Basic authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

/// The answer to "may they?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Allowed,
    /// 401: no credentials, or wrong ones.
    SignIn,
    /// 403: known, and not allowed to do this.
    Denied,
    /// 404: not there, or hidden.
    Missing,
}

/// Decides on every request.
pub type Authorize = Arc<dyn Fn(&RepoName, Option<&Credentials>, Service) -> Access + Send + Sync>;

#[derive(Clone)]
struct Settings {
    root: PathBuf,
    authorize: Authorize,
}

impl Service {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }

    /// The name of git's command, without `git-`.
    fn command(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }
}

/// Lets everybody do everything.
pub fn everybody() -> Authorize {
    Arc::new(|_, _, _| Access::Allowed)
}

/// Serves the bare repositories `root/OWNER/NAME.git` at `/OWNER/NAME.git`. Other paths are answered with 404; routes
/// with literal first segments can be merged beside it.
pub fn router(root: PathBuf, authorize: Authorize) -> Router {
    Router::new().route("/{*path}", any(serve)).with_state(Settings { root, authorize })
}

async fn serve(State(settings): State<Settings>, request: Request) -> Response {
    match answer(&settings, request).await {
        Ok(response) => response,
        Err((status, text)) => (status, text).into_response(),
    }
}

type Refusal = (StatusCode, String);

fn refuse(status: StatusCode, text: impl ToString) -> Refusal {
    (status, text.to_string())
}

async fn answer(settings: &Settings, request: Request) -> Result<Response, Refusal> {
    let not_found = || refuse(StatusCode::NOT_FOUND, "not found");
    let query = request.uri().query().unwrap_or_default();
    let path = request.uri().path().trim_start_matches('/');
    let (repository, action) = path.split_once(".git/").ok_or_else(not_found)?;
    let name: RepoName = repository.parse().map_err(|_| not_found())?;
    let advertised = query.split('&').find_map(|pair| pair.strip_prefix("service="));
    let (service, is_advertisement) = match (action, request.method()) {
        ("info/refs", &Method::GET) => (Service::from_name(advertised.ok_or_else(not_found)?), true),
        (_, &Method::POST) => (Service::from_name(action), false),
        _ => (None, false),
    };
    let service = service.ok_or_else(not_found)?;
    match (settings.authorize)(&name, credentials(request.headers()).as_ref(), service) {
        Access::Allowed => {}
        Access::SignIn => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
            return Ok((StatusCode::UNAUTHORIZED, challenge, "sign in").into_response());
        }
        Access::Denied => return Err(refuse(StatusCode::FORBIDDEN, "not allowed")),
        Access::Missing => return Err(not_found()),
    }
    let directory = git_repository::directory(&settings.root, &name);
    if !directory.is_dir() {
        return Err(not_found());
    }
    let protocol = request.headers().get("git-protocol").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let rpc = Rpc { service, directory: &directory, protocol: protocol.as_deref() };
    let (kind, body) = if is_advertisement {
        ("advertisement", rpc.advertise().await?)
    } else {
        let headers = request.headers().clone();
        let body = axum::body::to_bytes(request.into_body(), REQUEST_BYTES_MAX).await;
        let body = body.map_err(|error| refuse(StatusCode::PAYLOAD_TOO_LARGE, error))?;
        ("result", rpc.run(&["--stateless-rpc"], &plain(&headers, body)?).await?)
    };
    let content_type = format!("application/x-git-{}-{kind}", service.command());
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache".to_owned())], body).into_response())
}

/// User name and password of the `Authorization` header (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: password.to_owned() })
}

/// The request's body as git sent it before it compressed it.
fn plain(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if !encoding.is_some_and(|encoding| encoding.ends_with("gzip")) {
        return Ok(body);
    }
    let limit = u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    let mut unpacked = Vec::new();
    let unpacking = flate2::read::GzDecoder::new(body.as_ref()).take(limit).read_to_end(&mut unpacked);
    unpacking.map_err(|error| refuse(StatusCode::BAD_REQUEST, error))?;
    Ok(unpacked.into())
}

/// One service of one repository for one request.
struct Rpc<'a> {
    service: Service,
    directory: &'a Path,
    /// The client's `Git-Protocol` header: `version=2`.
    protocol: Option<&'a str>,
}

impl Rpc<'_> {
    /// The refs or the capabilities; before version 2 with the name of the service in front.
    async fn advertise(&self) -> Result<Vec<u8>, Refusal> {
        let refs = self.run(&["--stateless-rpc", "--advertise-refs"], &[]).await?;
        if self.protocol.is_some_and(|protocol| protocol.split(':').any(|part| part == "version=2")) {
            return Ok(refs);
        }
        let line = format!("# service=git-{}\n", self.service.command());
        let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
        body.extend(refs);
        Ok(body)
    }

    async fn run(&self, options: &[&str], input: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut command = tokio::process::Command::new("git");
        command
            .arg(self.service.command())
            .args(options)
            .arg(self.directory)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C")])
            .envs(self.protocol.map(|protocol| ("GIT_PROTOCOL", protocol)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let broken = |error: std::io::Error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error);
        let mut child = command.spawn().map_err(broken)?;
        let stdin = child.stdin.take();
        let send = async move {
            if let Some(mut stdin) = stdin {
                // A git that has read enough closes its end; what it has to say is in its answer.
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), output) = tokio::join!(send, child.wait_with_output());
        // Protocol errors are told inside the answer, whatever the exit status.
        Ok(output.map_err(broken)?.stdout)
    }
}
