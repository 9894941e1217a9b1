//! Every situation of a pull request, one by one.

use refrom::domain::candidates::{UseState, behind};
use refrom::domain::image::ManifestKind;
use refrom::domain::marker::Marker;
use refrom::domain::plan::{HOLD_LABEL, plan};
use refrom::domain::policy::{CommentMode, DeniedDigest, Grouping};
use refrom::domain::pull_request::{Mergeable, PullRequestState};

use crate::plan_world::{Content, OURS, WEB, WHOLE, World, branch, digest, manifests, says, tag};

const PERSON: &str = "person@acme.example";
const NOTHING: [&str; 0] = [];

#[test]
fn nothing_behind_is_nothing_to_do() {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", "dhi.io/nginx:1", 'a');
    assert_eq!(world.cycle(), NOTHING);
}

#[test]
fn a_moved_tag_is_proposed_once() {
    let mut world = World::one_behind();
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert_eq!(world.writes, ["push refrom/base-images", "open #1"]);
    assert_eq!(world.cycle(), ["#1 is up to date"]);
    assert_eq!(world.writes.len(), 2);
}

#[test]
fn a_pull_request_that_is_no_longer_needed_is_closed_and_its_branch_deleted() {
    let mut world = World::one_open();
    world.web().pins[0].digest = digest('b');
    assert_eq!(world.cycle(), ["close #1: NothingBehind, deletes its branch"]);
    assert_eq!(world.cycle(), NOTHING);
}

