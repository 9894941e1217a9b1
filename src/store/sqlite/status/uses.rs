//! Rows of uses that no pull request moves.

use serde::{Deserialize, Serialize};

use super::Damage;
use crate::domain::status::{NoticedStatus, UnfollowedStatus};

#[derive(Serialize, Deserialize)]
pub(super) struct NoticedRow {
    path: String,
    line: u32,
    image: String,
    what: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct UnfollowedRow {
    path: String,
    line: u32,
    image: String,
    tag: Option<String>,
    digest: String,
    why: String,
}

impl From<&NoticedStatus> for NoticedRow {
    fn from(noticed: &NoticedStatus) -> Self {
        let NoticedStatus { path, line, image, what } = noticed.clone();
        Self { path, line, image, what }
    }
}

impl From<NoticedRow> for NoticedStatus {
    fn from(row: NoticedRow) -> Self {
        let NoticedRow { path, line, image, what } = row;
        Self { path, line, image, what }
    }
}

impl From<&UnfollowedStatus> for UnfollowedRow {
    fn from(unfollowed: &UnfollowedStatus) -> Self {
        let UnfollowedStatus { path, line, image, tag, digest, why } = unfollowed.clone();
        let tag = tag.map(|tag| tag.to_string());
        Self { path, line, image: image.to_string(), tag, digest: digest.to_string(), why }
    }
}

impl UnfollowedRow {
    pub(super) fn status(self) -> Result<UnfollowedStatus, Damage> {
        let Self { path, line, image, tag, digest, why } = self;
        let tag = tag.map(|tag| tag.parse()).transpose()?;
        Ok(UnfollowedStatus { path, line, image: image.parse()?, tag, digest: digest.parse()?, why })
    }
}
