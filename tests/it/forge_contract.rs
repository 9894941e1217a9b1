//! What every forge does, through its real adapter: GitHub signed in with a token and as an App, and GitLab.

use std::collections::{BTreeMap, BTreeSet};

use refrom::demo::forge::{Face, Fault, FaultKind, Flag, Origin, Permission};
use refrom::demo::git_repository::{BareRepository, Content, Person};
use refrom::domain::pattern::Pattern;
use refrom::domain::pull_request::{BranchHead, CommitId, Mergeable, NewPullRequest, Pipeline, PullRequestState};
use refrom::forge::{ApiCommit, ForgeError, Selection};
use secrecy::ExposeSecret;

use crate::forge::{Hosted, Kind, branch, name, new_pull_request, select, short_limit};

macro_rules! contract {
    ($($behaviour:ident),+ $(,)?) => {
        mod github_with_a_token {
            use crate::forge::{Hosted, SignIn};
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(Hosted::github(SignIn::Token).await).await;
            })+
        }

        mod github_as_an_app {
            use crate::forge::{Hosted, SignIn};
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(Hosted::github(SignIn::App).await).await;
            })+
        }

        mod gitlab {
            use crate::forge::Hosted;
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(Hosted::gitlab().await).await;
            })+
        }
    };
}

contract!(
    an_owner_is_listed_with_heads_topics_and_our_branches,
    archived_disabled_and_forked_ones_are_left_out_unless_asked_for,
    a_name_that_cannot_be_served_is_a_problem_of_its_own,
    a_pattern_without_an_owner_searches_everything_and_an_exclusion_wins,
    topics_choose_among_what_the_patterns_find,
    an_empty_repository_has_no_head,
    one_bad_repository_does_not_fail_its_page,
    an_unknown_owner_is_a_problem_and_the_others_are_listed,
    more_than_a_page_of_our_branches_are_all_there,
    a_branch_has_a_head_or_is_not_there,
    the_pipeline_of_the_default_branch_is_told_where_it_is_asked_for,
    what_was_opened_is_found_by_its_branch,
    only_our_own_pull_requests_from_the_repository_itself_count,
    the_end_of_a_pull_request_is_told_apart,
    a_conflict_with_the_base_is_seen,
    a_repository_that_is_gone_does_not_hide_the_others,
    more_pull_requests_than_a_page_are_read_and_of_the_merged_ones_the_last,
    pull_requests_from_forks_do_not_hide_ours,
    a_label_beyond_the_first_page_is_seen,
    whether_it_can_be_merged_may_not_be_known_yet,
    opening_twice_gives_the_one_that_is_open,
    somebody_elses_pull_request_from_our_branch_is_in_the_way,
    a_lost_answer_does_not_open_twice,
    a_failure_before_anything_happened_is_repeated,
    what_the_forge_refuses_besides_is_a_warning,
    labels_reviewers_and_assignees_are_set,
    title_and_body_are_changed,
    closing_says_why_first,
    a_comment_is_made_once,
    a_lost_answer_does_not_comment_twice,
    a_text_that_is_too_long_is_not_sent,
    a_short_rate_limit_is_waited_for,
    a_long_rate_limit_is_told_and_nothing_more_is_sent,
    a_renamed_repository_is_told_by_its_new_name,
    an_archived_repository_is_not_written_to,
    a_missing_permission_is_told,
    git_gets_an_address_and_a_token_that_work,
    the_pipeline_of_an_open_one_is_told_with_its_times,
    it_is_merged_by_the_forge_once_its_checks_have_passed,
    another_head_and_what_is_not_there_are_not_merged,
    where_it_is_not_allowed_nothing_is_merged,
    a_lost_answer_does_not_tell_to_merge_twice,
    a_commit_is_made_with_its_files_modes_and_message,
    the_addresses_of_such_commits_are_known_before_and_asked_for_once,
    what_an_interrupted_opening_left_unset_is_set_or_said,
);

async fn an_owner_is_listed_with_heads_topics_and_our_branches(hosted: Hosted) {
    let web = hosted.repository("acme/web");
    hosted.repository("acme/api");
    hosted.repository("tools/cli");
    hosted.embedded.set(&name("acme/web"), Flag::Topic("docker".into())).unwrap();
    let bot = Person { name: "refrom", email: "refrom@example.com" };
    web.commit_by(bot, &branch("refrom/base-images"), &[("a", Content::File(b"a"))], "bump").unwrap();
    let listing = hosted.adapter.repositories(&select(&["acme/*"])).await.unwrap();
    assert!(listing.problems.is_empty(), "{:?}", listing.problems);
    let [api, found] = listing.repositories.as_slice() else { panic!("{:?}", listing.repositories) };
    assert_eq!((api.name.as_str(), found.name.as_str()), ("acme/api", "acme/web"));
    assert_eq!(found.default_branch, branch("main"));
    assert_eq!(found.head, web.head(&branch("main")).unwrap());
    assert_eq!(found.topics, ["docker"]);
    let [ours] = found.bot_branches.as_slice() else { panic!("{:?}", found.bot_branches) };
    assert_eq!(ours.name, branch("refrom/base-images"));
    assert_eq!(Some(ours.head.clone()), web.head(&branch("refrom/base-images")).unwrap());
    assert_eq!((ours.author_email.as_str(), ours.committer_email.as_str()), (bot.email, bot.email));
    hosted.finish();
}

