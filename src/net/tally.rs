//! A tally of outside calls: how many there were, how they failed, what is left of rate limits, how credentials fare.
//!
//! Adapters note what they see with one line per call; whoever shows figures takes a snapshot. Names of registries and
//! forges are kept, and nothing else of a call: no repository, no image, and of credentials only whose they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Registries with figures of their own. They are named by Dockerfiles, which anybody may write: what comes after so many
/// is counted together.
const REGISTRIES_MAX: usize = 200;
/// The name under which further registries are counted together.
const OTHERS: &str = "other";
/// How long before it expires a credential is spoken of: a working week to make a new one.
const EXPIRY_NOTICE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The calls of a process. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<Target, Meter>>>);

/// The calls to one target. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Calls>>);

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub kind: TargetKind,
    /// A registry's host (`docker.io` for Docker Hub), or a forge's name in the configuration.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// A registry with its token service and the places that it redirects to.
    Registry,
    /// A forge's API.
    Forge,
    /// A forge's repositories, through git: a request is a git process that talks.
    Git,
}

/// How a call failed. That something does not exist is an answer, and no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallFailure {
    /// Not signed in, or not allowed to.
    Refused,
    RateLimited,
    /// 5xx, or no connection.
    Unavailable,
    Timeout,
    /// An answer that cannot be used, or a call that could not be made.
    Other,
}

/// What a tally asks of an error.
pub trait CallError {
    /// `None`: the other side answered, and this was its answer.
    fn failure(&self) -> Option<CallFailure>;
}

/// What came of presenting credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    Accepted,
    Refused,
}

/// What is left of a rate limit, by the other side's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Requests, pulls or points.
    pub remaining: u64,
    pub limit: Option<u64>,
    /// When the whole limit is there again.
    pub resets_at: Option<Timestamp>,
}

/// How the credentials for a target fare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credential {
    /// By the last answer to them.
    pub is_refused: bool,
    /// By the other side's word; tokens that are renewed by themselves have none.
    pub expires_at: Option<Timestamp>,
}

/// Everything that was noted of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    pub requests: u64,
    pub failures: BTreeMap<CallFailure, u64>,
    /// `None`: none were presented, or nothing was said of them.
    pub credential: Option<Credential>,
    /// By resource and identity: each installation of an App has a limit of its own.
    rooms: BTreeMap<(&'static str, u64), Room>,
}

impl Tally {
    /// Where the calls to a target are noted.
    pub fn meter(&self, kind: TargetKind, name: &str) -> Meter {
        let mut targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut target = Target { kind, name: name.to_owned() };
        if kind == TargetKind::Registry && !targets.contains_key(&target) {
            let registries = targets.keys().filter(|target| target.kind == kind).count();
            if registries >= REGISTRIES_MAX {
                target.name = OTHERS.to_owned();
            }
        }
        targets.entry(target).or_default().clone()
    }

    /// Everything so far.
    pub fn snapshot(&self) -> BTreeMap<Target, Calls> {
        let targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        targets.iter().map(|(target, meter)| (target.clone(), meter.with(|calls| calls.clone()))).collect()
    }

    /// The credentials that expire within a week, or have expired, with when they do.
    pub fn expiring(&self, now: Timestamp) -> BTreeMap<Target, Timestamp> {
        let calls = self.snapshot().into_iter();
        let expiring = calls.filter_map(|(target, calls)| {
            let credential = calls.credential.filter(|credential| credential.is_expiring(now))?;
            Some((target, credential.expires_at?))
        });
        expiring.collect()
    }
}

impl Meter {
    /// A request is sent.
    pub fn request(&self) {
        self.with(|calls| calls.requests += 1);
    }

    pub fn failed(&self, failure: CallFailure) {
        self.with(|calls| *calls.failures.entry(failure).or_default() += 1);
    }

    /// How a call ended.
    pub fn outcome<T, E: CallError>(&self, result: &Result<T, E>) {
        if let Some(failure) = result.as_ref().err().and_then(CallError::failure) {
            self.failed(failure);
        }
    }

    /// What is left of a limit, where an answer said so. `identity` tells apart those that have limits of their own.
    pub fn room(&self, resource: &'static str, identity: u64, room: Option<Room>) {
        if let Some(room) = room {
            self.with(|calls| calls.rooms.insert((resource, identity), room));
        }
    }

