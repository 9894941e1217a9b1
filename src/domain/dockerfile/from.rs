//! The arguments of FROM (BuildKit, `instructions/parse.go`, `parseFrom`).

use std::collections::BTreeSet;

use super::instruction::Instruction;
use super::traced::Traced;
use super::words::split_flags;

/// A FROM that BuildKit accepts.
#[derive(Debug)]
pub(super) struct From {
    /// The image or stage as written.
    pub base: Traced,
    /// In lower case.
    pub stage: Option<String>,
    pub platform: Option<Traced>,
}

/// Reads `[--platform=…] base [AS name]`. `None` for a build error: another number of words, another flag, a name
/// that no stage may have.
pub(super) fn parse(rest: &Traced) -> Option<From> {
    let (flags, rest) = split_flags(rest);
    let platform = match flags.as_slice() {
        [] => None,
        [flag] => Some(flag.cut(b'=').filter(|(name, _)| name.bytes() == b"--platform")?.1),
        _ => return None,
    };
    let (base, stage) = match rest.words().as_slice() {
        [base] => (base.clone(), None),
        [base, keyword, name] if keyword.bytes().eq_ignore_ascii_case(b"as") => (base.clone(), Some(stage_name(name)?)),
        _ => return None,
    };
    Some(From { base, stage, platform: platform.filter(|platform| !platform.is_empty()) })
}

/// `^[a-z][a-z0-9-_.]*$`, after lower-casing.
fn stage_name(name: &Traced) -> Option<String> {
    let name = name.text()?.to_ascii_lowercase();
    let is_valid = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    is_valid.then_some(name)
}

/// The names of all stages of a file. COPY and mounts look a name up among all of them: one that comes later is a
/// build error, and no image either way.
pub(super) fn stage_names(instructions: &[Instruction]) -> BTreeSet<String> {
    let is_from = |instruction: &&Instruction| instruction.keyword == "from";
    instructions.iter().filter(is_from).filter_map(|instruction| parse(&instruction.rest)?.stage).collect()
}