async fn archived_disabled_and_forked_ones_are_left_out_unless_asked_for(hosted: Hosted) {
    for (text, flag) in [("acme/old", Flag::Archived), ("acme/off", Flag::Disabled), ("acme/fork", Flag::Fork)] {
        hosted.repository(text);
        hosted.embedded.set(&name(text), flag).unwrap();
    }
    hosted.repository("acme/web");
    assert_eq!(hosted.listed(&select(&["acme/*"])).await.0, ["acme/web"]);
    let asked = Selection { archived: true, forks: true, ..select(&["acme/*"]) };
    assert_eq!(hosted.listed(&asked).await.0, ["acme/fork", "acme/old", "acme/web"]);
    hosted.finish();
}

async fn a_name_that_cannot_be_served_is_a_problem_of_its_own(hosted: Hosted) {
    for text in ["acme/web", "acme/old", "acme/before", "acme/fork"] {
        hosted.repository(text);
    }
    hosted.embedded.set(&name("acme/old"), Flag::Archived).unwrap();
    hosted.embedded.set(&name("acme/fork"), Flag::Fork).unwrap();
    hosted.embedded.set(&name("acme/web"), Flag::HiddenFrom("nobody".into())).unwrap();
    hosted.embedded.rename(&name("acme/before"), &name("acme/after")).unwrap();
    let selection = select(&["ACME/Web", "acme/old", "acme/before", "acme/gone", "acme/fork"]);
    let (names, problems) = hosted.listed(&selection).await;
    assert_eq!(names, ["acme/fork", "acme/web"], "a fork that is named is asked for");
    assert_eq!(problems.keys().collect::<Vec<_>>(), ["acme/before", "acme/gone", "acme/old"]);
    assert!(matches!(&problems["acme/before"], ForgeError::Renamed { now, .. } if now == "acme/after"));
    assert!(matches!(problems["acme/gone"], ForgeError::NotFound { .. }));
    assert!(matches!(problems["acme/old"], ForgeError::Archived { .. }));
    hosted.finish();
}

async fn a_pattern_without_an_owner_searches_everything_and_an_exclusion_wins(hosted: Hosted) {
    for text in ["acme/api", "tools/api", "tools/cli", "acme/api-old"] {
        hosted.repository(text);
    }
    assert_eq!(hosted.listed(&select(&["*/api"])).await.0, ["acme/api", "tools/api"]);
    assert_eq!(
        hosted.listed(&select(&["/^(acme|tools)\\/(api|cli)$/"])).await.0,
        ["acme/api", "tools/api", "tools/cli"]
    );
    let exclude = vec![Pattern::new("acme/*-old").unwrap(), Pattern::new("tools/api").unwrap()];
    let selection = Selection { exclude, ..select(&["Acme/*", "tools/api"]) };
    assert_eq!(hosted.listed(&selection).await.0, ["acme/api"]);
    assert_eq!(hosted.listed(&Selection::default()).await.0, [""; 0]);
    hosted.finish();
}

async fn topics_choose_among_what_the_patterns_find(hosted: Hosted) {
    for text in ["acme/web", "acme/api", "tools/cli"] {
        hosted.repository(text);
    }
    for text in ["acme/api", "tools/cli"] {
        hosted.embedded.set(&name(text), Flag::Topic("docker".into())).unwrap();
    }
    let topics = vec!["docker".to_owned(), "other".to_owned()];
    let by_owner = Selection { topics: topics.clone(), ..select(&["acme/*"]) };
    assert_eq!(hosted.listed(&by_owner).await.0, ["acme/api"]);
    let alone = Selection { topics, ..Selection::default() };
    assert_eq!(hosted.listed(&alone).await.0, ["acme/api", "tools/cli"]);
    hosted.finish();
}

async fn an_empty_repository_has_no_head(hosted: Hosted) {
    hosted.embedded.add_repository(&name("acme/empty")).unwrap();
    assert_eq!(hosted.head("acme/empty").await.head, None);
    hosted.finish();
}

async fn one_bad_repository_does_not_fail_its_page(hosted: Hosted) {
    for text in ["acme/a", "acme/b", "acme/c"] {
        hosted.repository(text);
    }
    for selection in [select(&["acme/*"]), select(&["acme/a", "acme/b", "acme/c"])] {
        let kind = FaultKind::PartialError { repository: "acme/b".into(), kind: "FORBIDDEN".into() };
        hosted.embedded.fail(Fault::next(hosted.known_by(Kind::List), kind));
        let (names, problems) = hosted.listed(&selection).await;
        assert_eq!(names, ["acme/a", "acme/c"]);
        assert_eq!(problems.len(), 1);
        // GitLab's errors say no more than that there is one.
        let is_told = |error: &ForgeError| match hosted.face {
            Face::GitHub => matches!(error, ForgeError::Denied { .. }),
            Face::GitLab => matches!(error, ForgeError::Unavailable { .. }),
        };
        assert!(problems.values().all(is_told), "{problems:?}");
    }
    hosted.finish();
}

