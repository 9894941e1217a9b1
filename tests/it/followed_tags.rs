//! Pins that move to another tag, and uses that get their first digest: tag, digest and comment in one edit.

use proptest::prelude::*;
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::image_use::{ImageUse, Status};
use refrom::domain::pattern::Pattern;
use refrom::domain::policy::{CommentMode, FilePattern, PinMode, Policy};
use refrom::domain::reference::Tag;
use refrom::domain::rewrite::{PinMove, RewriteError, SourceFile, rewrite};
use refrom::domain::source_file;
use regex::Regex;

use super::dockerfiles::bodies;

/// `{a}` is the digest of 64 times `a`.
fn written_out(text: &str) -> String {
    "abcd".chars().fold(text.to_owned(), |text, digit| {
        text.replace(&format!("{{{digit}}}"), &format!("sha256:{}", digit.to_string().repeat(64)))
    })
}

fn following(comment: CommentMode) -> Policy {
    bodies::policy(comment)
}

fn pinning(comment: CommentMode) -> Policy {
    Policy { pin: PinMode::Digest, ..bodies::policy(comment) }
}

fn image(digest: Digest, version: Option<&str>) -> Image {
    Image { version: version.map(str::to_owned), ..Image::bare(digest, ManifestKind::Index) }
}

/// What every followed use of the file moves to: digest `c…`, and this tag where it can be changed.
fn moves(uses: &[ImageUse], new_tag: Option<&str>, versions: (Option<&str>, Option<&str>)) -> Vec<PinMove> {
    let new_tag: Option<Tag> = new_tag.map(|tag| tag.parse().unwrap());
    let followed = uses.iter().enumerate().filter(|(_, one)| one.tracked().is_some());
    let moves = followed.map(|(use_index, one)| PinMove {
        use_index,
        to: bodies::target(),
        new_tag: new_tag.clone().filter(|_| one.can_change_tag()),
        old: one.digest.map(|old| image(old, versions.0)),
        new: Some(image(bodies::target(), versions.1)),
    });
    moves.collect()
}

fn moved(path: &str, text: &str, policy: &Policy, new_tag: Option<&str>) -> String {
    let text = written_out(text);
    let file = SourceFile { path, bytes: text.as_bytes(), policy };
    let uses = source_file::read(path, file.bytes, policy);
    let after = rewrite(file, &uses, &moves(&uses, new_tag, (Some("1.27.3"), Some("1.28.1"))));
    String::from_utf8(after.unwrap_or_else(|error| panic!("{error}: {text}"))).unwrap()
}

/// Each text becomes the other one.
fn check(policy: &Policy, new_tag: Option<&str>, cases: &[(&str, &str)]) {
    for (before, after) in cases {
        assert_eq!(moved("Dockerfile", before, policy, new_tag), written_out(after), "{before}");
    }
}

#[test]
fn tag_digest_and_comment_change_in_one_edit() {
    check(
        &following(CommentMode::Update),
        Some("1.28"),
        &[
            ("FROM nginx:1.27@{a} AS web\n", "FROM nginx:1.28@{c} AS web\n"),
            ("\u{feff}# nginx 1.27\r\nFROM nginx@{a}\r\n", "\u{feff}# nginx 1.28\r\nFROM nginx@{c}\r\n"),
            (
                "# base image: nginx:1.27 (1.27.3)\nFROM nginx@{a}\n",
                "# base image: nginx:1.28 (1.28.1)\nFROM nginx@{c}\n",
            ),
            ("# nginx 1.27\nFROM nginx:1.27@{a}\n", "# nginx 1.28\nFROM nginx:1.28@{c}\n"),
            ("# nginx 1.27.3\nFROM nginx:1.27@{a}\n", "# nginx 1.28.1\nFROM nginx:1.28@{c}\n"),
            // A version that nobody knew: what is known now, in the same place.
            ("# nginx 1.27.1\nFROM nginx:1.27@{a}\n", "# nginx 1.28.1\nFROM nginx:1.28@{c}\n"),
            (
                "# nginx 1.27, not redis:1.27, of the 1.27 line\nFROM nginx@{a}",
                "# nginx 1.28, not redis:1.27, of the 1.28 line\nFROM nginx@{c}",
            ),
            // The comment speaks of something else.
            ("# nginx 1.26\nFROM nginx:1.27@{a}\n", "# nginx 1.26\nFROM nginx:1.28@{c}\n"),
            // Where the value stands, and nowhere else.
            ("ARG V=1.27\nFROM nginx:${V}@{a}\n", "ARG V=1.28\nFROM nginx:${V}@{c}\n"),
            ("ARG V=\"1.27\"\nARG B=nginx:$V@{a}\nFROM $B\n", "ARG V=\"1.28\"\nARG B=nginx:$V@{c}\nFROM $B\n"),
            ("ARG B=nginx:1.27@{a}\nFROM $B AS x\nFROM $B\n", "ARG B=nginx:1.28@{c}\nFROM $B AS x\nFROM $B\n"),
            ("FROM nginx:${V:-1.27}@{a}\n", "FROM nginx:${V:-1.28}@{c}\n"),
            (
                "# syntax=docker/dockerfile:1.27@{a}\nFROM scratch\n",
                "# syntax=docker/dockerfile:1.28@{c}\nFROM scratch\n",
            ),
            ("FROM scratch\nCOPY --from=nginx:1.27@{a} / /\n", "FROM scratch\nCOPY --from=nginx:1.28@{c} / /\n"),
            (
                "FROM scratch\nRUN --mount=type=bind,from=nginx:1.27@{a},target=/x true\n",
                "FROM scratch\nRUN --mount=type=bind,from=nginx:1.28@{c},target=/x true\n",
            ),
        ],
    );
}

