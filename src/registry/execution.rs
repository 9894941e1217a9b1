//! How an image runs, as its configuration tells it (OCI image specification, `config.md`), within limits.
//!
//! What is too long to be kept stands as its digest: a change of it is still seen. So does the value of a variable whose
//! name promises a secret, which has no business in a store, a pull request or a log.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::manifest::Texts;
use crate::domain::digest::Digest;
use crate::domain::image::Configuration;

/// The longest text that is kept as it is, in bytes. A `PATH` has some 200.
const TEXT_LENGTH_MAX: usize = 1024;
/// Words of an entrypoint or a command; more are one digest.
const ARGUMENTS_MAX: usize = 64;
/// Variables; those of the largest known images are some 50.
const VARIABLES_MAX: usize = 256;
/// Ports; nobody lists so many one by one.
const PORTS_MAX: usize = 256;
/// Parts of a variable's name by which its value is a secret.
const SECRET_WORDS: [&str; 7] = ["TOKEN", "SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL", "PRIVATE_KEY", "API_KEY"];

/// The `config` of an image's configuration. What has not the specified type is as good as not there: engines read it
/// so, too, and an odd entrypoint is no reason to know nothing of an image.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Execution {
    #[serde(deserialize_with = "lenient")]
    pub labels: Option<Texts>,
    #[serde(deserialize_with = "lenient")]
    user: Option<String>,
    #[serde(deserialize_with = "lenient")]
    env: Option<Vec<String>>,
    #[serde(deserialize_with = "lenient")]
    entrypoint: Option<Vec<String>>,
    #[serde(deserialize_with = "lenient")]
    cmd: Option<Vec<String>>,
    #[serde(deserialize_with = "lenient")]
    working_dir: Option<String>,
    #[serde(deserialize_with = "lenient")]
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
}

impl Execution {
    /// All of it but for the distribution, which the family's own words tell.
    pub(super) fn configuration(&self) -> Configuration {
        let ports = self.exposed_ports.iter().flatten().map(|(port, _)| bounded(port)).take(PORTS_MAX);
        Configuration {
            user: self.user.as_deref().map(bounded).unwrap_or_default(),
            entrypoint: arguments(self.entrypoint.as_deref()),
            command: arguments(self.cmd.as_deref()),
            working_directory: self.working_dir.as_deref().map(bounded).unwrap_or_default(),
            environment: environment(self.env.as_deref().unwrap_or_default()),
            ports: ports.collect::<BTreeSet<_>>(),
            distribution: None,
        }
    }
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

fn bounded(text: &str) -> String {
    if text.len() <= TEXT_LENGTH_MAX { text.to_owned() } else { hashed(text) }
}

fn hashed(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

fn arguments(words: Option<&[String]>) -> Vec<String> {
    match words.unwrap_or_default() {
        words if words.len() <= ARGUMENTS_MAX => words.iter().map(|word| bounded(word)).collect(),
        words => vec![hashed(&words.join("\0"))],
    }
}

/// `NAME=value`; the first ones by name where there are too many.
fn environment(variables: &[String]) -> BTreeMap<String, String> {
    let variable = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (bounded(name), if is_secret(name) { hashed(value) } else { bounded(value) })
    };
    let mut variables: BTreeMap<String, String> = variables.iter().map(variable).collect();
    while variables.len() > VARIABLES_MAX {
        variables.pop_last();
    }
    variables
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(text: &str) -> Configuration {
        serde_json::from_str::<Execution>(text).unwrap().configuration()
    }

    #[test]
    fn an_image_runs_as_its_configuration_says() {
        let found = configuration(
            r#"{"User":"65532","Env":["PATH=/usr/bin","EMPTY=","A=b=c"],"Entrypoint":["nginx"],"Cmd":["-g","daemon off;"],
                "WorkingDir":"/srv","ExposedPorts":{"8080/tcp":{},"443/tcp":{}}}"#,
        );
        let environment = [("A", "b=c"), ("EMPTY", ""), ("PATH", "/usr/bin")];
        let expected = Configuration {
            user: "65532".into(),
            entrypoint: vec!["nginx".into()],
            command: vec!["-g".into(), "daemon off;".into()],
            working_directory: "/srv".into(),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ports: ["443/tcp".to_owned(), "8080/tcp".to_owned()].into(),
            distribution: None,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_missing_or_odd_is_as_good_as_not_there() {
        for text in ["{}", r#"{"User":null,"Env":null,"Entrypoint":"nginx -g","Cmd":7,"ExposedPorts":[]}"#] {
            assert_eq!(configuration(text), Configuration::default(), "{text}");
        }
    }

    #[test]
    fn long_texts_and_secrets_stand_as_their_digests_and_lists_end() {
        let long = "x".repeat(TEXT_LENGTH_MAX + 1);
        let variables: Vec<String> = (0..1000).map(|number| format!("V{number}=1")).collect();
        let execution = Execution {
            user: Some(long.clone()),
            cmd: Some(vec!["a".to_owned(); ARGUMENTS_MAX + 1]),
            env: Some(vec!["NPM_TOKEN=hunter2".to_owned(), format!("LONG={long}")]),
            ..Execution::default()
        };
        let found = execution.configuration();
        assert_eq!(found.user, hashed(&long));
        assert_eq!(found.command, [hashed(&["a"; ARGUMENTS_MAX + 1].join("\0"))]);
        assert_eq!(found.environment["NPM_TOKEN"], hashed("hunter2"));
        assert_eq!(found.environment["LONG"], hashed(&long));
        let many = Execution { env: Some(variables), ..Execution::default() };
        assert_eq!(many.configuration().environment.len(), VARIABLES_MAX);
    }
}