async fn an_unknown_owner_is_a_problem_and_the_others_are_listed(hosted: Hosted) {
    hosted.repository("acme/web");
    let (names, problems) = hosted.listed(&select(&["acme/*", "nobody/*", "nobody/web"])).await;
    assert_eq!(names, ["acme/web"]);
    assert_eq!(problems.keys().collect::<Vec<_>>(), ["nobody/*", "nobody/web"]);
    assert!(problems.values().all(|error| matches!(error, ForgeError::NotFound { .. })), "{problems:?}");
    hosted.finish();
}

async fn more_than_a_page_of_our_branches_are_all_there(hosted: Hosted) {
    let bare = hosted.repository("acme/web");
    let head = bare.head(&branch("main")).unwrap().unwrap();
    for number in 0..170 {
        bare.set_branch(&branch(&format!("refrom/b-{number:03}")), &head).unwrap();
    }
    let found = hosted.head("acme/web").await.bot_branches;
    let names: BTreeSet<_> = found.iter().map(|ours| ours.name.clone()).collect();
    assert_eq!((found.len(), names.len()), (170, 170));
    assert!(names.iter().all(|name| name.is_ours()));
    hosted.finish();
}

async fn a_branch_has_a_head_or_is_not_there(hosted: Hosted) {
    let bare = hosted.repository("acme/web");
    let release = bare.commit(&branch("release/1.0"), &[("a", Content::File(b"a"))], "release").unwrap();
    let head = hosted.head("acme/web").await;
    let mut expected = BranchHead { commit: release.clone(), pipeline: Pipeline::Absent };
    let found = hosted.adapter.branch_head(&head, &branch("release/1.0")).await.unwrap();
    assert_eq!(found, Some(expected.clone()));
    hosted.embedded.set_checks(&name("acme/web"), &release, Pipeline::Failed).unwrap();
    expected.pipeline = Pipeline::Failed;
    let found = hosted.adapter.branch_head(&head, &branch("release/1.0")).await.unwrap();
    assert_eq!(found, Some(expected));
    assert_eq!(hosted.adapter.branch_head(&head, &branch("none")).await.unwrap(), None);
    hosted.embedded.delete(&name("acme/web")).unwrap();
    let gone = hosted.adapter.branch_head(&head, &branch("main")).await;
    assert!(matches!(gone, Err(ForgeError::NotFound { .. })), "{gone:?}");
    hosted.finish();
}

async fn the_pipeline_of_the_default_branch_is_told_where_it_is_asked_for(hosted: Hosted) {
    let web = hosted.repository("acme/web");
    let head = web.head(&branch("main")).unwrap().unwrap();
    for pattern in ["acme/*", "acme/web", "*/web"] {
        let selection = Selection { pipelines: true, ..select(&[pattern]) };
        let mut looks = Vec::new();
        for checks in [Pipeline::Absent, Pipeline::Pending, Pipeline::Passed, Pipeline::Failed] {
            hosted.embedded.set_checks(&name("acme/web"), &head, checks).unwrap();
            let listing = hosted.adapter.repositories(&selection).await.unwrap();
            looks.push((listing.repositories[0].pipeline, checks));
        }
        assert!(looks.iter().all(|(look, checks)| look == checks), "{pattern}: {looks:?}");
    }
    assert_eq!(hosted.head("acme/web").await.pipeline, Pipeline::Unknown, "it was not asked for");
    hosted.finish();
}

async fn what_was_opened_is_found_by_its_branch(hosted: Hosted) {
    let bare = hosted.repository_behind("acme/web");
    let new = NewPullRequest { draft: true, ..new_pull_request() };
    let opened = hosted.adapter.open(&name("acme/web"), &new).await.unwrap();
    assert_eq!(opened.warnings, [""; 0]);
    hosted.embedded.label(&name("acme/web"), opened.number, "refrom:hold").unwrap();
    let found = hosted.pull_requests("acme/web").await.unwrap();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((found.number, found.url.as_str(), found.state), (1, opened.url.as_str(), PullRequestState::Open));
    assert_eq!((&found.branch, &found.base), (&new.branch, &new.base));
    assert_eq!((&found.title, &found.body), (&new.title, &new.body));
    assert_eq!(Some(&found.head), bare.head(&new.branch).unwrap().as_ref());
    assert_eq!((found.labels.as_slice(), found.mergeable), (["refrom:hold".to_owned()].as_slice(), Mergeable::Clean));
    assert!(hosted.embedded.pull_request(&name("acme/web"), 1).unwrap().is_draft);
    let moved = bare.commit(&new.branch, &[("b", Content::File(b"b"))], "more").unwrap();
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].head, moved, "the head follows the branch");
    hosted.finish();
}

async fn only_our_own_pull_requests_from_the_repository_itself_count(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let sides = (&branch("refrom/base-images"), &branch("main"));
    hosted.embedded.open_by("ada", &name("acme/web"), sides, Origin::SameRepository).unwrap();
    hosted.embedded.open_by(hosted.login, &name("acme/web"), sides, Origin::Fork).unwrap();
    let ours = hosted.embedded.open_by(hosted.login, &name("acme/web"), sides, Origin::SameRepository).unwrap();
    let found = hosted.pull_requests("acme/web").await.unwrap();
    assert_eq!(found.iter().map(|it| it.number).collect::<Vec<_>>(), [ours]);
    hosted.finish();
}

