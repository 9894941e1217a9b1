//! What questions cost at GitHub, and what becomes of those that are too large for it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use refrom::config::{Config, Secrets};
use refrom::cycle::{self, Host, Report, Request};
use refrom::demo::forge::{Face, Fault, FaultKind};
use refrom::demo::git_repository::Content;
use refrom::demo::registry::{Access, ImageSpec, Registry};
use refrom::demo::server::Exchange;
use refrom::domain::pull_request::{BranchName, RepoName};
use refrom::forge::ForgeError;

use crate::forge::{Hosted, SignIn, TOKEN, branch, count, name, new_pull_request, questions, select};

const BRANCHES: [&str; 3] = ["refrom/base-images", "refrom/nginx-12345678", "refrom/dockerfile-12345678"];

type Wanted = BTreeMap<RepoName, (String, BTreeSet<BranchName>)>;

/// So many repositories of `acme` without a commit.
fn fill(hosted: &Hosted, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|number| format!("acme/r{number:03}")).collect();
    for text in &names {
        hosted.embedded.add_repository(&name(text)).unwrap();
    }
    names
}

/// Three branches of each repository; what was asked so far is forgotten.
async fn three_branches_each(hosted: &Hosted) -> Wanted {
    let listing = hosted.adapter.repositories(&select(&["acme/*"])).await.unwrap();
    hosted.requests();
    let branches: BTreeSet<_> = BRANCHES.into_iter().map(branch).collect();
    listing.repositories.into_iter().map(|head| (head.name, (head.id, branches.clone()))).collect()
}

