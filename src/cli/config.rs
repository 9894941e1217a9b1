//! `refrom config check`, `show` and `schema`.

use std::fmt::Write as _;
use std::path::Path;

use super::exit::Outcome;
use super::output::Output;
use super::{Failure, arguments};
use crate::config::{Config, ConfigErrors, EffectivePolicy, Environment, Secrets, process_environment, schema};
use crate::domain::cadence::{Cadence, Rule, Span, shown_duration, zone_name};
use crate::domain::pattern::Pattern;
use crate::domain::policy::Policy;
use crate::domain::pull_request::RepoName;
use crate::domain::waves::wave_of;

/// Prints what a subcommand says.
pub fn run(arguments: &arguments::Config, output: &mut Output) -> Result<Outcome, Failure> {
    let report = match arguments {
        arguments::Config::Check { file, secrets } => {
            check(file, &process_environment, if *secrets { Secrets::Read } else { Secrets::Skip })
        }
        arguments::Config::Show { file, repository } => show(file, repository, &process_environment),
        arguments::Config::Schema => schema(),
    };
    output.text(&report.stdout)?;
    output.notes(&report.stderr);
    Ok(report.outcome)
}

/// What a subcommand says and how it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Results.
    pub stdout: String,
    /// What is wrong.
    pub stderr: String,
    pub outcome: Outcome,
}

/// `refrom config check FILE [--secrets]`: whether the configuration is right, without network.
pub fn check(file: &Path, environment: Environment<'_>, secrets: Secrets) -> Report {
    match Config::load(file, environment, secrets) {
        Ok(_) => Report { stdout: format!("{}: no mistakes\n", file.display()), ..Report::default() },
        Err(errors) => wrong(&errors),
    }
}

/// `refrom config show FILE --repository NAME`: the policy that holds for a repository, as YAML, with where each value
/// comes from. The repository's own file is not asked for.
pub fn show(file: &Path, repository: &str, environment: Environment<'_>) -> Report {
    let name: RepoName = match repository.parse() {
        Ok(name) => name,
        Err(error) => {
            return Report { stderr: format!("error: {error}\n"), outcome: Outcome::Usage, ..Report::default() };
        }
    };
    match Config::load(file, environment, Secrets::Skip) {
        Ok(config) => {
            let policy = policy_yaml(&config.policy_for(&name, None));
            let wave = wave_of(&config.waves, &name).map(|wave| format!(", in the wave `{}`", wave.name));
            let wave = wave.unwrap_or_default();
            Report { stdout: format!("# the policy of {name}{wave}\n{policy}"), ..Report::default() }
        }
        Err(errors) => wrong(&errors),
    }
}

/// `refrom config schema`: the configuration's JSON Schema.
pub fn schema() -> Report {
    Report { stdout: format!("{:#}\n", schema::config_schema()), ..Report::default() }
}

fn wrong(errors: &ConfigErrors) -> Report {
    let count = errors.mistakes.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    let stderr = format!("{errors}\n{count} {noun} in the configuration\n");
    Report { stderr, outcome: Outcome::Usage, ..Report::default() }
}

/// A policy in the form of `.refrom.yaml`; each line that ends a value says where it comes from.
fn policy_yaml(effective: &EffectivePolicy) -> String {
    let policy = &effective.policy;
    let mut yaml = Yaml { effective, text: String::new() };
    yaml.value("enabled", &policy.enabled.to_string());
    yaml.value("images", &list(policy.images.iter().map(Pattern::as_str)));
    let tags = policy.tags.iter().map(|(pattern, tag)| {
        let (image, tag) = (quoted(pattern.as_str()), quoted(tag.as_str()));
        format!("{{ image: {image}, tag: {tag} }}")
    });
    yaml.items("tags", tags.collect());
    yaml.text.push_str("files:\n");
    yaml.value("files.include", &list(policy.files.include.iter().map(Pattern::as_str)));
    yaml.value("files.exclude", &list(policy.files.exclude.iter().map(Pattern::as_str)));
    yaml.value("group", policy.group.as_str());
    yaml.value("comment", policy.comment.as_str());
    let patterns = policy.patterns.iter().map(|pattern| {
        let files = list(pattern.files.iter().map(Pattern::as_str));
        format!("{{ files: {files}, regex: {} }}", quoted(pattern.regex.as_str()))
    });
    yaml.items("patterns", patterns.collect());
    yaml.value("labels", &list(&policy.labels));
    yaml.value("reviewers", &list(&policy.reviewers));
    yaml.value("assignees", &list(&policy.assignees));
    yaml.value("draft", &policy.draft.to_string());
    yaml.value("base", &optional(policy.base.as_ref().map(|branch| quoted(branch.as_str()))));
    yaml.value("max_open", &optional(policy.max_open.map(|number| number.to_string())));
    yaml.value("commits", policy.commits.as_str());
    yaml.value("automerge", policy.automerge.as_str());
    cadence(&mut yaml, &policy.cadence);
    digests(&mut yaml, policy);
    yaml.value("title", &optional(policy.title.as_deref().map(quoted)));
    yaml.value("body", &optional(policy.body.as_deref().map(quoted)));
    yaml.value("commit_message", &optional(policy.commit_message.as_deref().map(quoted)));
    yaml.text
}