async fn the_end_of_a_pull_request_is_told_apart(hosted: Hosted) {
    let bare = hosted.repository_behind("acme/web");
    let (web, ours) = (name("acme/web"), branch("refrom/base-images"));
    for number in 1..=3 {
        bare.commit(&ours, &[("n", Content::File(&[number]))], "more").unwrap();
        let opened = hosted.adapter.open(&web, &new_pull_request()).await.unwrap();
        assert_eq!(opened.number, u64::from(number));
        match number {
            1 => hosted.embedded.close(&web, 1).unwrap(),
            2 => drop(hosted.embedded.merge(&web, 2).unwrap()),
            _ => drop(bare.delete_branch(&ours).unwrap()),
        }
    }
    let found = hosted.pull_requests("acme/web").await.unwrap();
    let states: Vec<_> = found.iter().map(|it| (it.number, it.state)).collect();
    let expected = [(3, PullRequestState::Closed), (2, PullRequestState::Merged), (1, PullRequestState::Closed)];
    assert_eq!(states, expected, "newest first; a deleted branch closes");
    hosted.finish();
}

async fn a_conflict_with_the_base_is_seen(hosted: Hosted) {
    let bare = hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    bare.commit(&branch("main"), &[("Dockerfile", Content::File(b"FROM other\n"))], "another way").unwrap();
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].mergeable, Mergeable::Conflicting);
    hosted.finish();
}

async fn a_repository_that_is_gone_does_not_hide_the_others(hosted: Hosted) {
    let mut wanted = BTreeMap::new();
    for text in ["acme/gone", "acme/web", "tools/cli"] {
        hosted.repository_behind(text);
        hosted.adapter.open(&name(text), &new_pull_request()).await.unwrap();
        let branches = BTreeSet::from([branch("refrom/base-images"), branch("refrom/none")]);
        wanted.insert(name(text), (hosted.head(text).await.id, branches));
    }
    hosted.embedded.delete(&name("acme/gone")).unwrap();
    let found = hosted.adapter.pull_requests(&wanted).await;
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    assert!(matches!(found[&name("acme/gone")], Err(ForgeError::NotFound { .. })));
    assert!(["acme/web", "tools/cli"].iter().all(|text| found[&name(text)].as_ref().unwrap().len() == 1));
    hosted.finish();
}

async fn more_pull_requests_than_a_page_are_read_and_of_the_merged_ones_the_last(hosted: Hosted) {
    let bare = hosted.repository_behind("acme/web");
    let (web, ours) = (name("acme/web"), branch("refrom/base-images"));
    for number in 1..=60_u8 {
        bare.commit(&ours, &[("n", Content::File(&[number]))], "more").unwrap();
        hosted.embedded.open_by(hosted.login, &web, (&ours, &branch("main")), Origin::SameRepository).unwrap();
        match number {
            2 | 30 => drop(hosted.embedded.merge(&web, number.into()).unwrap()),
            60 => {}
            _ => hosted.embedded.close(&web, number.into()).unwrap(),
        }
    }
    let found = hosted.pull_requests("acme/web").await.unwrap();
    let expected: Vec<u64> = (10..=60).rev().collect();
    assert_eq!(found.iter().map(|it| it.number).collect::<Vec<_>>(), expected, "50 that were not merged, and #30");
    assert_eq!(found[0].state, PullRequestState::Open);
    assert_eq!(found[30].state, PullRequestState::Merged);
    hosted.finish();
}

async fn pull_requests_from_forks_do_not_hide_ours(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.repository_behind("acme/api");
    let sides = (&branch("refrom/base-images"), &branch("main"));
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    for _ in 0..60 {
        hosted.embedded.open_by("ada", &name("acme/web"), sides, Origin::Fork).unwrap();
    }
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].number, 1);
    for _ in 0..150 {
        hosted.embedded.open_by("ada", &name("acme/web"), sides, Origin::Fork).unwrap();
    }
    let hidden = hosted.pull_requests("acme/web").await;
    match hosted.face {
        Face::GitHub => {
            assert!(matches!(hidden, Err(ForgeError::Protocol { .. })), "never as if there were none: {hidden:?}");
        }
        // It is asked for those of one author, and can be asked for as many as there are.
        Face::GitLab => assert_eq!(hidden.unwrap()[0].number, 1),
    }
    assert_eq!(hosted.pull_requests("acme/api").await.unwrap(), []);
    hosted.finish();
}

async fn a_label_beyond_the_first_page_is_seen(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    for number in 0..130 {
        hosted.embedded.label(&name("acme/web"), 1, &format!("label-{number:03}")).unwrap();
    }
    hosted.embedded.label(&name("acme/web"), 1, "refrom:hold").unwrap();
    let labels = &hosted.pull_requests("acme/web").await.unwrap()[0].labels;
    assert_eq!((labels.len(), labels.last().map(String::as_str)), (131, Some("refrom:hold")));
    hosted.finish();
}

async fn whether_it_can_be_merged_may_not_be_known_yet(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    for (flag, expected) in [(Flag::MergeableUnknown, Mergeable::Unknown), (Flag::MergeableKnown, Mergeable::Clean)] {
        hosted.embedded.set(&name("acme/web"), flag).unwrap();
        assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].mergeable, expected);
    }
    hosted.finish();
}

