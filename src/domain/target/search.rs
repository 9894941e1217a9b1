//! The search along the digests of a pin's tags, from the newest to the oldest that may be proposed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Rules;
use super::looks::{LOOKED_UP_MAX, Looks};
use super::stops::Stops;
use crate::domain::candidates::{Candidate, Move, Unanswered, Unknown, UseState};
use crate::domain::digest::Digest;
use crate::domain::follow;
use crate::domain::image::Image;
use crate::domain::ledger::{History, Sighting};
use crate::domain::plan::Refusals;
use crate::domain::policy::Unchanged;
use crate::domain::proposal::{self, Evidence, Pin, Reason, Urgency};
use crate::domain::reference::{Tag, TagRef};
use crate::domain::tag_list::{HigherTags, Tried};
use crate::domain::unchanged;

/// What a search came to.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) target: Option<Pin>,
    /// Why it is not the newest candidate.
    pub(super) stops: Stops,
    /// What has to be looked up before it can go on.
    pub(super) missing: Option<Move>,
}

/// The digests of one tag that a pin may go to.
pub(super) struct Trail<'a> {
    /// The tag that the pin gets, where that changes.
    new_tag: Option<Tag>,
    asked: TagRef,
    history: Cow<'a, History>,
}

/// How a search goes on after a candidate, or after a trail.
pub(super) enum Next {
    /// Another candidate may be free of what is wrong with this one.
    Candidate,
    /// The same, and the mirror is what lacks this one.
    NotInMirror,
    /// No other one of this tag is worth a look.
    Trail,
    /// There is a target, or none will be found.
    End,
}

impl Search {
    pub(super) fn of(candidate: &Candidate, rules: &Rules<'_>) -> Self {
        let mut search = Self::default();
        if let (Some(back), Some(old)) = (rules.way_back(candidate), candidate.old)
            && let Next::End = search.back(candidate, rules, (old, &back))
        {
            return search;
        }
        search.stops.end_way_back();
        if candidate.state == UseState::Ambiguous {
            search.stop(&candidate.asked, None, Reason::Ambiguous);
            return search;
        }
        // Who has to leave the pinned digest leaves it by the shortest way, and tries no other version for that.
        let stages = match rules.knowledge.urgency_of(candidate) {
            Some(_) => [Self::own_tag, Self::higher_tags],
            None => [Self::higher_tags, Self::own_tag],
        };
        for stage in stages {
            if let Next::End = stage(&mut search, candidate, rules) {
                break;
            }
        }
        search
    }

    /// The digests of higher tags, as far as the policy follows them. What is wrong with one of these keeps the pin's own
    /// tag from nothing.
    fn higher_tags(&mut self, candidate: &Candidate, rules: &Rules<'_>) -> Next {
        let (follow, image) = (rules.policy.follow, &candidate.asked.image);
        let tags = match rules.knowledge.tags.get(image).filter(|_| follow::has_higher(candidate.tag(), follow)) {
            Some(Ok(tags)) => tags,
            Some(Err(unknown)) => {
                let reason = format!("its tags could not be listed: {unknown}");
                self.stop(&candidate.asked, None, Reason::Unknown(Unknown { reason }));
                return Next::Trail;
            }
            None => return Next::Trail,
        };
        let higher = tags.higher(candidate.tag(), follow);
        for tried in rules.tried(candidate, &higher) {
            let (Tried::Open(tag) | Tried::Refused(tag, _)) = tried;
            let (asked, tag) = (TagRef { image: image.clone(), tag: tag.clone() }, tag.clone());
            if !candidate.can_change_tag {
                self.stop(&asked, None, Reason::TagNotEditable(tag));
                return Next::Trail;
            }
            let answer = rules.knowledge.observations.get(&asked);
            if let Tried::Refused(_, number) = tried {
                let head = answer.and_then(|answer| answer.as_ref().ok()).copied();
                self.stop(&asked, head, Reason::Refused(number));
                continue;
            }
            match answer {
                Some(Ok(_)) => {}
                Some(Err(Unanswered::Unknown(unknown))) => {
                    self.stop(&asked, None, Reason::Unknown(unknown.clone()));
                    continue;
                }
                Some(Err(Unanswered::HeldBack(words))) => {
                    self.stop(&asked, None, Reason::HeldBack(words.clone()));
                    continue;
                }
                Some(Err(Unanswered::Gone)) | None => continue,
            }
            let trail = Trail::of(rules, asked, Some(tag));
            let sightings = trail.history.of_higher_tag(candidate.old.as_ref());
            if let Next::End = self.along(candidate, rules, &trail, (&sightings, None)) {
                return Next::End;
            }
        }
        Next::Trail
    }

