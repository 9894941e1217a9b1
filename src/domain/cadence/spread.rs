//! Each repository's own place in time: stable, and evenly spread over the fleet.

use jiff::SignedDuration;

use crate::domain::candidates::RepositoryKey;
use crate::domain::digest::Digest;

/// How many hexadecimal digits of the hash count: as many as 64 bits have.
const HEX_DIGITS: usize = 16;

/// A repository's place among all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread(u64);

impl Spread {
    /// The place before all others: where no repository is meant.
    pub const NONE: Self = Self(0);

    /// A hash of `forge:name`, so that it stays the same whatever else there is.
    pub fn of(repository: &RepositoryKey) -> Self {
        let hash = Digest::of(repository.to_string().as_bytes()).hex();
        let digits = hash.get(..HEX_DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Self(digits.unwrap_or_default())
    }

    /// The place within a length of time, in whole seconds: from zero to just below the length.
    pub fn within(self, length: SignedDuration) -> SignedDuration {
        let seconds = u64::try_from(length.as_secs()).unwrap_or_default();
        let place = self.0.checked_rem(seconds).and_then(|place| i64::try_from(place).ok());
        SignedDuration::from_secs(place.unwrap_or_default())
    }
}
