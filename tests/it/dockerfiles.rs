//! The corpus of Dockerfiles: what is found in each, and what it is once every pin has moved to the digest `c…`.

use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::image_use::{ImageUse, Status};
use refrom::domain::policy::CommentMode;
use refrom::domain::reference::ImageName;
use refrom::domain::rewrite::{PinMove, SourceFile, rewrite};
use refrom::domain::source_file;
use serde_json::{Map, Value, json};

#[path = "../../fuzz/bodies.rs"]
pub mod bodies;

/// What `refrom list --format json` says of a use, `path` left out.
fn shown(found: &ImageUse) -> Value {
    let reason = match found.status {
        Status::Skipped(reason) => Some(reason.as_str()),
        Status::Pinned | Status::Unpinned => None,
    };
    json!({
        "line": found.line,
        "kind": found.kind.as_str(),
        "registry": found.image.as_ref().map(ImageName::registry),
        "repository": found.image.as_ref().map(ImageName::repository),
        "tag": found.tag.as_ref().map(ToString::to_string),
        "digest": found.digest.map(|digest| digest.to_string()),
        "status": found.status.as_str(),
        "reason": reason,
        "stage": found.stage,
        "final": found.is_final_stage,
        "platform": found.platform,
        "via": found.via,
        "tag_source": found.tag_source.map(|source| source.as_str()),
        "comment_line": found.comment.as_ref().map(|comment| comment.line),
        "findings": found.findings.iter().map(|finding| finding.as_str()).collect::<Vec<_>>(),
    })
}

/// An image as a case describes it: `{"version": …, "created": …}`.
fn image(described: Option<&Value>, digest: Digest) -> Option<Image> {
    let described = described?;
    Some(Image {
        digest,
        kind: ManifestKind::Index,
        manifests: Default::default(),
        media_type: None,
        end_of_life: None,
        configuration: None,
        version: described["version"].as_str().map(str::to_owned),
        created: described["created"].as_str().map(|created| created.parse().unwrap()),
        size_bytes: None,
    })
}

fn comment_mode(case: &Map<String, Value>) -> CommentMode {
    match case.get("comment").and_then(Value::as_str) {
        None | Some("update") => CommentMode::Update,
        Some("write") => CommentMode::Write,
        Some("keep") => CommentMode::Keep,
        Some(other) => panic!("no comment mode: {other}"),
    }
}

/// Short hands of a case's texts: `{a}` is the digest of 64 times `a`.
fn written_out(text: &str) -> String {
    "abcdef".chars().fold(text.to_owned(), |text, digit| {
        text.replace(&format!("{{{digit}}}"), &format!("sha256:{}", digit.to_string().repeat(64)))
    })
}

fn check(case: &Map<String, Value>) -> Result<(), String> {
    let input = written_out(case["input"].as_str().unwrap());
    let policy = bodies::policy(comment_mode(case));
    let uses = source_file::read("Dockerfile", input.as_bytes(), &policy);
    let expected = case["uses"].as_array().unwrap();
    let all: Vec<Value> = uses.iter().map(shown).collect();
    if all.len() != expected.len() {
        return Err(format!("{} uses, not {}: {all:#?}", all.len(), expected.len()));
    }
    for (found, expected) in all.iter().zip(expected) {
        for (key, value) in expected.as_object().unwrap() {
            let value = value.as_str().map_or_else(|| value.clone(), |text| written_out(text).into());
            if found.get(key) != Some(&value) {
                return Err(format!("`{key}` is {:?}, not {value}: {found:#}", found.get(key)));
            }
        }
    }
    let digest_moves = bodies::moves(&uses).into_iter().map(|pin_move| PinMove {
        old: image(case.get("old"), uses[pin_move.use_index].digest.unwrap()),
        new: image(case.get("new"), pin_move.to),
        ..pin_move
    });
    let file = SourceFile { path: "Dockerfile", bytes: input.as_bytes(), policy: &policy };
    let after = rewrite(file, &uses, &digest_moves.collect::<Vec<_>>()).map_err(|error| error.to_string())?;
    let expected = case.get("after").and_then(Value::as_str).map_or_else(|| input.clone(), written_out);
    let after = String::from_utf8(after).unwrap();
    if after == expected { Ok(()) } else { Err(format!("rewritten to\n{after}\nnot\n{expected}")) }
}

fn check_all(text: &str) -> usize {
    let cases: Vec<Map<String, Value>> = serde_json::from_str(text).unwrap();
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| check(case).err().map(|error| format!("{}: {error}", case["name"]))).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
    cases.len()
}

#[test]
fn the_cases_are_found_and_rewritten() {
    assert_eq!(check_all(include_str!("../dockerfiles/cases.json")), 53);
}

#[test]
fn more_cases_are_found_and_rewritten() {
    assert!(check_all(include_str!("../dockerfiles/more-cases.json")) >= 350);
}