#[test]
fn the_variant_stays_in_the_comment() {
    check(
        &following(CommentMode::Update),
        Some("1.28-alpine"),
        &[
            (
                "# nginx 1.27.3-alpine\nFROM nginx:1.27-alpine@{a}\n",
                "# nginx 1.28.1-alpine\nFROM nginx:1.28-alpine@{c}\n",
            ),
            (
                "# nginx 1.27.1-alpine\nFROM nginx:1.27-alpine@{a}\n",
                "# nginx 1.28.1-alpine\nFROM nginx:1.28-alpine@{c}\n",
            ),
        ],
    );
    // What the new image is, nobody says: the tag is still true.
    let policy = following(CommentMode::Update);
    let text = written_out("# nginx 1.27.3\nFROM nginx:1.27@{a}\n");
    let file = SourceFile { path: "Dockerfile", bytes: text.as_bytes(), policy: &policy };
    let uses = source_file::read(file.path, file.bytes, &policy);
    let after = rewrite(file, &uses, &moves(&uses, Some("1.28"), (None, None))).unwrap();
    assert_eq!(String::from_utf8(after).unwrap(), written_out("# nginx 1.28\nFROM nginx:1.28@{c}\n"));
}

#[test]
fn comments_are_written_and_kept_as_the_policy_says() {
    check(
        &following(CommentMode::Write),
        Some("1.28"),
        &[("FROM nginx:1.27@{a}\n", "# base image: nginx:1.28 (1.28.1)\nFROM nginx:1.28@{c}\n")],
    );
    check(
        &following(CommentMode::Keep),
        Some("1.28"),
        &[
            ("# nginx 1.27\nFROM nginx:1.27@{a}\n", "# nginx 1.27\nFROM nginx:1.28@{c}\n"),
            // A tag that stands in the comment alone stays with it.
            ("# nginx 1.27\nFROM nginx@{a}\n", "# nginx 1.27\nFROM nginx@{c}\n"),
        ],
    );
}

