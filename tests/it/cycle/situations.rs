//! What happens to a pull request: each situation from end to end.

use refrom::demo::forge::{Face, Flag};
use refrom::domain::pull_request::PullRequestState;

use super::world::{BRANCH, Costs, World, branch, name, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";

on_both_forges!(
    what_is_current_is_left_in_peace,
    what_is_behind_is_proposed_with_its_words,
    a_second_cycle_with_nothing_new_asks_each_tag_once_and_git_never,
    a_newer_digest_replaces_the_commit_and_the_words,
    people_may_change_the_words_of_an_open_pull_request,
    what_conflicts_with_the_moved_base_is_rebuilt_on_it,
    a_head_that_moved_without_its_pins_is_read_and_nothing_is_written,
    somebody_elses_commit_is_left_alone_and_told_once,
    closed_without_merging_refuses_these_digests_and_no_others,
    a_refusal_is_known_without_a_store_and_under_another_group,
    a_refusal_counts_in_its_own_repository_only,
    an_open_pull_request_is_known_without_a_store,
    another_group_closes_what_was_open_and_proposes_anew,
    what_is_no_longer_needed_is_closed_with_a_sentence_and_refuses_nothing,
    what_people_bumped_themselves_is_no_longer_needed,
    a_merged_branch_is_deleted_and_the_next_digest_is_proposed,
    a_merge_and_a_new_digest_at_once_need_one_cycle,
    on_hold_everything_stays_as_it_is_until_the_label_goes,
    what_is_no_longer_pinned_is_no_longer_needed,
    under_a_pattern_a_new_name_is_followed_with_all_that_was_said,
    only_the_repositories_that_were_named_are_touched,
    a_repository_that_is_gone_renamed_or_archived_is_named_and_the_others_go_on,
);

/// A repository that is one build behind.
async fn behind(face: Face) -> World {
    let world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(IMAGE, "1.27", "2");
    world
}

/// The same with its pull request.
async fn proposed(face: Face) -> World {
    let mut world = behind(face).await;
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world
}

/// What a vendor's build is pinned by.
fn digest(world: &World, build: &str) -> refrom::domain::digest::Digest {
    world.release(IMAGE, "1.27", build)
}

async fn what_is_current_is_left_in_peace(face: Face) {
    let mut world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let report = world.run().await;
    assert_eq!((report.repositories[0].pins.current, report.repositories[0].pins.behind), (1, 0));
    assert_eq!(world.costs().writes, 0);
    world.expect_pull_requests(WEB, &[]);
    world.finish();
}

async fn what_is_behind_is_proposed_with_its_words(face: Face) {
    let mut world = behind(face).await;
    let (reviewers, noun) = match face {
        Face::GitHub => ("reviewers: [ada, \"@acme/platform\"]", "pull request"),
        Face::GitLab => ("reviewers: [ada]", "merge request"),
    };
    world.policy(&["labels: [base-image, security]", reviewers, "assignees: [ada]"]);
    world.run().await;
    let (first, second) = (digest(&world, "1"), digest(&world, "2"));
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    let hosted = world.pull_request(WEB, 1);
    for text in ["Dockerfile", &first.to_string(), &second.to_string(), "1.27.2", "refrom:hold", noun, "<!-- refrom {"]
    {
        assert!(hosted.body.contains(text), "no `{text}` in {}", hosted.body);
    }
    assert_eq!(hosted.labels.into_iter().collect::<Vec<_>>(), ["base-image", "security"]);
    assert_eq!(hosted.reviewers.into_iter().collect::<Vec<_>>(), ["ada"]);
    assert_eq!(hosted.team_reviewers.contains("platform"), face == Face::GitHub);
    assert_eq!(hosted.assignees.into_iter().collect::<Vec<_>>(), ["ada"]);
    assert_eq!(hosted.author, "refrom");
    world.finish();
}

async fn a_second_cycle_with_nothing_new_asks_each_tag_once_and_git_never(face: Face) {
    let mut world = behind(face).await;
    let own = world.release("cgr.dev/static", "latest", "1");
    world.repository(
        "acme/tools",
        &[("Dockerfile", &format!("FROM cgr.dev/static:latest@{own}\n")), (".refrom.yaml", "labels: [tools]\n")],
    );
    let pinned_as_well = nginx("1.27.2", &digest(&world, "2"));
    world.repository("acme/api", &[("Dockerfile", &pinned_as_well)]);
    world.run().await;
    world.run().await;
    let Costs { registry, git, writes } = world.costs();
    assert_eq!((git, writes), (0, 0));
    let heads = "one HEAD for each of two tags, after a challenge and a token for each";
    assert!(registry <= 6, "{heads}: {registry}");
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.finish();
}

async fn a_newer_digest_replaces_the_commit_and_the_words(face: Face) {
    let mut world = proposed(face).await;
    let before = world.pull_request(WEB, 1);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    let after = world.pull_request(WEB, 1);
    assert!(after.body.contains(&third.to_string()) && after.body.contains("1.27.3"), "{}", after.body);
    assert_ne!((before.head, before.body), (after.head, after.body));
    world.finish();
}

async fn people_may_change_the_words_of_an_open_pull_request(face: Face) {
    let mut world = proposed(face).await;
    world.forge.comment(&name(WEB), 1, ("ada", "I look at it on Monday.")).unwrap();
    world.forge.label(&name(WEB), 1, "monday").unwrap();
    world.run().await;
    assert_eq!((world.costs().git, world.costs().writes), (0, 0));
    world.finish();
}

async fn what_conflicts_with_the_moved_base_is_rebuilt_on_it(face: Face) {
    let mut world = proposed(face).await;
    let (first, second) = (digest(&world, "1"), digest(&world, "2"));
    let changed = |digest| {
        format!("# nginx 1.27.{}\nFROM dhi.io/nginx:1.27@{digest} AS web\n", if digest == &first { 1 } else { 2 })
    };
    world.commit(WEB, "main", &[("Dockerfile", &changed(&first))]);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &changed(&second));
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

async fn a_head_that_moved_without_its_pins_is_read_and_nothing_is_written(face: Face) {
    let mut world = proposed(face).await;
    let before = world.pull_request(WEB, 1);
    world.commit(WEB, "main", &[("README.md", "hello\n")]);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    assert!(world.costs().git > 0);
    assert_eq!(world.pull_request(WEB, 1), before);
    world.run().await;
    assert_eq!((world.costs().git, world.costs().writes), (0, 0));
    world.finish();
}

async fn somebody_elses_commit_is_left_alone_and_told_once(face: Face) {
    let mut world = proposed(face).await;
    world.commit(WEB, BRANCH, &[("Dockerfile", "FROM scratch\n")]);
    let before = world.pull_request(WEB, 1);
    world.release(IMAGE, "1.27", "3");
    for _ in 0..2 {
        world.run().await;
        let after = world.pull_request(WEB, 1);
        assert_eq!((&after.head, &after.title, &after.body), (&before.head, &before.title, &before.body));
        assert_eq!(after.comments.len(), 1);
        assert!(after.comments[0].1.contains("Somebody else's commit"), "{:?}", after.comments);
    }
    assert_eq!(world.file(WEB, BRANCH, "Dockerfile"), "FROM scratch\n");
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.finish();
}

async fn closed_without_merging_refuses_these_digests_and_no_others(face: Face) {
    let mut world = proposed(face).await;
    world.forge.close(&name(WEB), 1).unwrap();
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 2, &nginx("1.27.3", &third));
    world.finish();
}

