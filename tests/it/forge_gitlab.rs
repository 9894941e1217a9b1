//! What is GitLab's alone: subgroups, a sub-path, drafts by title, merging by itself, commits, and its documentation.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use refrom::demo::forge::{Fault, FaultKind, Flag, Forge as Embedded};
use refrom::domain::pull_request::{AutoMergesFrom, NewPullRequest, Pipeline, PullRequestState, Vocabulary};
use refrom::forge::gitlab::GitLab;
use refrom::forge::{Forge, ForgeError};
use refrom::net::{Credential, Tally};
use refrom::secret::Secret;
use serde_json::Value;

use crate::forge::{
    Hosted, TOKEN, branch, count, gitlab_settings, name, new_pull_request, questions, select, short_limit,
};

#[tokio::test]
async fn a_group_is_looked_into_as_deep_as_the_pattern_reaches() {
    let hosted = Hosted::gitlab().await;
    for text in ["acme/web", "acme/tools/cli", "acme/tools/deep/api"] {
        hosted.repository(text);
    }
    assert_eq!(hosted.listed(&select(&["acme/*"])).await.0, ["acme/web"]);
    assert_eq!(hosted.listed(&select(&["acme/tools/*"])).await.0, ["acme/tools/cli"]);
    assert_eq!(hosted.listed(&select(&["acme/**"])).await.0, ["acme/tools/cli", "acme/tools/deep/api", "acme/web"]);
    assert_eq!(hosted.listed(&select(&["Acme/Tools/Deep/API"])).await.0, ["acme/tools/deep/api"]);
    hosted.finish();
}

#[tokio::test]
async fn below_a_path_everything_works_in_subgroups_too() {
    let hosted = Hosted::gitlab_at(|root| async { Embedded::start_gitlab_below(root, "/gitlab").await.unwrap() }).await;
    let cli = name("acme/tools/cli");
    hosted.repository_behind("acme/tools/cli");
    let opened = hosted.adapter.open(&cli, &new_pull_request()).await.unwrap();
    assert!(opened.url.ends_with("/gitlab/acme/tools/cli/-/merge_requests/1"), "{}", opened.url);
    hosted.adapter.comment_once(&cli, 1, "key", "Hello.").await.unwrap();
    hosted.adapter.close(&cli, 1, "Done.").await.unwrap();
    assert_eq!(hosted.pull_requests("acme/tools/cli").await.unwrap()[0].state, PullRequestState::Closed);
    let remote = hosted.adapter.git_access(&cli).await.unwrap();
    assert_eq!(remote.url.path(), "/gitlab/acme/tools/cli.git");
    assert!(hosted.embedded.traffic().exchanges().iter().all(|it| it.path.starts_with("/gitlab/api/")));
    hosted.finish();
}

#[tokio::test]
async fn a_bot_of_a_project_or_group_token_is_an_account_like_any_other() {
    let hosted = Hosted::gitlab().await;
    hosted.embedded.add_user("group_7_bot_0123456789abcdef", "glpat-bots");
    hosted.repository_behind("acme/web");
    let bot = GitLab::new(gitlab_settings(&hosted.embedded, Secret::from("glpat-bots"))).unwrap();
    assert_eq!(bot.open(&name("acme/web"), &new_pull_request()).await.unwrap().number, 1);
    let id = hosted.head("acme/web").await.id;
    let wanted = BTreeMap::from([(name("acme/web"), (id, BTreeSet::from([branch("refrom/base-images")])))]);
    assert_eq!(bot.pull_requests(&wanted).await[&name("acme/web")].as_ref().unwrap().len(), 1);
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap(), [], "it is not the other account's");
    assert!(bot.commit_emails().await.unwrap().iter().any(|email| email.contains("group_7_bot")));
}

#[tokio::test]
async fn a_token_file_is_read_anew_for_each_call() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TOKEN).unwrap();
    let hosted = Hosted::gitlab().await;
    let gitlab = GitLab::new(gitlab_settings(&hosted.embedded, Secret::File(file.path().to_owned()))).unwrap();
    hosted.repository("acme/web");
    assert_eq!(gitlab.repositories(&select(&["acme/*"])).await.unwrap().repositories.len(), 1);
    hosted.embedded.revoke(TOKEN);
    hosted.embedded.add_user("refrom-machine", "glpat-rotated");
    std::fs::write(file.path(), "glpat-rotated\n").unwrap();
    assert_eq!(gitlab.repositories(&select(&["acme/*"])).await.unwrap().repositories.len(), 1);
}

