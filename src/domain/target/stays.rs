//! What an open pull request proposes already: it stays where the choice would only take a step back.

use super::search::Search;
use super::{Choice, Considered, Rules};
use crate::domain::candidates::{Candidate, Move, Unknown, UseState};
use crate::domain::follow;
use crate::domain::marker::MarkerPin;
use crate::domain::policy::{AutoMerge, Follow};
use crate::domain::proposal::{self, Compared, Pin, Reason, Urgency};
use crate::domain::reference::{Tag, TagRef};
use crate::domain::waves::{WaveCause, WaveWait};

/// Whether a pull request goes on proposing for a pin what it proposes, in place of what was chosen, and why that is not
/// something newer.
///
/// That is so where nothing newer may be proposed now, as long as nothing forbids what is proposed: a registry that is
/// down, a digest that is held back again, or a memory that was lost makes no pull request go away or back.
pub fn stays(considered: &Considered, held: &MarkerPin, rules: &Rules<'_>) -> Option<Reason> {
    let Considered { candidate, choice } = considered;
    let reason = match choice {
        Choice::Nothing => return None,
        // Whatever it holds, the bytes cannot be changed.
        Choice::Wait(waiting) if waiting.reason == Reason::Ambiguous => return None,
        // The newest of that tag would change nothing, and an older one is no news.
        Choice::Wait(waiting)
            if matches!(waiting.reason, Reason::Unchanged(_))
                && waiting.asked == asked(candidate, held.new_tag.as_ref()) =>
        {
            return None;
        }
        Choice::Wait(waiting) => waiting.reason.clone(),
        Choice::Propose(pin) if matches!(pin.urgency, Some(Urgency::RolledBack(_))) => return None,
        Choice::Propose(pin) if (&pin.new_tag, pin.new) == (&held.new_tag, held.new) => return None,
        Choice::Propose(pin) if !is_newer(candidate, held, pin, rules) => return None,
        Choice::Propose(_) => Search::of(candidate, rules).stops.told(&candidate.asked)?.reason,
    };
    (!is_forbidden(candidate, held, rules) && !is_stopped(candidate, held, rules)).then_some(reason)
}

/// The way that a pull request proposes for a pin.
pub(in crate::domain) fn held_move(candidate: &Candidate, held: &MarkerPin) -> Move {
    Move::new(&candidate.tag, &asked(candidate, held.new_tag.as_ref()), candidate.old, held.new)
}

/// What a registry is asked for a pin that has this tag.
pub(in crate::domain) fn asked(candidate: &Candidate, new_tag: Option<&Tag>) -> TagRef {
    match new_tag {
        Some(tag) => TagRef { image: candidate.asked.image.clone(), tag: tag.clone() },
        None => candidate.asked.clone(),
    }
}

/// Whether what a pull request holds is newer than what was chosen.
fn is_newer(candidate: &Candidate, held: &MarkerPin, pin: &Pin, rules: &Rules<'_>) -> bool {
    if held.new_tag != pin.new_tag {
        let from = pin.new_tag.as_ref().unwrap_or(candidate.tag());
        return held.new_tag.as_ref().is_some_and(|tag| follow::is_higher(from, tag, Follow::Major));
    }
    let history = rules.history(&asked(candidate, held.new_tag.as_ref()));
    match (history.sighting(&held.new), history.sighting(&pin.new)) {
        (Some(held), Some(chosen)) => held.first_seen > chosen.first_seen,
        // Of a memory that was lost: only what the tag points to now is certain to be no older.
        (None, Some(_)) => history.head().is_some_and(|head| head.digest != pin.new),
        (_, None) => false,
    }
}

/// Whether something is known against what a pull request proposes, and not only against proposing it now.
pub(in crate::domain) fn is_forbidden(candidate: &Candidate, held: &MarkerPin, rules: &Rules<'_>) -> bool {
    if rules.way_back(candidate).is_some_and(|back| back.leads_to(held.new_tag.as_ref(), &held.new)) {
        return false;
    }
    let is_followed = |tag: &Tag| follow::is_higher(candidate.tag(), tag, rules.policy.follow);
    if held.new_tag.as_ref().is_some_and(|tag| !is_followed(tag)) {
        return true;
    }
    let asked = asked(candidate, held.new_tag.as_ref());
    let history = rules.history(&asked);
    rules.denied(&asked, &held.new).is_some()
        || history.is_withdrawn(&held.new)
        || candidate.old.is_some_and(|old| history.is_backwards(&old, &held.new))
        || is_disproved(candidate, held, rules)
}

/// Whether the forge may merge by itself what an earlier wave has failed with since it was proposed. Where people merge, it
/// stays, and says so.
fn is_stopped(candidate: &Candidate, held: &MarkerPin, rules: &Rules<'_>) -> bool {
    let Some(repository) = rules.repository.filter(|_| rules.policy.automerge == AutoMerge::WhenGreen) else {
        return false;
    };
    let asked = asked(candidate, held.new_tag.as_ref());
    let history = rules.history(&asked);
    let reached = rules.knowledge.waves.reached(
        repository,
        rules.wave_candidate(candidate, (&asked, &history), &held.new),
        rules.now,
    );
    matches!(reached, Err(WaveWait { cause: WaveCause::Failed(_), .. }))
}

/// Whether the registry says that the digest may not follow the pinned one. A registry that does not answer for the tag
/// is not asked about its digests.
fn is_disproved(candidate: &Candidate, held: &MarkerPin, rules: &Rules<'_>) -> bool {
    if !matches!(candidate.state, UseState::Behind { .. } | UseState::Current) {
        return false;
    }
    let evidence = rules.knowledge.evidence.get(&held_move(candidate, held));
    match evidence.map(|evidence| proposal::judge(held.new, Some(evidence), Compared::Everything)) {
        None | Some(Ok(_) | Err(Reason::Unknown(Unknown { .. }) | Reason::HeldBack(_))) => false,
        Some(Err(_)) => true,
    }
}