async fn a_refusal_is_known_without_a_store_and_under_another_group(face: Face) {
    let mut world = proposed(face).await;
    world.forge.close(&name(WEB), 1).unwrap();
    for group in ["repository", "image", "file"] {
        world.forget();
        world.policy(&[&format!("group: {group}")]);
        world.run().await;
        assert_eq!(world.costs().writes, 0, "{group}");
        world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    }
    world.finish();
}

async fn a_refusal_counts_in_its_own_repository_only(face: Face) {
    let mut world = proposed(face).await;
    world.forge.close(&name(WEB), 1).unwrap();
    let first = digest(&world, "1");
    digest(&world, "2");
    world.repository("acme/api", &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_pull_requests("acme/api", &["#1 open refrom/base-images -> main"]);
    world.finish();
}

async fn an_open_pull_request_is_known_without_a_store(face: Face) {
    let mut world = proposed(face).await;
    world.forget();
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.forget();
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

async fn another_group_closes_what_was_open_and_proposes_anew(face: Face) {
    let mut world = proposed(face).await;
    let second = digest(&world, "2");
    world.forget();
    world.policy(&["group: image"]);
    world.run().await;
    world.expect_pull_requests(
        WEB,
        &["#1 closed refrom/base-images -> main", "#2 open refrom/dhi-io-nginx-cb06627b -> main"],
    );
    world.expect_proposal(WEB, 2, &nginx("1.27.2", &second));
    world.expect_branches(WEB, &["refrom/dhi-io-nginx-cb06627b"]);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    // And back again: what refrom closed itself refuses nothing.
    world.policy(&["group: repository"]);
    world.run().await;
    world.expect_pull_requests(
        WEB,
        &[
            "#1 closed refrom/base-images -> main",
            "#2 closed refrom/dhi-io-nginx-cb06627b -> main",
            "#3 open refrom/base-images -> main",
        ],
    );
    world.finish();
}

async fn what_is_no_longer_needed_is_closed_with_a_sentence_and_refuses_nothing(face: Face) {
    let mut world = proposed(face).await;
    let (first, second) = (digest(&world, "1"), digest(&world, "2"));
    world.registry.move_tag(IMAGE, "1.27", first);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    let closed = world.pull_request(WEB, 1);
    assert_eq!(closed.comments.len(), 1);
    assert!(closed.comments[0].1.contains("no longer needed"), "{:?}", closed.comments);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.forget();
    world.registry.move_tag(IMAGE, "1.27", second);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.finish();
}

async fn what_people_bumped_themselves_is_no_longer_needed(face: Face) {
    let mut world = proposed(face).await;
    let second = digest(&world, "2");
    world.commit(WEB, "main", &[("Dockerfile", &nginx("1.27.2", &second))]);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    world.finish();
}

async fn a_merged_branch_is_deleted_and_the_next_digest_is_proposed(face: Face) {
    let mut world = proposed(face).await;
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 2, &nginx("1.27.3", &third));
    world.finish();
}

async fn a_merge_and_a_new_digest_at_once_need_one_cycle(face: Face) {
    let mut world = proposed(face).await;
    world.forge.merge(&name(WEB), 1).unwrap();
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 2, &nginx("1.27.3", &third));
    world.finish();
}

