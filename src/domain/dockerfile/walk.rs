//! Instructions → image uses, before comments are looked at.

use std::collections::BTreeSet;
use std::ops::Range;

use super::directive::Directives;
use super::expand::{Expanded, expand};
use super::from;
use super::instruction::{Instruction, split_keyword};
use super::mount::{self, MountSource};
use super::scope::{Reader, Scope};
use super::stages::Stages;
use super::traced::Traced;
use super::words::split_flags;
use crate::domain::digest::Digest;
use crate::domain::image_use::{ImageUse, SkipReason, Status, UseKind};
use crate::domain::line_index::LineIndex;
use crate::domain::pin::{CommentBinding, ReadReference, read_reference, settle};

/// The name of the empty image, which is no image.
const SCRATCH: &str = "scratch";

/// A use, and the instructions whose comments may describe it, the nearest to its digest first.
#[derive(Debug)]
pub(super) struct Found {
    pub image_use: ImageUse,
    pub described_at: Vec<usize>,
}

/// Walks over the instructions of a file.
pub(super) fn walk(bytes: &[u8], directives: &Directives, instructions: &[Instruction]) -> Vec<Found> {
    let mut walk = Walk {
        bytes,
        lines: LineIndex::new(bytes),
        escape: directives.escape,
        scope: Scope::new(),
        instructions,
        stage_names: from::stage_names(instructions),
        stage: None,
        stages: Stages::default(),
        found: Vec::new(),
    };
    if let Some(syntax) = &directives.syntax {
        walk.syntax(syntax);
    }
    for (index, instruction) in instructions.iter().enumerate() {
        walk.instruction(index, &instruction.keyword, &instruction.rest);
    }
    let (last, of_final) = (walk.stages.count(), walk.stages.of_final());
    let mut found = walk.found;
    for (stage, Found { image_use, .. }) in &mut found {
        image_use.is_final_stage = *stage == last && last > 0;
        let is_part = matches!(image_use.kind, UseKind::From | UseKind::CopyFrom);
        image_use.makes_final_image = is_part && of_final.contains(stage);
        image_use.tag_range.take_if(|range| !walk.scope.serves_one_text(range));
        image_use.digest_insertion.take_if(|at| !walk.scope.serves_one_text(&(at.saturating_sub(1)..*at)));
    }
    found.into_iter().map(|(_, found)| found).collect()
}

struct Walk<'a> {
    bytes: &'a [u8],
    lines: LineIndex,
    escape: u8,
    scope: Scope,
    instructions: &'a [Instruction],
    /// All stages of the file.
    stage_names: BTreeSet<String>,
    /// The current stage's name.
    stage: Option<String>,
    /// Those that have begun.
    stages: Stages,
    /// With the number of the stage that each stands in.
    found: Vec<(usize, Found)>,
}

