//! Two other parsers agree on where images stand.
//!
//! Both know the grammar, not what it means. The generated files leave out what they are known to get wrong:
//! parse-dockerfile refuses unknown instructions and two heredocs on one RUN, and shifts its spans after a byte order
//! mark.

use std::ops::Range;

use parse_dockerfile::{Instruction, parse};
use proptest::prelude::*;
use refrom::domain::digest::Digest;
use refrom::domain::dockerfile;
use refrom::domain::image_use::UseKind;
use tree_sitter::{Node, Parser};

use crate::laws::law;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn instruction() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}".prop_map(|name| format!("FROM {name}:1@{DIGEST}\n")),
        "[a-z]{1,6}".prop_map(|name| format!("from \\\n  x.io/{name}:1@{DIGEST}\n")),
        "[a-z]{1,6}".prop_map(|name| format!("FROM --platform=linux/amd64 {name}:1@{DIGEST}\n")),
        Just("# FROM commented:1\n".to_owned()),
        Just("\n".to_owned()),
        Just("RUN echo a \\\n  # inside\n  && echo FROM b\n".to_owned()),
        Just("RUN <<EOF\nFROM heredoc:1\nEOF\n".to_owned()),
        Just("ENV A=1\n".to_owned()),
    ]
}

fn file() -> impl Strategy<Value = String> {
    prop::collection::vec(instruction(), 1..12).prop_map(|parts| format!("FROM first:1@{DIGEST}\n{}", parts.concat()))
}

/// The digests' ranges that we find in FROM.
fn ours(text: &str) -> Vec<Range<usize>> {
    let uses = dockerfile::scan(text.as_bytes());
    uses.into_iter().filter(|one| one.kind == UseKind::From).filter_map(|one| one.digest_range).collect()
}

/// The range of the digest's hex digits within an image that an oracle found.
fn digest_in(image: Range<usize>) -> Range<usize> {
    image.end - Digest::HEX_DIGITS..image.end
}

fn from_images(node: Node<'_>, found: &mut Vec<Range<usize>>) {
    if node.kind() == "image_spec" {
        found.push(digest_in(node.byte_range()));
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        from_images(child, found);
    }
}

proptest! {
    #![proptest_config(law(256))]

    #[test]
    fn parse_dockerfile_sees_the_same_images(text in file()) {
        let parsed = parse(&text).unwrap();
        let theirs: Vec<Range<usize>> = parsed.instructions.iter().filter_map(|instruction| match instruction {
            Instruction::From(from) => Some(digest_in(from.image.span.clone())),
            _ => None,
        }).collect();
        prop_assert_eq!(ours(&text), theirs);
    }

    #[test]
    fn tree_sitter_sees_the_same_images(text in file()) {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_containerfile::LANGUAGE.into()).unwrap();
        let tree = parser.parse(&text, None).unwrap();
        let mut theirs = Vec::new();
        from_images(tree.root_node(), &mut theirs);
        prop_assert_eq!(ours(&text), theirs);
    }
}
