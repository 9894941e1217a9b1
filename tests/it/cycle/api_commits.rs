//! Commits that the forge makes: proposed, kept, and finished whenever a cycle ends.

use refrom::demo::git_repository::Person;
use refrom::domain::digest::Digest;

use super::meddling::Meddling;
use super::world::{BRANCH, SignIn, World, branch, name, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const COMMIT: &str = "write POST /repos/acme/web/git/commits";
const PUSH: &str = "write POST /acme/web.git/git-receive-pack";
const OPENING: &str = "write POST /repos/acme/web/pulls";

async fn behind(sign_in: SignIn) -> (World, Digest) {
    let mut world = World::behind(sign_in, |_, router| router).await;
    world.policy(&["commits: api", "labels: []"]);
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first)), ("README.md", "web\n")]);
    let second = world.release(IMAGE, "1.27", "2");
    (world, second)
}

/// One pull request, whose branch is one commit of the forge on the base; who made it.
fn expect_one(world: &World, dockerfile: &str) -> (String, String) {
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_branches(WEB, &[BRANCH]);
    assert_eq!(world.file(WEB, BRANCH, "Dockerfile"), dockerfile);
    assert_eq!(world.file(WEB, BRANCH, "README.md"), "web\n");
    let bare = world.bare(WEB);
    let git = git2::Repository::open_bare(bare.directory()).unwrap();
    let find = |name: &str| git.find_reference(&format!("refs/heads/{name}")).unwrap().peel_to_commit().unwrap();
    let (head, base) = (find(BRANCH), find("main"));
    assert_eq!(head.parent_ids().collect::<Vec<_>>(), [base.id()]);
    assert!(world.pull_request(WEB, 1).body.contains(&head.id().to_string()), "the hidden block names the commit");
    bare.emails(&head.id().to_string().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_behind_is_proposed_in_a_commit_of_the_forge() {
    for (sign_in, is_app) in [(SignIn::App, true), (SignIn::Token, false)] {
        let (mut world, second) = behind(sign_in).await;
        world.run().await;
        let (author, committer) = expect_one(&world, &nginx("1.27.2", &second));
        assert!(author.contains("refrom") && author.contains("@users.noreply."), "{author}");
        assert_eq!(committer.starts_with("noreply@"), is_app, "{committer}");
        world.run().await;
        assert_eq!((world.costs().writes, world.costs().git), (0, 0));
        let third = world.release(IMAGE, "1.27", "3");
        world.run().await;
        expect_one(&world, &nginx("1.27.3", &third));
        world.run().await;
        assert_eq!((world.costs().writes, world.costs().git), (0, 0));
        world.finish();
    }
}

#[tokio::test]
async fn killed_after_each_change_of_opening_nothing_is_doubled_even_with_an_empty_store() {
    for step in [COMMIT, PUSH, OPENING] {
        let (mut world, second) = behind(SignIn::App).await;
        assert!(world.run_until(step, Meddling::HangAfterEffect).await, "{step}");
        world.forget();
        world.run().await;
        expect_one(&world, &nginx("1.27.2", &second));
        assert_eq!(world.asked(PUSH), usize::from(step == COMMIT), "a branch that is it already is not pushed: {step}");
        assert_eq!(world.asked(COMMIT), usize::from(step == COMMIT), "{step}");
        world.finish();
    }
}

#[tokio::test]
async fn killed_after_each_change_it_comes_to_an_end() {
    let (mut world, second) = behind(SignIn::App).await;
    // A tree or a commit that nobody refers to is made anew: each cycle comes one step further with the push.
    for step in [COMMIT, PUSH, OPENING] {
        assert!(world.run_until(step, Meddling::HangAfterEffect).await, "{step}");
    }
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    expect_one(&world, &nginx("1.27.2", &second));
    world.finish();
}

#[tokio::test]
async fn killed_between_the_push_and_the_words_of_an_update_the_commit_stays() {
    let (mut world, _) = behind(SignIn::App).await;
    world.run().await;
    let third = world.release(IMAGE, "1.27", "3");
    assert!(world.run_until(PUSH, Meddling::HangAfterEffect).await);
    let head = world.bare(WEB).head(&branch(BRANCH)).unwrap();
    world.forget();
    world.run().await;
    assert_eq!(world.bare(WEB).head(&branch(BRANCH)).unwrap(), head);
    assert_eq!((world.asked(PUSH), world.asked(COMMIT), world.costs().writes), (0, 0, 1), "the words alone");
    expect_one(&world, &nginx("1.27.3", &third));
    world.finish();
}

#[tokio::test]
async fn an_edit_on_the_forges_pages_is_somebody_elses_commit() {
    let (mut world, _) = behind(SignIn::App).await;
    world.run().await;
    // GitHub is the committer of both.
    let bare = world.bare(WEB);
    let head = bare.head(&branch(BRANCH)).unwrap().unwrap();
    let (_, committer) = bare.emails(&head).unwrap();
    let files = [("README.md", refrom::demo::git_repository::Content::File(b"mine\n"))];
    bare.commit_by(Person { name: "Ada", email: "ada@example.com" }, &branch(BRANCH), &files, "mine").unwrap();
    world.release(IMAGE, "1.27", "3");
    world.run().await;
    assert_eq!(world.file(WEB, BRANCH, "README.md"), "mine\n", "{committer}");
    assert_eq!(world.pull_request(WEB, 1).comments.len(), 1);
    world.finish();
}

#[tokio::test]
async fn a_repository_that_changes_its_mind_keeps_its_pull_request() {
    let (mut world, second) = behind(SignIn::App).await;
    world.run().await;
    world.policy(&["commits: git", "labels: []"]);
    world.run().await;
    assert_eq!(world.costs().writes, 0, "who made the commit is no reason to replace it");
    expect_one(&world, &nginx("1.27.2", &second));
    world.release(IMAGE, "1.27", "3");
    world.run().await;
    let (author, _) = expect_one(&world, &nginx("1.27.3", &world.release(IMAGE, "1.27", "3")));
    assert_eq!(author, "refrom@refrom.invalid");
    world.finish();
}

#[tokio::test]
async fn the_sign_off_is_that_of_the_configured_author() {
    let (mut world, _) = behind(SignIn::App).await;
    world.setting("commit: { author: { name: refrom, email: refrom@refrom.invalid }, sign_off: true }");
    world.run().await;
    let bare = world.bare(WEB);
    let git = git2::Repository::open_bare(bare.directory()).unwrap();
    let head = git.find_reference(&format!("refs/heads/{BRANCH}")).unwrap().peel_to_commit().unwrap();
    assert!(head.message().unwrap().ends_with("Signed-off-by: refrom <refrom@refrom.invalid>\n"), "{head:?}");
    world.finish();
}

#[tokio::test]
async fn a_forge_that_refuses_the_commit_is_a_failure_of_that_repository() {
    let (mut world, second) = behind(SignIn::App).await;
    for _ in 0..3 {
        world.meddlings.next(COMMIT, Meddling::Status(502));
    }
    world.run_with_problems(&["acme/web: not available"]).await;
    world.expect_branches(WEB, &[]);
    world.run().await;
    expect_one(&world, &nginx("1.27.2", &second));
    assert!(world.forge.pull_requests(&name(WEB)).unwrap().len() == 1);
    world.finish();
}