async fn opening_twice_gives_the_one_that_is_open(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let first = hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    let second = hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    assert_eq!((first.number, first.url), (second.number, second.url));
    let no_base = NewPullRequest { base: branch("none"), ..new_pull_request() };
    let refused = hosted.adapter.open(&name("acme/web"), &no_base).await;
    let word = if hosted.face == Face::GitHub { "base" } else { "Target branch" };
    assert!(matches!(&refused, Err(ForgeError::Invalid { message }) if message.contains(word)), "{refused:?}");
    hosted.finish();
}

async fn somebody_elses_pull_request_from_our_branch_is_in_the_way(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let sides = (&branch("refrom/base-images"), &branch("main"));
    hosted.embedded.open_by("ada", &name("acme/web"), sides, Origin::SameRepository).unwrap();
    let refused = hosted.adapter.open(&name("acme/web"), &new_pull_request()).await;
    let number = hosted.numbered(1);
    assert!(matches!(&refused, Err(ForgeError::Denied { message }) if message.contains(&number)), "{refused:?}");
    hosted.finish();
}

async fn a_lost_answer_does_not_open_twice(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.embedded.fail(Fault::next(hosted.known_by(Kind::Open), FaultKind::LostAnswer));
    let opened = hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    assert_eq!(opened.number, 1);
    assert_eq!(hosted.count(&hosted.embedded.traffic().exchanges(), Kind::Open), 1);
    assert_eq!(hosted.embedded.pull_requests(&name("acme/web")).unwrap().len(), 1);
    hosted.finish();
}

async fn a_failure_before_anything_happened_is_repeated(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    for kind in [Kind::Open, Kind::List, Kind::Read, Kind::Change] {
        hosted.embedded.fail(Fault::next(hosted.known_by(kind), FaultKind::Status(502)));
    }
    assert_eq!(hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap().number, 1);
    hosted.adapter.update(&name("acme/web"), 1, "title", "body").await.unwrap();
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].title, "title");
    for _ in 0..3 {
        hosted.embedded.fail(Fault::next(hosted.known_by(Kind::Change), FaultKind::Status(503)));
    }
    let given_up = hosted.adapter.update(&name("acme/web"), 1, "title", "body").await;
    assert!(matches!(given_up, Err(ForgeError::Unavailable { .. })), "{given_up:?}");
    hosted.finish();
}

async fn what_the_forge_refuses_besides_is_a_warning(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let new = NewPullRequest {
        labels: vec!["base-image".into(), "x".repeat(256)],
        reviewers: vec!["ada".into(), "stranger".into(), "@acme/nobody".into()],
        assignees: vec!["bob".into(), "stranger".into()],
        ..new_pull_request()
    };
    let opened = hosted.adapter.open(&name("acme/web"), &new).await.unwrap();
    assert_eq!(opened.warnings.len(), 4, "{:?}", opened.warnings);
    let team = if hosted.face == Face::GitHub { "team `nobody`" } else { "reviewer `@acme/nobody`" };
    for (warning, part) in opened.warnings.iter().zip(["xxx", "assignee `stranger`", "reviewer `stranger`", team]) {
        assert!(warning.contains(part), "{warning}");
    }
    let hosted_one = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap();
    assert_eq!(hosted_one.labels, BTreeSet::from(["base-image".into()]));
    assert_eq!(hosted_one.reviewers, BTreeSet::from(["ada".into()]));
    assert_eq!(hosted_one.assignees, BTreeSet::from(["bob".into()]));
    hosted.finish();
}

async fn labels_reviewers_and_assignees_are_set(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let new = NewPullRequest {
        labels: vec!["base-image".into()],
        reviewers: vec!["@ada".into(), "bob".into()],
        assignees: vec!["@bob".into()],
        ..new_pull_request()
    };
    let opened = hosted.adapter.open(&name("acme/web"), &new).await.unwrap();
    assert_eq!(opened.warnings, [""; 0]);
    let hosted_one = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap();
    assert_eq!(hosted_one.reviewers, BTreeSet::from(["ada".into(), "bob".into()]));
    assert_eq!((hosted_one.labels.len(), hosted_one.assignees.len()), (1, 1));
    hosted.finish();
}

async fn title_and_body_are_changed(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    hosted.embedded.fail(Fault::next(hosted.known_by(Kind::Change), FaultKind::LostAnswer));
    hosted.adapter.update(&name("acme/web"), 1, "new title", "new body").await.unwrap();
    let changed = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap();
    assert_eq!((changed.title.as_str(), changed.body.as_str()), ("new title", "new body"));
    let missing = hosted.adapter.update(&name("acme/web"), 7, "t", "b").await;
    let number = hosted.numbered(7);
    assert!(matches!(&missing, Err(ForgeError::NotFound { what }) if what.contains(&number)), "{missing:?}");
    hosted.finish();
}

async fn closing_says_why_first(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    hosted.requests();
    hosted.embedded.fail(Fault::next(hosted.known_by(Kind::Change), FaultKind::LostAnswer));
    hosted.adapter.close(&name("acme/web"), 1, "No longer needed.").await.unwrap();
    let closed = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap();
    assert_eq!(closed.state, PullRequestState::Closed);
    assert_eq!(closed.comments.len(), 1);
    assert!(closed.comments[0].1.starts_with("No longer needed."));
    let requests = hosted.requests();
    let place = |kind: Kind| requests.iter().position(|exchange| hosted.is(exchange, kind)).unwrap();
    assert!(place(Kind::Comment) < place(Kind::Change));
    hosted.finish();
}

