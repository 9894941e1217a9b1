//! What holds for a repository, and where it comes from.

use insta::assert_snapshot;
use jiff::SignedDuration;
use refrom::config::{PolicyKey, RepositoryFile};
use refrom::domain::policy::{AutoMerge, CommentMode, CommitMode, Grouping};

use super::{LAYERS, config_of, name, sources};

#[test]
fn the_last_layer_that_sets_a_key_holds() {
    let config = config_of(LAYERS);
    let web = config.policy_for(&name("acme/web"), None).policy;
    assert_eq!((web.group, web.comment, web.draft, web.max_open), (Grouping::Image, CommentMode::Write, true, Some(2)));
    assert_eq!(web.labels, ["d"]);
    assert_eq!(sources(&web.files.include), ["Build"]);
    assert_eq!(sources(&web.files.exclude), ["**/testdata/**"]);
    let worker = config.policy_for(&name("acme/worker"), None).policy;
    assert_eq!((worker.labels, worker.draft, worker.enabled), (vec!["c".to_owned()], false, true));
    assert!(!config.policy_for(&name("other/web"), None).policy.enabled);
    let tree = config.policy_for_work_tree(None, None).policy;
    assert_eq!((tree.labels, tree.group), (vec!["a".to_owned(), "b".to_owned()], Grouping::Image));
}

#[test]
fn a_repository_s_own_file_comes_last() {
    let own = RepositoryFile::read(b"group: file\nlabels: []\n");
    let effective = config_of(LAYERS).policy_for(&name("acme/web"), Some(&own));
    assert_eq!(effective.problem, None);
    assert_eq!((effective.policy.group, effective.policy.draft), (Grouping::File, true));
    assert_eq!(effective.policy.labels, [""; 0]);
    let origins = ["group", "labels", "draft", "comment", "files.include", "base"].map(|key| effective.origin(key));
    assert_eq!(
        origins,
        [
            ".refrom.yaml:1:8",
            ".refrom.yaml:2:9",
            r"refrom.yaml:9:35, repositories[1] (match `/^acme\/(web|api)$/`)",
            "refrom.yaml:4:12",
            "refrom.yaml:7:46, repositories[0] (match `acme/*`)",
            "default",
        ]
    );
}

#[test]
fn an_own_file_waits_for_no_age_that_is_forgotten_before() {
    let config = config_of("ledger: { retention: 60d }\npolicy: { min_age: 3d }");
    let of_own = |own: &str| config.policy_for(&name("acme/web"), Some(&RepositoryFile::read(own.as_bytes())));
    let problem = of_own("group: file\nmin_age: 60d\n").problem.unwrap().to_string();
    assert_snapshot!(problem, @".refrom.yaml:2:10: `min_age`: expected less than the administrator's `ledger.retention`, 60d");
    assert_eq!(of_own("min_age: 60d\n").policy.min_age, SignedDuration::from_hours(3 * 24));
    let effective = of_own("min_age: 59d\nsettle: 300d\n");
    assert_eq!(effective.problem, None, "a digest is not forgotten while its tag points to it");
    assert_eq!(effective.policy.min_age, SignedDuration::from_hours(59 * 24));
}

