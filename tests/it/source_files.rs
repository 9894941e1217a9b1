//! The one way from a file to its uses and back: the policy's images, tags, files and patterns, and what is refused.

use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::image_use::ImageUse;
use refrom::domain::pattern::Pattern;
use refrom::domain::policy::{CommentMode, FilePattern, Policy};
use refrom::domain::rewrite::{PinMove, RewriteError, SourceFile, rewrite};
use refrom::domain::source_file;
use regex::Regex;

use super::dockerfiles::bodies;

/// `{a}` is the digest of 64 times `a`, `[a]` are its hex digits alone.
fn written_out(text: &str) -> String {
    "abcd".chars().fold(text.to_owned(), |text, digit| {
        let hex = digit.to_string().repeat(64);
        text.replace(&format!("{{{digit}}}"), &format!("sha256:{hex}")).replace(&format!("[{digit}]"), &hex)
    })
}

fn policy() -> Policy {
    bodies::policy(CommentMode::Update)
}

/// A policy with these regular expressions for `*.mk`.
fn patterns(expressions: &[&str]) -> Policy {
    let files = || vec![Pattern::new("**/*.mk").unwrap(), Pattern::new("Dockerfile").unwrap()];
    let pattern = |expression: &&str| FilePattern { files: files(), regex: Regex::new(expression).unwrap().into() };
    Policy { patterns: expressions.iter().map(pattern).collect(), ..policy() }
}

/// `line image:tag status`, one for each use.
fn shown(uses: &[ImageUse]) -> Vec<String> {
    let show = |one: &ImageUse| {
        let image = one.image.as_ref().map_or_else(|| "?".to_owned(), |image| image.familiar());
        let tag = one.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let reason = match one.status {
            refrom::domain::image_use::Status::Skipped(reason) => format!(" {reason}"),
            _ => String::new(),
        };
        format!("{} {image}{tag} {}{reason}", one.line, one.status)
    };
    uses.iter().map(show).collect()
}

fn read(path: &str, text: &str, policy: &Policy) -> Vec<String> {
    shown(&source_file::read(path, written_out(text).as_bytes(), policy))
}

/// The file with every pin moved to `c…`, from version 1.27.3 to 1.27.4.
fn moved(path: &str, text: &str, policy: &Policy) -> String {
    let text = written_out(text);
    let file = SourceFile { path, bytes: text.as_bytes(), policy };
    let uses = source_file::read(path, file.bytes, policy);
    let image = |digest: Digest, version: &str| Image {
        digest,
        kind: ManifestKind::Index,
        manifests: Default::default(),
        media_type: None,
        end_of_life: None,
        configuration: None,
        version: Some(version.to_owned()),
        created: None,
        size_bytes: None,
    };
    let with_versions = |pin_move: PinMove| PinMove {
        old: uses[pin_move.use_index].digest.map(|old| image(old, "1.27.3")),
        new: Some(image(pin_move.to, "1.27.4")),
        ..pin_move
    };
    let moves: Vec<PinMove> = bodies::moves(&uses).into_iter().map(with_versions).collect();
    String::from_utf8(rewrite(file, &uses, &moves).unwrap()).unwrap()
}

/// Name, tag and digest in one word, with the line above as the comment.
const WORD: &str = r"(?m)^(?:# (?<comment>.*)\n)?\w+ *= *(?<image>[^\s:@]+)(?::(?<tag>[^\s@]*))?@(?<digest>\S+)$";

#[test]
fn a_pattern_file_is_followed_as_a_dockerfile_is() {
    let policy = patterns(&[WORD]);
    let text =
        "# nginx 1.27 (1.27.3, aaaaaaaa)\nBASE = nginx@{a}\r\nA=b:2@{b}\nC=d@{d}\n# nginx 1.26\nE=nginx:1.27@{a}";
    let text = text.replace('\r', "");
    assert_eq!(
        read("x/a.mk", &text, &policy),
        ["2 nginx:1.27 pinned", "3 b:2 pinned", "4 d skipped no-tag", "6 nginx:1.27 pinned"]
    );
    let after = "# nginx 1.27 (1.27.4, cccccccc)\nBASE = nginx@{c}\nA=b:2@{c}\nC=d@{d}\n# nginx 1.26\nE=nginx:1.27@{c}";
    assert_eq!(moved("x/a.mk", &text, &policy), written_out(after));
    let uses = source_file::read("x/a.mk", written_out(&text).as_bytes(), &policy);
    assert_eq!(uses[3].findings.len(), 1, "the comment disagrees");
    assert!(read("x/a.txt", &text, &policy).is_empty());
    // Where a comment would go in another format nobody knows.
    let policy = Policy { comment: CommentMode::Write, ..policy };
    assert_eq!(moved("a.mk", "A=b:2@{b}\n", &policy), written_out("A=b:2@{c}\n"));
}

