//! Pull requests that are opened together or not at all: with `group: file` the two of a pair may be in two of them.

use std::collections::BTreeSet;

use super::Proposal;
use super::caps::openings as opened;
use super::decide::Decided;
use crate::domain::pair;
use crate::domain::policy::Pairing;
use crate::domain::pull_request::BranchName;
use crate::domain::reference::TagRef;

/// The branches from which something is opened, in order, those of pairs together. More than `most` at once could never
/// be: these go one by one. What is urgent waits for none.
pub(super) fn openings(decided: &Decided, most: usize) -> Vec<BTreeSet<BranchName>> {
    let mut together: Vec<(BTreeSet<BranchName>, BTreeSet<TagRef>)> = Vec::new();
    for proposal in opened(&decided.plan) {
        let mut branches = BTreeSet::from([proposal.branch.clone()]);
        let mut tags = if decided.pair == Pairing::Together { paired_tags(proposal) } else { BTreeSet::new() };
        let others: BTreeSet<TagRef> = tags.iter().filter_map(pair::other).collect();
        let place = together.iter().position(|(_, known)| !known.is_disjoint(&others));
        together.retain(|(known, known_tags)| {
            let is_other = !known_tags.is_disjoint(&others);
            if is_other {
                branches.extend(known.iter().cloned());
                tags.extend(known_tags.iter().cloned());
            }
            !is_other
        });
        together.insert(place.unwrap_or(together.len()), (branches, tags));
    }
    let fit = together.into_iter().flat_map(|(branches, _)| match branches.len() > most {
        true => branches.into_iter().map(|branch| BTreeSet::from([branch])).collect(),
        false => vec![branches],
    });
    fit.collect()
}

/// The tags that the pins of a pull request get, as registries are asked for them.
fn paired_tags(proposal: &Proposal) -> BTreeSet<TagRef> {
    let pins = proposal.changes.values().flatten().filter(|_| !proposal.is_urgent());
    pins.map(|pin| pin.asked.clone()).collect()
}
