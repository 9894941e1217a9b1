//! What refrom asks of GitHub, and what the embedded forge answers, against GitHub's published descriptions: extracts of
//! the npm packages `@octokit/graphql-schema` and `@octokit/openapi` (`tests/descriptions`). A field that is read from
//! an answer is described, because the embedded forge answers with described fields alone.

mod graphql;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use refrom::demo::forge::{Face, Flag, Forge as Embedded, Permission};
use refrom::demo::git_repository::Content;
use refrom::domain::pull_request::{NewPullRequest, Pipeline, RepoName};
use refrom::forge::github::documents::{self, Document, Heads};
use refrom::forge::github::{Auth, GitHub};
use refrom::forge::{ApiCommit, Forge};
use refrom::secret::Secret;
use serde_json::{Value, json};

use self::graphql::Schema;
use self::rest::{Description, Exchange};
use crate::forge::{APP_ID, TOKEN, adapter, branch, name, new_pull_request, select};

const SCHEMA: &str = include_str!("../descriptions/github.graphql");
const REST: &str = include_str!("../descriptions/github-rest.json");
const APP_KEY: &str = include_str!("keys/app_only_for_tests.pem");
const APP_PUBLIC_KEY: &str = include_str!("keys/app_only_for_tests.pub.pem");
/// Where GitHub redirects to from a former name; its address is taken from the redirect, and no description has it.
const REDIRECTED: &str = "/repositories/";

fn all_documents() -> Vec<Document> {
    vec![
        documents::owner_repositories(Heads::Bare),
        documents::owner_repositories(Heads::Checked),
        documents::viewer_repositories(Heads::Bare),
        documents::viewer_repositories(Heads::Checked),
        documents::repositories_by_id(Heads::Bare),
        documents::repositories_by_id(Heads::Checked),
        documents::repositories_by_name(1, Heads::Bare),
        documents::repositories_by_name(3, Heads::Checked),
        documents::bot_branches(),
        documents::branch_head(),
        documents::pull_requests(1),
        documents::pull_requests(2),
        documents::pull_request_labels(),
        documents::open_pull_requests(),
        documents::own_comments(),
        documents::merge_settings(),
        documents::enable_auto_merge(),
        documents::viewer(),
    ]
}

#[test]
fn every_document_is_one_that_github_takes() {
    let schema = Schema::read(SCHEMA);
    for document in all_documents() {
        assert_eq!(schema.mistakes(&document.text), [""; 0], "{}", document.name);
    }
}

#[test]
fn a_document_with_a_mistake_is_found_out() {
    let schema = Schema::read(SCHEMA);
    for (document, expected) in [
        ("query Q { viewer { login nickname } }", "no field `User.nickname`"),
        ("query Q { viewer { login { size } } }", "`User.login` has no fields"),
        ("query Q { viewer }", "`Query.viewer` needs fields"),
        ("query Q { node { id } }", "`Query.node(id)` is missing"),
        ("query Q($id: String!) { node(id: $id) { id } }", "`$id` is no `ID!`, which `Query.node(id)` takes"),
        ("query Q($id: ID) { node(id: $id) { id } }", "`$id` is no `ID!`, which `Query.node(id)` takes"),
        ("query Q($id: ID!, $x: ID) { node(id: $id) { id } }", "`$x` is not used"),
        ("query Q($id: ID!) { node(id: $id, n: 1) { id } }", "no argument `Query.node(n)`"),
        ("query Q($id: ID!) { node(id: $id) { ... on Repository { name } } }", "no field `Repository.name`"),
        ("query Q { viewer { ... on Repository { id } } }", "a `User` is never a `Repository`"),
        ("query Q { viewer { ...P } }", "no fragment `P`"),
        (
            "query Q { viewer { repositories(first: 1, affiliations: [FRIEND]) { nodes { id } } } }",
            "`User.repositories(affiliations)` takes a `RepositoryAffiliation`, not `FRIEND`",
        ),
        (
            "mutation M($h: GitObjectID!) { enablePullRequestAutoMerge(input: {expectedHeadOid: $h}) { pullRequest { id } } }",
            "`Mutation.enablePullRequestAutoMerge(input)(pullRequestId)` is missing",
        ),
    ] {
        assert_eq!(schema.mistakes(document), [expected], "{document}");
    }
    assert!(!schema.mistakes("query Q { viewer { login }").is_empty());
}

