//! Laws of scanning and rewriting, on arbitrary bytes and on made-up Dockerfiles.

use proptest::prelude::*;
use refrom::domain::image_use::Status;
use refrom::domain::policy::CommentMode;
use refrom::domain::rewrite::{SourceFile, rewrite};
use refrom::domain::source_file;

use super::dockerfiles::bodies;
use crate::laws::law;

/// Pieces of which Dockerfiles are made, and which break them.
fn piece() -> impl Strategy<Value = String> {
    let a = "sha256:".to_owned() + &"a".repeat(64);
    let pieces = [
        "FROM ",
        "from\t",
        "COPY --from=",
        "RUN --mount=from=",
        "ONBUILD ",
        "ARG A=",
        "ARG ",
        "# ",
        "#",
        "\n",
        "\n\n",
        "\r\n",
        " \\\n",
        "\\",
        "`",
        "# escape=`\n",
        "# syntax=",
        "<<EOF\n",
        "EOF\n",
        "nginx",
        "nginx:1.27",
        " 1.27",
        "@",
        "$A",
        "${A}",
        "${A:-",
        "${A#",
        "${A//",
        "}",
        "/",
        "\"",
        "'",
        " AS a\n",
        "FROM a\n",
        "--platform=$X ",
        ",",
        "# refrom: ignore\n",
        "# nginx 1.27\n",
        "FROM nginx:1.27@",
        "\u{feff}",
        "é",
        "{\"syntax\":\"",
    ];
    let mut all: Vec<String> = pieces.into_iter().map(str::to_owned).collect();
    all.extend([a.clone(), format!("@{a}\n"), format!("ARG D={a}\n"), format!("FROM nginx@{a}\n")]);
    prop::sample::select(all)
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

/// One well-formed instruction with a pin of its own digest.
fn pinned(index: usize) -> impl Strategy<Value = String> {
    let digest = format!("sha256:{}", format!("{index:02}").repeat(32));
    prop_oneof![
        Just(format!("FROM nginx:1.27@{digest} AS s{index}\n")),
        Just(format!("# nginx 1.27\nFROM nginx@{digest}\n")),
        Just(format!("FROM \\\r\n  # inside\r\n  a/b:2@{digest}\r\n")),
        Just(format!("FROM scratch\nCOPY --link --from=busybox:1@{digest} /a /\n")),
        Just(format!("FROM scratch\nRUN --mount=type=bind,from=x.io/y:3@{digest},target=/y \\\n  true\n")),
    ]
}

fn dockerfile() -> impl Strategy<Value = String> {
    (pinned(11), pinned(22), pinned(33)).prop_map(|(one, two, three)| one + &two + &three)
}

proptest! {
    #![proptest_config(law(256))]

    #[test]
    fn no_bytes_make_the_scanner_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        bodies::scan(&bytes);
        bodies::comment(&bytes);
        bodies::edit(&bytes);
    }

    #[test]
    fn no_pieces_of_dockerfiles_make_it_panic(text in text()) {
        bodies::scan(text.as_bytes());
        bodies::edit(text.as_bytes());
    }

    #[test]
    fn only_the_digests_change_and_all_of_them_do(text in dockerfile()) {
        let policy = bodies::policy(CommentMode::Keep);
        let file = SourceFile { path: "Dockerfile", bytes: text.as_bytes(), policy: &policy };
        let uses = source_file::read(file.path, file.bytes, &policy);
        prop_assert_eq!(uses.iter().filter(|one| one.status == Status::Pinned).count(), 3);
        let after = rewrite(file, &uses, &bodies::moves(&uses)).unwrap();
        let expected = ["11", "22", "33"].iter().fold(text.clone(), |text, digits| text.replace(&digits.repeat(32), &"c".repeat(64)));
        prop_assert_eq!(String::from_utf8(after).unwrap(), expected);
    }

    #[test]
    fn the_order_of_moves_does_not_matter(text in dockerfile()) {
        let policy = bodies::policy(CommentMode::Write);
        let file = SourceFile { path: "Dockerfile", bytes: text.as_bytes(), policy: &policy };
        let uses = source_file::read(file.path, file.bytes, &policy);
        let mut moves = bodies::moves(&uses);
        let forwards = rewrite(file, &uses, &moves).unwrap();
        moves.reverse();
        prop_assert_eq!(forwards.clone(), rewrite(file, &uses, &moves).unwrap());
        // One after the other gives the same as both at once.
        let mut bytes = text.clone().into_bytes();
        for index in 0..moves.len() {
            let file = SourceFile { bytes: &bytes, ..file };
            let uses = source_file::read(file.path, file.bytes, &policy);
            bytes = rewrite(file, &uses, &bodies::moves(&uses)[index..=index]).unwrap();
        }
        prop_assert_eq!(bytes, forwards);
    }
}
