//! What is GitHub's alone: signing in, tokens and their renewal, limits.

use std::collections::BTreeSet;

use refrom::demo::forge::{Fault, FaultKind, Permission};
use refrom::domain::pull_request::NewPullRequest;
use refrom::forge::github::{Auth, GitHub, Settings};
use refrom::forge::{Forge, ForgeError};
use refrom::secret::Secret;

use crate::forge::{APP_ID, Hosted, SignIn, TOKEN, adapter, branch, count, name, new_pull_request, select, settings};

#[tokio::test]
async fn twenty_calls_at_once_mint_one_token() {
    let hosted = Hosted::github(SignIn::App).await;
    hosted.repository("acme/web");
    let web = name("acme/web");
    let calls = (0..20).map(|_| hosted.adapter.git_access(&web));
    let done = futures_util::future::join_all(calls).await;
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(count(&hosted.embedded.traffic().exchanges(), "/access_tokens"), 1);
    hosted.finish();
}

#[tokio::test]
async fn each_owner_is_served_by_its_own_installation() {
    let hosted = Hosted::github(SignIn::App).await;
    hosted.repository("acme/web");
    hosted.repository("tools/cli");
    assert_eq!(hosted.listed(&select(&["acme/*", "tools/*"])).await.0, ["acme/web", "tools/cli"]);
    assert_eq!(hosted.listed(&select(&["acme/web", "tools/cli"])).await.0, ["acme/web", "tools/cli"]);
    assert_eq!(count(&hosted.embedded.traffic().exchanges(), "/access_tokens"), 2, "the tokens are kept");
    hosted.finish();
}

#[tokio::test]
async fn a_suspended_installation_is_a_problem_of_its_own() {
    let hosted = Hosted::github(SignIn::App).await;
    hosted.repository("acme/web");
    let installation = hosted.embedded.install("sleepers");
    hosted.embedded.suspend(installation);
    let (names, problems) = hosted.listed(&select(&["acme/*", "sleepers/*", "sleepers/web"])).await;
    assert_eq!(names, ["acme/web"]);
    assert_eq!(problems.keys().collect::<Vec<_>>(), ["sleepers/*", "sleepers/web"]);
    assert!(problems.values().all(|error| error.to_string().contains("suspended")), "{problems:?}");
    hosted.finish();
}

#[tokio::test]
async fn an_installation_at_an_enterprise_hides_no_other() {
    let hosted = Hosted::github(SignIn::App).await;
    hosted.repository("acme/web");
    hosted.embedded.install("enterprises/acme-group");
    assert_eq!(hosted.listed(&select(&["*/web"])).await.0, ["acme/web"]);
    hosted.finish();
}

#[tokio::test]
async fn an_expired_token_is_renewed_in_the_middle_of_a_cycle() {
    let hosted = Hosted::github(SignIn::App).await;
    hosted.repository_behind("acme/web");
    hosted.head("acme/web").await;
    assert_eq!(hosted.embedded.expire_tokens(), 1);
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    assert_eq!(hosted.embedded.pull_requests(&name("acme/web")).unwrap().len(), 1);
    assert_eq!(count(&hosted.embedded.traffic().exchanges(), "/access_tokens"), 2);
    hosted.finish();
}

#[tokio::test]
async fn a_token_file_is_read_anew_when_the_token_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TOKEN).unwrap();
    let hosted = Hosted::github_as(Auth::Token(Secret::File(file.path().to_owned()))).await;
    hosted.repository("acme/web");
    hosted.head("acme/web").await;
    hosted.embedded.revoke(TOKEN);
    hosted.embedded.add_user("refrom-machine", "ghp_rotated");
    std::fs::write(file.path(), "ghp_rotated\n").unwrap();
    hosted.head("acme/web").await;
    hosted.finish();
}

