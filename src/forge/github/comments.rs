//! Saying something once.

use axum::http::Method;
use serde::Deserialize;
use serde_json::json;

use super::account::{Account, Api, Call};
use super::documents;
use super::graph::fields;
use super::writes::check_length;
use super::{GitHub, owner_and_name};
use crate::domain::pull_request::RepoName;
use crate::forge::{ForgeError, hidden_marker};

/// How many pages of 100 comments are looked through, newest first.
const COMMENT_PAGES_MAX: usize = 10;

/// Something to say, and the key by which it is known to have been said: letters, digits, `-`, `_`, `.` and `:`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comment<'a> {
    pub repository: &'a RepoName,
    pub number: u64,
    pub key: &'a str,
    pub text: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommentPage {
    page_info: PreviousPage,
    nodes: Vec<CommentNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreviousPage {
    has_previous_page: bool,
    start_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommentNode {
    viewer_did_author: bool,
    body: String,
}

/// Comments unless our own account already did with this key. Each attempt looks first, so that an answer that got
/// lost does not say it twice.
pub(super) async fn once(github: &GitHub, comment: Comment<'_>) -> Result<(), ForgeError> {
    let Comment { repository, number, key, text } = comment;
    let marker = hidden_marker(key)?;
    let body = format!("{text}\n\n{marker}");
    check_length(&body)?;
    let account = github.account(owner_and_name(repository)?.0).await?;
    let what = format!("pull request #{number} of `{repository}`");
    let path = format!("/repos/{repository}/issues/{number}/comments");
    let call = Call { api: Api::Rest, method: Method::POST, path, body: Some(json!({ "body": body })), what };
    let attempt = || async {
        if is_said(github, &account, comment, &marker).await? {
            return Ok(());
        }
        github.write_once(&account, &call).await.map(|_| ())
    };
    github.retry.run(attempt).await
}

async fn is_said(github: &GitHub, account: &Account, comment: Comment<'_>, marker: &str) -> Result<bool, ForgeError> {
    let Comment { repository, number, .. } = comment;
    let (owner, name) = owner_and_name(repository)?;
    let what = format!("the comments on pull request #{number} of `{repository}`");
    let mut before = None;
    for _ in 0..COMMENT_PAGES_MAX {
        let variables = json!({ "owner": owner, "name": name, "number": number, "before": before });
        let graph = github.query(account, &documents::own_comments(), &variables, &what).await?;
        let page: CommentPage = graph.value(&fields(&["repository", "pullRequest", "comments"]), &what)?;
        if page.nodes.iter().any(|node| node.viewer_did_author && node.body.contains(marker)) {
            return Ok(true);
        }
        match page.page_info.start_cursor.filter(|_| page.page_info.has_previous_page) {
            Some(cursor) => before = Some(cursor),
            None => break,
        }
    }
    Ok(false)
}