async fn a_comment_is_made_once(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let web = name("acme/web");
    hosted.adapter.open(&web, &new_pull_request()).await.unwrap();
    hosted.embedded.comment(&web, 1, ("ada", "I say <!-- refrom:foreign -->")).unwrap();
    hosted.adapter.comment_once(&web, 1, "foreign", "Somebody else's commit.").await.unwrap();
    for number in 0..250 {
        hosted.embedded.comment(&web, 1, ("ada", &format!("talk {number}"))).unwrap();
    }
    hosted.adapter.comment_once(&web, 1, "foreign", "Somebody else's commit.").await.unwrap();
    hosted.adapter.comment_once(&web, 1, "other", "Something else.").await.unwrap();
    let comments = hosted.embedded.pull_request(&web, 1).unwrap().comments;
    let ours: Vec<_> = comments.iter().filter(|(author, _)| author == hosted.login).collect();
    assert_eq!(ours.len(), 2, "somebody else's marker does not count, and ours is found behind 250 comments");
    for key in ["", "a b", "a--b", "-->"] {
        assert!(matches!(hosted.adapter.comment_once(&web, 1, key, "x").await, Err(ForgeError::Invalid { .. })));
    }
    hosted.finish();
}

async fn a_lost_answer_does_not_comment_twice(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    hosted.embedded.fail(Fault::next(hosted.known_by(Kind::Comment), FaultKind::LostAnswer));
    hosted.adapter.comment_once(&name("acme/web"), 1, "foreign", "Hello.").await.unwrap();
    assert_eq!(hosted.embedded.pull_request(&name("acme/web"), 1).unwrap().comments.len(), 1);
    hosted.finish();
}

async fn a_text_that_is_too_long_is_not_sent(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let max = hosted.body_characters_max();
    let fits = NewPullRequest { body: "ü".repeat(max), ..new_pull_request() };
    let number = hosted.adapter.open(&name("acme/web"), &fits).await.unwrap().number;
    hosted.requests();
    let long = "ü".repeat(max + 1);
    let results = [
        hosted.adapter.open(&name("acme/web"), &NewPullRequest { body: long.clone(), ..fits }).await.map(drop),
        hosted.adapter.update(&name("acme/web"), number, "t", &long).await,
        hosted.adapter.comment_once(&name("acme/web"), number, "k", &long).await,
    ];
    assert!(results.iter().all(|result| matches!(result, Err(ForgeError::Invalid { .. }))), "{results:?}");
    assert_eq!(hosted.requests(), []);
    hosted.finish();
}

async fn a_short_rate_limit_is_waited_for(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    for kind in [Kind::Open, Kind::List, Kind::Comment, Kind::Change] {
        hosted.embedded.fail(Fault::next(hosted.known_by(kind), short_limit()));
    }
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    assert_eq!(hosted.listed(&select(&["acme/*"])).await.0, ["acme/web"]);
    hosted.adapter.close(&name("acme/web"), 1, "Done.").await.unwrap();
    assert_eq!(hosted.embedded.pull_request(&name("acme/web"), 1).unwrap().comments.len(), 1);
    hosted.finish();
}

async fn a_long_rate_limit_is_told_and_nothing_more_is_sent(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    hosted.embedded.fail(Fault::next(hosted.known_by(Kind::Change), FaultKind::PrimaryLimit { reset_in: 1_800 }));
    hosted.requests();
    for _ in 0..2 {
        let limited = hosted.adapter.update(&name("acme/web"), 1, "t", "b").await;
        let Err(ForgeError::RateLimited { retry_after: Some(wait) }) = limited else { panic!("{limited:?}") };
        assert!((1_790..=1_800).contains(&wait.as_secs()), "{wait:?}");
    }
    // GitLab is first asked whether it is a draft.
    let looks = usize::from(hosted.face == Face::GitLab);
    assert_eq!(hosted.requests().len(), 1 + looks, "the second call is not sent");
    hosted.finish();
}

async fn a_renamed_repository_is_told_by_its_new_name(hosted: Hosted) {
    hosted.repository_behind("acme/before");
    hosted.embedded.rename(&name("acme/before"), &name("acme/after")).unwrap();
    let renamed = hosted.adapter.open(&name("acme/before"), &new_pull_request()).await;
    assert!(matches!(&renamed, Err(ForgeError::Renamed { now, .. }) if now == "acme/after"), "{renamed:?}");
    assert_eq!(hosted.embedded.pull_requests(&name("acme/after")).unwrap(), []);
    hosted.finish();
}

async fn an_archived_repository_is_not_written_to(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.embedded.set(&name("acme/web"), Flag::Archived).unwrap();
    let refused = hosted.adapter.open(&name("acme/web"), &new_pull_request()).await;
    let word = if hosted.face == Face::GitHub { "archived" } else { "403" };
    assert!(matches!(&refused, Err(ForgeError::Denied { message }) if message.contains(word)), "{refused:?}");
    hosted.finish();
}

