//! Commits that the forge makes: proposed, kept, and finished whenever a cycle ends.

use refrom::demo::forge::Face;
use refrom::demo::git_repository::{Content, Filters, Person};
use refrom::domain::digest::Digest;

use super::meddling::Meddling;
use super::world::{BRANCH, SignIn, World, branch, name, nginx};
use crate::forge::{Kind, known_by};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const PUSH: &str = "write POST /acme/web.git/git-receive-pack";

on_both_forges!(
    what_is_behind_is_proposed_in_a_commit_of_the_forge,
    killed_after_each_change_of_opening_nothing_is_doubled_even_with_an_empty_store,
    killed_after_each_change_it_comes_to_an_end,
    killed_between_the_push_and_the_words_of_an_update_the_commit_stays,
    modes_and_bytes_are_kept_and_a_server_that_leaves_nothing_out_serves_too,
    a_base_that_moves_while_the_commit_is_made_harms_nothing,
    one_that_conflicts_is_made_anew_on_the_new_head,
    a_person_who_is_quicker_than_the_push_is_not_overwritten,
    an_edit_on_the_forges_pages_is_somebody_elses_commit,
    a_repository_that_changes_its_mind_keeps_its_pull_request,
    the_sign_off_is_that_of_the_configured_author,
    a_forge_that_refuses_the_commit_is_a_failure_of_that_repository,
);

fn committing(face: Face) -> &'static str {
    match face {
        Face::GitHub => "write POST /repos/acme/web/git/commits",
        Face::GitLab => "write POST /projects/acme/web/repository/commits",
    }
}

fn opening(face: Face) -> String {
    format!("write {}", known_by(face, Kind::Open))
}

async fn behind(face: Face) -> (World, Digest) {
    behind_as(face, SignIn::App).await
}

