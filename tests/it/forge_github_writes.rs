//! Pipelines, merging by itself and commits through the API, by the real adapter.

use std::collections::{BTreeMap, BTreeSet};

use refrom::demo::forge::{Fault, FaultKind, Flag, Permission};
use refrom::demo::git_repository::{BareRepository, Content};
use refrom::domain::pull_request::{CommitId, NewPullRequest, Pipeline, PullRequestState};
use refrom::forge::{ApiCommit, ForgeError, Selection};

use crate::forge::{Hosted, SignIn, branch, count, name, new_pull_request, select};

const WEB: &str = "acme/web";
const TELLING: &str = "#EnableAutoMerge";

/// An open pull request `#1`, and its head.
async fn open(sign_in: SignIn) -> (Hosted, CommitId) {
    let hosted = Hosted::github(sign_in).await;
    let bare = hosted.repository_behind(WEB);
    hosted.adapter.open(&name(WEB), &new_pull_request()).await.unwrap();
    let head = bare.head(&branch("refrom/base-images")).unwrap().unwrap();
    (hosted, head)
}

#[tokio::test]
async fn an_account_that_may_not_see_checks_sees_everything_else() {
    let (hosted, head) = open(SignIn::App).await;
    hosted.embedded.set_checks(&name(WEB), &head, Pipeline::Passed).unwrap();
    hosted.embedded.deny(Permission::ReadChecks);
    let found = hosted.pull_requests(WEB).await.unwrap();
    assert_eq!((found.len(), found[0].pipeline, &found[0].head), (1, Pipeline::Unknown, &head));
    let selection = Selection { pipelines: true, ..select(&[WEB, "acme/*"]) };
    let listing = hosted.adapter.repositories(&selection).await.unwrap();
    assert_eq!((listing.problems.len(), listing.repositories[0].pipeline), (0, Pipeline::Unknown));
    assert!(listing.repositories[0].head.is_some());
    hosted.finish();
}

#[tokio::test]
async fn the_forge_merges_once_the_checks_have_passed() {
    for sign_in in [SignIn::Token, SignIn::App] {
        let (hosted, head) = open(sign_in).await;
        hosted.embedded.fail(Fault::next(TELLING, FaultKind::LostAnswer));
        hosted.requests();
        hosted.adapter.auto_merge(&name(WEB), 1, &head).await.unwrap();
        assert!(hosted.pull_requests(WEB).await.unwrap()[0].is_auto_merging);
        hosted.adapter.auto_merge(&name(WEB), 1, &head).await.unwrap();
        let told = crate::forge::questions(&hosted.requests());
        assert_eq!(told.iter().filter(|(operation, _)| operation == "EnableAutoMerge").count(), 1);
        let (_, variables) = told.iter().find(|(operation, _)| operation == "EnableAutoMerge").unwrap();
        assert_eq!(variables["method"], "MERGE", "the default is not allowed, and this is the first that is");
        hosted.embedded.set_checks(&name(WEB), &head, Pipeline::Passed).unwrap();
        assert_eq!(hosted.pull_requests(WEB).await.unwrap()[0].state, PullRequestState::Merged);
        hosted.finish();
    }
}

#[tokio::test]
async fn a_repository_that_allows_no_auto_merge_is_not_told() {
    let (hosted, head) = open(SignIn::App).await;
    hosted.embedded.set(&name(WEB), Flag::NoAutoMerge).unwrap();
    hosted.requests();
    let refused = hosted.adapter.auto_merge(&name(WEB), 1, &head).await;
    assert!(matches!(&refused, Err(ForgeError::Denied { message }) if message.contains("auto-merge")), "{refused:?}");
    assert_eq!(count(&hosted.requests(), "POST /api/graphql"), 1, "it is looked, and nothing is told");
    hosted.finish();
}

#[tokio::test]
async fn what_could_be_merged_at_once_and_another_head_are_refused() {
    let (hosted, head) = open(SignIn::Token).await;
    let other = hosted.embedded.repository(&name(WEB)).unwrap().head(&branch("main")).unwrap().unwrap();
    let refused = hosted.adapter.auto_merge(&name(WEB), 1, &other).await;
    assert!(matches!(&refused, Err(ForgeError::Invalid { message }) if message.contains("head")), "{refused:?}");
    hosted.embedded.set(&name(WEB), Flag::NoRequiredChecks).unwrap();
    let refused = hosted.adapter.auto_merge(&name(WEB), 1, &head).await;
    assert!(matches!(&refused, Err(ForgeError::Invalid { message }) if message.contains("clean")), "{refused:?}");
    let missing = hosted.adapter.auto_merge(&name(WEB), 7, &head).await;
    assert!(matches!(missing, Err(ForgeError::NotFound { .. })), "{missing:?}");
    assert!(!hosted.pull_requests(WEB).await.unwrap()[0].is_auto_merging);
    hosted.finish();
}

fn api_commit(base: CommitId) -> ApiCommit {
    let files = [
        ("Dockerfile", 0o100_644, b"FROM a\r\n".to_vec()),
        ("bin/build.sh", 0o100_755, b"#!/bin/sh\n".to_vec()),
        ("latin1.Dockerfile", 0o100_644, b"# \xe4\nFROM a\n".to_vec()),
    ];
    let files: BTreeMap<_, _> = files.into_iter().map(|(path, mode, bytes)| (path.to_owned(), (mode, bytes))).collect();
    ApiCommit { base, message: "build(deps): refresh\n\nWhy.\n".into(), files, scratch: branch("refrom/x-scratch") }
}