async fn a_missing_permission_is_told(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    hosted.embedded.deny(Permission::RequestReviews);
    let new = NewPullRequest { reviewers: vec!["ada".into(), "bob".into()], ..new_pull_request() };
    let opened = hosted.adapter.open(&name("acme/web"), &new).await.unwrap();
    match hosted.face {
        Face::GitHub => assert!(matches!(opened.warnings.as_slice(), [one] if one.contains("not allowed"))),
        // It leaves out whom it does not ask, and says nothing.
        Face::GitLab => assert_eq!(opened.warnings.len(), 2, "{:?}", opened.warnings),
    }
    hosted.embedded.deny(Permission::OpenPullRequests);
    let refused = hosted.adapter.open(&name("acme/web"), &new).await;
    assert!(matches!(refused, Err(ForgeError::Denied { .. })), "{refused:?}");
    hosted.finish();
}

async fn git_gets_an_address_and_a_token_that_work(hosted: Hosted) {
    hosted.repository("acme/web");
    let remote = hosted.adapter.git_access(&name("acme/web")).await.unwrap();
    assert_eq!((remote.url.path(), remote.url.username(), remote.url.password()), ("/acme/web.git", "", None));
    let (user, token) = remote.credentials.unwrap();
    let client = refrom::net::client(&Default::default(), refrom::net::Redirects::Manual).unwrap();
    let url = format!("{}/info/refs?service=git-upload-pack", remote.url);
    let signed = client.get(&url).basic_auth(user, Some(token.expose_secret())).send().await.unwrap();
    assert_eq!(signed.status(), 200);
    assert!(signed.bytes().await.unwrap().windows(15).any(|bytes| bytes == b"refs/heads/main"));
    hosted.finish();
}

/// An open pull request `#1` whose checks run, and its head.
async fn open_and_running(hosted: &Hosted) -> CommitId {
    let bare = hosted.repository_behind("acme/web");
    hosted.adapter.open(&name("acme/web"), &new_pull_request()).await.unwrap();
    let head = bare.head(&branch("refrom/base-images")).unwrap().unwrap();
    hosted.embedded.set_checks(&name("acme/web"), &head, Pipeline::Pending).unwrap();
    head
}

async fn the_pipeline_of_an_open_one_is_told_with_its_times(hosted: Hosted) {
    let head = open_and_running(&hosted).await;
    for checks in [Pipeline::Pending, Pipeline::Failed, Pipeline::Passed, Pipeline::Absent] {
        hosted.embedded.set_checks(&name("acme/web"), &head, checks).unwrap();
        let found = hosted.pull_requests("acme/web").await.unwrap().remove(0);
        assert_eq!(found.pipeline, checks);
        assert!(found.opened_at.is_some() && found.merged_at.is_none() && !found.is_draft, "{found:?}");
    }
    hosted.embedded.merge(&name("acme/web"), 1).unwrap();
    let merged = hosted.pull_requests("acme/web").await.unwrap().remove(0);
    assert_eq!(merged.state, PullRequestState::Merged);
    assert!(merged.merged_at > merged.opened_at, "{merged:?}");
    hosted.finish();
}

async fn it_is_merged_by_the_forge_once_its_checks_have_passed(hosted: Hosted) {
    let head = open_and_running(&hosted).await;
    for _ in 0..2 {
        hosted.adapter.auto_merge(&name("acme/web"), 1, &head).await.unwrap();
        let waiting = hosted.pull_requests("acme/web").await.unwrap().remove(0);
        assert!(waiting.is_auto_merging && waiting.state == PullRequestState::Open, "{waiting:?}");
    }
    hosted.embedded.set_checks(&name("acme/web"), &head, Pipeline::Passed).unwrap();
    assert_eq!(hosted.pull_requests("acme/web").await.unwrap()[0].state, PullRequestState::Merged);
    hosted.finish();
}

async fn another_head_and_what_is_not_there_are_not_merged(hosted: Hosted) {
    let head = open_and_running(&hosted).await;
    let main = hosted.embedded.repository(&name("acme/web")).unwrap().head(&branch("main")).unwrap().unwrap();
    let moved = hosted.adapter.auto_merge(&name("acme/web"), 1, &main).await;
    assert!(matches!(moved, Err(ForgeError::Invalid { .. })), "{moved:?}");
    let missing = hosted.adapter.auto_merge(&name("acme/web"), 7, &head).await;
    assert!(matches!(missing, Err(ForgeError::NotFound { .. })), "{missing:?}");
    assert!(!hosted.pull_requests("acme/web").await.unwrap()[0].is_auto_merging);
    hosted.finish();
}

async fn where_it_is_not_allowed_nothing_is_merged(hosted: Hosted) {
    let head = open_and_running(&hosted).await;
    hosted.embedded.set(&name("acme/web"), Flag::NoAutoMerge).unwrap();
    let refused = hosted.adapter.auto_merge(&name("acme/web"), 1, &head).await;
    assert!(matches!(refused, Err(ForgeError::Denied { .. })), "{refused:?}");
    assert!(!hosted.pull_requests("acme/web").await.unwrap()[0].is_auto_merging);
    hosted.finish();
}

