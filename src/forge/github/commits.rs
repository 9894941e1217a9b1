//! Commits that GitHub makes: it signs those of an App that name neither author nor committer
//! (<https://docs.github.com/en/authentication/managing-commit-signature-verification/about-commit-signature-verification#signature-verification-for-bots>).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::Method;
use base64::Engine as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::account::{Account, Api, Call};
use super::graph::fields;
use super::{GitHub, SignedIn, documents, owner_and_name};
use crate::domain::pull_request::{CommitId, RepoName};
use crate::forge::github::repository::protocol;
use crate::forge::{ApiCommit, ForgeError};

/// What the login of an App's bot ends in.
const BOT: &str = "[bot]";

/// The id of an object that was made.
#[derive(Debug, Deserialize)]
struct Made {
    sha: String,
}

/// Of REST's commit.
#[derive(Debug, Deserialize)]
struct BaseCommit {
    tree: Made,
}

/// Of GraphQL's viewer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Viewer {
    login: String,
    database_id: Option<u64>,
}

/// Of REST's user: the address on the public page.
#[derive(Debug, Deserialize)]
struct PublicUser {
    email: Option<String>,
}

/// Makes the commit: blobs for what is no UTF-8, a tree on the base's, the commit. No branch points to it, and git can
/// fetch it by its id. What an attempt with a lost answer has made, nobody refers to.
pub(super) async fn make(github: &GitHub, repository: &RepoName, commit: &ApiCommit) -> Result<CommitId, ForgeError> {
    let account = github.account(owner_and_name(repository)?.0).await?;
    let maker = Maker { github, account, repository };
    let base: BaseCommit = maker.ask(Method::GET, &format!("commits/{}", commit.base), None).await?;
    let mut entries = Vec::new();
    for (path, (mode, content)) in &commit.files {
        entries.push(maker.entry(path, *mode, content).await?);
    }
    let tree = maker.make("trees", json!({ "base_tree": base.tree.sha, "tree": entries })).await?;
    let body = json!({ "message": commit.message, "tree": tree, "parents": [commit.base.as_str()] });
    maker.make("commits", body).await?.parse().map_err(protocol)
}

struct Maker<'a> {
    github: &'a GitHub,
    account: Arc<Account>,
    repository: &'a RepoName,
}

impl Maker<'_> {
    /// A file of the new tree.
    async fn entry(&self, path: &str, mode: u32, content: &[u8]) -> Result<Value, ForgeError> {
        let mode = format!("{mode:06o}");
        Ok(match std::str::from_utf8(content) {
            Ok(text) => json!({ "path": path, "mode": mode, "type": "blob", "content": text }),
            Err(_) => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(content);
                let blob = self.make("blobs", json!({ "content": encoded, "encoding": "base64" })).await?;
                json!({ "path": path, "mode": mode, "type": "blob", "sha": blob })
            }
        })
    }

    /// Makes an object; its id.
    async fn make(&self, kind: &str, body: Value) -> Result<String, ForgeError> {
        self.ask(Method::POST, kind, Some(body)).await.map(|made: Made| made.sha)
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> Result<T, ForgeError> {
        let path = format!("/repos/{}/git/{path}", self.repository);
        let what = format!("a commit in `{}`", self.repository);
        let is_read = method == Method::GET;
        let call = Call { api: Api::Rest, method, path, body, what };
        let answer = if is_read {
            self.github.retry.run(|| self.account.call(&call)).await?
        } else {
            self.github.write(&self.account, &call).await?
        };
        answer.json(&call.what)
    }
}

/// The addresses that GitHub gives to the author and the committer of such a commit: the account's own, and for an App,
/// whose commits it signs, its own as the committer
/// (<https://docs.github.com/en/account-and-profile/reference/email-addresses-reference#your-noreply-email-address>).
pub(super) async fn emails(github: &GitHub) -> Result<BTreeSet<String>, ForgeError> {
    let what = "the account that refrom is signed in as";
    let account = signed_in(github).await?;
    let graph = github.query(&account, &documents::viewer(), &json!({}), what).await?;
    let Viewer { login, database_id } = graph.value(&fields(&["viewer"]), what)?;
    let host = github.connection.endpoints.mail_host();
    let mut emails = BTreeSet::from([format!("{login}@users.noreply.{host}")]);
    emails.extend(database_id.map(|id| format!("{id}+{login}@users.noreply.{host}")));
    if login.ends_with(BOT) {
        emails.insert(format!("noreply@{host}"));
        return Ok(emails);
    }
    let path = "/user".to_owned();
    let call = Call { api: Api::Rest, method: Method::GET, path, body: None, what: what.to_owned() };
    let user: PublicUser = github.retry.run(|| account.call(&call)).await?.json(what)?;
    emails.extend(user.email.filter(|email| !email.is_empty()));
    Ok(emails)
}

/// Any identity that is not the App itself, which has no account.
async fn signed_in(github: &GitHub) -> Result<Arc<Account>, ForgeError> {
    match &github.signed_in {
        SignedIn::Token(account) => Ok(Arc::clone(account)),
        SignedIn::App(installations) => {
            let installations = github.retry.run(|| installations.known()).await?;
            let usable = installations.values().find_map(|installation| installation.account().ok());
            usable.ok_or_else(|| ForgeError::NotFound { what: "an installation of the app".to_owned() })
        }
    }
}
