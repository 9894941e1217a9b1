//! Which comment describes which use.

use std::collections::BTreeSet;
use std::ops::Range;

use super::instruction::Instruction;
use super::walk::Found;
use crate::domain::comment::{self, Form, LineReading, NamesOfImage};
use crate::domain::image_use::{BoundComment, ImageUse, SkipReason, Status, UseKind};
use crate::domain::line_index::LineIndex;
use crate::domain::pin::{CommentBinding, settle};

/// How many comment lines are read for a file, at most: all its uses have an equal part of it. A file of a hundred uses
/// may have five hundred lines above each; one of mounts and comments alone does not cost their product.
const COMMENT_LINES_READ_MAX: usize = 50_000;

/// Binds comments to the uses, and settles what each use is.
pub(super) fn bind_comments(bytes: &[u8], instructions: &[Instruction], found: Vec<Found>) -> Vec<ImageUse> {
    let lines_max = COMMENT_LINES_READ_MAX / found.len().max(1) + 1;
    let reader = CommentReader { bytes, instructions, lines: LineIndex::new(bytes), lines_max };
    let above: Vec<CommentBinding> = found.iter().map(|found| reader.above(found)).collect();
    // A line that describes the next instruction does not describe the one before it.
    let claimed: BTreeSet<usize> = above.iter().filter_map(CommentBinding::line_start).collect();
    let bound = found.into_iter().zip(above).map(|(found, above)| {
        let binding = match above {
            CommentBinding::None => reader.below(&found, &claimed),
            binding => binding,
        };
        let mut image_use = found.image_use;
        if image_use.kind != UseKind::Syntax {
            settle(&mut image_use, binding);
        }
        let of_instruction = |index: &usize| instructions.get(*index).is_some_and(|i| i.is_ignored);
        if found.described_at.iter().any(of_instruction) {
            image_use.status = Status::Skipped(SkipReason::Ignored);
        }
        image_use
    });
    bound.collect()
}

struct CommentReader<'a> {
    bytes: &'a [u8],
    instructions: &'a [Instruction],
    lines: LineIndex,
    /// How many lines above one instruction are read.
    lines_max: usize,
}

impl CommentReader<'_> {
    /// The nearest line above that names the image; above the ARG that holds the digest first, then above the
    /// instruction itself.
    fn above(&self, found: &Found) -> CommentBinding {
        let Some(names) = NamesOfImage::of(&found.image_use) else { return CommentBinding::None };
        let blocks = found.described_at.iter().filter_map(|index| self.instructions.get(*index));
        let nearest_first = blocks.flat_map(|block| block.comments_above.iter().rev().take(self.lines_max));
        nearest_first
            .map(|line| self.read(line, &names, Form::Any))
            .find(|binding| !matches!(binding, CommentBinding::None))
            .unwrap_or(CommentBinding::None)
    }

    /// The line directly below, in the form `name:tag` alone.
    fn below(&self, found: &Found, claimed: &BTreeSet<usize>) -> CommentBinding {
        let Some(names) = NamesOfImage::of(&found.image_use) else { return CommentBinding::None };
        let blocks = found.described_at.iter().filter_map(|index| self.instructions.get(*index));
        blocks
            .filter_map(|block| block.comment_below.as_ref())
            .filter(|line| !claimed.contains(&line.start))
            .map(|line| self.read(line, &names, Form::NameColonTag))
            .find(|binding| !matches!(binding, CommentBinding::None))
            .unwrap_or(CommentBinding::None)
    }

    fn read(&self, line: &Range<usize>, names: &NamesOfImage, form: Form) -> CommentBinding {
        let text = self.bytes.get(line.clone()).unwrap_or_default();
        match comment::read_line(text, names, form) {
            LineReading::Nothing => CommentBinding::None,
            LineReading::Several => CommentBinding::Ambiguous { line_start: line.start },
            LineReading::Version { tag, range } => CommentBinding::Bound(BoundComment {
                line: self.lines.line(line.start),
                range: line.clone(),
                tag_range: line.start + range.start..line.start + range.end,
                tag,
            }),
        }
    }
}