#[tokio::test]
async fn refused_credentials_are_an_error_and_not_repeated() {
    let hosted = Hosted::gitlab().await;
    hosted.repository("acme/web");
    hosted.embedded.revoke(TOKEN);
    for pattern in ["acme/*", "acme/web", "*/web"] {
        let refused = hosted.adapter.repositories(&select(&[pattern])).await;
        assert!(matches!(refused, Err(ForgeError::Unauthorized { .. })), "{refused:?}");
        assert_eq!(hosted.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_refused_before_anything_is_sent() {
    let hosted = Hosted::gitlab().await;
    let gitlab = GitLab::new(gitlab_settings(&hosted.embedded, Secret::from("two\nlines"))).unwrap();
    let refused = gitlab.repositories(&select(&["acme/*"])).await.unwrap_err();
    assert!(matches!(refused, ForgeError::Unauthorized { .. }), "{refused:?}");
    assert!(hosted.requests().is_empty() && !format!("{refused:?}").contains("two"));
}

#[tokio::test]
async fn nothing_is_sent_after_the_last_request_that_a_limit_allows() {
    let hosted = Hosted::gitlab().await;
    hosted.repository("acme/web");
    hosted.embedded.fail(Fault::next("#NamespaceProjects", FaultKind::LastOne { reset_in: 600 }));
    let (_, problems) = hosted.listed(&select(&["acme/*"])).await;
    let wait = |error: &ForgeError| matches!(error, ForgeError::RateLimited { retry_after: Some(wait) } if wait.as_secs() >= 590);
    assert!(problems.values().all(wait) && problems.len() == 1, "{problems:?}");
    assert_eq!(hosted.requests().len(), 1);
}

#[tokio::test]
async fn a_short_limit_of_graphql_is_waited_for() {
    let hosted = Hosted::gitlab().await;
    hosted.repository_behind("acme/web");
    for request in ["#NamespaceProjects", "#BranchNames", "#BranchHeads"] {
        hosted.embedded.fail(Fault::next(request, short_limit()));
    }
    assert_eq!(hosted.listed(&select(&["acme/*"])).await.0, ["acme/web"]);
    hosted.finish();
}

#[tokio::test]
async fn a_draft_stays_a_draft_until_somebody_takes_the_word_away() {
    let hosted = Hosted::gitlab().await;
    hosted.repository_behind("acme/web");
    let web = name("acme/web");
    hosted.adapter.open(&web, &NewPullRequest { draft: true, ..new_pull_request() }).await.unwrap();
    hosted.adapter.update(&web, 1, "another title", "b").await.unwrap();
    let draft = hosted.embedded.pull_request(&web, 1).unwrap();
    assert!(draft.is_draft && draft.title == "another title", "{draft:?}");
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].title, "another title", "without the word");
    hosted.embedded.ready(&web, 1).unwrap();
    hosted.adapter.update(&web, 1, "a third", "b").await.unwrap();
    assert!(!hosted.embedded.pull_request(&web, 1).unwrap().is_draft);
    hosted.finish();
}

#[tokio::test]
async fn the_branch_goes_with_the_merge_and_the_words_are_gitlabs() {
    let hosted = Hosted::gitlab().await;
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    assert!(hosted.embedded.pull_request(&name("acme/web"), 1).unwrap().removes_branch);
    assert_eq!(hosted.adapter.vocabulary(), Vocabulary::MergeRequest);
    hosted.finish();
}

#[tokio::test]
async fn a_label_with_a_comma_is_a_warning_and_not_two_labels() {
    let hosted = Hosted::gitlab().await;
    hosted.repository_behind("acme/web");
    let labels = vec!["one".to_owned(), "two, three".to_owned()];
    let opened = hosted.adapter.open(&name("acme/web"), &NewPullRequest { labels, ..new_pull_request() }).await;
    assert_eq!(opened.unwrap().warnings, ["the label `two, three` could not be set"]);
    let set = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap().labels;
    assert_eq!(set, BTreeSet::from(["one".to_owned()]));
    hosted.finish();
}

#[tokio::test]
async fn what_gitlab_has_not_looked_at_since_its_base_moved_is_asked_for_once() {
    let hosted = Hosted::gitlab().await;
    for text in ["acme/web", "acme/api"] {
        hosted.repository_behind(text);
        hosted.adapter.open(&name(text), &new_pull_request()).await.unwrap();
    }
    hosted.pull_requests("acme/web").await.unwrap();
    assert_eq!(count(&hosted.requests(), "with_merge_status_recheck=true"), 0);
    hosted.embedded.set(&name("acme/web"), Flag::MergeableUnknown).unwrap();
    hosted.pull_requests("acme/web").await.unwrap();
    let requests = hosted.embedded.traffic().exchanges();
    assert_eq!(
        count(&requests, "GET /api/v4/merge_requests?scope=created_by_me&state=opened&with_merge_status_recheck=true"),
        1
    );
    hosted.finish();
}

#[tokio::test]
async fn what_no_pipeline_looked_at_is_not_merged_and_what_one_passed_is_merged_at_once() {
    let hosted = Hosted::gitlab().await;
    let web = name("acme/web");
    let bare = hosted.repository_behind("acme/web");
    hosted.adapter.open(&web, &new_pull_request()).await.unwrap();
    let head = bare.head(&branch("refrom/base-images")).unwrap().unwrap();
    assert_eq!(hosted.adapter.auto_merges_from(), AutoMergesFrom::Pipeline);
    for checks in [Pipeline::Absent, Pipeline::Failed] {
        hosted.embedded.set_checks(&web, &head, checks).unwrap();
        let refused = hosted.adapter.auto_merge(&web, 1, &head).await;
        assert!(matches!(refused, Err(ForgeError::Denied { .. })), "{checks:?}: {refused:?}");
    }
    hosted.embedded.set_checks(&web, &head, Pipeline::Passed).unwrap();
    hosted.adapter.auto_merge(&web, 1, &head).await.unwrap();
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].state, PullRequestState::Merged);
    hosted.finish();
}