#[test]
fn an_answer_with_a_mistake_is_found_out() {
    let schema = Schema::read(SCHEMA);
    let mistakes = |answer: Value| schema.answer_mistakes("query Q { viewer { login databaseId } }", &answer);
    assert_eq!(mistakes(json!({ "data": { "viewer": { "login": "a", "databaseId": null } } })), [""; 0]);
    for (viewer, expected) in [
        (json!({ "login": "a" }), "`databaseId` of a `User` is missing"),
        (json!({ "login": null, "databaseId": 1 }), "`User.login` is null"),
        (json!({ "login": "a", "databaseId": "1" }), "`User.databaseId` is no `Int`: \"1\""),
        (json!({ "login": "a", "databaseId": 1, "x": 1 }), "`x` of a `User` was not asked for"),
    ] {
        assert_eq!(mistakes(json!({ "data": { "viewer": viewer } })), [expected]);
    }
    let description = Description::read(REST);
    let exchange = |request: Value, answer: Value| Exchange {
        method: "POST".into(),
        path: "/repos/acme/web/git/blobs".into(),
        request,
        status: 201,
        answer,
    };
    let good = (json!({ "content": "x" }), json!({ "sha": "1", "url": "u" }));
    assert_eq!(description.mistakes(&exchange(good.0.clone(), good.1.clone())), [""; 0]);
    for (request, answer, expected) in [
        (json!({}), good.1.clone(), "`request.content` is missing"),
        (json!({ "content": 1 }), good.1.clone(), "`request.content` is 1"),
        (json!({ "content": "x", "mode": "y" }), good.1.clone(), "no field `request.mode`"),
        (good.0.clone(), json!({ "sha": "1", "size": 1 }), "no field `answer.size`"),
    ] {
        assert_eq!(description.mistakes(&exchange(request, answer)), [expected]);
    }
}

type Recorded = Arc<Mutex<Vec<Exchange>>>;

/// Keeps what is asked of the API and what is answered.
async fn record(State(recorded): State<Recorded>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().unwrap().to_string();
    let read = async |body| axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let sent: Bytes = read(body).await;
    let response = next.run(Request::from_parts(head.clone(), Body::from(sent.clone()))).await;
    let (answer_head, body) = response.into_parts();
    let answered: Bytes = read(body).await;
    if let Some(path) = path.strip_prefix("/api") {
        let json = |bytes: &Bytes| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        recorded.lock().unwrap().push(Exchange {
            method: head.method.to_string(),
            path: path.strip_prefix("/v3").unwrap_or(path).to_owned(),
            request: json(&sent),
            status: answer_head.status.as_u16(),
            answer: json(&answered),
        });
    }
    Response::from_parts(answer_head, Body::from(answered))
}

/// Everything that the adapter can do, each way at least once.
async fn use_everything(auth: Auth) -> Vec<Exchange> {
    let root = tempfile::tempdir().unwrap();
    let recorded = Recorded::default();
    let layer = axum::middleware::from_fn_with_state(Arc::clone(&recorded), record);
    let embedded =
        Embedded::start_behind(root.path().to_owned(), Face::GitHub, |router| router.layer(layer)).await.unwrap();
    embedded.add_user("refrom-machine", TOKEN);
    embedded.add_user("ada", "ghp_adas");
    embedded.add_team("acme", "platform");
    embedded.add_app(APP_ID, "refrom", APP_PUBLIC_KEY).unwrap();
    embedded.install("acme");
    embedded.install("enterprises/acme-corporation");
    let github = adapter(&embedded, auth);
    for text in ["acme/web", "acme/empty", "acme/old"] {
        embedded.add_repository(&name(text)).unwrap();
    }
    let web = embedded.repository(&name("acme/web")).unwrap();
    let base = web.commit(&branch("main"), &[("Dockerfile", Content::File(b"FROM scratch\n"))], "first").unwrap();
    for number in 0..60 {
        web.set_branch(&branch(&format!("refrom/b-{number:02}")), &base).unwrap();
    }
    embedded.set(&name("acme/web"), Flag::Topic("docker".into())).unwrap();
    embedded.rename(&name("acme/old"), &name("acme/new")).unwrap();
    list(&github).await;
    write(&github, &embedded, &name("acme/web")).await;
    let files = BTreeMap::from([("Dockerfile".to_owned(), (0o100_644, b"FROM a # \xe4\n".to_vec()))]);
    let new = ApiCommit { base, message: "m".into(), files: files.clone(), scratch: branch("refrom/x") };
    github.commit(&name("acme/web"), &new).await.unwrap();
    let files = BTreeMap::from([("Dockerfile".to_owned(), (0o100_644, b"FROM a\n".to_vec()))]);
    github.commit(&name("acme/web"), &ApiCommit { files, ..new }).await.unwrap();
    github.commit_emails().await.unwrap();
    std::mem::take(&mut *recorded.lock().unwrap())
}