#[test]
fn a_tag_that_cannot_be_changed_alone_is_not_changed() {
    for text in [
        // In several parts.
        "ARG V=1\nFROM nginx:${V}.27@{a}\n",
        "FROM nginx:1.\\\n27@{a}\n",
        // Others use the same bytes: another image, another digest, a use without one, an ARG, a platform, a stage.
        "ARG V=1.27\nFROM nginx:$V@{a}\nFROM redis:$V@{b}\n",
        "ARG V=1.27\nFROM nginx:$V@{a}\nFROM nginx:$V@{b}\n",
        "ARG V=1.27\nFROM nginx:$V@{a}\nFROM nginx:$V\n",
        "ARG V=1.27\nFROM nginx:$V@{a}\nFROM nginx:$V-alpine@{b}\n",
        "ARG V=1.27\nARG A=nginx:$V@{a}\nARG B=redis:$V@{a}\nFROM $A\nFROM $B\n",
        "ARG V=1.27\nFROM nginx:$V@{a}\nFROM ${R}/x:$V\n",
        "ARG V=1.27\nFROM nginx:$V@{a}\nFROM a${V:+-b}:1@{b}\n",
        "ARG V=1.27\nFROM nginx:$V@{a}\nARG V\nRUN echo $V\n",
        "# nginx 1.27\nRUN --mount=from=nginx@{a} --mount=from=nginx@{b} true\n",
    ] {
        let policy = following(CommentMode::Update);
        let text = written_out(text);
        let uses = source_file::read("Dockerfile", text.as_bytes(), &policy);
        let followed: Vec<&ImageUse> = uses.iter().filter(|one| one.tracked().is_some()).collect();
        let first = followed.first().unwrap_or_else(|| panic!("nothing followed in {text}"));
        assert!(!first.can_change_tag(), "{text}");
        let file = SourceFile { path: "Dockerfile", bytes: text.as_bytes(), policy: &policy };
        let mut moves = moves(&uses, None, (None, None));
        moves[0].new_tag = Some("1.28".parse().unwrap());
        assert!(matches!(rewrite(file, &uses, &moves), Err(RewriteError::FixedTag { .. })), "{text}");
    }
    let policy = Policy {
        tags: vec![(Pattern::new("nginx").unwrap(), "1.27".parse().unwrap())],
        ..following(CommentMode::Update)
    };
    let text = written_out("FROM nginx@{a}\n");
    assert!(!source_file::read("Dockerfile", text.as_bytes(), &policy)[0].can_change_tag(), "in the configuration");
}

#[test]
fn the_tag_of_a_pattern_is_changed() {
    let regex = r"(?m)^\w+ *= *(?<image>[^\s:@]+)(?::(?<tag>[^\s@]*))?@(?<digest>\S+)$";
    let whole = r"(?m)^WHOLE=(?<image>\S+)$";
    let pattern = |regex: &str| FilePattern {
        files: vec![Pattern::new("**/*.mk").unwrap()],
        regex: Regex::new(regex).unwrap().into(),
    };
    let policy = Policy { patterns: vec![pattern(regex), pattern(whole)], ..following(CommentMode::Update) };
    let text = "A = nginx:1.27@{a}\nWHOLE=dhi.io/nginx:1.27@{b}\n";
    let after = "A = nginx:1.28@{c}\nWHOLE=dhi.io/nginx:1.28@{c}\n";
    assert_eq!(moved("a.mk", text, &policy, Some("1.28")), written_out(after));
}

#[test]
fn a_tag_gets_its_digest() {
    check(
        &pinning(CommentMode::Update),
        None,
        &[
            ("FROM nginx:1.27 AS web\n", "FROM nginx:1.27@{c} AS web\n"),
            ("FROM nginx:1.27\\\n  AS web\n", "FROM nginx:1.27@{c}\\\n  AS web\n"),
            ("FROM nginx:1.27", "FROM nginx:1.27@{c}"),
            ("# nginx 1.27\nFROM nginx:1.27\n", "# nginx 1.27\nFROM nginx:1.27@{c}\n"),
            ("# nginx 1.27.1\nFROM nginx:1.27\n", "# nginx 1.27.1\nFROM nginx:1.27@{c}\n"),
            ("# nginx 1.27.3\nFROM nginx:latest\n", "# nginx 1.28.1\nFROM nginx:latest@{c}\n"),
            ("ARG B=\"nginx:1.27\"\nFROM ${B}\n", "ARG B=\"nginx:1.27@{c}\"\nFROM ${B}\n"),
            ("ARG B=nginx:1.27\nFROM $B AS a\nFROM $B\n", "ARG B=nginx:1.27@{c}\nFROM $B AS a\nFROM $B\n"),
            ("ARG V=1.27\nFROM nginx:$V\n", "ARG V=1.27@{c}\nFROM nginx:$V\n"),
            ("ARG V=1.27\nFROM nginx:$V-alpine\n", "ARG V=1.27\nFROM nginx:$V-alpine@{c}\n"),
            (
                "ARG R=x.io\nFROM $R/nginx:1.27\nFROM $R/redis:7\n",
                "ARG R=x.io\nFROM $R/nginx:1.27@{c}\nFROM $R/redis:7@{c}\n",
            ),
            ("FROM nginx:${V:-1.27}\n", "FROM nginx:${V:-1.27@{c}}\n"),
            ("# syntax=docker/dockerfile:1\nFROM scratch\n", "# syntax=docker/dockerfile:1@{c}\nFROM scratch\n"),
            ("FROM scratch AS a\nCOPY --from=nginx:1.27 / /\n", "FROM scratch AS a\nCOPY --from=nginx:1.27@{c} / /\n"),
            ("FROM a:1@{a} AS b\nFROM b\nCOPY --from=0 / /\n", "FROM a:1@{c} AS b\nFROM b\nCOPY --from=0 / /\n"),
            (
                "FROM scratch\nRUN --mount=from=a:1 --mount=from=a:2 true",
                "FROM scratch\nRUN --mount=from=a:1@{c} --mount=from=a:2@{c} true",
            ),
            // Not at the end of the word, or in what serves something else: nothing is written.
            ("ARG S\nARG E=\nFROM nginx:1.27${E}\n", "ARG S\nARG E=\nFROM nginx:1.27${E}\n"),
            ("ARG V=1.27\nFROM nginx:$V\nARG V\n", "ARG V=1.27\nFROM nginx:$V\nARG V\n"),
            ("ARG V=1.27\nFROM nginx:$V\nFROM redis:$V\n", "ARG V=1.27\nFROM nginx:$V\nFROM redis:$V\n"),
            ("# refrom: ignore\nFROM nginx:1.27\n", "# refrom: ignore\nFROM nginx:1.27\n"),
            ("FROM nginx\nFROM $X\n", "FROM nginx\nFROM $X\n"),
        ],
    );
    // Tag and digest at once.
    check(&pinning(CommentMode::Update), Some("1.28"), &[("FROM nginx:1.27\n", "FROM nginx:1.28@{c}\n")]);
}