#[tokio::test]
async fn refused_credentials_are_an_error_and_not_repeated() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository("acme/web");
    hosted.embedded.revoke(TOKEN);
    for pattern in ["acme/*", "acme/web", "*/web"] {
        let refused = hosted.adapter.repositories(&select(&[pattern])).await;
        assert!(matches!(refused, Err(ForgeError::Unauthorized { .. })), "{refused:?}");
        assert_eq!(hosted.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_app_with_a_wrong_id_or_key_is_refused() {
    let hosted = Hosted::github(SignIn::App).await;
    let key = Secret::from(include_str!("keys/app_only_for_tests.pem"));
    for (id, private_key) in [(APP_ID + 1, key), (APP_ID, Secret::from("no key"))] {
        let github = adapter(&hosted.embedded, Auth::App { id, private_key });
        let refused = github.repositories(&select(&["acme/*"])).await.unwrap_err();
        assert!(matches!(refused, ForgeError::Unauthorized { .. }), "{refused:?}");
        assert!(!refused.to_string().contains("no key"));
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_refused_before_anything_is_sent() {
    let hosted = Hosted::github_as(Auth::Token(Secret::from("two\nlines"))).await;
    let refused = hosted.adapter.repositories(&select(&["acme/*"])).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Unauthorized { .. }), "{refused:?}");
    assert!(hosted.requests().is_empty() && !format!("{refused:?}").contains("two"));
}

#[tokio::test]
async fn the_limit_that_graphql_tells_inside_an_answer_is_a_rate_limit() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository("acme/web");
    hosted.embedded.fail(Fault::next("#OwnerRepositories", FaultKind::GraphQlLimit));
    let (names, problems) = hosted.listed(&select(&["acme/*"])).await;
    assert_eq!(names, [""; 0]);
    let error = &problems["acme/*"];
    assert!(
        matches!(error, ForgeError::RateLimited { retry_after: Some(wait) } if wait.as_secs() >= 3_590),
        "{error:?}"
    );
    assert_eq!(hosted.requests().len(), 1, "not asked again before the limit is renewed");
}

#[tokio::test]
async fn a_wrong_address_is_unavailable_and_named_without_a_secret() {
    let hosted = Hosted::github(SignIn::Token).await;
    let api_url = Some("http://127.0.0.1:1/api/v3".parse().unwrap());
    let settings = Settings { api_url, ..settings(&hosted.embedded, Auth::Token(Secret::from(TOKEN))) };
    let github = GitHub::new(settings).unwrap();
    let error = github.update(&name("acme/web"), 1, "t", "b").await.unwrap_err();
    assert!(matches!(error, ForgeError::Unavailable { .. }), "{error:?}");
    assert!(!format!("{error:?} {github:?}").contains(TOKEN));
}

#[tokio::test]
async fn nothing_is_sent_after_the_last_request_that_a_limit_allows() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    hosted.embedded.fail(Fault::next("PATCH", FaultKind::LastOne { reset_in: 600 }));
    hosted.adapter.update(&name("acme/web"), 1, "t", "b").await.unwrap();
    hosted.requests();
    let limited = hosted.adapter.update(&name("acme/web"), 1, "t", "b").await;
    assert!(matches!(limited, Err(ForgeError::RateLimited { retry_after: Some(_) })), "{limited:?}");
    assert_eq!(hosted.requests(), []);
    assert_eq!(hosted.head("acme/web").await.name, name("acme/web"), "the limit of GraphQL is another");
    hosted.finish();
}

#[tokio::test]
async fn an_account_that_may_only_read_sees_everything_and_is_refused_a_write() {
    let hosted = Hosted::github_as(Auth::Token(Secret::from("ghp_readers"))).await;
    hosted.embedded.add_reader("reader", "ghp_readers");
    hosted.repository_behind("acme/web");
    assert_eq!(hosted.listed(&select(&["acme/*"])).await.0, ["acme/web"]);
    let refused = hosted.adapter.open(&name("acme/web"), &new_pull_request()).await;
    assert!(matches!(refused, Err(ForgeError::Denied { .. })), "{refused:?}");
    let remote = hosted.adapter.git_access(&name("acme/web")).await.unwrap();
    let client = refrom::net::client(&Default::default(), refrom::net::Redirects::Manual).unwrap();
    for (service, status) in [("git-upload-pack", 200), ("git-receive-pack", 403)] {
        let url = format!("{}/info/refs?service={service}", remote.url);
        let answer = client.get(url).basic_auth("x-access-token", Some("ghp_readers")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{service}");
    }
}

#[tokio::test]
async fn a_team_of_another_organization_is_not_asked() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository_behind("acme/web");
    let reviewers = vec!["@tools/platform".into(), "@Acme/platform".into()];
    let new = NewPullRequest { reviewers, ..new_pull_request() };
    let opened = hosted.adapter.open(&name("acme/web"), &new).await.unwrap();
    let [warning] = opened.warnings.as_slice() else { panic!("{:?}", opened.warnings) };
    assert!(warning.contains("`@tools/platform`") && warning.contains("`acme`"), "{warning}");
    let asked = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap().team_reviewers;
    assert_eq!(asked, BTreeSet::from(["platform".to_owned()]));
    hosted.finish();
}

#[tokio::test]
async fn a_draft_where_there_are_no_drafts_is_opened_ready_for_review() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository_behind("acme/web");
    hosted.embedded.deny(Permission::OpenDrafts);
    let new = NewPullRequest { draft: true, ..new_pull_request() };
    let no_base = NewPullRequest { base: branch("none"), ..new.clone() };
    let refused = hosted.adapter.open(&name("acme/web"), &no_base).await;
    assert!(matches!(&refused, Err(ForgeError::Invalid { message }) if message.contains("base")), "{refused:?}");
    let opened = hosted.adapter.open(&name("acme/web"), &new).await.unwrap();
    let [warning] = opened.warnings.as_slice() else { panic!("{:?}", opened.warnings) };
    assert!(warning.contains("draft"), "{warning}");
    let found = hosted.embedded.pull_requests(&name("acme/web")).unwrap();
    assert_eq!(found.iter().map(|it| it.is_draft).collect::<Vec<_>>(), [false]);
    hosted.finish();
}

#[tokio::test]
async fn a_team_is_asked_for_a_review() {
    let hosted = Hosted::github(SignIn::App).await;
    hosted.repository_behind("acme/web");
    let reviewers = vec!["ada".into(), "@acme/platform".into()];
    let opened = hosted.adapter.open(&name("acme/web"), &NewPullRequest { reviewers, ..new_pull_request() }).await;
    assert_eq!(opened.unwrap().warnings, [""; 0]);
    let asked = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap();
    assert_eq!(asked.team_reviewers, BTreeSet::from(["platform".to_owned()]));
    hosted.finish();
}