    pub fn sign_in(&self, sign_in: SignIn) {
        self.with(|calls| calls.credential.get_or_insert_default().is_refused = sign_in == SignIn::Refused);
    }

    /// When the credential expires, where an answer said so.
    pub fn expires(&self, at: Option<Timestamp>) {
        if at.is_some() {
            self.with(|calls| calls.credential.get_or_insert_default().expires_at = at);
        }
    }

    /// When the credential expires, as the other side tells in full; `None`: never.
    pub fn ends(&self, at: Option<Timestamp>) {
        self.with(|calls| calls.credential.get_or_insert_default().expires_at = at);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Calls) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Calls {
    /// What is left of each limit; of several identities, the one that has least. What was said before a limit was
    /// renewed is left out: nobody asked since.
    pub fn rooms(&self, now: Timestamp) -> BTreeMap<&'static str, Room> {
        let mut rooms = BTreeMap::new();
        for ((resource, _), room) in &self.rooms {
            if room.resets_at.is_none_or(|at| now < at) {
                let least = rooms.entry(*resource).or_insert(*room);
                if room.remaining < least.remaining {
                    *least = *room;
                }
            }
        }
        rooms
    }
}

impl Credential {
    /// Whether it expires within a week, or has expired.
    pub fn is_expiring(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at.duration_since(now) <= EXPIRY_NOTICE)
    }
}

impl TargetKind {
    /// The word in figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Forge => "forge",
            Self::Git => "git",
        }
    }
}

impl CallFailure {
    pub const ALL: [Self; 5] = [Self::Refused, Self::RateLimited, Self::Unavailable, Self::Timeout, Self::Other];

    /// The word in figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn clones_count_together_and_targets_apart() {
        let tally = Tally::default();
        tally.meter(TargetKind::Forge, "github").request();
        tally.clone().meter(TargetKind::Forge, "github").request();
        tally.meter(TargetKind::Git, "github").failed(CallFailure::Timeout);
        let counts = |calls: &Calls| (calls.requests, calls.failures.values().sum::<u64>());
        assert_eq!(tally.snapshot().values().map(counts).collect::<Vec<_>>(), [(2, 0), (0, 1)]);
    }

    #[test]
    fn more_registries_than_anybody_has_are_counted_together() {
        let tally = Tally::default();
        for number in 0..REGISTRIES_MAX * 2 {
            tally.meter(TargetKind::Registry, &format!("{number}.example")).request();
        }
        tally.meter(TargetKind::Registry, "0.example").request();
        tally.meter(TargetKind::Forge, "github").request();
        let snapshot = tally.snapshot();
        let requests = |name: &str| snapshot[&Target { kind: TargetKind::Registry, name: name.to_owned() }].requests;
        assert_eq!(snapshot.len(), REGISTRIES_MAX + 2);
        assert_eq!((requests("0.example"), requests(OTHERS)), (2, REGISTRIES_MAX as u64));
    }

    #[test]
    fn the_least_room_counts_until_it_is_renewed() {
        let meter = Meter::default();
        let room = |remaining, reset| Some(Room { remaining, limit: Some(5000), resets_at: Some(at(reset)) });
        meter.room("core", 1, room(10, 100));
        meter.room("core", 2, room(4000, 200));
        meter.room("graphql", 1, None);
        let remaining = |now| meter.with(|calls| calls.rooms(at(now)).get("core").map(|room| room.remaining));
        assert_eq!((remaining(50), remaining(100), remaining(200)), (Some(10), Some(4000), None));
    }

    #[test]
    fn a_credential_is_spoken_of_in_its_last_week() {
        let tally = Tally::default();
        let meter = tally.meter(TargetKind::Forge, "github");
        meter.sign_in(SignIn::Refused);
        meter.sign_in(SignIn::Accepted);
        meter.expires(Some(at(8 * 86_400)));
        meter.expires(None);
        assert!(tally.expiring(at(86_399)).is_empty());
        assert_eq!(tally.expiring(at(86_400)).len(), 1);
        assert_eq!(tally.expiring(at(100 * 86_400)).len(), 1);
        assert_eq!(
            meter.with(|calls| calls.credential),
            Some(Credential { is_refused: false, expires_at: Some(at(8 * 86_400)) })
        );
    }
}