#[test]
fn nothing_of_a_broken_or_overreaching_file_holds_but_the_opting_out() {
    let problem = |config: &str, own: &str| {
        let effective = config_of(config).policy_for(&name("acme/web"), Some(&RepositoryFile::read(own.as_bytes())));
        assert_eq!(effective.policy.group, Grouping::Repository);
        (effective.problem.map(|problem| problem.to_string()).unwrap_or_default(), effective.policy.enabled)
    };
    let (told, enabled) = problem("policy: {}", "group: file\nlables: [a]\n");
    assert_snapshot!(told, @".refrom.yaml:2:1: `lables`: unknown key `lables`; did you mean `labels`?");
    assert!(enabled);
    let (told, enabled) = problem("policy: {}", "group: file\nimages: [a]\nfiles: { include: [b] }\nenabled: false\n");
    assert_snapshot!(told, @".refrom.yaml:2:9: `images`: only the administrator of refrom may set this (`repository_may_set`)");
    assert!(!enabled);
    let (told, enabled) = problem("repository_may_set: [group]", "enabled: false\nfiles: { include: [b] }\n");
    assert_snapshot!(told, @r"
    .refrom.yaml:1:10: `enabled`: only the administrator of refrom may set this (`repository_may_set`)
    .refrom.yaml:2:19: `files.include`: only the administrator of refrom may set this (`repository_may_set`)
    ");
    assert!(enabled);
    let (told, _) = problem("policy: {}", "group: [\n");
    assert_snapshot!(told, @".refrom.yaml:1:8: unclosed bracket '['");
    let (told, _) = problem("policy: {}", "policy: { group: file }\n");
    assert!(told.starts_with(".refrom.yaml:1:1: `policy`: unknown key `policy`"), "{told}");
}

#[test]
fn a_file_of_comments_sets_nothing() {
    for text in ["", "# later\n", "{}\n", "group:\n"] {
        let effective = config_of("policy: { group: image }")
            .policy_for(&name("acme/web"), Some(&RepositoryFile::read(text.as_bytes())));
        assert_eq!((effective.problem, effective.policy.group), (None, Grouping::Image), "{text:?}");
    }
}

#[test]
fn numbers_and_words_stay_what_was_written() {
    let text =
        "policy: { labels: [no, 1.20, on], tags: [{ image: a, tag: 1.20 }, { image: b, tag: 010 }], assignees: [007] }";
    let policy = config_of(text).policy_for(&name("acme/web"), None).policy;
    assert_eq!(policy.labels, ["no", "1.20", "on"]);
    assert_eq!(policy.tags.iter().map(|(_, tag)| tag.as_str()).collect::<Vec<_>>(), ["1.20", "010"]);
    assert_eq!(policy.assignees, ["007"]);
}

#[test]
fn automerge_is_off_however_off_is_written() {
    for (text, automerge) in [
        ("off", AutoMerge::Off),
        ("false", AutoMerge::Off),
        ("\"off\"", AutoMerge::Off),
        ("when_green", AutoMerge::WhenGreen),
    ] {
        let config = config_of(&format!("policy: {{ automerge: {text}, commits: api }}"));
        let policy = config.policy_for(&name("acme/web"), None).policy;
        assert_eq!((policy.automerge, policy.commits), (automerge, CommitMode::Api), "{text}");
        let own = RepositoryFile::read(format!("automerge: {text}").as_bytes());
        let problem = config.policy_for(&name("acme/web"), Some(&own)).problem.unwrap();
        assert!(problem.to_string().contains("only the administrator"), "{problem}");
    }
}

#[test]
fn the_administrator_says_what_a_repository_may_set() {
    let default = config_of("policy: {}").repository_may_set;
    assert!(default.contains(&PolicyKey::Files) && !default.contains(&PolicyKey::Images));
    let config = config_of("repository_may_set: [images]");
    let effective = config.policy_for(&name("acme/web"), Some(&RepositoryFile::read(b"images: ['dhi.io/*']")));
    assert_eq!(sources(&effective.policy.images), ["dhi.io/*"]);
}

#[test]
fn a_repository_cannot_fill_the_memory_with_patterns() {
    let patterns = vec!["/a{30}{30}/"; 101].join("\n- ");
    let own = RepositoryFile::read(format!("files:\n  include:\n  - {}", patterns.replace("\n", "\n  ")).as_bytes());
    let problem = config_of("policy: {}").policy_for(&name("acme/web"), Some(&own)).problem.unwrap();
    assert_snapshot!(problem, @".refrom.yaml:103:5: `files.include[100]`: too many patterns in this file, from here on");
}
