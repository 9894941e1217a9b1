//! How much is looked up for one pin.

use crate::domain::tag_list;

/// How many digests of one tag are looked up for one pin in one cycle: where four in a row may not be proposed, the cause
/// is none that an older one is free of.
pub const LOOKED_UP_MAX: usize = 4;

/// How many on a way back: a registry that keeps only the newest ones has lost most of what a repository had, and the one
/// that is left ends an emergency.
pub const BACK_LOOKED_UP_MAX: usize = 12;

/// How many digests of one tag that the mirror does not have are passed over besides, for one pin in one cycle: each costs
/// little, and what the mirror does have may be far behind. Two days of a tag that moves every hour.
pub const NOT_IN_MIRROR_MAX: usize = 50;

/// How often something may be looked up until the target of a pin can be told: for the way back, for each higher tag, and
/// for its own tag, of which a pin that has to leave takes what is old enough before anything else.
pub const ROUNDS_MAX: usize =
    BACK_LOOKED_UP_MAX + NOT_IN_MIRROR_MAX + (LOOKED_UP_MAX + NOT_IN_MIRROR_MAX) * (tag_list::TRIED_MAX + 2);

/// What was looked up along the digests of one tag, in vain.
#[derive(Debug, Default)]
pub(super) struct Looks {
    pub(super) refused: usize,
    pub(super) not_in_mirror: usize,
}

impl Looks {
    /// `refused_max` is [`LOOKED_UP_MAX`], or that of a way back.
    pub(super) fn are_used_up(&self, refused_max: usize) -> bool {
        self.refused >= refused_max || self.not_in_mirror >= NOT_IN_MIRROR_MAX
    }
}
