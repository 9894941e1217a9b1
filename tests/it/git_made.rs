//! Commits that the server makes, and bases that are no heads any more: on the embedded server and the real one.

use refrom::demo::git_objects::{ObjectCommit, TreeEntry};
use refrom::demo::git_repository::{Content, Person, SOMEBODY};
use refrom::domain::pull_request::CommitId;
use refrom::git::{Base, GitError, PushOutcome, Repository, Update};

use crate::git::{change, new_id};
use crate::git_world::{World, branch, faces};

const BOT: &str = "refrom/base-images";
const SCRATCH: &str = "refrom/base-images-scratch";
const FORGE: Person<'static> = Person { name: "GitHub", email: "noreply@github.com" };

/// A base with a file that is never fetched, and a planned commit on it in the cache.
async fn prepared(world: &World) -> (Base, Repository, CommitId) {
    world.commit(&[("Dockerfile", Content::File(b"FROM a\n")), ("big", Content::File(&[b'x'; 9000]))]);
    let base = world.commit(&[("sub/other", Content::File(b"other\n"))]);
    let cache = world.cache();
    cache.fetch(&world.remote, &base).await.unwrap();
    let planned = new_id(cache.commit(change(&base, "Dockerfile", "FROM b\n")).await.unwrap());
    (base, cache, planned)
}

/// The same change, made by the server.
fn made(world: &World, base: &Base, text: &str, message: &str) -> CommitId {
    let bare = &world.repository;
    let blob = bare.make_blob(text.as_bytes()).unwrap();
    let entry = TreeEntry { path: "Dockerfile".into(), mode: 0o100_644, blob };
    let tree = bare.make_tree(&bare.tree_of(&base.commit).unwrap().unwrap(), &[entry]).unwrap();
    let (author, committer, time) = (SOMEBODY, FORGE, 1_800_000_000);
    bare.make_commit(ObjectCommit { author, committer, time, tree: &tree, parent: &base.commit, message }).unwrap()
}

#[tokio::test]
async fn a_commit_that_no_branch_points_to_is_fetched_and_becomes_one() {
    for face in faces() {
        let world = World::new(face).await;
        let (base, cache, planned) = prepared(&world).await;
        let message = change(&base, "Dockerfile", "FROM b\n").message;
        let made = made(&world, &base, "FROM b\n", message.trim_end());
        cache.fetch_child(&world.remote, &made, &base.commit).await.unwrap();
        assert_ne!(made, planned);
        assert!(cache.is_same_change(&planned, &made).await.unwrap(), "{face:?}");
        world.repository.set_branch(&branch(SCRATCH), &made).unwrap();
        let updates = [
            Update::Create { branch: branch(BOT), new: made.clone() },
            Update::Delete { branch: branch(SCRATCH), lease: made.clone() },
        ];
        let outcomes = cache.push(&world.remote, &updates).await.unwrap();
        assert!(outcomes.iter().all(|(_, outcome)| *outcome == PushOutcome::Pushed), "{outcomes:?}");
        assert_eq!((world.head(BOT), world.head(SCRATCH)), (Some(made.clone()), None));
        world.server.traffic().take();
        cache.fetch_child(&world.remote, &made, &base.commit).await.unwrap();
        cache.fetch_head(&world.remote, &made).await.unwrap();
        assert_eq!(world.server.traffic().take(), [], "it is there");
    }
}

#[tokio::test]
async fn the_head_of_a_branch_is_compared_with_what_is_planned() {
    for face in faces() {
        let world = World::new(face).await;
        let (base, cache, planned) = prepared(&world).await;
        let message = change(&base, "Dockerfile", "FROM b\n").message;
        let same = made(&world, &base, "FROM b\n", &format!("{message}\n\n"));
        let other_words = made(&world, &base, "FROM b\n", "other words");
        let other_file = made(&world, &base, "FROM c\n", &message);
        let later = world.commit(&[("Dockerfile", Content::File(b"FROM b\n"))]);
        for (commit, expected) in [(&same, true), (&other_words, false), (&other_file, false), (&later.commit, false)] {
            world.repository.set_branch(&branch(BOT), commit).unwrap();
            cache.fetch_head(&world.remote, commit).await.unwrap();
            assert_eq!(cache.is_same_change(&planned, commit).await.unwrap(), expected, "{face:?}");
        }
        let missing: CommitId = "1".repeat(40).parse().unwrap();
        let error = cache.fetch_head(&world.remote, &missing).await.unwrap_err();
        assert!(matches!(error, GitError::Failed { .. } | GitError::NotFetched { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_base_that_is_no_head_any_more_is_built_on_without_its_files() {
    for face in faces() {
        let world = World::new(face).await;
        let (_, cache, planned) = prepared(&world).await;
        world.commit(&[("new", Content::File(b"new\n"))]);
        let create = Update::Create { branch: branch(BOT), new: planned.clone() };
        let outcomes = cache.push(&world.remote, &[create]).await.unwrap();
        assert!(outcomes[0].1.is_done(), "{face:?} {outcomes:?}");
        assert_eq!(world.head(BOT), Some(planned));
    }
}
