//! What one plan may do in the world that it was made from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use refrom::domain::cadence::{Due, Edge};
use refrom::domain::candidates::{Candidate, RepositoryFacts, UseState, behind};
use refrom::domain::follow;
use refrom::domain::ledger::History;
use refrom::domain::marker::{Marker, MarkerPin};
use refrom::domain::message::TITLE_LENGTH_MAX;
use refrom::domain::pair;
use refrom::domain::plan::{Action, ClosingCause, Knowledge, Plan, Proposal, RepositoryPlan};
use refrom::domain::policy::{Follow, Pairing, Policy};
use refrom::domain::proposal::{NotProposed, Pin, Reason};
use refrom::domain::pull_request::PullRequestState;
use refrom::domain::reference::TagRef;

use super::events::PER_HOUR;
use crate::plan_world::{Repo, World};

type Kept = Result<(), TestCaseError>;
/// A use: its file, and its index in it.
type Use = (String, usize);

/// A repository before a plan is carried out, and its plan.
struct View<'a> {
    world: &'a World,
    knowledge: &'a Knowledge,
    facts: &'a RepositoryFacts,
    repo: &'a Repo,
    plan: &'a RepositoryPlan,
    pins: BTreeMap<Use, Candidate>,
    /// What open pull requests propose, without lines.
    held: BTreeSet<MarkerPin>,
    /// The same without those that propose something denied: nobody shall merge them.
    ways: BTreeSet<MarkerPin>,
}

fn content(pin: &MarkerPin) -> MarkerPin {
    MarkerPin { line: 0, ..pin.clone() }
}

fn use_of(pin: &Pin) -> Use {
    (pin.path.clone(), pin.use_index)
}

/// Whether a pull request proposes something for a pin.
fn is_of(held: &MarkerPin, candidate: &Candidate) -> bool {
    let Candidate { path, tag, old, .. } = candidate;
    (&held.file, &held.image, &held.tag, &held.old) == (path, &tag.image, &tag.tag, old)
}

/// The pins of the pull requests of a state.
fn marked(repo: &Repo, state: PullRequestState) -> impl Iterator<Item = (Marker, MarkerPin)> {
    let all = repo.pull_requests.iter().filter(move |it| it.state == state);
    let markers = all.filter_map(|it| Marker::read(&it.body).ok());
    markers.flat_map(|marker| marker.pins.clone().into_iter().map(move |pin| (marker.clone(), pin)))
}

/// The laws of one plan.
pub fn check(world: &World, decided: &Plan) -> Kept {
    let facts = world.facts();
    let knowledge = world.knowledge(&facts);
    let (mut opened, mut ordinary, mut is_urgent_one_put_off) = (0, 0, false);
    for plan in &decided.repositories {
        let facts = facts.iter().find(|facts| facts.key() == plan.repository).unwrap();
        let repo = &world.repos[plan.repository.name.as_str()];
        let pins = behind(facts, &knowledge.observations).pins;
        let pins = pins.into_iter().map(|pin| ((pin.path.clone(), pin.use_index), pin)).collect();
        let held = marked(repo, PullRequestState::Open).map(|(_, pin)| content(&pin)).collect();
        let mut view = View { world, knowledge: &knowledge, facts, repo, plan, pins, held, ways: BTreeSet::new() };
        let mergeable = marked(repo, PullRequestState::Open).filter(|(marker, _)| !view.proposes_denied(marker));
        view.ways = mergeable.map(|(_, pin)| content(&pin)).collect();
        view.check()?;
        opened += view.openings().count() as u64;
        ordinary += view.openings().filter(|proposal| !proposal.is_urgent()).count();
        is_urgent_one_put_off |= view.put_off_urgently(|reason| matches!(reason, Reason::MaxNewPerHour(_)));
    }
    prop_assert!(world.opened + opened <= PER_HOUR || opened == 0, "more than {} in an hour", PER_HOUR);
    prop_assert!(!is_urgent_one_put_off || ordinary == 0, "what is urgent comes first");
    Ok(())
}