#[test]
fn with_written_comments_the_tag_moves_into_the_comment() {
    check(
        &pinning(CommentMode::Write),
        None,
        &[
            (
                "FROM dhi.io/nginx:1.28 AS web\r\n",
                "# base image: dhi.io/nginx:1.28 (1.28.1)\r\nFROM dhi.io/nginx@{c} AS web\r\n",
            ),
            ("# nginx 1.28\n\nFROM nginx:1.28\n", "# nginx 1.28\n\nFROM nginx@{c}\n"),
            // A comment that says more would change what is followed.
            ("# nginx 1.28.0\nFROM nginx:1.28\n", "# nginx 1.28.1\nFROM nginx:1.28@{c}\n"),
            ("# nginx 1.26\nFROM nginx:1.28\n", "# nginx 1.26\nFROM nginx:1.28@{c}\n"),
            ("ARG B=nginx:1.28\nFROM $B\n", "# base image: nginx:1.28 (1.28.1)\nARG B=nginx@{c}\nFROM $B\n"),
            ("ARG V=1.28\nFROM nginx:$V\n", "ARG V=1.28@{c}\n# base image: nginx:1.28 (1.28.1)\nFROM nginx:$V\n"),
            ("# syntax=a/b:1\nFROM scratch\n", "# syntax=a/b:1@{c}\nFROM scratch\n"),
            (
                "FROM scratch\n  COPY --from=nginx:1.28 / /\n",
                "FROM scratch\n  # base image: nginx:1.28 (1.28.1)\n  COPY --from=nginx@{c} / /\n",
            ),
        ],
    );
    check(
        &pinning(CommentMode::Write),
        Some("1.28"),
        &[
            ("FROM nginx:1.27\n", "# base image: nginx:1.28 (1.28.1)\nFROM nginx@{c}\n"),
            ("# nginx 1.27\nFROM nginx:1.27\n", "# nginx 1.28\nFROM nginx@{c}\n"),
        ],
    );
}

#[test]
fn what_cannot_be_pinned_says_why() {
    let policy = pinning(CommentMode::Update);
    for (text, expected) in [
        ("FROM nginx\n", "skipped: no-tag"),
        ("# nginx 1.27\nFROM nginx\n", "skipped: no-tag"),
        ("ARG V=1.27\nFROM nginx:$V\nFROM redis:$V\n", "skipped: ambiguous"),
        ("FROM nginx:$V\n", "skipped: variable"),
        ("FROM nginx:1.27\n", "unpinned"),
    ] {
        let uses = source_file::read("Dockerfile", text.as_bytes(), &policy);
        assert_eq!(uses[0].shown_status(), expected, "{text}");
    }
    let off = source_file::read("Dockerfile", b"FROM nginx\nFROM redis:7\n", &following(CommentMode::Update));
    assert!(off.iter().all(|one| one.status == Status::Unpinned && one.tracked().is_none()));
}

