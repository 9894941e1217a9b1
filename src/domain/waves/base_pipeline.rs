//! How the pipelines of base branches stand, from one look to the next.

use jiff::Timestamp;

use crate::domain::pull_request::Pipeline;

/// How the pipelines of a repository's base branch stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasePipeline {
    /// None has been seen to fail since then.
    Green {
        since: Timestamp,
        /// The last look in which the head's had passed.
        seen: Timestamp,
    },
    /// No head has had one since then: there is none that could fail.
    Without {
        since: Timestamp,
        /// The last look in which there was none.
        seen: Timestamp,
    },
    /// The last that ended failed.
    Failed { since: Timestamp },
    /// The first one since then has not ended.
    Pending { since: Timestamp },
}

impl BasePipeline {
    /// What a look makes of it; `None`: nothing was ever known.
    ///
    /// A pipeline that runs takes nothing away from those before it. A head without one proves nothing where others had
    /// one: that of a merge may begin a minute later, or not be needed for a changed text. After a failure only one that
    /// passes is green again. What the forge does not say changes nothing.
    pub fn after(before: Option<Self>, look: Pipeline, now: Timestamp) -> Option<Self> {
        match (look, before) {
            (Pipeline::Unknown, before) => before,
            (Pipeline::Absent, None) => Some(Self::Without { since: now, seen: now }),
            (Pipeline::Absent, Some(Self::Without { since, .. })) => Some(Self::Without { since, seen: now }),
            (Pipeline::Absent, before) => before,
            (Pipeline::Passed, Some(Self::Green { since, .. } | Self::Without { since, .. })) => {
                Some(Self::Green { since, seen: now })
            }
            (Pipeline::Passed, None | Some(Self::Failed { .. } | Self::Pending { .. })) => {
                Some(Self::Green { since: now, seen: now })
            }
            (Pipeline::Failed, Some(Self::Failed { .. })) => before,
            (Pipeline::Failed, _) => Some(Self::Failed { since: now }),
            // The first one of a repository that had none: now there is one to wait for.
            (Pipeline::Pending, None | Some(Self::Without { .. })) => Some(Self::Pending { since: now }),
            (Pipeline::Pending, before) => before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What looks at seconds 1, 2, … come to.
    fn after(looks: &[Pipeline]) -> Option<BasePipeline> {
        (1..).zip(looks).fold(None, |before, (second, look)| BasePipeline::after(before, *look, at(second)))
    }

    #[test]
    fn green_lasts_until_a_failure_and_comes_back_with_what_passes() {
        use Pipeline::{Absent, Failed, Passed, Pending, Unknown};
        let green = |since, seen| Some(BasePipeline::Green { since: at(since), seen: at(seen) });
        assert_eq!(after(&[Passed, Pending, Unknown, Passed, Pending]), green(1, 4));
        let without = |since, seen| Some(BasePipeline::Without { since: at(since), seen: at(seen) });
        assert_eq!(after(&[Absent, Absent, Unknown]), without(1, 2), "no pipelines");
        assert_eq!(after(&[Passed, Absent]), green(1, 1), "the merge's own may not have begun");
        assert_eq!(after(&[Pending, Absent]), Some(BasePipeline::Pending { since: at(1) }));
        assert_eq!(after(&[Absent, Pending, Absent]), Some(BasePipeline::Pending { since: at(2) }));
        assert_eq!(after(&[Absent, Passed, Absent]), green(1, 2));
        assert_eq!(after(&[Passed, Failed, Pending, Failed]), Some(BasePipeline::Failed { since: at(2) }));
        assert_eq!(after(&[Failed, Absent, Unknown]), Some(BasePipeline::Failed { since: at(1) }));
        assert_eq!(after(&[Passed, Failed, Passed]), green(3, 3));
        assert_eq!(after(&[Pending, Pending]), Some(BasePipeline::Pending { since: at(1) }));
        assert_eq!(after(&[Pending, Passed]), green(2, 2));
        assert_eq!(after(&[Unknown]), None);
    }
}
