//! How pipelines stand.

use serde::Deserialize;

use crate::domain::pull_request::Pipeline;

/// A pipeline's `PipelineStatusEnum` (<https://docs.gitlab.com/api/graphql/reference/#pipelinestatusenum>), as a text: a
/// value that is new to us spoils nothing.
#[derive(Debug, Deserialize)]
pub(super) struct PipelineParts {
    status: String,
}

/// `pipelines(first: 1)` of a commit, which are ordered latest first.
#[derive(Debug, Deserialize)]
pub(super) struct Latest {
    nodes: Vec<PipelineParts>,
}

/// Where something waits for a person to go on.
const MANUAL: &str = "MANUAL";

/// `None`: there is no pipeline. A skipped one checked nothing; a manual one waits for a person.
pub(super) fn pipeline(latest: Option<&PipelineParts>) -> Pipeline {
    match latest.map(|latest| latest.status.as_str()) {
        None | Some("SKIPPED") => Pipeline::Absent,
        Some("SUCCESS") => Pipeline::Passed,
        Some("FAILED" | "CANCELED" | "CANCELING" | MANUAL) => Pipeline::Failed,
        Some(
            "CREATED"
            | "WAITING_FOR_RESOURCE"
            | "WAITING_FOR_CALLBACK"
            | "PREPARING"
            | "PENDING"
            | "RUNNING"
            | "SCHEDULED",
        ) => Pipeline::Pending,
        Some(_) => Pipeline::Unknown,
    }
}

impl Latest {
    /// The same of a commit that is merged already: what waits there for a person, such as a deployment, is no failure.
    pub fn pipeline(&self) -> Pipeline {
        match self.nodes.first() {
            Some(latest) if latest.status == MANUAL => Pipeline::Pending,
            latest => pipeline(latest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_a_pipeline_is_one_of_ours() {
        assert_eq!(pipeline(None), Pipeline::Absent);
        assert_eq!(Latest { nodes: Vec::new() }.pipeline(), Pipeline::Absent);
        for (status, open, merged) in [
            ("SUCCESS", Pipeline::Passed, Pipeline::Passed),
            ("SKIPPED", Pipeline::Absent, Pipeline::Absent),
            ("MANUAL", Pipeline::Failed, Pipeline::Pending),
            ("CANCELED", Pipeline::Failed, Pipeline::Failed),
            ("RUNNING", Pipeline::Pending, Pipeline::Pending),
            ("SCHEDULED", Pipeline::Pending, Pipeline::Pending),
            ("SOMETHING_NEW", Pipeline::Unknown, Pipeline::Unknown),
        ] {
            let parts = PipelineParts { status: status.to_owned() };
            assert_eq!(pipeline(Some(&parts)), open, "{status}");
            assert_eq!(Latest { nodes: vec![parts] }.pipeline(), merged, "{status}");
        }
    }
}
