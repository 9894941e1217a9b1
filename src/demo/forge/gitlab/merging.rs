//! Merging, at once or once the pipeline has passed
//! (<https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request>).

use super::merge_requests::{found, show};
use super::shown::{merge_status, pipeline};
use super::{Asked, not_found, refusal};
use crate::demo::forge::http::Reply;
use crate::demo::forge::world::World;
use crate::domain::pull_request::PullRequestState;

/// 405 where it cannot be merged, 409 where its head is another than the given one.
pub(super) fn merge(world: &mut World, asked: &Asked, place: (u64, u64)) -> Result<Reply, Reply> {
    let not_allowed = || refusal(405, "405 Method Not Allowed");
    let repository = world.repositories.get(&place.0).ok_or_else(|| not_found("Project"))?;
    let it = repository.pull_requests.get(&place.1).ok_or_else(|| not_found("Merge Request"))?;
    let is_mergeable = it.state == PullRequestState::Open
        && !it.is_draft
        && merge_status(world, place.0, it)? != "cannot_be_merged"
        && repository.is_auto_merge_allowed;
    let is_automatic = asked.flag("auto_merge") || asked.flag("merge_when_pipeline_succeeds");
    let pipeline = pipeline(repository, &it.head);
    let is_now = pipeline == Some("success") || !is_automatic && !repository.are_checks_required;
    let is_later = is_automatic && pipeline == Some("running");
    if !is_mergeable || !(is_now || is_later) {
        return Err(not_allowed());
    }
    if asked.text("sha").is_some_and(|sha| sha != it.head.as_str()) {
        return Err(refusal(409, format!("SHA does not match HEAD of source branch: {}", it.head)));
    }
    let (base, head, now) = (it.base.clone(), it.head.clone(), world.now());
    if is_now {
        let bare = world.bare(place.0)?.ok_or_else(|| not_found("Project"))?;
        bare.merge(&base, &head, &format!("Merge branch into '{base}'"))?;
    }
    let it = found(world, place)?;
    if is_now {
        it.state = PullRequestState::Merged;
        it.merged = Some(now);
    } else {
        it.is_auto_merging = true;
    }
    show(world, place)
}
