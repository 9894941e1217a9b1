//! Pull requests that are opened together or not at all: with `group: file` the two of a pair may be in two of them.

use std::collections::BTreeSet;

use super::Proposal;
use super::caps::openings as opened;
use super::decide::Decided;
use crate::domain::pair;
use crate::domain::policy::Pairing;
use crate::domain::pull_request::BranchName;
use crate::domain::reference::TagRef;

/// Branches whose pull requests belong together, in their order.
pub(super) type Together = Vec<BranchName>;

/// The branches from which something is opened, in order, those of pairs together: each that has one of a pair and lacks the
/// other with the first that has that. More than `most` at once could never be: these go one by one. What is urgent
/// waits for none.
pub(super) fn openings(decided: &Decided, most: usize) -> Vec<Together> {
    let opened: Vec<(&BranchName, BTreeSet<TagRef>)> = opened(&decided.plan)
        .map(|proposal| match decided.pair {
            Pairing::Together => (&proposal.branch, paired_tags(proposal)),
            Pairing::Off => (&proposal.branch, BTreeSet::new()),
        })
        .collect();
    let mut together: Vec<BTreeSet<usize>> = Vec::new();
    for (index, (_, tags)) in opened.iter().enumerate() {
        let lacks = tags.iter().filter_map(pair::other).filter(|other| !tags.contains(other));
        let mut linked: BTreeSet<usize> =
            lacks.filter_map(|other| opened.iter().position(|(_, tags)| tags.contains(&other))).collect();
        linked.insert(index);
        let place = together.iter().position(|known| !known.is_disjoint(&linked)).unwrap_or(together.len());
        let (apart, joined): (Vec<_>, Vec<_>) = together.into_iter().partition(|known| known.is_disjoint(&linked));
        linked.extend(joined.into_iter().flatten());
        together = apart;
        together.insert(place, linked);
    }
    let branches = |linked: BTreeSet<usize>| -> Together {
        linked.into_iter().filter_map(|index| opened.get(index)).map(|(branch, _)| (*branch).clone()).collect()
    };
    let fit = together.into_iter().map(branches).flat_map(|branches| match branches.len() > most {
        true => one_by_one(branches),
        false => vec![branches],
    });
    fit.collect()
}

pub(super) fn one_by_one(branches: Together) -> Vec<Together> {
    branches.into_iter().map(|branch| vec![branch]).collect()
}

/// The tags that the pins of a pull request get, as registries are asked for them.
fn paired_tags(proposal: &Proposal) -> BTreeSet<TagRef> {
    let pins = proposal.changes.values().flatten().filter(|_| !proposal.is_urgent());
    pins.map(|pin| pin.asked.clone()).collect()
}