async fn on_hold_everything_stays_as_it_is_until_the_label_goes(face: Face) {
    let mut world = proposed(face).await;
    world.forge.label(&name(WEB), 1, "refrom:hold").unwrap();
    let before = world.pull_request(WEB, 1);
    let third = world.release(IMAGE, "1.27", "3");
    let report = world.run().await;
    assert_eq!(world.costs().writes, 0);
    assert_eq!(report.repositories[0].plan.left_alone.len(), 1);
    assert_eq!(world.pull_request(WEB, 1), before);
    world.forge.unlabel(&name(WEB), 1, "refrom:hold").unwrap();
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

async fn what_is_no_longer_pinned_is_no_longer_needed(face: Face) {
    let mut world = proposed(face).await;
    world.commit(WEB, "main", &[("Dockerfile", "FROM dhi.io/nginx:1.27\n")]);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    world.finish();
}

async fn under_a_pattern_a_new_name_is_followed_with_all_that_was_said(face: Face) {
    let mut world = proposed(face).await;
    world.repository("acme/api", &[("Dockerfile", "FROM scratch\n")]);
    world.forge.rename(&name(WEB), &name("acme/site")).unwrap();
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.forge.close(&name("acme/site"), 1).unwrap();
    world.run().await;
    world.expect_pull_requests("acme/site", &["#1 closed refrom/base-images -> main"]);
    world.finish();
}

async fn only_the_repositories_that_were_named_are_touched(face: Face) {
    let mut world = behind(face).await;
    let first = digest(&world, "1");
    digest(&world, "2");
    world.repository("acme/api", &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run_only(&["acme/api"]).await;
    world.expect_pull_requests(WEB, &[]);
    world.expect_pull_requests("acme/api", &["#1 open refrom/base-images -> main"]);
    world.finish();
}

async fn a_repository_that_is_gone_renamed_or_archived_is_named_and_the_others_go_on(face: Face) {
    let mut world = behind(face).await;
    let first = digest(&world, "1");
    digest(&world, "2");
    let file = nginx("1.27.1", &first);
    for repository in ["acme/archived", "acme/old-name", "acme/hidden", "acme/gone"] {
        world.repository(repository, &[("Dockerfile", &file)]);
    }
    world.repository("acme/empty", &[("Dockerfile", &file)]);
    world.select(&[WEB, "acme/archived", "acme/old-name", "acme/hidden", "acme/gone", "acme/empty"]);
    world.run().await;
    world.forge.set(&name("acme/archived"), Flag::Archived).unwrap();
    world.forge.set(&name("acme/hidden"), Flag::HiddenFrom("refrom".into())).unwrap();
    world.forge.rename(&name("acme/old-name"), &name("acme/new-name")).unwrap();
    world.forge.delete(&name("acme/gone")).unwrap();
    world.bare("acme/empty").delete_branch(&branch("main")).unwrap();
    let third = world.release(IMAGE, "1.27", "3");
    let report = world
        .run_with_problems(&[
            ":acme/archived: `acme/archived` is archived",
            ":acme/old-name: `acme/old-name` is now `acme/new-name`",
            ":acme/hidden: `acme/hidden` was not found",
            ":acme/gone: `acme/gone` was not found",
        ])
        .await;
    assert_eq!(report.notes, [format!("`{}:acme/empty` is empty", world.forge_name())]);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    assert!(world.pull_request("acme/archived", 1).state == PullRequestState::Open);
    world.finish();
}