/// GitLab has nothing like an App.
async fn behind_as(face: Face, sign_in: SignIn) -> (World, Digest) {
    let mut world = match face {
        Face::GitHub => World::behind(sign_in, |_, router| router).await,
        Face::GitLab => World::on(face).await,
    };
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

async fn what_is_behind_is_proposed_in_a_commit_of_the_forge(face: Face) {
    let cases: &[(SignIn, bool)] = match face {
        Face::GitHub => &[(SignIn::App, true), (SignIn::Token, false)],
        Face::GitLab => &[(SignIn::Token, false)],
    };
    for (sign_in, is_app) in cases.iter().copied() {
        let (mut world, second) = behind_as(face, sign_in).await;
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

async fn killed_after_each_change_of_opening_nothing_is_doubled_even_with_an_empty_store(face: Face) {
    for step in [committing(face), PUSH, &opening(face)] {
        let (mut world, second) = behind(face).await;
        assert!(world.run_until(step, Meddling::HangAfterEffect).await, "{step}");
        world.forget();
        world.run().await;
        expect_one(&world, &nginx("1.27.2", &second));
        // GitLab's scratch branch, which was left behind, is deleted by itself.
        let pushes = usize::from(step == committing(face)) * if face == Face::GitLab { 2 } else { 1 };
        assert_eq!(world.asked(PUSH), pushes, "a branch that is it already is not pushed: {step}");
        assert_eq!(world.asked(committing(face)), usize::from(step == committing(face)), "{step}");
        world.finish();
    }
}

async fn killed_after_each_change_it_comes_to_an_end(face: Face) {
    let (mut world, second) = behind(face).await;
    // A tree or a commit that nobody refers to is made anew: each cycle comes one step further with the push.
    for step in [committing(face), PUSH, &opening(face)] {
        assert!(world.run_until(step, Meddling::HangAfterEffect).await, "{step}");
    }
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    expect_one(&world, &nginx("1.27.2", &second));
    world.finish();
}

async fn killed_between_the_push_and_the_words_of_an_update_the_commit_stays(face: Face) {
    let (mut world, _) = behind(face).await;
    world.run().await;
    let third = world.release(IMAGE, "1.27", "3");
    assert!(world.run_until(PUSH, Meddling::HangAfterEffect).await);
    let head = world.bare(WEB).head(&branch(BRANCH)).unwrap();
    world.forget();
    world.run().await;
    assert_eq!(world.bare(WEB).head(&branch(BRANCH)).unwrap(), head);
    assert_eq!((world.asked(PUSH), world.asked(committing(face)), world.costs().writes), (0, 0, 1), "the words alone");
    expect_one(&world, &nginx("1.27.3", &third));
    world.finish();
}

async fn modes_and_bytes_are_kept_and_a_server_that_leaves_nothing_out_serves_too(face: Face) {
    for filters in [Filters::On, Filters::Off] {
        let (mut world, _) = behind(face).await;
        let second = world.release(IMAGE, "1.27", "2");
        let first = world.release(IMAGE, "1.27", "1");
        let text = format!("# \u{e4} nginx 1.27.1\r\nFROM dhi.io/nginx:1.27@{first}\r\n");
        let latin1: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let changes = [("run.Dockerfile", Content::Executable(&latin1)), ("Dockerfile", Content::Absent)];
        let bare = world.bare(WEB);
        bare.set_filters(filters).unwrap();
        bare.commit(&branch("main"), &changes, "another file").unwrap();
        assert_eq!(world.release(IMAGE, "1.27", "2"), second);
        world.run().await;
        world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
        let head = bare.head(&branch(BRANCH)).unwrap().unwrap();
        let expected = text.replace("1.27.1", "1.27.2").replace(&first.to_string(), &second.to_string());
        let expected: Vec<u8> = expected.chars().map(|c| c as u8).collect();
        assert_eq!(bare.read(&head, "run.Dockerfile").unwrap(), Some(expected), "{filters:?}");
        let git = git2::Repository::open_bare(bare.directory()).unwrap();
        let tree = git.find_commit(git2::Oid::from_str(head.as_str()).unwrap()).unwrap().tree().unwrap();
        assert_eq!(tree.get_name("run.Dockerfile").unwrap().filemode(), 0o100_755);
        world.finish();
    }
}

async fn a_base_that_moves_while_the_commit_is_made_harms_nothing(face: Face) {
    let (mut world, second) = behind(face).await;
    let bare = world.bare(WEB);
    let push = move || {
        bare.commit(&branch("main"), &[("new", Content::File(b"new\n"))], "new").unwrap();
    };
    world.meddlings.next(committing(face), Meddling::Meanwhile(Box::new(push)));
    world.run().await;
    assert_eq!(world.file(WEB, BRANCH, "Dockerfile"), nginx("1.27.2", &second));
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

async fn one_that_conflicts_is_made_anew_on_the_new_head(face: Face) {
    let (mut world, second) = behind(face).await;
    world.run().await;
    let first = world.release(IMAGE, "1.27", "1");
    assert_eq!(world.release(IMAGE, "1.27", "2"), second);
    let moved = format!("# nginx 1.27.1\nFROM dhi.io/nginx:1.27@{first} AS web\n");
    world.commit(WEB, "main", &[("Dockerfile", &moved)]);
    world.run().await;
    expect_one(&world, &moved.replace("1.27.1", "1.27.2").replace(&first.to_string(), &second.to_string()));
    world.finish();
}

async fn a_person_who_is_quicker_than_the_push_is_not_overwritten(face: Face) {
    let (mut world, _) = behind(face).await;
    world.run().await;
    world.release(IMAGE, "1.27", "3");
    let bare = world.bare(WEB);
    let push = move || {
        bare.commit(&branch(BRANCH), &[("README.md", Content::File(b"mine\n"))], "mine").unwrap();
    };
    world.meddlings.next(committing(face), Meddling::Meanwhile(Box::new(push)));
    world.run_with_problems(&["moved meanwhile"]).await;
    assert_eq!(world.file(WEB, BRANCH, "README.md"), "mine\n");
    world.finish();
}

async fn an_edit_on_the_forges_pages_is_somebody_elses_commit(face: Face) {
    let (mut world, _) = behind(face).await;
    world.run().await;
    // The forge may be the committer of both.
    let bare = world.bare(WEB);
    let head = bare.head(&branch(BRANCH)).unwrap().unwrap();
    let (_, committer) = bare.emails(&head).unwrap();
    let files = [("README.md", Content::File(b"mine\n"))];
    bare.commit_by(Person { name: "Ada", email: "ada@example.com" }, &branch(BRANCH), &files, "mine").unwrap();
    world.release(IMAGE, "1.27", "3");
    world.run().await;
    assert_eq!(world.file(WEB, BRANCH, "README.md"), "mine\n", "{committer}");
    assert_eq!(world.pull_request(WEB, 1).comments.len(), 1);
    world.finish();
}

async fn a_repository_that_changes_its_mind_keeps_its_pull_request(face: Face) {
    let (mut world, second) = behind(face).await;
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

async fn the_sign_off_is_that_of_the_configured_author(face: Face) {
    let (mut world, _) = behind(face).await;
    world.setting("commit: { author: { name: refrom, email: refrom@refrom.invalid }, sign_off: true }");
    world.run().await;
    let bare = world.bare(WEB);
    let git = git2::Repository::open_bare(bare.directory()).unwrap();
    let head = git.find_reference(&format!("refs/heads/{BRANCH}")).unwrap().peel_to_commit().unwrap();
    assert!(head.message().unwrap().ends_with("Signed-off-by: refrom <refrom@refrom.invalid>\n"), "{head:?}");
    world.finish();
}

async fn a_forge_that_refuses_the_commit_is_a_failure_of_that_repository(face: Face) {
    let (mut world, second) = behind(face).await;
    for _ in 0..3 {
        world.meddlings.next(committing(face), Meddling::Status(502));
    }
    world.run_with_problems(&["acme/web: not available"]).await;
    world.expect_branches(WEB, &[]);
    world.run().await;
    expect_one(&world, &nginx("1.27.2", &second));
    assert!(world.forge.pull_requests(&name(WEB)).unwrap().len() == 1);
    world.finish();
}