    /// The digests of the tag that the pin has.
    fn own_tag(&mut self, candidate: &Candidate, rules: &Rules<'_>) -> Next {
        let asked = &candidate.asked;
        let (digest, reason) = match &candidate.state {
            UseState::Current => return Next::Trail,
            UseState::Behind { new } => (Some(*new), Reason::Backwards),
            // Nobody knows what else waits: that is said first.
            UseState::Unknown(unknown) => {
                self.stops.clear();
                (None, Reason::Unknown(unknown.clone()))
            }
            UseState::TagGone => (None, Reason::TagGone),
            UseState::HeldBack(words) => (None, Reason::HeldBack(words.clone())),
            UseState::Ambiguous => (None, Reason::Ambiguous),
        };
        let trail = Trail::of(rules, asked.clone(), None);
        let sightings = if digest.is_some() { trail.history.after(candidate.old.as_ref()) } else { Vec::new() };
        if sightings.is_empty() {
            self.stop(asked, digest, reason);
            return Next::Trail;
        }
        let Some(urgency) = rules.knowledge.urgency_of(candidate) else {
            return self.along(candidate, rules, &trail, (&sightings, None));
        };
        // The emergency passes `min_age` only where nothing that is old enough ends it.
        let (old, young): (Vec<_>, Vec<_>) = sightings.into_iter().partition(|it| rules.is_old_enough(it).is_ok());
        let next = self.along(candidate, rules, &trail, (&old, Some(&urgency)));
        if let Next::Candidate = next {
            return self.along(candidate, rules, &trail, (&young, Some(&urgency)));
        }
        if let Some(newest) = young.first()
            && let Err(reason) = rules.is_old_enough(newest)
        {
            self.stop(asked, Some(newest.digest), reason);
        }
        next
    }

    /// Looks along these digests of a tag; who cannot wait passes `min_age`. [`Next::Candidate`]: it is none of them.
    fn along(
        &mut self,
        candidate: &Candidate,
        rules: &Rules<'_>,
        trail: &Trail<'_>,
        (sightings, urgency): (&[&Sighting], Option<&Urgency>),
    ) -> Next {
        let mut looks = Looks::default();
        for sighting in sightings.iter().filter(|sighting| !rules.is_left_behind(trail, sighting)) {
            let refused = rules.refusals().filter(|_| trail.new_tag.is_some());
            if let Some(number) = refused.and_then(|refusals| refusals.of_digest(&sighting.digest)) {
                self.stop(&trail.asked, Some(sighting.digest), Reason::Refused(number));
                return Next::Trail;
            }
            if let Err(reason) = rules.may_go(candidate, trail, (sighting, urgency)) {
                self.stop(&trail.asked, Some(sighting.digest), reason);
                continue;
            }
            if looks.are_used_up(LOOKED_UP_MAX) {
                break;
            }
            match self.look(candidate, rules, trail, (sighting.digest, urgency)) {
                Next::Candidate => looks.refused += 1,
                Next::NotInMirror => looks.not_in_mirror += 1,
                next => return next,
            }
        }
        Next::Candidate
    }