#[test]
fn groups_may_stand_on_different_lines_and_the_algorithm_outside() {
    let policy = patterns(&[
        r#"image\s*=\s*"(?<image>[^"]+)"\s*tag\s*=\s*"(?<tag>[^"]*)"\s*digest\s*=\s*"(?:sha256:)?(?<digest>[0-9a-f]*)""#,
    ]);
    let text = "image = \"dhi.io/nginx\"\ntag = \"1.27\"\ndigest = \"[a]\"\n";
    assert_eq!(read("a.mk", text, &policy), ["3 dhi.io/nginx:1.27 pinned"]);
    assert_eq!(moved("a.mk", text, &policy), written_out(&text.replace("[a]", "[c]")));
    let with_algorithm = text.replace("[a]", "{a}");
    assert_eq!(moved("a.mk", &with_algorithm, &policy), written_out(&text.replace("[a]", "{c}")));
    // Empty groups are absent ones.
    assert_eq!(read("a.mk", &text.replace("[a]", ""), &policy), ["1 dhi.io/nginx:1.27 unpinned"]);
    assert_eq!(read("a.mk", &text.replace("1.27", ""), &policy), ["3 dhi.io/nginx skipped no-tag"]);
    assert_eq!(read("a.mk", &text.replace("[a]", "abc"), &policy), ["3 dhi.io/nginx:1.27 skipped malformed"]);
}

#[test]
fn another_algorithm_in_a_pattern_is_told() {
    let text = format!("A=b:1@sha512:{}\n", "c".repeat(128));
    assert_eq!(read("a.mk", &text, &patterns(&[WORD])), ["1 b:1 skipped unsupported-algorithm"]);
}

#[test]
fn of_two_patterns_for_one_image_the_earlier_counts() {
    let policy = patterns(&[r"A=(?<image>\S+)", r"(?<image>b:1@\S+)", r"B=(?<image>\S+)"]);
    let text = "A=b:1@{a}\nB=c:1@{b}\nb:1@{d}\n";
    assert_eq!(read("a.mk", text, &policy), ["1 b:1 pinned", "2 c:1 pinned", "3 b:1 pinned"]);
    assert_eq!(moved("a.mk", text, &policy), written_out("A=b:1@{c}\nB=c:1@{c}\nb:1@{c}\n"));
    // An expression that matches nothing at all, and one without the group.
    assert!(read("a.mk", text, &patterns(&["", "(?<digest>x*)"])).is_empty());
}

#[test]
fn a_pattern_adds_to_a_dockerfile_what_the_dockerfile_does_not_tell() {
    let policy = patterns(&[r"(?<image>[\w./]+:[\w.]+)@(?<digest>sha256:[0-9a-f]{64})"]);
    let text = "FROM nginx:1@{a}\nLABEL base=\"b:1@{b}\"\n";
    assert_eq!(read("Dockerfile", text, &policy), ["1 nginx:1 pinned", "2 b:1 pinned"]);
    assert_eq!(moved("Dockerfile", text, &policy), written_out("FROM nginx:1@{c}\nLABEL base=\"b:1@{c}\"\n"));
}

#[test]
fn images_that_the_policy_does_not_follow_are_ignored() {
    let policy = Policy { images: vec![Pattern::new("dhi.io/*").unwrap()], ..policy() };
    let text = "FROM dhi.io/nginx:1@{a} AS a\nFROM nginx:1@{b} AS b\nFROM nginx\nFROM nginx@{d}\nFROM $X\n";
    assert_eq!(
        read("Dockerfile", text, &policy),
        [
            "1 dhi.io/nginx:1 pinned",
            "2 nginx:1 skipped ignored",
            "3 nginx skipped ignored",
            "4 nginx skipped ignored",
            "5 ? skipped variable"
        ]
    );
    assert_eq!(moved("Dockerfile", text, &policy), written_out(&text.replace("{a}", "{c}")));
    // One place for a followed and an ignored image may not change.
    let text = "ARG D={a}\nFROM dhi.io/nginx:1@$D AS a\nFROM nginx:1@$D\n";
    let expected = ["1 dhi.io/nginx:1 skipped ambiguous", "1 nginx:1 skipped ignored"];
    assert_eq!(read("Dockerfile", text, &policy), expected);
}