impl Walk<'_> {
    fn instruction(&mut self, index: usize, keyword: &str, rest: &Traced) {
        match keyword {
            "from" => self.from(index, rest),
            "arg" if self.stages.count() == 0 => {
                let (_flags, arguments) = split_flags(rest);
                self.scope.declare(&arguments, self.escape, index);
            }
            "arg" => self.scope.hand_over(&split_flags(rest).1, self.escape),
            "copy" => self.copy(index, rest),
            "run" => self.run(index, rest),
            "onbuild" => self.onbuild(index, rest),
            _ => {}
        }
    }

    fn from(&mut self, index: usize, rest: &Traced) {
        self.stages.begin();
        self.stage = None;
        let Some(from) = from::parse(rest) else {
            return self.skipped(index, UseKind::From, rest, SkipReason::Malformed);
        };
        self.stage.clone_from(&from.stage);
        let base = expand(&from.base, self.escape, &self.scope);
        self.scope.note_reader(Reader::Base(Digest::of(from.base.bytes())));
        match base {
            Err(_) => self.skipped(index, UseKind::From, &from.base, SkipReason::Malformed),
            Ok(Expanded { value, is_known }) if !is_known || value.is_empty() => {
                self.skipped(index, UseKind::From, &from.base, SkipReason::Variable);
            }
            // FROM compares the name as it is with the lower-cased names of the stages before it.
            Ok(Expanded { value, .. }) => {
                let name = value.text().unwrap_or_default();
                if name != SCRATCH && !self.stages.begins_from(name) {
                    self.image(index, UseKind::From, &value, &from.base);
                }
            }
        }
        let platform = from.platform.map(|platform| self.platform(&platform));
        self.scope.note_reader(Reader::Others);
        let current = self.stages.count();
        if let Some((_, found)) = self.found.last_mut().filter(|(stage, _)| *stage == current) {
            found.image_use.platform = platform;
        }
        self.stages.name(from.stage);
    }

    /// The platform's value, or its text where only the build knows it.
    fn platform(&self, written: &Traced) -> String {
        match expand(written, self.escape, &self.scope) {
            Ok(Expanded { value, is_known: true }) => value.lossy(),
            _ => written.lossy(),
        }
    }

    fn copy(&mut self, index: usize, rest: &Traced) {
        let values = flag_values(rest, b"--from");
        match values.as_slice() {
            [] => {}
            // A number is a stage's index.
            [from] if from.text().is_some_and(|text| text.is_empty() || text.parse::<i64>().is_ok()) => {}
            [from] => self.source(index, UseKind::CopyFrom, from),
            [first, ..] => self.skipped(index, UseKind::CopyFrom, first, SkipReason::Malformed),
        }
    }

    fn run(&mut self, index: usize, rest: &Traced) {
        for mount in flag_values(rest, b"--mount") {
            match mount::source(&mount) {
                MountSource::None => {}
                MountSource::From(from) if from.is_empty() => {}
                MountSource::From(from) => self.source(index, UseKind::MountFrom, &from),
                MountSource::Malformed(from) => self.skipped(index, UseKind::MountFrom, &from, SkipReason::Malformed),
            }
        }
    }

    /// ONBUILD may hold anything but FROM and another ONBUILD.
    fn onbuild(&mut self, index: usize, rest: &Traced) {
        let (keyword, arguments) = split_keyword(rest);
        match keyword.as_str() {
            "copy" | "run" => self.instruction(index, &keyword, &arguments),
            "from" => self.skipped(index, UseKind::From, &arguments, SkipReason::Malformed),
            _ => {}
        }
    }

    /// COPY and mounts expand nothing, and look stages up in any case.
    fn source(&mut self, index: usize, kind: UseKind, from: &Traced) {
        if from.bytes().contains(&b'$') {
            return self.skipped(index, kind, from, SkipReason::Variable);
        }
        let name = from.lossy();
        if name != SCRATCH && !self.stage_names.contains(&name.to_ascii_lowercase()) {
            self.image(index, kind, from, from);
        }
    }

    fn syntax(&mut self, reference: &Traced) {
        let read = read_reference(reference.text(), digest_place(reference));
        let mut image_use = self.described(UseKind::Syntax, read);
        image_use.tag_range = tag_place(reference, &image_use);
        image_use.digest_insertion = self.end(reference, reference, &image_use);
        let place = digits(reference).unwrap_or_else(|| reference.clone());
        image_use.line = self.lines.line(place.origin().unwrap_or_default());
        settle(&mut image_use, CommentBinding::None);
        self.found.push((self.stages.count(), Found { image_use, described_at: Vec::new() }));
    }

    /// A use of the image that `reference` names, where `written` stands in the instruction.
    fn image(&mut self, index: usize, kind: UseKind, reference: &Traced, written: &Traced) {
        let mut image_use = self.described(kind, read_reference(reference.text(), digest_place(reference)));
        image_use.tag_range = tag_place(reference, &image_use);
        image_use.digest_insertion = self.end(reference, written, &image_use);
        let digest = digits(reference);
        let place = digest.as_ref().unwrap_or(reference);
        let holder = place.hull().and_then(|hull| self.scope.holder(&hull));
        image_use.via = holder.map(|definition| definition.name.clone());
        let origin = match (&digest, holder) {
            (Some(digest), _) => digest.origin(),
            (None, Some(_)) => reference.origin(),
            (None, None) => written.origin(),
        };
        image_use.line = self.lines.line(origin.unwrap_or_default());
        let mut described_at: Vec<usize> = holder.iter().map(|definition| definition.instruction).collect();
        described_at.push(index);
        let insertion = described_at.first().and_then(|index| self.instructions.get(*index));
        image_use.comment_insertion = insertion.map(|instruction| instruction.start);
        self.found.push((self.stages.count(), Found { image_use, described_at }));
    }

    /// Where a digest would follow the reference: behind its last byte, which is the last of the ARG's value that it
    /// stands in, or of what is written in the instruction. Behind it an empty variable could get a value.
    fn end(&self, reference: &Traced, written: &Traced, image_use: &ImageUse) -> Option<usize> {
        let last = reference.last_origin().filter(|_| image_use.status == Status::Unpinned)?;
        let end = match self.scope.holder(&(last..last + 1)) {
            Some(definition) => definition.range.end,
            None => written.hull()?.end,
        };
        let rest = self.bytes.get(last + 1..end)?;
        rest.iter().all(|byte| b"\"'}".contains(byte)).then_some(last + 1)
    }

    fn skipped(&mut self, index: usize, kind: UseKind, place: &Traced, reason: SkipReason) {
        let start = self.instructions.get(index).map(|instruction| instruction.start);
        let mut image_use = ImageUse::new(kind, Status::Skipped(reason));
        image_use.line = self.lines.line(place.origin().or(start).unwrap_or_default());
        image_use.stage.clone_from(&self.stage);
        self.found.push((self.stages.count(), Found { image_use, described_at: vec![index] }));
    }

    /// The use that a reference makes, as far as it tells.
    fn described(&self, kind: UseKind, read: ReadReference) -> ImageUse {
        ImageUse { stage: self.stage.clone(), ..read.into_use(kind) }
    }
}

/// The values of every `<name>=value` among an instruction's flags.
fn flag_values(rest: &Traced, name: &[u8]) -> Vec<Traced> {
    let (flags, _rest) = split_flags(rest);
    flags.iter().filter_map(|flag| flag.cut(b'=')).filter(|(key, _)| key.bytes() == name).map(|(_, v)| v).collect()
}

/// The range of the file that holds the reference's tag, where its bytes stand side by side.
fn tag_place(reference: &Traced, image_use: &ImageUse) -> Option<Range<usize>> {
    let tag = image_use.tag.as_ref()?;
    let start = image_use.written_name.len() + ":".len();
    reference.slice(start..start + tag.as_str().len()).source_range()
}

/// What stands after the `@` of a reference and the algorithm; the algorithm may come from somewhere else.
fn digits(reference: &Traced) -> Option<Traced> {
    let (_name, digest) = reference.cut(b'@')?;
    let digits = digest.cut(b':').map(|(_algorithm, digits)| digits).filter(|digits| !digits.is_empty());
    Some(digits.unwrap_or(digest)).filter(|place| !place.is_empty())
}

/// The range of the file that holds the digest's hex digits, where they stand side by side.
fn digest_place(reference: &Traced) -> Option<Range<usize>> {
    digits(reference)?.source_range()
}
