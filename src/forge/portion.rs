//! How much is asked for at once: less where a forge gives up on the question.

/// The smallest portion, in items: a question for ten that is not answered is not too large, so that from here on the
/// one retry policy serves.
const PORTION_MIN: usize = 10;

/// The items per page, and the ids per request, that GitHub and GitLab allow.
const PAGE: usize = 100;

/// How many items one question asks for. GitHub ends what takes it longer than ten seconds
/// (<https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>), GitLab what takes
/// longer than thirty (<https://docs.gitlab.com/api/graphql/#limits>); half of it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::forge) struct Portion(usize);

impl Portion {
    /// As much as a forge allows.
    pub fn full() -> Self {
        Self(PAGE)
    }

    /// So many items, where a forge allows less.
    pub fn of_size(size: usize) -> Self {
        Self(size)
    }

    pub fn size(self) -> usize {
        self.0
    }

    pub fn can_shrink(self) -> bool {
        self.0 > PORTION_MIN
    }

    pub fn shrink(&mut self) {
        self.0 = (self.0 / 2).max(PORTION_MIN);
    }

    /// The items for the next question, and those for later ones.
    pub fn of<T>(self, items: &[T]) -> (&[T], &[T]) {
        items.split_at(self.0.min(items.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_shrinks_by_half_down_to_the_smallest() {
        let mut portion = Portion::full();
        let mut sizes = vec![portion.size()];
        while portion.can_shrink() {
            portion.shrink();
            sizes.push(portion.size());
        }
        assert_eq!(sizes, [100, 50, 25, 12, 10]);
        assert_eq!(portion.of(&[0; 25]), ([0; 10].as_slice(), [0; 15].as_slice()));
        assert_eq!(portion.of(&[0; 3]), ([0; 3].as_slice(), [].as_slice()));
    }
}