#[test]
fn what_refrom_closed_itself_is_no_refusal() {
    let mut world = World::one_behind();
    world.saw("dhi.io/nginx:1", "a");
    world.cycle();
    world.moves("dhi.io/nginx:1", 'a');
    world.cycle();
    world.moves("dhi.io/nginx:1", 'b');
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn a_newer_digest_replaces_the_commit_and_the_words() {
    let mut world = World::one_open();
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→c"]);
    assert_eq!(world.writes[2..], ["push refrom/base-images", "edit #1"]);
    assert_eq!(Marker::read(&world.pull_request(1).body).unwrap().pins[0].new, digest('c'));
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn a_persons_words_around_the_block_and_a_moved_base_change_nothing() {
    let mut world = World::one_open();
    let open = world.pull_request(1);
    open.title = "Security: new nginx".to_owned();
    open.body = format!("Please review!\r\n{}", open.body.replace('\n', "\r\n"));
    world.web().commits += 1;
    let added = world.web().pins[0].clone();
    world.web().pins.insert(0, crate::plan_world::Pinned { tag: tag("dhi.io/node:2"), digest: digest('n'), ..added });
    world.moves("dhi.io/node:2", 'n');
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn a_new_use_of_the_same_image_joins_the_open_pull_request() {
    let mut world = World::one_open();
    world.pin(WEB, "Dockerfile", "dhi.io/nginx:1", 'a');
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→b, Dockerfile:2 nginx a→b"]);
}

#[test]
fn a_conflicting_pull_request_is_rebuilt_on_the_new_head() {
    let mut world = World::one_open();
    world.web().commits += 1;
    world.pull_request(1).mergeable = Mergeable::Conflicting;
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→b"]);
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn somebody_elses_commit_is_left_alone_and_said_so() {
    let mut world = World::one_open();
    world.push(WEB, WHOLE, PERSON);
    world.moves("dhi.io/nginx:1", 'c');
    let left = "leave #1 alone, and says so: somebody else's commit is on the branch of #1";
    assert_eq!(world.cycle(), [left, "Dockerfile line 1 waits: somebody else's commit is on the branch of #1"]);
    // Not even when it is no longer needed.
    world.web().pins[0].digest = digest('c');
    assert_eq!(world.cycle(), [left]);
}

#[test]
fn our_commit_is_known_by_the_marker_when_another_address_is_configured() {
    let mut world = World::one_open();
    world.web().branches.get_mut(&branch(WHOLE)).unwrap().author_email = "old-bot@refrom.example".to_owned();
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn closing_without_merging_refuses_those_digests_and_no_others() {
    let mut world = World::one_open();
    world.close(1);
    assert_eq!(world.cycle(), ["Dockerfile line 1 waits: refused by closing #1"]);
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→c"]);
}

#[test]
fn a_refusal_holds_under_another_grouping_and_in_no_other_repository() {
    let mut world = World::one_open();
    world.close(1);
    world.web().policy.group = Grouping::Image;
    world.pin("acme/api", "Dockerfile", "dhi.io/nginx:1", 'a');
    assert_eq!(
        world.cycle(),
        ["open refrom/base-images: Dockerfile:1 nginx a→b", "Dockerfile line 1 waits: refused by closing #1"]
    );
    world.web().policy.group = Grouping::File;
    world.web().branches.clear();
    assert_eq!(world.cycle()[1..], ["Dockerfile line 1 waits: refused by closing #1"]);
}

#[test]
fn a_refusal_withdraws_nothing_that_is_open() {
    let mut world = World::one_behind();
    world.web().policy.group = Grouping::File;
    world.pin(WEB, "api/Dockerfile", "dhi.io/nginx:1", 'a');
    world.cycle();
    world.close(1);
    assert_eq!(world.cycle(), ["#2 is up to date", "api/Dockerfile line 1 waits: refused by closing #1"]);
}

#[test]
fn a_reopened_pull_request_is_followed_again() {
    let mut world = World::one_open();
    world.close(1);
    world.cycle();
    world.pull_request(1).state = PullRequestState::Open;
    assert_eq!(world.cycle(), ["#1 is up to date"]);
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→c"]);
}

#[test]
fn a_merged_branch_is_deleted_unless_it_moved_since() {
    let mut world = World::one_open();
    world.merge(1);
    assert_eq!(says(&world.plan()), ["delete refrom/base-images: Merged"]);
    world.push(WEB, WHOLE, PERSON);
    assert_eq!(world.cycle(), NOTHING);
}

#[test]
fn a_merged_branch_is_used_again_for_the_next_digest() {
    let mut world = World::one_open();
    // A person's commit was merged with it: nothing is lost.
    world.push(WEB, WHOLE, PERSON);
    world.merge(1);
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx b→c"]);
}

#[test]
fn a_held_pull_request_stays_exactly_as_it_is_until_the_label_goes() {
    let mut world = World::one_open();
    world.pull_request(1).labels.push(HOLD_LABEL.to_owned());
    world.moves("dhi.io/nginx:1", 'c');
    let held = ["leave #1 alone: held by `refrom:hold` on #1", "Dockerfile line 1 waits: held by `refrom:hold` on #1"];
    assert_eq!(world.cycle(), held);
    // Its pins are not proposed elsewhere either.
    world.web().policy.group = Grouping::Image;
    assert_eq!(world.cycle(), held);
    world.web().policy.enabled = false;
    assert_eq!(world.cycle(), held[..1]);
    world.web().policy.enabled = true;
    world.web().policy.group = Grouping::Repository;
    world.pull_request(1).labels.clear();
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→c"]);
}

#[test]
fn killed_between_push_and_opening_the_next_cycle_opens_without_a_push() {
    let mut world = World::one_open();
    world.web().pull_requests.clear();
    world.writes.clear();
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert_eq!(world.writes, ["open #2"]);
}

#[test]
fn killed_between_push_and_edit_the_next_cycle_edits() {
    let mut world = World::one_open();
    let body = world.pull_request(1).body.clone();
    world.moves("dhi.io/nginx:1", 'c');
    world.cycle();
    // The body is the old one again, and the tag went back: the branch holds what the body does not say.
    world.pull_request(1).body = body;
    world.moves("dhi.io/nginx:1", 'b');
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→b"]);
}

#[test]
fn killed_between_closing_and_deleting_the_next_cycle_deletes() {
    let mut world = World::one_open();
    let branches = world.web().branches.clone();
    world.moves("dhi.io/nginx:1", 'a');
    world.cycle();
    world.web().branches = branches;
    assert_eq!(world.cycle(), ["delete refrom/base-images: Withdrawn"]);
}

#[test]
fn a_branch_that_never_got_a_pull_request_and_is_not_needed_is_deleted() {
    let mut world = World::one_open();
    world.web().pull_requests.clear();
    world.fails("dhi.io/nginx:1");
    assert_eq!(says(&world.plan()), ["Dockerfile line 1 waits: unknown: HTTP 503"]);
    world.moves("dhi.io/nginx:1", 'a');
    assert_eq!(world.cycle(), ["delete refrom/base-images: Leftover"]);
}

#[test]
fn somebody_elses_branch_without_a_pull_request_is_left_alone() {
    let mut world = World::one_behind();
    world.push(WEB, WHOLE, PERSON);
    let waits = "Dockerfile line 1 waits: somebody else's commit is on the branch `refrom/base-images`";
    assert_eq!(world.cycle(), [waits]);
    world.push(WEB, WHOLE, OURS);
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn a_branch_that_moved_while_it_was_looked_at_waits_for_the_next_cycle() {
    let mut world = World::one_open();
    world.pull_request(1).head = crate::plan_world::commit("later");
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle()[0], "leave #1 alone: the branch of #1 moved while it was looked at");
    assert!(world.plan().is_incomplete());
}

#[test]
fn a_block_that_cannot_be_read_is_never_guessed() {
    for (body, why) in [
        ("all gone", "its hidden block is missing"),
        ("<!-- refrom {\"version\":9} -->", "its hidden block has version 9, this refrom knows 2"),
    ] {
        let mut world = World::one_open();
        // A marker names our commit no more, but the addresses are ours.
        world.pull_request(1).body = body.to_owned();
        world.moves("dhi.io/nginx:1", 'c');
        let left = format!("#1 is left alone: {why}");
        assert_eq!(world.cycle(), [format!("leave #1 alone: {left}"), format!("Dockerfile line 1 waits: {left}")]);
    }
}

#[test]
fn a_changed_grouping_closes_what_is_no_subject_any_more() {
    let mut world = World::one_behind();
    world.pin(WEB, "Dockerfile", "dhi.io/node:2", 'm');
    world.moves("dhi.io/node:2", 'n');
    world.cycle();
    world.web().policy.group = Grouping::Image;
    let said = world.cycle();
    assert_eq!(said[0], "close #1: Regrouped, deletes its branch");
    assert!(said[1].starts_with("open refrom/dhi-io-nginx-") && said[1].ends_with(": Dockerfile:1 nginx a→b"));
    assert!(said[2].starts_with("open refrom/dhi-io-node-") && said[2].ends_with(": Dockerfile:2 node m→n"));
    world.web().policy.group = Grouping::Repository;
    assert_eq!(
        world.cycle(),
        [
            "close #2: Regrouped, deletes its branch",
            "close #3: Regrouped, deletes its branch",
            "open refrom/base-images: Dockerfile:1 nginx a→b, Dockerfile:2 node m→n"
        ]
    );
    assert_eq!(world.cycle(), ["#4 is up to date"]);
}

#[test]
fn switching_refrom_off_withdraws_what_is_open() {
    let mut world = World::one_open();
    world.web().policy.enabled = false;
    assert_eq!(world.cycle(), ["close #1: Disabled, deletes its branch"]);
    world.web().policy.enabled = true;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn another_base_branch_gets_a_pull_request_of_its_own() {
    let mut world = World::one_open();
    world.web().policy.base = Some(branch("release"));
    assert_eq!(world.cycle(), ["open refrom/base-images replacing #1: Dockerfile:1 nginx a→b"]);
    assert_eq!(world.pull_request(2).base, branch("release"));
    assert_eq!(world.cycle(), ["#2 is up to date"]);
}

#[test]
fn another_treatment_of_comments_rebuilds_the_branch() {
    let mut world = World::one_open();
    world.web().policy.comment = CommentMode::Write;
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→b"]);
    world.web().policy.labels.clear();
    world.web().policy.title = Some("other".to_owned());
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn a_registry_that_cannot_be_asked_closes_nothing_and_stops_nothing_else() {
    let mut world = World::one_behind();
    world.pin(WEB, "Dockerfile", "cgr.dev/node:2", 'm');
    world.moves("cgr.dev/node:2", 'n');
    world.cycle();
    world.fails("cgr.dev/node:2");
    let waits = "Dockerfile line 2 waits: unknown: HTTP 503";
    assert_eq!(world.cycle(), ["#1 is up to date", waits]);
    assert!(world.plan().is_incomplete());
    world.moves("dhi.io/nginx:1", 'c');
    // What cannot be asked stays as it was proposed.
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→c, Dockerfile:2 node m→n", waits]);
    assert_eq!(world.cycle(), ["#1 is up to date", waits]);
    world.fails("dhi.io/nginx:1");
    assert_eq!(world.cycle()[0], "leave #1 alone: unknown: HTTP 503");
}

#[test]
fn a_file_that_could_not_be_read_closes_nothing() {
    let mut world = World::one_open();
    let unread = refrom::domain::candidates::Unknown { reason: "the blob is missing".to_owned() };
    world.web().unread.insert("Dockerfile".to_owned(), unread);
    assert_eq!(world.cycle(), ["leave #1 alone: unknown: the blob is missing"]);
}

#[test]
fn pull_requests_that_could_not_be_read_stop_that_repository_alone() {
    let mut world = World::one_behind();
    world.pin("acme/api", "Dockerfile", "dhi.io/nginx:1", 'a');
    let facts = world.facts();
    let mut knowledge = world.knowledge(&facts);
    let denied = refrom::domain::candidates::Unknown { reason: "not allowed".to_owned() };
    knowledge.pull_requests.insert(facts[1].key(), Err(denied));
    let decided = plan(&facts, &knowledge, &world.limits(), world.now());
    assert_eq!(
        says(&decided),
        [
            "open refrom/base-images: Dockerfile:1 nginx a→b",
            "Dockerfile line 1 waits: unknown: not allowed",
            "problem: not allowed"
        ]
    );
}

#[test]
fn a_digest_is_proposed_only_when_it_is_of_the_same_kind_with_every_platform() {
    let waits = |world: &mut World| world.cycle().remove(0);
    let mut world = World::one_behind();
    world.content('a', |image| image.kind = ManifestKind::Image);
    assert!(waits(&mut world).contains("waits: the pin is a single platform's manifest, the tag is an index"));
    let mut world = World::one_behind();
    world.content('b', |image| image.kind = ManifestKind::Image);
    assert!(waits(&mut world).contains("waits: the pin is an index, the tag is a single platform's manifest"));
    let mut world = World::one_behind();
    world.content('b', |image| image.manifests = manifests(&["amd64", "riscv64"], 'b'));
    assert!(waits(&mut world).ends_with("waits: the new digest lacks platforms of the pinned one: linux/arm64"));
    let mut world = World::one_behind();
    world.contents.insert(digest('b'), Content::Unreadable);
    assert!(waits(&mut world).ends_with("waits: unknown: its new digest could not be read: HTTP 500"));
    let mut world = World::one_behind();
    world.contents.insert(digest('a'), Content::Unreadable);
    assert!(waits(&mut world).ends_with("waits: unknown: its pinned digest could not be looked up: HTTP 500"));
}

#[test]
fn a_pinned_digest_that_is_gone_is_replaced_with_a_remark() {
    let mut world = World::one_behind();
    world.contents.insert(digest('a'), Content::Gone);
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert!(world.pull_request(1).body.contains("The registry no longer gives out the pinned digest"));
}

#[test]
fn no_pin_goes_back_to_a_digest_that_its_tag_had_before() {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", "dhi.io/nginx:1", 'b');
    world.saw("dhi.io/nginx:1", "ab");
    world.moves("dhi.io/nginx:1", 'a');
    let waits = "Dockerfile line 1 waits: the tag points to an older digest than the pinned one: it was seen before it";
    assert_eq!(world.cycle(), [waits]);
    assert!(!world.plan().is_incomplete());
    world.saw("dhi.io/nginx:1", "abc");
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx b→c"]);
    // Back between two digests that both are newer than the pin.
    world.saw("dhi.io/nginx:1", "abcd");
    world.moves("dhi.io/nginx:1", 'd');
    world.cycle();
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx b→c"]);
    world.moves("dhi.io/nginx:1", 'a');
    assert_eq!(world.cycle(), ["close #1: NotProposable, deletes its branch", waits]);
}

#[test]
fn with_an_empty_ledger_the_tag_decides() {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", "dhi.io/nginx:1", 'b');
    world.saw("dhi.io/nginx:1", "a");
    world.moves("dhi.io/nginx:1", 'a');
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx b→a"]);
}

#[test]
fn what_was_merged_while_the_cycle_looked_is_not_proposed_again() {
    let mut world = World::one_open();
    let before = world.web().pins.clone();
    world.merge(1);
    // The files were read before the merge.
    let after = std::mem::replace(&mut world.web().pins, before.clone());
    let merged =
        ["delete refrom/base-images: Merged", "Dockerfile line 1 waits: #1, which moves it, was merged just now"];
    assert_eq!(says(&world.plan()), merged);
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(says(&world.plan()), merged, "nor anything else from the old pin");
    world.moves("dhi.io/nginx:1", 'b');
    world.web().pins = after;
    assert_eq!(world.cycle(), ["delete refrom/base-images: Merged"]);
    // A person puts the old digest back, much later: that refuses nothing.
    world.web().pins = before;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn a_pin_that_was_put_back_beside_a_merged_branch_waits_for_one_cycle() {
    let mut world = World::one_open();
    world.merge(1);
    world.web().pins[0].digest = digest('a');
    assert_eq!(world.cycle()[0], "delete refrom/base-images: Merged");
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn a_refusal_that_cannot_be_read_is_said_where_something_is_opened() {
    let mut world = World::one_open();
    world.pull_request(1).body = "tidied up".to_owned();
    world.close(1);
    let warning =
        "warning: #1 was closed without merging, and what it refused is not known: its hidden block is missing";
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b", warning]);
    assert_eq!(world.cycle(), ["#2 is up to date"]);
}

#[test]
fn deleting_the_branch_of_a_pull_request_refuses_as_closing_it_does() {
    let mut world = World::one_open();
    world.web().branches.clear();
    world.close(1);
    assert_eq!(world.cycle(), ["Dockerfile line 1 waits: refused by closing #1"]);
}

#[test]
fn an_open_pull_request_whose_digest_may_no_longer_be_proposed_is_closed() {
    let mut world = World::one_open();
    let denied = |letter| DeniedDigest { digest: digest(letter), reason: Some("CVE".to_owned()) };
    world.web().policy.denied = vec![denied('b')];
    let waits = format!("Dockerfile line 1 waits: {} is denied: CVE", digest('b').short());
    assert_eq!(world.cycle(), ["close #1: Denied, deletes its branch", &waits]);
}

#[test]
fn an_open_pull_request_stays_where_the_newest_digest_may_not_be_proposed() {
    for (memory, said) in [("a", "#1 is up to date"), ("", "leave #1 alone: the new digest lacks platforms")] {
        let mut world = World::one_behind();
        world.saw("dhi.io/nginx:1", memory);
        world.cycle();
        world.moves("dhi.io/nginx:1", 'c');
        world.content('c', |image| image.manifests = manifests(&["amd64"], 'c'));
        assert!(world.cycle()[0].starts_with(said), "{said}");
        world.moves("dhi.io/nginx:1", 'd');
        assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→d"]);
    }
}

#[test]
fn max_open_counts_what_is_open_already() {
    let mut world = World::one_behind();
    world.web().policy.group = Grouping::File;
    world.web().policy.max_open = Some(1);
    world.pin(WEB, "api/Dockerfile", "dhi.io/nginx:1", 'a');
    let said = world.cycle();
    assert!(said[0].starts_with("open refrom/"), "{said:?}");
    assert!(said[1].ends_with("waits: cap: `max_open` is 1"), "{said:?}");
    assert_eq!(world.cycle()[0], "#1 is up to date");
    assert_eq!(world.repo(WEB).pull_requests.len(), 1);
}

#[test]
fn the_hourly_cap_is_shared_in_turns_and_serves_everyone_in_the_end() {
    let mut world = World::new();
    world.max_new_per_hour = Some(2);
    for name in ["acme/a", "acme/b", "acme/c"] {
        world.repo(name).policy.group = Grouping::File;
        for path in ["one/Dockerfile", "two/Dockerfile"] {
            world.pin(name, path, "dhi.io/nginx:1", 'a');
        }
    }
    world.moves("dhi.io/nginx:1", 'b');
    let mut open = Vec::new();
    for hour in 1..=3 {
        (world.hour, world.opened) = (hour, 0);
        let said = world.cycle();
        assert_eq!(said.iter().filter(|line| line.starts_with("open")).count(), 2, "{said:?}");
        open.push(world.repos.values().map(|repo| repo.pull_requests.len()).collect::<Vec<_>>());
    }
    assert_eq!(open[0].iter().max(), Some(&1), "each repository once before anyone twice: {open:?}");
    assert_eq!(open[1].iter().min(), Some(&1), "{open:?}");
    assert_eq!(open[2], [2, 2, 2]);
}

#[test]
fn one_arg_for_two_uses_is_one_change_or_none() {
    let world = World::one_behind();
    let mut facts = world.facts().remove(0);
    let mut shared = facts.files[0].uses[0].clone();
    facts.files[0].uses.push(shared.clone());
    let observations = world.knowledge(&[]).observations;
    let states = |facts: &_| behind(facts, &observations).pins.into_iter().map(|pin| pin.state).collect::<Vec<_>>();
    assert_eq!(states(&facts), [UseState::Behind { new: digest('b') }, UseState::Behind { new: digest('b') }]);
    shared.tag = Some("2".parse().unwrap());
    facts.files[0].uses[1] = shared;
    assert!(states(&facts).iter().all(|state| matches!(state, UseState::Unknown(_))));
    let mut moved = observations.clone();
    moved.insert(tag("dhi.io/nginx:2"), Ok(digest('c')));
    let states: Vec<_> = behind(&facts, &moved).pins.into_iter().map(|pin| pin.state).collect();
    assert_eq!(states, [UseState::Ambiguous, UseState::Ambiguous]);
}

#[test]
fn more_pins_than_a_marker_holds_wait_for_the_next_pull_request() {
    let mut world = World::new();
    for number in 0..400 {
        world.pin(WEB, &format!("services/{number:03}/Dockerfile"), "dhi.io/nginx:1", 'a');
    }
    world.moves("dhi.io/nginx:1", 'b');
    let said = world.cycle();
    assert!(said[0].starts_with("open "));
    assert!(said[1].ends_with("waits: one pull request cannot hold more pins; this one follows when it is merged"));
    let body = &world.pull_request(1).body;
    assert!(body.len() <= refrom::domain::message::BODY_LENGTH_MAX && body.contains("which this text has no room for"));
    assert_eq!(Marker::read(body).unwrap().pins.len(), 400 - (said.len() - 1));
    assert_eq!(world.cycle()[0], "#1 is up to date");
}

#[test]
fn the_words_say_what_changed_where() {
    let mut world = World::one_behind();
    let plan = world.plan();
    let refrom::domain::plan::Action::Open { proposal, .. } = &plan.repositories[0].actions[0] else { panic!() };
    let (old, new) = (digest('a'), digest('b'));
    assert_eq!(proposal.title, "build(deps): refresh base image dhi.io/nginx:1");
    let message = format!("{}\n\ndhi.io/nginx:1 (1.0-a → 1.0-b)\n  {old}\n  {new}\n", proposal.title);
    assert_eq!(proposal.commit_message, message);
    world.apply(&plan);
    let body = &world.pull_request(1).body;
    let (short_old, short_new) = (old.short(), new.short());
    let row = format!(
        "| `Dockerfile:1` | `dhi.io/nginx:1` | `{short_old}` | `{short_new}` | `1.0-a → 1.0-b` | 2026-11-20 | 12.3 MB |"
    );
    for part in
        [&row, &old.to_string(), &new.to_string(), "close this pull request", "`refrom:hold`", "Written by refrom"]
    {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[test]
fn somebodys_own_templates_are_used_and_a_broken_one_is_replaced_and_named() {
    let mut world = World::one_behind();
    world.web().policy.title = Some("chore: {{ image }}\n by {{ count }}".to_owned());
    world.web().policy.body = Some("{{ pins[5].image }}".to_owned());
    let said = world.cycle();
    assert!(said[1].starts_with("warning: the template `body` failed, the default is used: "), "{said:?}");
    assert_eq!(world.pull_request(1).title, "chore: dhi.io/nginx:1 by 1");
    assert!(world.pull_request(1).body.contains("Full digests"));
}