#[test]
fn the_tag_comes_from_the_reference_then_the_comment_then_the_configuration() {
    let tags = vec![(Pattern::new("nginx").unwrap(), "9".parse().unwrap())];
    let policy = Policy { tags, ..policy() };
    let text =
        "FROM nginx:1@{a} AS a\n# nginx 2\nFROM nginx@{a} AS b\nFROM nginx@{b} AS c\nFROM other@{b}\nFROM nginx\n";
    let expected =
        ["1 nginx:1 pinned", "3 nginx:2 pinned", "4 nginx:9 pinned", "5 other skipped no-tag", "6 nginx unpinned"];
    assert_eq!(read("Dockerfile", text, &policy), expected);
    let uses = source_file::read("Dockerfile", written_out(text).as_bytes(), &policy);
    let sources: Vec<_> = uses.iter().map(|one| one.tag_source.map(|source| source.as_str())).collect();
    assert_eq!(sources, [Some("reference"), Some("comment"), Some("config"), None, None]);
    // The written comment takes the configuration's place.
    let policy = Policy { comment: CommentMode::Write, ..policy };
    let after = moved("Dockerfile", "FROM nginx@{b}\n", &policy);
    assert_eq!(after, written_out("# base image: nginx:9 (1.27.4)\nFROM nginx@{c}\n"));
}

#[test]
fn files_are_included_and_excluded_by_the_policy() {
    let mut policy = policy();
    policy.files.include = vec![Pattern::new("images/*").unwrap()];
    policy.files.exclude = vec![Pattern::new("images/old").unwrap(), Pattern::new("old/**").unwrap()];
    let text = "FROM nginx:1@{a}\n";
    for (path, is_read) in [
        ("images/web", true),
        ("images/old", false),
        ("images/a/web", false),
        ("web", false),
        ("Dockerfile", true),
        ("old/Dockerfile", false),
    ] {
        assert_eq!(!read(path, text, &policy).is_empty(), is_read, "{path}");
    }
}

#[test]
fn one_place_for_several_uses_moves_for_all_or_not_at_all() {
    let text = written_out("ARG D={a}\nFROM nginx:1@$D AS x\nFROM nginx:2@$D\n");
    let policy = policy();
    let file = SourceFile { path: "Dockerfile", bytes: text.as_bytes(), policy: &policy };
    let uses = source_file::read(file.path, file.bytes, &policy);
    let to = |use_index, digit: &str| PinMove {
        use_index,
        to: format!("sha256:{}", digit.repeat(64)).parse().unwrap(),
        new_tag: None,
        old: None,
        new: None,
    };
    let shared = Err(RewriteError::Shared { line: 1 });
    assert_eq!(rewrite(file, &uses, &[to(0, "c")]), shared);
    assert_eq!(rewrite(file, &uses, &[to(0, "c"), to(1, "d")]), shared);
    assert_eq!(rewrite(file, &uses, &[to(0, "c"), to(0, "d"), to(1, "c")]), shared);
    let both = rewrite(file, &uses, &[to(1, "c"), to(0, "c"), to(0, "c")]).unwrap();
    assert_eq!(String::from_utf8(both).unwrap(), text.replace(&"a".repeat(64), &"c".repeat(64)));
    assert_eq!(rewrite(file, &uses, &[to(2, "c")]), Err(RewriteError::NoPin { use_index: 2 }));
}

#[test]
fn a_rewritten_file_that_would_say_something_else_is_not_written() {
    // The new digest begins with the tag: read again, the comment would give the digest and no tag.
    let text = written_out("# nginx:cccc\nFROM nginx@{a}\n");
    let policy = policy();
    let file = SourceFile { path: "Dockerfile", bytes: text.as_bytes(), policy: &policy };
    let uses = source_file::read(file.path, file.bytes, &policy);
    assert_eq!(rewrite(file, &uses, &bodies::moves(&uses)), Err(RewriteError::NotProven));
    // The file changed since it was read.
    let other = text.replace("aaaa", "dddd");
    let file = SourceFile { bytes: other.as_bytes(), ..file };
    assert!(matches!(rewrite(file, &uses, &bodies::moves(&uses)), Err(RewriteError::Edit(_))));
}
