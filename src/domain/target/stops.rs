//! What keeps a pin from newer digests: of each tag what stopped the newest one, and which of these is told.

use crate::domain::candidates::Candidate;
use crate::domain::digest::Digest;
use crate::domain::proposal::{NotProposed, Reason};
use crate::domain::reference::TagRef;

/// What stopped the newest candidate of a tag.
#[derive(Debug)]
pub(super) struct Stopped {
    /// The tag whose digest it is, as a registry is asked for it.
    asked: TagRef,
    digest: Option<Digest>,
    pub(super) reason: Reason,
}

/// What stopped a search.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// What stopped the way back, which is told before all else.
    back: Option<Stopped>,
    /// One for each tag, in the order of the search.
    by_tag: Vec<Stopped>,
}

impl Stopped {
    pub(super) fn not_proposed(self, candidate: &Candidate) -> NotProposed {
        let Candidate { path, use_index, line, tag, old, .. } = candidate.clone();
        let Self { asked, digest: new, reason } = self;
        NotProposed { path, use_index, line, tag, asked, old, new, reason }
    }
}

impl Stops {
    /// Notes what stopped a candidate, if it is the newest of its tag. Where all are too young it is told of the one that
    /// may go first: of a tag that moves all the time the newest never will.
    pub(super) fn note(&mut self, asked: &TagRef, digest: Option<Digest>, reason: Reason) {
        let Some(known) = self.by_tag.iter_mut().find(|it| it.asked == *asked) else {
            return self.by_tag.push(Stopped { asked: asked.clone(), digest, reason });
        };
        if let (Reason::TooYoung { from: first, .. }, Reason::TooYoung { from, .. }) = (&known.reason, &reason)
            && from < first
        {
            known.reason = reason;
        }
    }

    /// Forgets what is lost: it is no way back.
    pub(super) fn forget_lost(&mut self) {
        self.by_tag.retain(|stopped| !matches!(stopped.reason, Reason::DigestGone(_)));
    }

    /// What was noted up to now was said of the way back.
    pub(super) fn end_way_back(&mut self) {
        self.back = self.by_tag.drain(..).next();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is told of a pin that has this tag: what the search came to first. What stays so at a higher tag until somebody
    /// does something about it is told only where all the others have nothing to say: it hides nothing that comes by itself.
    pub(super) fn told(self, own: &TagRef) -> Option<Stopped> {
        let Self { back, mut by_tag } = self;
        let counts = by_tag.iter().position(|it| it.asked == *own || !it.reason.is_lasting()).unwrap_or_default();
        back.or_else(|| (counts < by_tag.len()).then(|| by_tag.swap_remove(counts)))
    }

    /// Whether nothing but somebody's doing brings a digest of a tag to a pin that has this one.
    pub(super) fn bar_from(&self, tag: &TagRef, own: &TagRef) -> bool {
        // Where one higher tag cannot be written, none can.
        let is_about = |it: &&Stopped| {
            it.asked == *tag || it.asked != *own && tag != own && matches!(it.reason, Reason::TagNotEditable(_))
        };
        self.by_tag.iter().find(is_about).is_some_and(|it| it.reason.is_lasting())
    }
}
