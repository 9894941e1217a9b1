//! Commits that GitLab makes, and signs where it is set up to
//! (<https://docs.gitlab.com/user/project/repository/signed_commits/web_commits/>).

use std::collections::BTreeSet;

use gitlab::api::projects::repository::commits::{CommitAction, CommitActionType, CreateCommit};
use gitlab::api::projects::repository::files::Encoding;
use serde::Deserialize;

use super::people::Me;
use super::{GitLab, built, protocol};
use crate::domain::pull_request::{CommitId, RepoName};
use crate::forge::{ApiCommit, ForgeError};

#[derive(Deserialize)]
struct Made {
    id: String,
}

/// Makes a commit on the scratch branch, whatever that pointed at before. An `update` keeps the mode of a file
/// (<https://docs.gitlab.com/api/commits/#create-a-commit-with-multiple-files-and-actions>). Made twice, there are two
/// commits of the same content, of which the branch has the last: so it may be repeated.
pub(super) async fn make(gitlab: &GitLab, repository: &RepoName, commit: &ApiCommit) -> Result<CommitId, ForgeError> {
    let what = format!("a commit in `{repository}`");
    let mut endpoint = CreateCommit::builder();
    endpoint.project(repository.as_str()).branch(commit.scratch.as_str()).start_sha(commit.base.as_str());
    endpoint.commit_message(&*commit.message).stats(false).force(true);
    for (path, (_, content)) in &commit.files {
        let mut action = CommitAction::builder();
        action.action(CommitActionType::Update).file_path(&**path).content(&**content).encoding(Encoding::Base64);
        endpoint.action(built(action.build())?);
    }
    let endpoint = built(endpoint.build())?;
    let made: Made = gitlab.write(repository, &endpoint, &what).await?;
    made.id.parse().map_err(protocol)
}

/// The author is the token's user. So is the committer, but where GitLab signs: there it is GitLab itself, on
/// gitlab.com as `noreply@gitlab.com`, elsewhere by the setting's usual value.
pub(super) fn emails(me: &Me, host: &str) -> BTreeSet<String> {
    let own = me.commit_email.iter().chain(&me.email).filter(|email| !email.is_empty()).cloned();
    own.chain([format!("noreply@{host}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_commit_is_read() {
        let made: Made = serde_json::from_str(include_str!("../../../tests/it/gitlab_examples/commit.json")).unwrap();
        assert!(made.id.parse::<CommitId>().is_ok());
    }

    #[test]
    fn our_commits_are_known_by_the_users_addresses_and_the_signing_gitlabs() {
        let me = Me { username: "refrom".into(), email: Some("a@b.c".into()), commit_email: Some(String::new()) };
        assert_eq!(emails(&me, "gitlab.com"), BTreeSet::from(["a@b.c".into(), "noreply@gitlab.com".into()]));
    }
}
