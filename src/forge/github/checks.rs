//! All checks and statuses of a commit together.

use serde::{Deserialize, Deserializer};

use crate::domain::pull_request::Pipeline;

/// `statusCheckRollup`, as it stands in an answer.
#[derive(Debug, Default)]
pub(super) enum Rollup {
    /// It was not asked for.
    #[default]
    Unasked,
    /// `null`: no check was asked for.
    None,
    /// Its `StatusState`; `None`: this account may not see it.
    State(Option<String>),
}

impl Rollup {
    pub fn pipeline(&self) -> Pipeline {
        match self {
            Self::None => Pipeline::Absent,
            Self::State(Some(state)) => match state.as_str() {
                "SUCCESS" => Pipeline::Passed,
                "PENDING" | "EXPECTED" => Pipeline::Pending,
                "FAILURE" | "ERROR" => Pipeline::Failed,
                _ => Pipeline::Unknown,
            },
            Self::Unasked | Self::State(None) => Pipeline::Unknown,
        }
    }
}

impl<'de> Deserialize<'de> for Rollup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parts {
            state: Option<String>,
        }
        let parts = Option::<Parts>::deserialize(deserializer)?;
        Ok(parts.map_or(Self::None, |parts| Self::State(parts.state)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Commit {
        #[serde(default)]
        rollup: Rollup,
    }

    #[test]
    fn no_checks_are_not_checks_that_may_not_be_seen() {
        let of = |text: &str| serde_json::from_str::<Commit>(text).unwrap().rollup.pipeline();
        assert_eq!(of(r#"{ "rollup": null }"#), Pipeline::Absent);
        assert_eq!(of(r#"{ "rollup": {} }"#), Pipeline::Unknown);
        assert_eq!(of("{}"), Pipeline::Unknown);
        for (state, pipeline) in [
            ("SUCCESS", Pipeline::Passed),
            ("EXPECTED", Pipeline::Pending),
            ("ERROR", Pipeline::Failed),
            ("SOMETHING_NEW", Pipeline::Unknown),
        ] {
            assert_eq!(of(&format!(r#"{{ "rollup": {{ "state": "{state}" }} }}"#)), pipeline, "{state}");
        }
    }
}