/// A GitLab that notes its calls, for a token that is read from a file.
fn noting(hosted: &Hosted, file: &tempfile::NamedTempFile) -> (GitLab, Tally) {
    let settings = gitlab_settings(&hosted.embedded, Secret::File(file.path().to_owned()));
    let tally = settings.tally.clone();
    (GitLab::new(settings).unwrap(), tally)
}

fn credential(tally: &Tally) -> Credential {
    tally.snapshot().into_values().next().unwrap().credential.unwrap()
}

#[tokio::test]
async fn the_end_of_a_token_is_asked_for_once_and_again_when_it_was_rotated() {
    let hosted = Hosted::gitlab().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let (gitlab, tally) = noting(&hosted, &file);
    let end = |day: &str| -> Timestamp { format!("{day}T00:00:00Z").parse().unwrap() };
    hosted.embedded.add_token("refrom-machine", "glpat-old", end("2026-12-31"));
    hosted.embedded.add_token("refrom-machine", "glpat-new", end("2027-12-31"));
    for (token, expected) in
        [("glpat-old", Some(end("2026-12-31"))), ("glpat-new", Some(end("2027-12-31"))), (TOKEN, None)]
    {
        std::fs::write(file.path(), token).unwrap();
        hosted.requests();
        for _ in 0..2 {
            gitlab.commit_emails().await.unwrap();
            assert_eq!(credential(&tally).expires_at, expected, "{token}");
        }
        assert_eq!(count(&hosted.requests(), "GET /api/v4/personal_access_tokens/self"), 1, "{token}");
    }
}

#[tokio::test]
async fn a_token_that_may_not_ask_when_it_ends_serves_all_the_same() {
    for (fault, asked) in [(403, 1), (404, 1), (503, 2)] {
        let hosted = Hosted::gitlab().await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), TOKEN).unwrap();
        let (gitlab, tally) = noting(&hosted, &file);
        hosted.embedded.fail(Fault::next("GET /personal_access_tokens/self", FaultKind::Status(fault)));
        for _ in 0..2 {
            gitlab.commit_emails().await.unwrap();
        }
        assert_eq!(credential(&tally), Credential::default(), "{fault}");
        let requests = hosted.requests();
        assert_eq!(count(&requests, "GET /api/v4/personal_access_tokens/self"), asked, "{fault}");
        assert_eq!(count(&requests, "GET /api/v4/user"), 1);
    }
}

#[tokio::test]
async fn a_finished_opening_says_what_gitlab_left_out() {
    let hosted = Hosted::gitlab().await;
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    let new = NewPullRequest {
        labels: vec!["one, two".into()],
        reviewers: vec!["acme/platform".into()],
        assignees: vec!["@ada".into()],
        ..new_pull_request()
    };
    hosted.requests();
    let warnings = hosted.adapter.finish_opening(&name("acme/web"), 1, &new).await.unwrap();
    let unset = |noun: &str, name: &str| format!("the {noun} `{name}` could not be set");
    assert_eq!(warnings, [unset("label", "one, two"), unset("assignee", "ada"), unset("reviewer", "acme/platform")]);
    assert_eq!(hosted.requests().len(), 1, "it is looked, and nothing is written");
    hosted.finish();
}

/// Whether what is given has documented keys and types only; `null` may stand for anything.
fn check_shape(place: &str, documented: &Value, given: &Value) {
    match (documented, given) {
        (Value::Object(documented), Value::Object(given)) => {
            for (key, value) in given {
                let known = documented.get(key).unwrap_or_else(|| panic!("`{key}` of {place} is not documented"));
                check_shape(&format!("{place}.{key}"), known, value);
            }
        }
        (Value::Array(documented), Value::Array(given)) => {
            for value in given {
                check_shape(place, &documented[0], value);
            }
        }
        (_, Value::Null) | (Value::Null, _) => {}
        (documented, given) => {
            let kinds = (std::mem::discriminant(documented), std::mem::discriminant(given));
            assert_eq!(kinds.0, kinds.1, "{place} is {documented} in the documentation, and {given} here");
        }
    }
}