/// The keys about time. Each window and freeze says where it comes from, since several may hold.
fn cadence(yaml: &mut Yaml<'_>, cadence: &Cadence) {
    let schedule = match cadence.schedule.as_ref().map(|schedule| &schedule.value) {
        Some(schedule) => match schedule.period() {
            Some(period) => format!("{{ every: {} }}", shown_duration(period)),
            None => quoted(&schedule.to_string()),
        },
        None if yaml.effective.origins.contains_key("schedule") => "always".to_owned(),
        None => "null".to_owned(),
    };
    yaml.value("schedule", &schedule);
    yaml.value("timezone", &quoted(zone_name(&cadence.zone)));
    let windows = cadence.windows.iter().flat_map(|window| {
        window.value.spans().iter().map(|span| {
            let (days, Span { from, to, .. }) = (span.days.names().join(", "), span);
            format!("{{ days: [{days}], from: \"{from}\", to: \"{to}\" }}  # {}", window.origin)
        })
    });
    yaml.items_with_origin("window", windows.collect(), "null");
    let freezes = cadence.freezes.iter().map(|freeze| {
        let Rule { value, origin, .. } = freeze;
        let urgent = if value.lets_urgent_through() { ", urgent: true" } else { "" };
        let (from, to, reason) = (value.from(), value.to(), quoted(value.reason()));
        format!("{{ from: {from}, to: {to}, reason: {reason}{urgent} }}  # {origin}")
    });
    yaml.items_with_origin("freeze", freezes.collect(), "[]");
    yaml.value("jitter", &shown_duration(cadence.jitter));
}

/// The keys about which digest is proposed.
fn digests(yaml: &mut Yaml<'_>, policy: &Policy) {
    yaml.value("min_age", &shown_duration(policy.min_age));
    yaml.value("settle", &shown_duration(policy.settle));
    yaml.value("unchanged", policy.unchanged.as_str());
    yaml.value("platforms", &list(policy.platforms.iter().map(ToString::to_string)));
    let denied = policy.denied.iter().map(|denied| match &denied.reason {
        Some(reason) => format!("{{ digest: {}, reason: {} }}", quoted(&denied.digest.to_string()), quoted(reason)),
        None => format!("{{ digest: {} }}", quoted(&denied.digest.to_string())),
    });
    yaml.items("denied", denied.collect());
    yaml.value("stages", policy.stages.as_str());
    yaml.value("pair", policy.pair.as_str());
    yaml.value("min_interval", &shown_duration(policy.min_interval));
    let stale_after = match policy.stale_after {
        Some(duration) => shown_duration(duration),
        None if yaml.effective.origins.contains_key("stale_after") => "never".to_owned(),
        None => "null".to_owned(),
    };
    yaml.value("stale_after", &stale_after);
    yaml.value("follow", policy.follow.as_str());
    yaml.value("pin", policy.pin.as_str());
}

struct Yaml<'a> {
    effective: &'a EffectivePolicy,
    text: String,
}

impl Yaml<'_> {
    /// One line: the key, its value and where that comes from.
    fn value(&mut self, path: &str, value: &str) {
        let (indent, key) = path.split_once('.').map_or(("", path), |(_, key)| ("  ", key));
        // Writing to a `String` does not fail.
        let _ = writeln!(self.text, "{indent}{key}: {value}  # {}", self.effective.origin(path));
    }

    /// A list of mappings, one a line.
    fn items(&mut self, key: &str, items: Vec<String>) {
        if items.is_empty() {
            return self.value(key, "[]");
        }
        let _ = writeln!(self.text, "{key}:  # {}", self.effective.origin(key));
        for item in items {
            let _ = writeln!(self.text, "  - {item}");
        }
    }

    /// The same where each item says itself where it comes from; `none` where there are none.
    fn items_with_origin(&mut self, key: &str, items: Vec<String>, none: &str) {
        if items.is_empty() {
            return self.value(key, none);
        }
        let _ = writeln!(self.text, "{key}:");
        for item in items {
            let _ = writeln!(self.text, "  - {item}");
        }
    }
}

fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

fn optional(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_owned())
}

/// A text as YAML: in double quotes, as in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
