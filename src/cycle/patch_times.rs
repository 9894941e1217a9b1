//! What the mean time to patch is made of: when the digests of a pull request were first seen, when it was opened, and
//! when it was merged.
//!
//! An opening is noted where it happens. Everything else is read from the pull requests that a cycle looks at anyway, so
//! that a process that was killed in between, or a store that was away for a while, leaves no gap as long as the ledger
//! still knows the digests.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::candidates::{RepositoryKey, Unknown};
use crate::domain::digest::Digest;
use crate::domain::marker::{Marker, MarkerPin};
use crate::domain::plan::Proposal;
use crate::domain::pull_request::{BranchName, PullRequest, PullRequestState};
use crate::domain::reference::TagRef;
use crate::store::{Ending, PullRequestTimes, Store, StoreError};

/// How far the forge's clock may be behind ours: its times have whole seconds, and no clock is exact.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(1);

/// Pull requests whose end is not known, as the store has them.
pub type Open = BTreeMap<RepositoryKey, BTreeMap<u64, BranchName>>;

/// What a cycle read of the pull requests of each repository.
pub type Read = BTreeMap<RepositoryKey, Result<Vec<PullRequest>, Unknown>>;

/// Notes a pull request that was opened just now.
pub async fn opened(
    store: &dyn Store,
    key: &RepositoryKey,
    (number, proposal): (u64, &Proposal),
    now: Timestamp,
) -> Result<(), StoreError> {
    let pins = proposal.changes.values().flatten().map(|pin| (pin.asked.clone(), pin.new));
    let first_seen = first_sight(store, pins).await?.map_or(now, |seen| seen.min(now));
    let branch = proposal.branch.clone();
    let times = PullRequestTimes { number, branch, first_seen, opened: now, ended: None };
    store.put_pull_request(key, &times).await
}

/// The branches that have to be asked for besides, because a pull request of theirs was still open: where the forge
/// deletes merged branches itself, nothing else leads to it.
pub fn branches<'a>(open: &'a Open, key: &RepositoryKey) -> impl Iterator<Item = &'a BranchName> + use<'a> {
    open.get(key).into_iter().flat_map(BTreeMap::values)
}

/// Notes what became of pull requests, and those that nobody noted yet.
pub async fn follow(store: &dyn Store, open: &Open, read: &Read, now: Timestamp) -> Result<(), StoreError> {
    for (key, pull_requests) in read {
        let Ok(pull_requests) = pull_requests else { continue };
        let mut shown = BTreeSet::new();
        for pull_request in pull_requests {
            shown.insert(pull_request.number);
            let known = store.pull_request(key, pull_request.number).await?;
            let is_known = known.is_some();
            let times = match known {
                Some(times) => Some(times),
                None => unnoted(store, pull_request).await?,
            };
            let Some(times) = times else { continue };
            let ended = ending(pull_request, &times, now);
            if !is_known || ended != times.ended {
                store.put_pull_request(key, &PullRequestTimes { ended, ..times }).await?;
            }
        }
        // The forge shows the newest ones of a branch: it has ended some way.
        let numbers = open.get(key).into_iter().flat_map(BTreeMap::keys);
        for number in numbers.filter(|number| !shown.contains(number)) {
            if let Some(times) = store.pull_request(key, *number).await? {
                store.put_pull_request(key, &PullRequestTimes { ended: Some(Ending::Closed(now)), ..times }).await?;
            }
        }
    }
    Ok(())
}

/// The times of a pull request that is not in the store. `None` where they would be a guess: the forge does not say when
/// it was opened, or the ledger saw its digests only later, because it was lost in between.
async fn unnoted(store: &dyn Store, pull_request: &PullRequest) -> Result<Option<PullRequestTimes>, StoreError> {
    let (Some(opened), Ok(marker)) = (pull_request.opened_at, Marker::read(&pull_request.body)) else {
        return Ok(None);
    };
    let asked = |pin: MarkerPin| (TagRef { image: pin.image, tag: pin.new_tag.unwrap_or(pin.tag) }, pin.new);
    let pins = marker.pins.into_iter().map(asked);
    let latest = opened.saturating_add(CLOCK_SKEW).unwrap_or(opened);
    let first_seen = first_sight(store, pins).await?.filter(|seen| *seen <= latest).map(|seen| seen.min(opened));
    let (number, branch) = (pull_request.number, pull_request.branch.clone());
    Ok(first_seen.map(|first_seen| PullRequestTimes { number, branch, first_seen, opened, ended: None }))
}

/// How it ended; the first word counts, unless it was opened again since.
fn ending(pull_request: &PullRequest, times: &PullRequestTimes, now: Timestamp) -> Option<Ending> {
    // By our own clock where the forge does not say, or its clock has nothing to do with ours.
    let merged = pull_request.merged_at.filter(|at| times.first_seen <= *at).unwrap_or(now);
    match (pull_request.state, times.ended) {
        (PullRequestState::Open, _) => None,
        (PullRequestState::Merged, Some(Ending::Merged(at))) => Some(Ending::Merged(at)),
        (PullRequestState::Merged, _) => Some(Ending::Merged(merged)),
        (PullRequestState::Closed, Some(Ending::Closed(at))) => Some(Ending::Closed(at)),
        (PullRequestState::Closed, _) => Some(Ending::Closed(now)),
    }
}