    /// Asks the evidence about a digest that the other rules let pass.
    pub(super) fn look(
        &mut self,
        candidate: &Candidate,
        rules: &Rules<'_>,
        trail: &Trail<'_>,
        (digest, urgency): (Digest, Option<&Urgency>),
    ) -> Next {
        let wanted = trail.move_of(candidate, digest);
        let evidence = rules.knowledge.evidence.get(&wanted);
        let judged = proposal::judge(digest, evidence, rules.compared(candidate, digest, urgency))
            .and_then(|images| rules.may_come(trail, digest, evidence).map(|()| images))
            .and_then(|images| match rules.unchanged(candidate, evidence) {
                // Whoever has to leave the pinned digest leaves it for the same content, too.
                _ if urgency.is_some() => Ok(images),
                Ok(Some(rule)) => Err(Reason::Unchanged(rule)),
                Ok(None) => Ok(images),
                Err(unknown) => {
                    let reason = format!("it cannot be told what its new digest changes: {unknown}");
                    Err(Reason::Unknown(Unknown { reason }))
                }
            });
        let lacks_contents = || urgency.is_none() && judged.is_ok() && rules.lacks_contents(candidate, evidence);
        if evidence.is_none() || lacks_contents() {
            self.missing = Some(wanted);
        }
        match judged {
            Ok((old_image, new_image)) => {
                let Candidate { path, use_index, line, tag, old, .. } = candidate.clone();
                let (new_tag, asked, new) = (trail.new_tag.clone(), trail.asked.clone(), digest);
                let urgency = urgency.cloned();
                let proofs = rules.proofs(candidate, &asked, &new, urgency.as_ref());
                let pin =
                    Pin { path, use_index, line, tag, asked, new_tag, old, new, old_image, new_image, urgency, proofs };
                self.target = Some(pin);
                Next::End
            }
            Err(reason) => {
                let next = match &reason {
                    _ if evidence.is_none() => Next::End,
                    // On a way back each digest is of another time.
                    Reason::SinglePlatform if matches!(urgency, Some(Urgency::RolledBack(_))) => Next::Candidate,
                    // An index for a single manifest: the other digests of that tag are no better. An older one would
                    // be overtaken as soon as there is an answer. And where the newest changes nothing, there is nothing
                    // to wait for. A higher tag keeps the pin's own tag from nothing.
                    Reason::SinglePlatform | Reason::Unknown(_) | Reason::Unchanged(_) => Next::Trail,
                    Reason::NotInMirror { .. } => Next::NotInMirror,
                    _ => Next::Candidate,
                };
                self.stop(&trail.asked, Some(digest), reason);
                next
            }
        }
    }

    /// Notes what stopped a candidate.
    pub(super) fn stop(&mut self, asked: &TagRef, digest: Option<Digest>, reason: Reason) {
        self.stops.note(asked, digest, reason);
    }
}

/// The higher tags, as a registry is asked for them, that a search comes to: what they point to has to be known.
pub fn higher_tags(candidate: &Candidate, rules: &Rules<'_>) -> BTreeSet<TagRef> {
    let image = &candidate.asked.image;
    let Some(Ok(tags)) = rules.knowledge.tags.get(image) else { return BTreeSet::new() };
    let higher = tags.higher(candidate.tag(), rules.policy.follow);
    let open = rules.tried(candidate, &higher).into_iter().filter_map(|tried| match tried {
        Tried::Open(tag) => Some(TagRef { image: image.clone(), tag: tag.clone() }),
        Tried::Refused(..) => None,
    });
    open.collect()
}

impl<'a> Trail<'a> {
    pub(super) fn of(rules: &Rules<'a>, asked: TagRef, new_tag: Option<Tag>) -> Self {
        let history = rules.history(&asked);
        Self { new_tag, asked, history }
    }

    fn move_of(&self, candidate: &Candidate, digest: Digest) -> Move {
        Move::new(&candidate.tag, &self.asked, candidate.old, digest)
    }
}