#[tokio::test]
async fn two_hundred_and_fifty_repositories_cost_three_requests() {
    for (sign_in, rest) in [(SignIn::Token, 0), (SignIn::App, 3)] {
        let hosted = Hosted::github(sign_in).await;
        fill(&hosted, 250);
        assert_eq!(hosted.listed(&select(&["acme/*"])).await.0.len(), 250);
        let requests = hosted.embedded.traffic().exchanges();
        assert_eq!(count(&requests, "POST /api/graphql"), 3);
        assert_eq!(count(&requests, "GET /api/v3/installation/repositories"), rest);
        hosted.finish();
        let hosted = Hosted::github(sign_in).await;
        let names: Vec<String> = (0..250).map(|number| format!("acme/r{number:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(hosted.listed(&select(&names)).await.1.len(), 250, "none is there");
        assert_eq!(count(&hosted.requests(), "POST /api/graphql"), 3);
    }
}

#[tokio::test]
async fn two_hundred_and_fifty_repositories_with_three_branches_each_cost_eight_requests() {
    for sign_in in [SignIn::Token, SignIn::App] {
        let hosted = Hosted::github(sign_in).await;
        fill(&hosted, 249);
        hosted.repository_behind("acme/web");
        hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
        let wanted = three_branches_each(&hosted).await;
        let found = hosted.adapter.pull_requests(&wanted).await;
        assert!(found.values().all(Result::is_ok) && found.keys().eq(wanted.keys()));
        assert_eq!(found[&name("acme/web")].as_ref().unwrap().len(), 1);
        let requests = hosted.embedded.traffic().exchanges();
        assert_eq!((requests.len(), count(&requests, "POST /api/graphql")), (8, 8));
        hosted.finish();
    }
}

#[tokio::test]
async fn a_page_that_github_gives_up_on_is_asked_for_by_half() {
    for kind in [FaultKind::Status(502), FaultKind::Status(504), FaultKind::ResourceLimit] {
        let hosted = Hosted::github(SignIn::Token).await;
        fill(&hosted, 120);
        for pattern in ["acme/*", "*/r???"] {
            hosted.embedded.fail(Fault::next("Repositories", kind.clone()));
            assert_eq!(hosted.listed(&select(&[pattern])).await.0.len(), 120);
            let asked = questions(&hosted.requests());
            let sizes: Vec<_> = asked.iter().map(|(_, variables)| variables["first"].as_u64().unwrap()).collect();
            assert_eq!(sizes, [100, 50, 50, 50], "{pattern}: small ones for the rest of the listing");
        }
        hosted.finish();
    }
}

#[tokio::test]
async fn repositories_by_id_and_by_name_are_asked_for_by_half_too() {
    for (sign_in, by_name) in [(SignIn::App, false), (SignIn::App, true), (SignIn::Token, true)] {
        let hosted = Hosted::github(sign_in).await;
        let names = fill(&hosted, 120);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        hosted.embedded.fail(Fault::next("#RepositoriesBy", FaultKind::Status(502)));
        let selection = if by_name { select(&names) } else { select(&["acme/*"]) };
        let (listed, problems) = hosted.listed(&selection).await;
        assert_eq!((listed, problems.len()), (names.iter().map(ToString::to_string).collect(), 0));
        let asked = questions(&hosted.embedded.traffic().exchanges());
        let items = |variables: &serde_json::Value| match &variables["ids"] {
            serde_json::Value::Array(ids) => ids.len(),
            _ => variables.as_object().unwrap().len() / 2,
        };
        assert_eq!(asked.iter().map(|(_, variables)| items(variables)).collect::<Vec<_>>(), [100, 50, 50, 20]);
        hosted.finish();
    }
}

#[tokio::test]
async fn branches_are_asked_for_by_half_too_and_none_is_lost() {
    let hosted = Hosted::github(SignIn::Token).await;
    fill(&hosted, 39);
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    let wanted = three_branches_each(&hosted).await;
    hosted.embedded.fail(Fault::next("#PullRequests", FaultKind::Status(504)));
    let found = hosted.adapter.pull_requests(&wanted).await;
    assert!(found.values().all(Result::is_ok) && found.keys().eq(wanted.keys()));
    assert_eq!(found[&name("acme/web")].as_ref().unwrap().len(), 1);
    let asked = questions(&hosted.embedded.traffic().exchanges());
    let sizes: Vec<_> = asked.iter().map(|(_, variables)| variables.as_object().unwrap().len() / 3).collect();
    assert_eq!(sizes, [100, 50, 50, 20]);
    hosted.finish();
}

#[tokio::test]
async fn asking_for_less_has_an_end() {
    let hosted = Hosted::github(SignIn::Token).await;
    fill(&hosted, 120);
    for _ in 0..20 {
        hosted.embedded.fail(Fault::next("#OwnerRepositories", FaultKind::Status(502)));
    }
    let (listed, problems) = hosted.listed(&select(&["acme/*"])).await;
    assert_eq!(listed, [""; 0]);
    assert!(matches!(&problems["acme/*"], ForgeError::GaveUp { message } if message.contains("502")), "{problems:?}");
    let asked = questions(&hosted.requests());
    let sizes: Vec<_> = asked.iter().map(|(_, variables)| variables["first"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [100, 50, 25, 12, 10, 10, 10], "halved, then the usual attempts");
}

/// One cycle over `acme` as a process of its own would do it.
async fn one_cycle(hosted: &Hosted, registry: &Registry, folder: &std::path::Path) -> Report {
    let (forge, registry) = (hosted.embedded.url().unwrap(), registry.url());
    let kind = match hosted.face {
        Face::GitHub => "github",
        Face::GitLab => "gitlab",
    };
    let yaml = format!(
        "state_dir: ./state\nforges:\n  - name: test\n    kind: {kind}\n    url: {forge}\n    \
         auth: {{ token: {{ env: TOKEN }} }}\n    repositories: {{ include: [\"acme/*\"] }}\n    write_interval: 0s\n\
         registries:\n  dhi.io: {{ endpoint: \"{registry}dhi.io\" }}\n"
    );
    let path = folder.join("refrom.yaml");
    std::fs::write(&path, yaml).unwrap();
    let environment = |name: &str| (name == "TOKEN").then(|| TOKEN.to_owned());
    let config = Config::load(&path, &environment, Secrets::Read).unwrap();
    let now = || Timestamp::from_second(1_795_000_000).unwrap();
    let parts = cycle::assemble(config, now()).await.unwrap();
    cycle::run(&parts, &Request::default(), Host { clock: &now, watcher: &|_| {}, stopping: &|| false }).await.unwrap()
}

/// What a cycle with nothing new asks, after one that opened something in each of so many repositories.
async fn asked_with_nothing_new(hosted: &Hosted, repositories: usize) -> Vec<Exchange> {
    let (registry, folder) = (Registry::start(Access::Open).await.unwrap(), tempfile::tempdir().unwrap());
    let release = |build: &str| {
        let spec = ImageSpec::index(&["linux/amd64"], build);
        registry.publish("dhi.io/nginx", "1.27", &spec)
    };
    let dockerfile = format!("FROM dhi.io/nginx:1.27@{}\n", release("1"));
    for text in fill(hosted, repositories) {
        let bare = hosted.embedded.repository(&name(&text)).unwrap();
        bare.commit(&branch("main"), &[("Dockerfile", Content::File(dockerfile.as_bytes()))], "pin").unwrap();
    }
    release("2");
    let first = one_cycle(hosted, &registry, folder.path()).await;
    assert!(!first.is_incomplete(), "{first:?}");
    let opened = hosted.requests();
    let is_opening = |it: &&Exchange| it.method == "POST" && it.status == 201 && !it.path.contains("/access_tokens");
    assert_eq!(opened.iter().filter(is_opening).count(), repositories);
    let second = one_cycle(hosted, &registry, folder.path()).await;
    assert!(!second.is_incomplete(), "{second:?}");
    hosted.requests()
}

/// Per 100 repositories that is 1 request for their heads, and 1 per 100 branches to look at: 3 of each repository with
/// one pin, because a digest that was refused under another grouping stays refused.
#[tokio::test]
async fn a_cycle_with_nothing_new_asks_for_heads_and_pull_requests_and_nothing_else() {
    let hosted = Hosted::github(SignIn::Token).await;
    let requests = asked_with_nothing_new(&hosted, 34).await;
    let asked: Vec<_> = questions(&requests).into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(asked, ["OwnerRepositories", "PullRequests", "PullRequests"]);
    assert_eq!(requests.len(), asked.len(), "nothing else of the API, and nothing of git: {requests:?}");
}

/// GitLab's limit on what a question weighs makes it 1 for the heads of 100 repositories, 3 for the names of our
/// branches and 1 for their heads, 1 for all merge requests, 1 for who we are, and 1 for when the token ends.
#[tokio::test]
async fn a_cycle_over_a_hundred_repositories_with_nothing_new_asks_gitlab_eight_times() {
    let hosted = Hosted::gitlab().await;
    let requests = asked_with_nothing_new(&hosted, 100).await;
    let asked: Vec<_> = questions(&requests).into_iter().map(|(operation, _)| operation).collect();
    let names = ["BranchNames"; 3];
    assert_eq!(asked, [["NamespaceProjects"].as_slice(), &names, &["BranchHeads", "MergeRequests"]].concat());
    let about_us = ["GET /api/v4/user", "GET /api/v4/personal_access_tokens/self"].map(|part| count(&requests, part));
    assert_eq!((about_us, requests.len()), ([1, 1], asked.len() + 2), "{requests:?}");
    assert_eq!(requests.len(), 8);
}
