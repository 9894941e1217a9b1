//! A GitHub and a GitLab in one configuration, and one cycle over both.

use jiff::Timestamp;
use refrom::config::{Config, Secrets};
use refrom::cycle::{self, Host, Report, Request};
use refrom::demo::git_repository::Content;
use refrom::demo::registry::{Access, ImageSpec, Registry};
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::pull_request::PullRequestState;

use crate::forge::{Hosted, RETRY, SignIn, TOKEN, branch, name};

struct Both {
    github: Hosted,
    gitlab: Hosted,
    registry: Registry,
    folder: tempfile::TempDir,
}

impl Both {
    /// A repository of the same name on each, one build behind.
    async fn behind() -> Self {
        let (github, gitlab) = (Hosted::github(SignIn::Token).await, Hosted::gitlab().await);
        let both = Self {
            github,
            gitlab,
            registry: Registry::start(Access::Open).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let dockerfile = format!("FROM dhi.io/nginx:1.27@{}\n", both.release("1"));
        for hosted in [&both.github, &both.gitlab] {
            let bare = hosted.embedded.add_repository(&name("acme/web")).unwrap();
            bare.commit(&branch("main"), &[("Dockerfile", Content::File(dockerfile.as_bytes()))], "pin").unwrap();
        }
        both.release("2");
        both
    }

    fn release(&self, build: &str) -> refrom::domain::digest::Digest {
        self.registry.publish("dhi.io/nginx", "1.27", &ImageSpec::index(&["linux/amd64"], build))
    }

    async fn run(&self) -> Report {
        self.cycle(Request::default()).await
    }

    async fn cycle(&self, request: Request) -> Report {
        let forge = |kind: &str, hosted: &Hosted| {
            let url = hosted.embedded.url().unwrap();
            format!(
                "  - {{ kind: {kind}, url: \"{url}\", auth: {{ token: {{ env: TOKEN }} }}, write_interval: 0s, \
                 repositories: {{ include: [\"acme/*\"] }} }}\n"
            )
        };
        let forges = [forge("github", &self.github), forge("gitlab", &self.gitlab)].concat();
        let endpoint = format!("registries: {{ dhi.io: {{ endpoint: \"{}dhi.io\" }} }}\n", self.registry.url());
        let path = self.folder.path().join("refrom.yaml");
        std::fs::write(&path, format!("forges:\n{forges}{endpoint}")).unwrap();
        let environment = |name: &str| (name == "TOKEN").then(|| TOKEN.to_owned());
        let config = Config::load(&path, &environment, Secrets::Read).unwrap();
        let now = || Timestamp::from_second(1_795_161_600).unwrap();
        let parts = cycle::assemble_with(config, now(), RETRY).await.unwrap();
        cycle::run(&parts, &request, Host { clock: &now, watcher: &|_| {}, stopping: &|| false }).await.unwrap()
    }
}

#[tokio::test]
async fn each_forge_gets_its_own_in_its_own_words_and_each_tag_is_asked_for_once() {
    let both = Both::behind().await;
    let report = both.run().await;
    assert!(!report.is_incomplete(), "{report:?}");
    let names: Vec<_> = report.repositories.iter().map(|it| it.plan.repository.to_string()).collect();
    assert_eq!(names, ["github:acme/web", "gitlab:acme/web"]);
    let (on_github, on_gitlab) = (
        both.github.embedded.pull_request(&name("acme/web"), 1).unwrap(),
        both.gitlab.embedded.pull_request(&name("acme/web"), 1).unwrap(),
    );
    assert!(on_github.body.contains("close this pull request") && !on_github.body.contains("merge request"));
    assert!(on_gitlab.body.contains("close this merge request") && !on_gitlab.body.contains("pull request"));
    let heads = both.registry.traffic().exchanges().iter().filter(|it| it.method == "HEAD").count();
    assert_eq!(heads, 1);
    let again = both.run().await;
    assert!(again.repositories.iter().all(|it| it.deeds.is_empty()), "{again:?}");
}

#[tokio::test]
async fn a_refusal_on_one_forge_says_nothing_about_the_other() {
    let both = Both::behind().await;
    both.run().await;
    both.github.embedded.close(&name("acme/web"), 1).unwrap();
    both.release("2");
    both.run().await;
    let states = |hosted: &Hosted| -> Vec<PullRequestState> {
        hosted.embedded.pull_requests(&name("acme/web")).unwrap().iter().map(|it| it.state).collect()
    };
    assert_eq!(states(&both.github), [PullRequestState::Closed]);
    assert_eq!(states(&both.gitlab), [PullRequestState::Open]);
}

#[tokio::test]
async fn a_repository_that_is_told_about_is_looked_at_on_its_forge_alone() {
    let both = Both::behind().await;
    let repositories = [RepositoryKey { forge: "gitlab".to_owned(), name: name("acme/web") }].into();
    let report = both.cycle(Request { repositories, ..Request::default() }).await;
    let names: Vec<_> = report.repositories.iter().map(|it| it.plan.repository.to_string()).collect();
    assert_eq!(names, ["gitlab:acme/web"]);
    assert_eq!(both.github.embedded.pull_requests(&name("acme/web")).unwrap(), []);
}

#[tokio::test]
async fn a_forge_that_refuses_the_token_does_not_stop_the_other() {
    let both = Both::behind().await;
    both.gitlab.embedded.revoke(TOKEN);
    let report = both.run().await;
    let [problem] = report.problems.as_slice() else { panic!("{:?}", report.problems) };
    assert_eq!(problem.subject, "gitlab");
    assert!(problem.message.contains("the credentials were refused"), "{}", problem.message);
    assert_eq!(both.github.embedded.pull_requests(&name("acme/web")).unwrap().len(), 1);
}