/// When the first of these digests was seen for its tag.
async fn first_sight(
    store: &dyn Store,
    digests: impl Iterator<Item = (TagRef, Digest)> + Send,
) -> Result<Option<Timestamp>, StoreError> {
    let mut first = None;
    for (tag, digest) in digests {
        let seen = store.first_seen(&tag, &digest).await?;
        first = first.into_iter().chain(seen).min();
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::CommentMode;
    use crate::domain::pull_request::{Mergeable, Pipeline};
    use crate::store::SqliteStore;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key() -> RepositoryKey {
        RepositoryKey { forge: "github".to_owned(), name: "acme/web".parse().unwrap() }
    }

    fn tag() -> TagRef {
        TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() }
    }

    /// Opened at second 100.
    fn pull_request(state: PullRequestState, merged_at: Option<i64>) -> PullRequest {
        let pin = MarkerPin {
            file: "Dockerfile".to_owned(),
            line: 1,
            image: tag().image,
            tag: tag().tag,
            new_tag: None,
            old: Some(Digest::of(b"old")),
            new: Digest::of(b"new"),
        };
        let marker = Marker { commit: None, comment: CommentMode::Update, is_withdrawn: false, pins: vec![pin] };
        PullRequest {
            number: 7,
            url: String::new(),
            state,
            branch: "refrom/base-images".parse().unwrap(),
            base: "main".parse().unwrap(),
            head: "c".repeat(40).parse().unwrap(),
            title: String::new(),
            body: marker.write(),
            labels: Vec::new(),
            mergeable: Mergeable::Unknown,
            is_draft: false,
            pipeline: Pipeline::Unknown,
            is_auto_merging: false,
            opened_at: Some(at(100)),
            merged_at: merged_at.map(at),
        }
    }

    /// What is noted of a pull request whose digest was first seen then.
    async fn noted(first_seen: i64, pull_request: PullRequest) -> Option<PullRequestTimes> {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("db"), at(0)).await.unwrap();
        store.record_sightings(&[(tag(), Digest::of(b"new"))], at(first_seen)).await.unwrap();
        let read = Read::from([(key(), Ok(vec![pull_request]))]);
        follow(&store, &Open::new(), &read, at(999)).await.unwrap();
        store.pull_request(&key(), 7).await.unwrap()
    }

    #[tokio::test]
    async fn a_pull_request_that_nobody_could_note_is_noted_later() {
        let times = noted(40, pull_request(PullRequestState::Open, None)).await.unwrap();
        assert_eq!((times.first_seen, times.opened, times.ended), (at(40), at(100), None));
        let times = noted(40, pull_request(PullRequestState::Merged, Some(300))).await.unwrap();
        assert_eq!(times.ended, Some(Ending::Merged(at(300))));
        let times = noted(101, pull_request(PullRequestState::Open, None)).await.unwrap();
        assert_eq!(times.first_seen, at(100), "a clock that is a second behind");
    }

    #[tokio::test]
    async fn what_would_be_a_guess_is_not_noted() {
        assert_eq!(noted(161, pull_request(PullRequestState::Open, None)).await, None, "the ledger was lost");
        let silent = PullRequest { opened_at: None, ..pull_request(PullRequestState::Open, None) };
        assert_eq!(noted(40, silent).await, None, "the forge does not say when it was opened");
        let foreign = PullRequest { body: "words".to_owned(), ..pull_request(PullRequestState::Open, None) };
        assert_eq!(noted(40, foreign).await, None, "nobody knows its digests");
    }

    #[test]
    fn the_first_end_counts_unless_it_was_opened_again() {
        let known = |ended| {
            let branch = "refrom/base-images".parse().unwrap();
            PullRequestTimes { number: 7, branch, first_seen: at(50), opened: at(100), ended }
        };
        let [merged, closed] = [Ending::Merged(at(70)), Ending::Closed(at(70))].map(Some);
        let ended = |state, merged_at, before| ending(&pull_request(state, merged_at), &known(before), at(900));
        assert_eq!(ended(PullRequestState::Merged, Some(300), None), Some(Ending::Merged(at(300))));
        assert_eq!(ended(PullRequestState::Merged, Some(300), merged), merged);
        assert_eq!(ended(PullRequestState::Merged, None, closed), Some(Ending::Merged(at(900))), "the forge is silent");
        assert_eq!(ended(PullRequestState::Merged, Some(49), None), Some(Ending::Merged(at(900))), "its clock is odd");
        assert_eq!(ended(PullRequestState::Closed, None, closed), closed);
        assert_eq!(ended(PullRequestState::Open, None, closed), None);
    }

    #[tokio::test]
    async fn one_that_its_branch_does_not_show_any_more_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("db"), at(0)).await.unwrap();
        let branch: BranchName = "refrom/base-images".parse().unwrap();
        let times = PullRequestTimes { number: 3, branch, first_seen: at(1), opened: at(2), ended: None };
        store.put_pull_request(&key(), &times).await.unwrap();
        let open = store.open_pull_requests().await.unwrap();
        follow(&store, &open, &Read::from([(key(), Err(Unknown { reason: "down".to_owned() }))]), at(9)).await.unwrap();
        assert_eq!(store.open_pull_requests().await.unwrap().len(), 1, "it could not be asked");
        follow(&store, &open, &Read::from([(key(), Ok(Vec::new()))]), at(9)).await.unwrap();
        assert!(store.open_pull_requests().await.unwrap().is_empty());
        assert_eq!(store.facts().await.unwrap().closed, 1);
    }
}