fn with_a_script(hosted: &Hosted) -> (BareRepository, CommitId) {
    let bare = hosted.repository(WEB);
    let changes = [
        ("bin/build.sh", Content::Executable(b"old\n")),
        ("latin1.Dockerfile", Content::File(b"FROM b\n")),
        ("other", Content::File(b"stays\n")),
    ];
    let base = bare.commit(&branch("main"), &changes, "script").unwrap();
    (bare, base)
}

#[tokio::test]
async fn a_commit_is_made_with_its_files_modes_and_message_and_no_branch() {
    for sign_in in [SignIn::Token, SignIn::App] {
        let hosted = Hosted::github(sign_in).await;
        let (bare, base) = with_a_script(&hosted);
        let before = bare.branches().unwrap();
        let new = api_commit(base.clone());
        let made = hosted.adapter.commit(&name(WEB), &new).await.unwrap();
        for (path, (mode, content)) in &new.files {
            assert_eq!(bare.read(&made, path).unwrap().as_ref(), Some(content), "{path}");
            let git = git2::Repository::open_bare(bare.directory()).unwrap();
            let tree = git.find_commit(git2::Oid::from_str(made.as_str()).unwrap()).unwrap().tree().unwrap();
            assert_eq!(tree.get_path(path.as_ref()).unwrap().filemode().unsigned_abs(), *mode, "{path}");
        }
        assert_eq!(bare.read(&made, "other").unwrap(), Some(b"stays\n".to_vec()));
        assert_eq!(bare.branches().unwrap(), before);
        assert!(!hosted.adapter.leaves_scratch_branch());
        let again = hosted.adapter.commit(&name(WEB), &new).await.unwrap();
        assert_ne!(made, again, "it has the forge's time");
        hosted.finish();
    }
}

#[tokio::test]
async fn the_addresses_of_such_commits_are_known_before_and_asked_for_once() {
    for sign_in in [SignIn::Token, SignIn::App] {
        let hosted = Hosted::github(sign_in).await;
        let (bare, base) = with_a_script(&hosted);
        let emails = hosted.adapter.commit_emails().await.unwrap();
        let made = hosted.adapter.commit(&name(WEB), &api_commit(base)).await.unwrap();
        let (author, committer) = bare.emails(&made).unwrap();
        assert!(emails.contains(&author) && emails.contains(&committer), "{author} {committer} {emails:?}");
        let is_of_github = |email: &String| email.starts_with("noreply@");
        assert_eq!(emails.iter().any(is_of_github), sign_in == SignIn::App, "{emails:?}");
        hosted.requests();
        assert_eq!(hosted.adapter.commit_emails().await.unwrap(), emails);
        assert_eq!(hosted.requests(), []);
        hosted.finish();
    }
}

#[tokio::test]
async fn a_lost_answer_makes_a_commit_all_the_same() {
    for part in ["/git/blobs", "/git/trees", "POST /repos/acme/web/git/commits", "GET /repos/acme/web/git/commits"] {
        let hosted = Hosted::github(SignIn::App).await;
        let (bare, base) = with_a_script(&hosted);
        hosted.embedded.fail(Fault::next(part, FaultKind::LostAnswer));
        let made = hosted.adapter.commit(&name(WEB), &api_commit(base)).await.unwrap();
        assert_eq!(bare.read(&made, "Dockerfile").unwrap(), Some(b"FROM a\r\n".to_vec()), "{part}");
        hosted.finish();
    }
}

#[tokio::test]
async fn a_base_that_is_not_there_is_told() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository(WEB);
    let missing: CommitId = "1".repeat(40).parse().unwrap();
    let refused = hosted.adapter.commit(&name(WEB), &api_commit(missing)).await;
    assert!(matches!(refused, Err(ForgeError::NotFound { .. })), "{refused:?}");
    assert_eq!(BTreeSet::from_iter(hosted.listed(&crate::forge::select(&[WEB])).await.0), [WEB.to_owned()].into());
    hosted.finish();
}

#[tokio::test]
async fn what_was_opened_without_its_labels_and_people_gets_those_that_are_missing() {
    let (hosted, _) = open(SignIn::App).await;
    hosted.embedded.label(&name(WEB), 1, "Base-Image").unwrap();
    let new = NewPullRequest {
        labels: vec!["base-image".into(), "security".into()],
        reviewers: vec!["@ada".into(), "@acme/platform".into()],
        assignees: vec!["bob".into()],
        ..new_pull_request()
    };
    for writes in [4, 0] {
        hosted.requests();
        let warnings = hosted.adapter.finish_opening(&name(WEB), 1, &new).await.unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(count(&hosted.requests(), "POST /api/v3/repos/acme/web"), writes, "labels, assignees, users, teams");
    }
    let found = hosted.embedded.pull_request(&name(WEB), 1).unwrap();
    assert_eq!(found.labels.into_iter().collect::<Vec<_>>(), ["Base-Image", "security"]);
    assert_eq!((found.assignees.len(), found.reviewers.len(), found.team_reviewers.len()), (1, 1, 1));
    hosted.finish();
}