async fn list(github: &GitHub) {
    for patterns in [&["acme/*"][..], &["*/web"], &["acme/web", "acme/old", "acme/gone"]] {
        github.repositories(&select(patterns)).await.unwrap();
    }
    let listing = github.repositories(&select(&["acme/web"])).await.unwrap();
    let head = &listing.repositories[0];
    assert_eq!(head.bot_branches.len(), 60);
    for text in ["main", "none"] {
        github.branch_head(head, &branch(text)).await.unwrap();
    }
}

/// Opens, looks at, changes, comments on and closes pull requests.
async fn write(github: &GitHub, embedded: &Embedded, web: &RepoName) {
    let bare = embedded.repository(web).unwrap();
    let ours = branch("refrom/base-images");
    let head = bare.head(&branch("main")).unwrap().unwrap();
    bare.set_branch(&ours, &head).unwrap();
    let head = bare.commit(&ours, &[("Dockerfile", Content::File(b"FROM a\n"))], "bump").unwrap();
    let new = NewPullRequest {
        labels: (0..30).map(|number| format!("label-{number}")).collect(),
        reviewers: vec!["ada".into(), "stranger".into(), "@acme/platform".into()],
        assignees: vec!["ada".into()],
        ..new_pull_request()
    };
    github.open(web, &new).await.unwrap();
    github.open(web, &NewPullRequest { draft: true, ..new.clone() }).await.unwrap();
    let id = github.repositories(&select(&["acme/web"])).await.unwrap().repositories[0].id.clone();
    let wanted = BTreeMap::from([(web.clone(), (id, BTreeSet::from([ours.clone()])))]);
    for checks in [Pipeline::Absent, Pipeline::Pending, Pipeline::Failed] {
        embedded.set_checks(web, &head, checks).unwrap();
        assert_eq!(github.pull_requests(&wanted).await[web].as_ref().unwrap()[0].pipeline, checks);
    }
    github.auto_merge(web, 1, &head).await.unwrap();
    github.pull_requests(&wanted).await.remove(web).unwrap().unwrap();
    assert_eq!(github.finish_opening(web, 1, &new).await.unwrap().len(), 1, "the stranger");
    github.update(web, 1, "title", "body").await.unwrap();
    github.comment_once(web, 1, "key", "text").await.unwrap();
    github.comment_once(web, 1, "key", "text").await.unwrap();
    embedded.deny(Permission::ReadChecks);
    github.pull_requests(&wanted).await.remove(web).unwrap().unwrap();
    embedded.set_checks(web, &head, Pipeline::Passed).unwrap();
    github.pull_requests(&wanted).await.remove(web).unwrap().unwrap();
    let more = bare.commit(&ours, &[("Dockerfile", Content::File(b"FROM b\n"))], "bump").unwrap();
    github.open(web, &new_pull_request()).await.unwrap();
    embedded.set(web, Flag::NoRequiredChecks).unwrap();
    assert!(github.auto_merge(web, 2, &more).await.is_err());
    github.close(web, 2, "sentence").await.unwrap();
}

#[tokio::test]
async fn everything_that_is_asked_and_answered_is_as_github_describes_it() {
    let (schema, description) = (Schema::read(SCHEMA), Description::read(REST));
    let (mut operations, mut endpoints) = (BTreeSet::new(), BTreeSet::new());
    for auth in [Auth::Token(Secret::from(TOKEN)), Auth::App { id: APP_ID, private_key: Secret::from(APP_KEY) }] {
        for exchange in use_everything(auth).await {
            let is_redirect = matches!(exchange.status, 301 | 307) || exchange.path.starts_with(REDIRECTED);
            let mistakes = if exchange.path == "/graphql" {
                let text = |key: &str| exchange.request[key].as_str().unwrap().to_owned();
                operations.insert(text("operationName"));
                schema.answer_mistakes(&text("query"), &exchange.answer)
            } else if is_redirect {
                Vec::new()
            } else {
                endpoints.extend(description.endpoint_of(&exchange));
                description.mistakes(&exchange)
            };
            assert_eq!(mistakes, [""; 0], "{exchange:#?}");
        }
    }
    let documents: BTreeSet<_> = all_documents().into_iter().map(|document| document.name.to_owned()).collect();
    assert_eq!(operations, documents);
    assert_eq!(endpoints, BTreeSet::from_iter(description.endpoints()));
}
