//! Whether the service does its work, and what an administrator should know where it does not.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// A last whole cycle older than so many times the pace is too old: one may be missed, and one may be long.
const PACES_MAX: u32 = 3;

/// What the service knows of itself.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// When the last cycle over the whole fleet ended.
    pub last_whole: Option<Timestamp>,
    /// Why the last cycle failed as a whole.
    pub cycle_error: Option<String>,
    /// Why the configuration file is not what is in use.
    pub configuration_error: Option<String>,
    /// Settings of the file that hold after a restart.
    pub after_restart: Vec<&'static str>,
    pub is_stopping: bool,
}

/// The answer of `/readyz`. The JSON is a contract that `docs/json.md` explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// What is wrong, for people; empty where it is ready.
    pub reasons: Vec<String>,
    /// When the last cycle over the whole fleet ended.
    pub last_cycle: Option<Timestamp>,
    /// Settings that were changed in the file and hold after a restart.
    pub after_restart: Vec<&'static str>,
}

impl Health {
    /// What the page says of the service itself, in whole sentences: what a person should know who looks at the fleet.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if let Some(error) = &self.configuration_error {
            notices.push(format!("The configuration file is refused, the one before it stays in use: {error}"));
        }
        if let Some(error) = &self.cycle_error {
            notices.push(format!("The last cycle failed: {error}"));
        }
        if !self.after_restart.is_empty() {
            let settings: Vec<String> = self.after_restart.iter().map(|setting| format!("`{setting}`")).collect();
            notices.push(format!(
                "Changed in the configuration file, and in use after a restart: {}",
                settings.join(", ")
            ));
        }
        notices
    }

    /// `store_error`: why the store does not answer.
    pub fn readiness(&self, pace: Duration, store_error: Option<String>, now: Timestamp) -> Readiness {
        let mut reasons = Vec::new();
        if self.is_stopping {
            reasons.push("it is about to end".to_owned());
        }
        reasons.extend(store_error);
        reasons.extend(self.cycle_error.as_ref().map(|error| format!("the last cycle failed: {error}")));
        match self.last_whole {
            None => reasons.push("no cycle over the whole fleet has ended yet".to_owned()),
            Some(at) => {
                let oldest = now.saturating_sub(pace.saturating_mul(PACES_MAX)).unwrap_or(Timestamp::MIN);
                if at < oldest {
                    reasons.push(format!("the last cycle over the whole fleet ended at {at}, too long ago"));
                }
            }
        }
        reasons.extend(
            self.configuration_error.as_ref().map(|error| format!("the configuration file is not in use: {error}")),
        );
        let after_restart = self.after_restart.clone();
        Readiness { ready: reasons.is_empty(), reasons, last_cycle: self.last_whole, after_restart }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_while_cycles_end_and_says_why_not() {
        let at = |minutes: i64| Timestamp::from_second(1_795_161_600 + minutes * 60).unwrap();
        let pace = Duration::from_secs(15 * 60);
        let mut health = Health::default();
        assert_eq!(health.readiness(pace, None, at(0)).reasons, ["no cycle over the whole fleet has ended yet"]);
        health.last_whole = Some(at(0));
        assert!(health.readiness(pace, None, at(45)).ready);
        let late = health.readiness(pace, None, at(46));
        assert!(!late.ready && late.reasons[0].contains("too long ago"), "{late:?}");
        let no_store = health.readiness(pace, Some("the store is away".to_owned()), at(1));
        assert_eq!((no_store.ready, no_store.reasons), (false, vec!["the store is away".to_owned()]));
        health.configuration_error = Some("refrom.yaml:1:1: unknown key".to_owned());
        health.cycle_error = Some("the store is full".to_owned());
        health.is_stopping = true;
        assert_eq!(health.readiness(pace, None, at(1)).reasons.len(), 3);
    }

    #[test]
    fn the_page_is_told_what_a_person_should_know() {
        let mut health = Health::default();
        assert_eq!(health.notices(), [""; 0]);
        health.configuration_error = Some("refrom.yaml:1:1: unknown key".to_owned());
        health.cycle_error = Some("the store is full".to_owned());
        health.after_restart = vec!["store", "serve.listen"];
        assert_eq!(
            health.notices(),
            [
                "The configuration file is refused, the one before it stays in use: refrom.yaml:1:1: unknown key",
                "The last cycle failed: the store is full",
                "Changed in the configuration file, and in use after a restart: `store`, `serve.listen`",
            ]
        );
    }
}