/// One instruction of an image of its own, with or without a digest: what it is before and after.
fn instruction(index: usize) -> impl Strategy<Value = (String, String)> {
    let digest = format!("sha256:{}", format!("{index:02}").repeat(32));
    let forms = [
        ("FROM a/n{i}:1.27@{d} AS s{i}\n", "FROM a/n{i}:1.28@{c} AS s{i}\n"),
        ("FROM a/n{i}:1.27 AS s{i}\r\n", "FROM a/n{i}:1.28@{c} AS s{i}\r\n"),
        ("# n{i} 1.27\nFROM a/n{i}@{d}\n", "# n{i} 1.28\nFROM a/n{i}@{c}\n"),
        ("# n{i} 1.27, really\r\nFROM a/n{i}:1.27@{d}\r\n", "# n{i} 1.28, really\r\nFROM a/n{i}:1.28@{c}\r\n"),
        (
            "FROM scratch\nCOPY --link --from=a/n{i}:1.27 /a /\n",
            "FROM scratch\nCOPY --link --from=a/n{i}:1.28@{c} /a /\n",
        ),
        (
            "FROM scratch\nRUN --mount=type=bind,from=a/n{i}:1.27@{d},target=/y \\\n  true\n",
            "FROM scratch\nRUN --mount=type=bind,from=a/n{i}:1.28@{c},target=/y \\\n  true\n",
        ),
        ("FROM \\\n # inside\n a/n{i}:1.27\n", "FROM \\\n # inside\n a/n{i}:1.28@{c}\n"),
    ];
    let written = move |text: &str| text.replace("{i}", &index.to_string()).replace("{d}", &digest);
    prop::sample::select(forms.map(|(before, after)| (written(before), written_out(&written(after)))).to_vec())
}

fn dockerfile() -> impl Strategy<Value = (String, String)> {
    let start = prop::sample::select(vec!["", "\u{feff}", "# escape=`\n", "ARG X=1.27\n"]);
    (start, instruction(11), instruction(22), instruction(33)).prop_map(|(start, one, two, three)| {
        // Inside a continuation the other escape would not continue.
        let start = if [&one.0, &two.0, &three.0].iter().any(|text| text.contains('\\')) { "" } else { start };
        (format!("{start}{}{}{}", one.0, two.0, three.0), format!("{start}{}{}{}", one.1, two.1, three.1))
    })
}

proptest! {
    #[test]
    fn only_tags_digests_and_comments_change_and_all_of_them_do((before, after) in dockerfile()) {
        let policy = pinning(CommentMode::Update);
        let file = SourceFile { path: "Dockerfile", bytes: before.as_bytes(), policy: &policy };
        let uses = source_file::read(file.path, file.bytes, &policy);
        let moves = moves(&uses, Some("1.28"), (None, None));
        prop_assert_eq!(moves.len(), 3);
        let result = String::from_utf8(rewrite(file, &uses, &moves).unwrap()).unwrap();
        prop_assert_eq!(&result, &after);
        // Read again it shows the same uses with the new tags and digests.
        let reread = source_file::read(file.path, result.as_bytes(), &policy);
        for (old, new) in uses.iter().zip(&reread) {
            prop_assert_eq!((old.kind, &old.image, &old.stage), (new.kind, &new.image, &new.stage));
            prop_assert_eq!((new.digest, new.tag.as_ref().map(Tag::as_str)), (Some(bodies::target()), Some("1.28")));
        }
    }

    #[test]
    fn one_after_the_other_is_all_at_once((before, _) in dockerfile(), write in any::<bool>()) {
        let policy = pinning(if write { CommentMode::Write } else { CommentMode::Update });
        let read = |bytes: &[u8]| source_file::read("Dockerfile", bytes, &policy);
        let file = SourceFile { path: "Dockerfile", bytes: before.as_bytes(), policy: &policy };
        let uses = read(file.bytes);
        let all = rewrite(file, &uses, &moves(&uses, Some("1.28"), (None, None))).unwrap();
        let mut bytes = before.clone().into_bytes();
        for index in 0..3 {
            let uses = read(&bytes);
            let moves = moves(&uses, Some("1.28"), (None, None));
            bytes = rewrite(SourceFile { bytes: &bytes, ..file }, &uses, &moves[index..=index]).unwrap();
        }
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), String::from_utf8(all).unwrap());
    }
}
