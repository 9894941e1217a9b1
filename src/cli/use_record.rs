//! The JSON of `list` and `check`: a contract with the programs that read it.

use serde::Serialize;

use crate::domain::image_use::{ImageUse, Status};
use crate::domain::proposal::Reason;
use crate::domain::pull_request::Vocabulary;
use crate::domain::reference::TagRef;

/// One image use. Absent values are `null`.
#[derive(Debug, Serialize)]
pub struct UseRecord {
    pub path: String,
    pub line: u32,
    pub kind: &'static str,
    pub registry: Option<String>,
    pub repository: Option<String>,
    pub tag: Option<String>,
    pub digest: Option<String>,
    pub status: &'static str,
    pub reason: Option<&'static str>,
    pub stage: Option<String>,
    #[serde(rename = "final")]
    pub is_final_stage: bool,
    pub platform: Option<String>,
    pub via: Option<String>,
    pub tag_source: Option<&'static str>,
    pub comment_line: Option<u32>,
    pub findings: Vec<&'static str>,
}

impl UseRecord {
    pub fn new(path: &str, image_use: &ImageUse) -> Self {
        let reason = match image_use.status {
            Status::Skipped(reason) => Some(reason.as_str()),
            Status::Pinned | Status::Unpinned => None,
        };
        Self {
            path: path.to_owned(),
            line: image_use.line,
            kind: image_use.kind.as_str(),
            registry: image_use.image.as_ref().map(|image| image.registry().to_owned()),
            repository: image_use.image.as_ref().map(|image| image.repository().to_owned()),
            tag: image_use.tag.as_ref().map(ToString::to_string),
            digest: image_use.digest.as_ref().map(ToString::to_string),
            status: image_use.status.as_str(),
            reason,
            stage: image_use.stage.clone(),
            is_final_stage: image_use.is_final_stage,
            platform: image_use.platform.clone(),
            via: image_use.via.clone(),
            tag_source: image_use.tag_source.map(|source| source.as_str()),
            comment_line: image_use.comment.as_ref().map(|comment| comment.line),
            findings: image_use.findings.iter().map(|finding| finding.as_str()).collect(),
        }
    }
}

/// Why a pin is not moved, for people who see the tag beside it.
pub fn shown_reason(tag: &TagRef, reason: &Reason, vocabulary: Vocabulary) -> String {
    let text = match reason {
        Reason::Unknown(unknown) => unknown.to_string(),
        other => other.told(vocabulary).to_string(),
    };
    text.strip_prefix(&format!("`{tag}`: ")).map(ToOwned::to_owned).unwrap_or(text)
}
