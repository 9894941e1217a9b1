//! The example and the schema.

use refrom::config::{Config, schema};
use refrom::domain::policy::Policy;

use super::{config_of, name, no_environment};

const EXAMPLE: &str = include_str!("../../../config.example.yaml");

/// What a configuration comes to, as text: settings, and the policy of two repositories.
fn meaning(text: &str) -> String {
    let config = config_of(text);
    let policies =
        ["acme/web", "acme/payments-api"].map(|repository| config.policy_for(&name(repository), None).policy);
    let Config {
        store,
        state_dir,
        forges,
        registries,
        mirrors,
        network,
        commit,
        max_new_per_hour,
        poll,
        waves,
        advance,
        repository_may_set,
        retention,
        serve,
        ..
    } = &config;
    format!(
        "{store:?} {state_dir:?} {forges:?} {registries:?} {mirrors:?} {network:?} {commit:?} {max_new_per_hour:?} {poll:?} {waves:?} {advance:?} {repository_may_set:?} {retention:?} {serve:?} {policies:?}"
    )
}

/// The paths of all keys of a JSON value; list elements are passed through.
fn keys(value: &serde_json::Value, path: &[String], found: &mut Vec<Vec<String>>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                let path = [path, std::slice::from_ref(key)].concat();
                found.push(path.clone());
                keys(value, &path, found);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| keys(value, path, found)),
        _ => {}
    }
}

fn remove(value: &mut serde_json::Value, path: &[String]) {
    match (value, path) {
        (serde_json::Value::Array(values), path) => values.iter_mut().for_each(|value| remove(value, path)),
        (serde_json::Value::Object(entries), [last]) => drop(entries.remove(last)),
        (serde_json::Value::Object(entries), [first, rest @ ..]) => {
            entries.get_mut(first).into_iter().for_each(|value| remove(value, rest));
        }
        _ => {}
    }
}

/// What the example says to have no default.
const NO_DEFAULT: [&[&str]; 4] =
    [&["forges", "auth"], &["forges", "repositories", "include"], &["registries"], &["repositories"]];

#[test]
fn every_key_of_the_example_shows_its_default() {
    let example: serde_json::Value = serde_saphyr::from_str(EXAMPLE).unwrap();
    let mut paths = Vec::new();
    keys(&example, &[], &mut paths);
    let mut compared = 0;
    for path in &paths {
        // Without what has no default nothing above it is complete.
        let concerns = |other: &[&str]| path.iter().zip(other).all(|(key, other)| key == other);
        if NO_DEFAULT.iter().any(|other| concerns(other)) {
            continue;
        }
        let mut without = example.clone();
        remove(&mut without, path);
        assert_ne!(without, example, "{path:?}");
        assert_eq!(meaning(&without.to_string()), meaning(EXAMPLE), "{path:?}");
        compared += 1;
    }
    assert!(compared > 40, "{compared} keys");
    let tree = Config::default_for_work_tree(&no_environment).policy_for_work_tree(None, None).policy;
    // Mirrors are no key of `policy`, and the example shows one.
    let example = config_of(EXAMPLE).policy_for(&name("acme/web"), None).policy;
    let example = Policy { mirrors: tree.mirrors.clone(), ..example };
    assert_eq!(format!("{tree:?}"), format!("{example:?}"));
    assert_eq!(format!("{tree:?}"), format!("{:?}", Policy::default()));
}

#[test]
fn the_example_and_the_schema_know_the_same_keys() {
    let example: serde_json::Value = serde_saphyr::from_str(EXAMPLE).unwrap();
    let schema = schema::config_schema();
    assert_eq!(schema["additionalProperties"], false);
    let mut unused = schema_keys(&schema, &schema, "");
    assert_conforms(&schema, &schema, &example, "", &mut unused);
    // What the example shows in comments or not at all, since one of several ways is shown.
    let in_comments =
        [".forges[].auth.token", ".forges[].auth.app.private_key.env", ".network.proxy_auth.password.env"];
    for path in in_comments {
        assert!(unused.iter().any(|unused| unused.starts_with(path)), "{path}");
    }
    unused.retain(|path| {
        let is_alternative = [
            "auth.token",
            "private_key",
            "password",
            "token",
            "signing_key",
            "proxy_auth",
            "patterns[]",
            "tags[]",
            "webhooks[]",
            "webhook_secret",
            "schedule.every",
            "window[]",
            "freeze[]",
            "waves[]",
            "denied[]",
        ];
        !is_alternative.iter().any(|part| path.contains(part)) && !path.starts_with(".repositories[].policy")
    });
    assert_eq!(unused, [""; 0]);
}

/// Follows `$ref` and the part of `anyOf` that is not `null`.
fn resolve<'a>(root: &'a serde_json::Value, schema: &'a serde_json::Value) -> &'a serde_json::Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolve(root, root.pointer(reference.trim_start_matches('#')).unwrap());
    }
    match schema["anyOf"].as_array() {
        Some(parts) => resolve(root, parts.iter().find(|part| part["type"] != "null").unwrap()),
        None => schema,
    }
}

fn schema_keys(root: &serde_json::Value, schema: &serde_json::Value, path: &str) -> Vec<String> {
    let schema = resolve(root, schema);
    let mut found = Vec::new();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        assert!(
            value["description"].is_string() || value["$ref"].is_string() || value["anyOf"].is_array(),
            "{path}.{key}"
        );
        found.push(format!("{path}.{key}"));
        found.extend(schema_keys(root, value, &format!("{path}.{key}")));
    }
    if schema["items"].is_object() {
        found.extend(schema_keys(root, &schema["items"], &format!("{path}[]")));
    }
    if schema["additionalProperties"].is_object() {
        found.extend(schema_keys(root, &schema["additionalProperties"], &format!("{path}.*")));
    }
    found
}

fn assert_conforms(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    value: &serde_json::Value,
    path: &str,
    unused: &mut Vec<String>,
) {
    let schema = resolve(root, schema);
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                let (known, path) = match schema["properties"].get(key) {
                    Some(known) => (known, format!("{path}.{key}")),
                    None => (&schema["additionalProperties"], format!("{path}.*")),
                };
                assert!(known.is_object(), "{path}: {key}");
                unused.retain(|unused| *unused != path);
                assert_conforms(root, known, value, &path, unused);
            }
        }
        serde_json::Value::Array(values) => {
            for value in values {
                assert_conforms(root, &schema["items"], value, &format!("{path}[]"), unused);
            }
        }
        _ => {}
    }
}