async fn a_lost_answer_does_not_tell_to_merge_twice(hosted: Hosted) {
    let head = open_and_running(&hosted).await;
    let telling = match hosted.face {
        Face::GitHub => "#EnableAutoMerge",
        Face::GitLab => "PUT /projects/acme/web/merge_requests/1/merge",
    };
    hosted.embedded.fail(Fault::next(telling, FaultKind::LostAnswer));
    hosted.adapter.auto_merge(&name("acme/web"), 1, &head).await.unwrap();
    let found = hosted.pull_requests("acme/web").await.unwrap().remove(0);
    assert!(found.is_auto_merging && found.state == PullRequestState::Open, "{found:?}");
    hosted.finish();
}

/// A commit over a script, a text in another encoding, and a file that stays.
fn api_commit(bare: &BareRepository) -> ApiCommit {
    let before = [
        ("bin/build.sh", Content::Executable(b"old\n")),
        ("latin1.Dockerfile", Content::File(b"FROM b\n")),
        ("other", Content::File(b"stays\n")),
    ];
    let base = bare.commit(&branch("main"), &before, "script").unwrap();
    let files = [
        ("Dockerfile", 0o100_644, b"FROM a\r\n".to_vec()),
        ("bin/build.sh", 0o100_755, b"#!/bin/sh\n".to_vec()),
        ("latin1.Dockerfile", 0o100_644, b"# \xe4\nFROM a\n".to_vec()),
    ];
    let files = files.into_iter().map(|(path, mode, bytes)| (path.to_owned(), (mode, bytes))).collect();
    let message = "build(deps): refresh\n\nWhy.\n".to_owned();
    ApiCommit { base, message, files, scratch: branch("refrom/x-scratch") }
}

async fn a_commit_is_made_with_its_files_modes_and_message(hosted: Hosted) {
    let bare = hosted.repository("acme/web");
    let new = api_commit(&bare);
    let before = bare.branches().unwrap();
    // A scratch branch that was left behind is no obstacle.
    let first = hosted.adapter.commit(&name("acme/web"), &new).await.unwrap();
    let made = hosted.adapter.commit(&name("acme/web"), &new).await.unwrap();
    let git = git2::Repository::open_bare(bare.directory()).unwrap();
    let find = |id: &CommitId| git.find_commit(git2::Oid::from_str(id.as_str()).unwrap()).unwrap();
    let (commit, tree) = (find(&made), find(&made).tree().unwrap());
    for (path, (mode, content)) in &new.files {
        assert_eq!(bare.read(&made, path).unwrap().as_ref(), Some(content), "{path}");
        assert_eq!(tree.get_path(path.as_ref()).unwrap().filemode().unsigned_abs(), *mode, "{path}");
    }
    assert_eq!(bare.read(&made, "other").unwrap(), Some(b"stays\n".to_vec()));
    assert_eq!(commit.message().unwrap().trim_end(), new.message.trim_end());
    assert_eq!(commit.parent_ids().map(|id| id.to_string()).collect::<Vec<_>>(), [new.base.to_string()]);
    assert_eq!(find(&first).tree_id(), tree.id());
    let mut expected = before;
    if hosted.adapter.leaves_scratch_branch() {
        expected.push((new.scratch.clone(), made));
    }
    assert_eq!(bare.branches().unwrap(), expected);
    hosted.finish();
}

async fn the_addresses_of_such_commits_are_known_before_and_asked_for_once(hosted: Hosted) {
    let bare = hosted.repository("acme/web");
    let emails = hosted.adapter.commit_emails().await.unwrap();
    let made = hosted.adapter.commit(&name("acme/web"), &api_commit(&bare)).await.unwrap();
    let (author, committer) = bare.emails(&made).unwrap();
    assert!(emails.contains(&author) && emails.contains(&committer), "{author} {committer} {emails:?}");
    let asked = hosted.embedded.traffic().exchanges().len();
    assert_eq!(hosted.adapter.commit_emails().await.unwrap(), emails);
    assert_eq!(hosted.embedded.traffic().exchanges().len(), asked);
    hosted.finish();
}

async fn what_an_interrupted_opening_left_unset_is_set_or_said(hosted: Hosted) {
    hosted.repository_behind("acme/web");
    let (label, ada) = ("Base-Image".to_owned(), "ada".to_owned());
    let whole = NewPullRequest {
        labels: vec![label.clone()],
        reviewers: vec![ada.clone()],
        assignees: vec![ada],
        ..new_pull_request()
    };
    // GitLab opens with all of it or not at all.
    let opening = if hosted.face == Face::GitLab { whole.clone() } else { new_pull_request() };
    hosted.adapter.open(&name("acme/web"), &opening).await.unwrap();
    for _ in 0..2 {
        assert_eq!(hosted.adapter.finish_opening(&name("acme/web"), 1, &whole).await.unwrap(), [""; 0]);
        let found = hosted.embedded.pull_request(&name("acme/web"), 1).unwrap();
        assert_eq!((found.labels.len(), found.reviewers.len(), found.assignees.len()), (1, 1, 1), "{found:?}");
    }
    let more = NewPullRequest { assignees: vec!["@nobody".into()], ..whole };
    let warnings = hosted.adapter.finish_opening(&name("acme/web"), 1, &more).await.unwrap();
    assert_eq!(warnings, ["the assignee `nobody` could not be set"]);
    hosted.finish();
}