impl View<'_> {
    fn check(&self) -> Kept {
        for action in &self.plan.actions {
            match action {
                Action::Open { proposal, .. } | Action::Update { proposal, .. } => {
                    prop_assert!(proposal.branch.is_ours());
                    prop_assert!(proposal.title.chars().count() <= TITLE_LENGTH_MAX);
                    self.is_in_time(action, proposal)?;
                }
                Action::Close(closing) => {
                    prop_assert!(closing.branch.is_ours());
                    let is_withdrawn = |body: &String| Marker::read(body).is_ok_and(|marker| marker.is_withdrawn);
                    prop_assert!(closing.body.as_ref().is_none_or(is_withdrawn));
                }
                Action::AutoMerge { branch, .. } | Action::DeleteBranch { branch, .. } => {
                    prop_assert!(branch.is_ours());
                }
            }
        }
        for pin in self.proposed() {
            self.may_go(pin)?;
            self.is_with_its_pair(pin)?;
        }
        self.says_everything_once()?;
        self.keeps_its_caps()?;
        self.plan.not_proposed.iter().filter(|waiting| self.is_urgent(waiting)).try_for_each(|it| self.may_wait(it))
    }

    fn openings(&self) -> impl Iterator<Item = &Proposal> {
        self.plan.actions.iter().filter_map(|action| match action {
            Action::Open { proposal, .. } => Some(proposal.as_ref()),
            _ => None,
        })
    }

    /// With what goes on being proposed.
    fn proposed(&self) -> impl Iterator<Item = &Pin> {
        let proposals = self.plan.actions.iter().filter_map(|action| match action {
            Action::Open { proposal, .. } | Action::Update { proposal, .. } => Some(proposal),
            _ => None,
        });
        proposals.flat_map(|proposal| proposal.changes.values().flatten())
    }

    fn is_held(&self, pin: &Pin) -> bool {
        self.held.contains(&content(&pin.marked()))
    }

    /// Whether something that is denied is in there, for a pin that is still where it was.
    fn proposes_denied(&self, marker: &Marker) -> bool {
        let is_denied = |pin: &MarkerPin| self.facts.policy.denied.iter().any(|denied| denied.digest == pin.new);
        let is_there = |pin: &MarkerPin| self.pins.values().any(|candidate| is_of(pin, candidate));
        marker.pins.iter().any(|pin| is_denied(pin) && is_there(pin))
    }

    /// A freeze that nothing passes.
    fn is_frozen(&self) -> bool {
        let now = self.world.now().to_zoned(TimeZone::UTC).datetime();
        let holds = |from, to| matches!((from, to), (Edge::Minute(from), Edge::Minute(to)) if from <= now && now < to);
        let freezes = self.facts.policy.cadence.freezes.iter().map(|rule| &rule.value);
        freezes.filter(|it| !it.lets_urgent_through()).any(|it| holds(it.from(), it.to()))
    }

    /// Whether a pin that waits cannot: its digest is lost, its tag is there, and no pull request leads away from it.
    fn is_urgent(&self, waiting: &NotProposed) -> bool {
        let NotProposed { path, tag, asked, old, .. } = waiting;
        let is_lost = old.is_some_and(|old| self.world.missing.contains_key(&(tag.image.clone(), old)));
        let own = TagRef { tag: tag.tag.clone(), ..asked.clone() };
        let has_head = self.world.tags.get(&own).is_some_and(|head| head.is_some() && head != old);
        let leads_away =
            |held: &MarkerPin| (&held.file, &held.image, &held.tag, &held.old) == (path, &tag.image, &tag.tag, old);
        // Of a higher tag, which is no way out of it, everything holds that holds without an emergency.
        is_lost && has_head && *asked == own && !self.ways.iter().any(leads_away)
    }

    fn put_off_urgently(&self, by: impl Fn(&Reason) -> bool) -> bool {
        self.plan.not_proposed.iter().any(|waiting| by(&waiting.reason) && self.is_urgent(waiting))
    }

    /// Nothing is written in a freeze, and before its time only what is urgent, with what its pull request holds already.
    fn is_in_time(&self, action: &Action, proposal: &Proposal) -> Kept {
        prop_assert!(!self.is_frozen(), "written in a freeze");
        let key = self.facts.key();
        let last = self.knowledge.turns.get(&key).copied();
        if let Due::Now { .. } = self.facts.policy.cadence.due(&key, last, self.world.now()) {
            return Ok(());
        }
        let held = match action {
            Action::Update { pull_request, .. } => Marker::read(&pull_request.body).ok(),
            _ => None,
        };
        let leads_away = held.as_ref().is_some_and(|held| !self.proposes_denied(held));
        let place = |pin: &MarkerPin| (pin.file.clone(), pin.image.clone(), pin.tag.clone());
        let pins = || held.iter().flat_map(|held| &held.pins);
        let is_there = |pin: &Pin| pins().any(|held| place(held) == place(&pin.marked()));
        let written = || proposal.changes.values().flatten();
        let is_urgent = written().any(|pin| pin.urgency.is_some() && !(leads_away && is_there(pin)));
        prop_assert!(is_urgent, "nothing urgent, and written before its time: {:?}", proposal.changes);
        let ordinary = written().find(|pin| pin.urgency.is_none() && !is_there(pin));
        prop_assert_eq!(ordinary, None, "written before its time");
        Ok(())
    }

    /// What the rules say of a digest that is proposed anew, and of every one that was denied.
    fn may_go(&self, pin: &Pin) -> Kept {
        let policy = &self.facts.policy;
        let is_denied = policy.denied.iter().any(|denied| denied.digest == pin.new);
        prop_assert!(!is_denied, "denied: {:?}", pin);
        if self.is_held(pin) {
            return Ok(());
        }
        let is_opened = self.openings().any(|proposal| proposal.changes.values().flatten().any(|it| it == pin));
        let mut refused = marked(self.repo, PullRequestState::Closed).filter(|(marker, _)| !marker.is_withdrawn);
        prop_assert!(!is_opened || !refused.any(|(_, it)| it.new == pin.new), "refused: {:?}", pin);
        if pin.asked.image != pin.tag.image {
            prop_assert!(!self.world.not_mirrored.contains(&pin.new), "not in its mirror: {:?}", pin);
        }
        if let Some(new_tag) = &pin.new_tag {
            let tags = self.world.tags.keys().filter(|tag| tag.image == pin.asked.image).map(|tag| tag.tag.clone());
            let higher = follow::higher(&pin.tag.tag, &tags.collect::<BTreeSet<_>>(), policy.follow);
            prop_assert!(policy.follow != Follow::Digest && higher.contains(new_tag), "not followed: {:?}", pin);
            prop_assert_eq!(&pin.urgency, &None, "what is urgent tries no other version");
        }
        self.was_seen_for_long_enough(policy, pin)
    }

    fn was_seen_for_long_enough(&self, policy: &Policy, pin: &Pin) -> Kept {
        let mut ledger = self.world.ledger.clone();
        let head = self.world.tags[&pin.asked].unwrap();
        if ledger.history(&pin.asked).and_then(History::head).is_none_or(|seen| seen.digest != head) {
            ledger.note(pin.asked.clone(), head, self.world.now());
        }
        let history = ledger.history(&pin.asked).unwrap();
        let seen = history.sighting(&pin.new).unwrap();
        prop_assert!(!history.is_withdrawn(&pin.new), "withdrawn: {:?}", pin);
        prop_assert!(!history.is_backwards(&pin.old.unwrap(), &pin.new), "backwards: {:?}", pin);
        let age = self.world.now().duration_since(seen.first_seen);
        let is_old_enough = |age| policy.min_age.is_zero() || age >= policy.min_age;
        prop_assert!(pin.urgency.is_some() || is_old_enough(age), "{} old: {:?}", age, pin);
        let settled = seen.last_seen.duration_since(seen.first_seen);
        // Two looks at once leave less than nothing between them.
        prop_assert!(settled.max(SignedDuration::ZERO) >= policy.settle, "the head for {}: {:?}", settled, pin);
        Ok(())
    }

    /// What may not be proposed anew waits, also where an open pull request goes on proposing what it proposed.
    fn says_everything_once(&self) -> Kept {
        let kept: BTreeSet<Use> = self.proposed().filter(|pin| self.is_held(pin)).map(use_of).collect();
        let waiting = self.plan.not_proposed.iter().map(|it| (it.path.clone(), it.use_index));
        let all: Vec<Use> = self.proposed().map(use_of).chain(waiting.filter(|it| !kept.contains(it))).collect();
        let distinct: BTreeSet<&Use> = all.iter().collect();
        prop_assert_eq!(distinct.len(), all.len(), "a pin is proposed, or waits, once");
        Ok(())
    }

    /// `max_open` and `min_interval`, of which the one counts what is open then, and the other what is opened now.
    fn keeps_its_caps(&self) -> Kept {
        let open = self.repo.pull_requests.iter().filter(|it| it.state == PullRequestState::Open).count();
        let closed = self.plan.actions.iter().filter(|action| matches!(action, Action::Close(_))).count();
        let news = self.openings().count();
        let ordinary = self.openings().filter(|proposal| !proposal.is_urgent()).count();
        if let Some(limit) = self.facts.policy.max_open {
            prop_assert!(news == 0 || open + news - closed <= limit as usize, "more than {} are open", limit);
            let is_one_put_off = self.put_off_urgently(|reason| matches!(reason, Reason::MaxOpen(_)));
            prop_assert!(!is_one_put_off || ordinary == 0, "what is urgent comes first");
        }
        let is_regrouping =
            |action: &Action| matches!(action, Action::Close(it) if it.cause == ClosingCause::Regrouped);
        let interval = self.facts.policy.min_interval;
        if !interval.is_zero() && ordinary > 0 && !self.plan.actions.iter().any(is_regrouping) {
            let last = self.world.last_opened.get(self.plan.repository.name.as_str());
            let is_over = last.is_none_or(|last| self.world.now().duration_since(*last) >= interval);
            prop_assert!(is_over, "opened within the interval");
            prop_assert!(news == 1 || self.opens_a_pair(), "{} opened at once", news);
        }
        Ok(())
    }

    /// Whether two pull requests are opened that have the two of a pair.
    fn opens_a_pair(&self) -> bool {
        let tags = |proposal: &Proposal| -> BTreeSet<TagRef> {
            proposal.changes.values().flatten().map(|pin| pin.asked.clone()).collect()
        };
        let opened: Vec<BTreeSet<TagRef>> = self.openings().map(tags).collect();
        let [one, two] = opened.as_slice() else { return false };
        self.facts.policy.pair == Pairing::Together && one.iter().filter_map(pair::other).any(|it| two.contains(&it))
    }

    /// A lost digest waits for nobody's turn: only for caps, people, its registry, and freezes.
    fn may_wait(&self, waiting: &NotProposed) -> Kept {
        let may = match &waiting.reason {
            Reason::MinInterval { .. } | Reason::TooYoung { .. } | Reason::Pair { .. } => false,
            Reason::Waits(_) => self.is_frozen(),
            _ => true,
        };
        prop_assert!(may, "urgent, and waits: {:?}", waiting);
        Ok(())
    }

    /// A pin whose other one stays behind goes alone for a reason, or after the documented day.
    fn is_with_its_pair(&self, pin: &Pin) -> Kept {
        let Some(other) = pair::other(&pin.tag).filter(|_| self.facts.policy.pair == Pairing::Together) else {
            return Ok(());
        };
        if pin.urgency.is_some() || self.is_held(pin) || self.has_been_waited_for(pin) {
            return Ok(());
        }
        for (place, candidate) in self.pins.iter().filter(|(_, candidate)| candidate.tag == other) {
            let together = pair::other(&pin.asked);
            let moves_to = self.moves_to(place, candidate);
            let is_with_it = moves_to.is_some() && moves_to == together;
            let is_of_the_same_build = candidate.state == UseState::Current
                && candidate.old == Some(pin.new)
                && together.as_ref() == Some(&candidate.asked);
            let waits = self.plan.not_proposed.iter().find(|it| (&it.path, &it.use_index) == (&place.0, &place.1));
            // What is said of another tag than the pair's says nothing of it.
            let is_about_it = |it: &NotProposed| it.asked == candidate.asked || Some(&it.asked) == together.as_ref();
            let is_said = waits.is_some_and(|it| is_hopeless(&it.reason) && is_about_it(it));
            let is_barred = || together.as_ref().is_some_and(|tag| self.is_barred(candidate, tag));
            let is_hopeless = moves_to.is_none() && (is_said || is_barred());
            let is_capped = waits
                .is_some_and(|it| is_capped(&it.reason) || is_put_off(&it.reason) && !self.waits_for_its_pair(pin));
            prop_assert!(
                is_with_it || is_of_the_same_build || is_hopeless || is_capped,
                "{:?}\nwithout its other one\n{:?}\nwhich waits: {:?}",
                pin,
                candidate,
                waits
            );
        }
        Ok(())
    }

    /// Whether a pin is in what is opened because it could wait: what is urgent waits for none, with all that is in there,
    /// nor does what is open.
    fn waits_for_its_pair(&self, pin: &Pin) -> bool {
        let mut ordinary = self.openings().filter(|proposal| !proposal.is_urgent());
        ordinary.any(|proposal| proposal.changes.values().flatten().any(|it| it == pin))
    }

    /// Whether people said no to what this higher tag has.
    fn is_barred(&self, candidate: &Candidate, tag: &TagRef) -> bool {
        let head = self.world.tags.get(tag).copied().flatten();
        let is_denied = self.facts.policy.denied.iter().any(|denied| Some(denied.digest) == head);
        let mut refused = marked(self.repo, PullRequestState::Closed).filter(|(marker, _)| !marker.is_withdrawn);
        let is_it = |pin: &MarkerPin| pin.image == candidate.tag.image && pin.new_tag.as_ref() == Some(&tag.tag);
        is_denied || refused.any(|(_, pin)| is_it(&pin) || Some(pin.new) == head)
    }

    /// Where a pin goes, or where an open pull request brings it.
    fn moves_to(&self, place: &Use, candidate: &Candidate) -> Option<TagRef> {
        let proposed = self.proposed().find(|pin| use_of(pin) == *place).map(|pin| pin.asked.clone());
        let held = || self.held.iter().find(|held| is_of(held, candidate));
        let with_tag = |held: &MarkerPin| match &held.new_tag {
            Some(tag) => TagRef { tag: tag.clone(), ..candidate.asked.clone() },
            None => candidate.asked.clone(),
        };
        proposed.or_else(|| held().map(with_tag))
    }

    /// Whether there has been something to go to for a day longer than `min_age` and `settle` ask; what nobody noted when
    /// it came cannot be waited for.
    fn has_been_waited_for(&self, pin: &Pin) -> bool {
        let Some(history) = self.world.ledger.history(&pin.asked) else { return true };
        let mut ways = match &pin.new_tag {
            Some(_) => history.of_higher_tag(pin.old.as_ref()),
            None => history.after(pin.old.as_ref()),
        };
        // An open pull request goes on from what it holds, also where the tag was never seen at the pinned digest.
        let marked = pin.marked();
        let goes_on = self.held.iter().filter(|held| **held == MarkerPin { line: 0, new: held.new, ..marked.clone() });
        ways.extend(goes_on.flat_map(|held| history.after(Some(&held.new))));
        let Some(first) = ways.iter().map(|way| way.first_seen).min() else { return true };
        let policy = &self.facts.policy;
        let patience = policy.min_age.max(policy.settle) + SignedDuration::from_hours(24);
        history.sighting(&pin.new).is_none() || self.world.now().duration_since(first) >= patience
    }
}

/// Whether no waiting brings it.
fn is_hopeless(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::TagGone
            | Reason::TagNotEditable(_)
            | Reason::Denied { .. }
            | Reason::Refused(_)
            | Reason::PlatformsGone(_)
            | Reason::SinglePlatform
            | Reason::NoLongerIndex
            | Reason::Ambiguous
    )
}

/// Whether two pull requests may have no room at once: what `max_open` has room for is used, one by one.
fn is_capped(reason: &Reason) -> bool {
    matches!(reason, Reason::MaxOpen(_) | Reason::MaxNewPerHour(1))
}

fn is_put_off(reason: &Reason) -> bool {
    matches!(reason, Reason::MinInterval { .. } | Reason::MaxNewPerHour(_))
}