#[tokio::test]
async fn the_embedded_gitlab_answers_with_documented_keys_and_types() {
    let hosted = Hosted::gitlab().await;
    let bare = hosted.repository_behind("acme/web");
    let (labels, reviewers) = (vec!["one".to_owned()], vec!["ada".to_owned()]);
    let new = NewPullRequest { labels, assignees: reviewers.clone(), reviewers, ..new_pull_request() };
    hosted.adapter.open(&name("acme/web"), &new).await.unwrap();
    hosted.embedded.comment(&name("acme/web"), 1, ("ada", "Hello.")).unwrap();
    let base = bare.head(&branch("main")).unwrap().unwrap();
    let client = refrom::net::client(&Default::default(), refrom::net::Redirects::Manual).unwrap();
    let api = format!("{}api/v4/", hosted.embedded.url().unwrap());
    let ask = |path: &str| {
        let request = client.get(format!("{api}{path}")).header("PRIVATE-TOKEN", TOKEN);
        async { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let example = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let merge_request = example(include_str!("gitlab_examples/merge_request.json"));
    let note = example(include_str!("gitlab_examples/note.json"));
    check_shape("user", &example(include_str!("gitlab_examples/current_user.json")), &ask("user").await);
    check_shape("users", &example(include_str!("gitlab_examples/users.json")), &ask("users?username=ada").await);
    let token = example(include_str!("gitlab_examples/personal_access_token.json"));
    check_shape("token", &token, &ask("personal_access_tokens/self").await);
    check_shape("project", &example(include_str!("gitlab_examples/project.json")), &ask("projects/acme%2Fweb").await);
    check_shape("merge request", &merge_request, &ask("projects/acme%2Fweb/merge_requests/1").await);
    check_shape("merge requests", &Value::from(vec![merge_request]), &ask("projects/acme%2Fweb/merge_requests").await);
    let notes = ask("projects/acme%2Fweb/merge_requests/1/notes").await;
    assert_eq!(notes.as_array().unwrap().len(), 1);
    // The documented author of a note has fewer keys than everywhere else.
    check_shape("note", &without(&note, "author"), &without(&notes[0], "author"));
    let form = [
        ("branch", "refrom/scratch"),
        ("start_sha", base.as_str()),
        ("commit_message", "x"),
        ("actions[][action]", "update"),
        ("actions[][file_path]", "Dockerfile"),
        ("actions[][content]", "FROM b"),
    ];
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = client.post(format!("{api}projects/acme%2Fweb/repository/commits")).header("PRIVATE-TOKEN", TOKEN);
    let made: Value = request.body(form).send().await.unwrap().json().await.unwrap();
    check_shape("commit", &example(include_str!("gitlab_examples/commit.json")), &made);
}

fn without(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(key);
    value
}

#[tokio::test]
async fn two_hundred_and_fifty_repositories_cost_ten_requests() {
    let hosted = Hosted::gitlab().await;
    for number in 0..250 {
        hosted.repository(&format!("acme/r{number:03}"));
    }
    assert_eq!(hosted.listed(&select(&["acme/*"])).await.0.len(), 250);
    let asked: Vec<_> = questions(&hosted.requests()).into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(asked, [["NamespaceProjects"; 3].as_slice(), &["BranchNames"; 7]].concat());
    let names: Vec<String> = (0..250).map(|number| format!("acme/r{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(hosted.listed(&select(&names)).await.0.len(), 250);
    let asked: Vec<_> = questions(&hosted.embedded.traffic().exchanges());
    assert_eq!(asked.iter().filter(|(operation, _)| operation == "NamedProjects").count(), 5);
    hosted.finish();
}

#[tokio::test]
async fn a_page_that_gitlab_finds_too_heavy_is_asked_for_by_half() {
    let hosted = Hosted::gitlab().await;
    for number in 0..60 {
        hosted.repository(&format!("acme/r{number:03}"));
    }
    for request in ["#NamespaceProjects", "#BranchNames"] {
        hosted.embedded.fail(Fault::next(request, FaultKind::ResourceLimit));
    }
    assert_eq!(hosted.listed(&select(&["acme/*"])).await.0.len(), 60);
    let asked = questions(&hosted.embedded.traffic().exchanges());
    let sizes: Vec<_> = asked.iter().map(|(_, variables)| variables["first"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [100, 50, 50, 40, 20, 20, 20]);
    hosted.finish();
}