impl<'a> Rules<'a> {
    /// What was seen of a tag, with the look of now, which the ledger may not have.
    pub(super) fn history(&self, asked: &TagRef) -> Cow<'a, History> {
        let head = self.knowledge.observations.get(asked).and_then(|answer| answer.as_ref().ok());
        match (self.knowledge.ledger.history(asked), head) {
            (Some(known), Some(head)) => known.with_look(*head, self.now),
            (Some(known), None) => Cow::Borrowed(known),
            (None, Some(head)) => Cow::Owned(History::default().with_look(*head, self.now).into_owned()),
            (None, None) => Cow::Owned(History::default()),
        }
    }

    /// Whether the repository had a later digest of this tag, which was taken back: it went past this one, and has not come
    /// back for it. What the tag points to now is the vendor's own way back.
    fn is_left_behind(&self, trail: &Trail<'_>, sighting: &Sighting) -> bool {
        let had_until =
            self.repository.and_then(|it| self.knowledge.denials.had_until(it, &trail.asked, &trail.history));
        let is_head = || trail.history.head().is_some_and(|head| head.digest == sighting.digest);
        had_until.is_some_and(|until| sighting.first_seen < until) && !is_head()
    }

    /// Why a digest is never proposed.
    pub(in crate::domain) fn denied(&self, asked: &TagRef, digest: &Digest) -> Option<Reason> {
        let by_policy = self.policy.denied.iter().find(|denied| denied.digest == *digest);
        let by_policy = by_policy.map(|denied| denied.reason.clone());
        let taken_back = || self.knowledge.denials.of(asked, digest).map(|denial| Some(denial.reason.clone()));
        by_policy.or_else(taken_back).map(|reason| Reason::Denied { digest: *digest, reason })
    }

    /// What people of this repository refused.
    fn refusals(&self) -> Option<&'a Refusals> {
        self.knowledge.refused.get(self.repository?)
    }

    /// Which of the higher tags a search comes to.
    fn tried<'h>(&self, candidate: &Candidate, higher: &'h HigherTags) -> Vec<Tried<'h>> {
        let refusals = self.refusals();
        let refused = |tag: &Tag| refusals.and_then(|refusals| refusals.of_version(candidate.image(), tag));
        let age = self.policy.min_age.max(self.policy.settle);
        higher.tried(self.now.saturating_sub(age).unwrap_or(Timestamp::MIN), refused)
    }

    /// Whether the rules that need no registry let a digest pass.
    fn may_go(
        &self,
        candidate: &Candidate,
        trail: &Trail<'_>,
        (sighting, urgency): (&Sighting, Option<&Urgency>),
    ) -> Result<(), Reason> {
        let digest = sighting.digest;
        if let Some(reason) = self.denied(&trail.asked, &digest) {
            return Err(reason);
        }
        if urgency.is_none() {
            self.is_old_enough(sighting)?;
        }
        self.has_settled(sighting)?;
        let Some(repository) = self.repository else { return Ok(()) };
        let candidate = self.wave_candidate(candidate, (&trail.asked, &trail.history), &digest);
        self.knowledge.waves.reached(repository, candidate, self.now).map_err(Reason::Wave)
    }

    pub(super) fn has_settled(&self, sighting: &Sighting) -> Result<(), Reason> {
        let Sighting { digest, first_seen, .. } = *sighting;
        let from = first_seen.saturating_add(self.policy.settle).unwrap_or(Timestamp::MAX);
        if sighting.has_settled(self.policy.settle) { Ok(()) } else { Err(Reason::Unsettled { digest, from }) }
    }

    pub(super) fn is_old_enough(&self, sighting: &Sighting) -> Result<(), Reason> {
        let Sighting { digest, first_seen, .. } = *sighting;
        let from = first_seen.saturating_add(self.policy.min_age).unwrap_or(Timestamp::MAX);
        // A clock that was set back makes first sights lie ahead: without a least age that holds nothing back.
        let is_young = !self.policy.min_age.is_zero() && from > self.now;
        if is_young { Err(Reason::TooYoung { digest, from }) } else { Ok(()) }
    }

    /// By which of the policy's rules a digest changes nothing for the platforms that the pin is built for.
    fn unchanged(&self, candidate: &Candidate, evidence: Option<&Evidence>) -> Result<Option<Unchanged>, Unknown> {
        let Some((evidence, images)) = both(evidence) else { return Ok(None) };
        unchanged::is_unchanged(images, &candidate.in_use, &evidence.contents, self.policy.unchanged)
    }

    /// Whether that rule compares contents that nobody asked for yet.
    fn lacks_contents(&self, candidate: &Candidate, evidence: Option<&Evidence>) -> bool {
        let Some((evidence, images)) = both(evidence).filter(|_| self.policy.unchanged == Unchanged::Content) else {
            return false;
        };
        let compared = unchanged::compared(images, &candidate.in_use);
        compared.iter().any(|manifest| !evidence.contents.contains_key(manifest))
    }

    /// Whether the mirror lets a digest pass that may follow the pinned one.
    fn may_come(&self, trail: &Trail<'_>, digest: Digest, evidence: Option<&Evidence>) -> Result<(), Reason> {
        let since = trail.history.sighting(&digest).map_or(self.now, |sighting| sighting.first_seen);
        match evidence.and_then(|evidence| evidence.in_mirror.as_ref()) {
            Some(Ok(false) | Err(Unanswered::Gone)) => Err(Reason::NotInMirror { digest, since }),
            Some(Err(Unanswered::HeldBack(words))) => Err(Reason::HeldBack(words.clone())),
            Some(Err(Unanswered::Unknown(unknown))) => {
                let reason = format!("its mirror could not be asked: {unknown}");
                Err(Reason::Unknown(Unknown { reason }))
            }
            Some(Ok(true)) | None => Ok(()),
        }
    }
}

/// Evidence with the images of both ends, the old and the new one.
fn both(evidence: Option<&Evidence>) -> Option<(&Evidence, (&Image, &Image))> {
    let evidence = evidence?;
    Some((evidence, (evidence.old.as_ref().ok()?, evidence.new.as_ref().ok()?)))
}
