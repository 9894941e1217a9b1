//! What the README and `docs/` have to say: every command, every option, every key.

use std::path::Path;

use clap::CommandFactory as _;
use refrom::cli::arguments::Arguments;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Of clap, and the same everywhere.
const EVERYWHERE: [&str; 2] = ["help", "version"];

/// The README and every page of `docs/`.
fn pages() -> String {
    let root = Path::new(ROOT);
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let texts = pages.chain([root.join("README.md")]).map(|path| std::fs::read_to_string(path).unwrap());
    texts.collect::<Vec<_>>().join("\n")
}

/// The commands as they are called, and the options of each.
fn commands(command: &clap::Command, called: &str, found: &mut Vec<(String, Vec<String>)>) {
    let options = command.get_arguments().filter_map(clap::Arg::get_long).filter(|name| !EVERYWHERE.contains(name));
    found.push((called.to_owned(), options.map(|name| format!("--{name}")).collect()));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        commands(below, &format!("{called} {}", below.get_name()), found);
    }
}

/// Whether a word stands there, and not only as the beginning of a longer one.
fn names(text: &str, word: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric() || next == '-' || next == '_');
    text.split(word).skip(1).any(|rest| !goes_on(rest))
}

#[test]
fn every_command_and_every_option_is_documented() {
    let (pages, mut found) = (pages(), Vec::new());
    commands(&Arguments::command(), "refrom", &mut found);
    assert!(found.len() > 10, "{found:?}");
    let missing: Vec<&String> = found
        .iter()
        .flat_map(|(called, options)| std::iter::once(called).chain(options))
        .filter(|word| !names(&pages, word))
        .collect();
    assert!(missing.is_empty(), "neither the README nor docs/ names {missing:?}");
}

#[test]
fn every_key_of_the_schema_stands_in_the_example() {
    let example = std::fs::read_to_string(Path::new(ROOT).join("config.example.yaml")).unwrap();
    let (mut keys, mut pending) = (Vec::new(), vec![refrom::config::schema::config_schema()]);
    while let Some(value) = pending.pop() {
        match value {
            serde_json::Value::Object(entries) => {
                for (name, value) in entries {
                    if let (true, Some(properties)) = (name == "properties", value.as_object()) {
                        keys.extend(properties.keys().cloned());
                    }
                    pending.push(value);
                }
            }
            serde_json::Value::Array(values) => pending.extend(values),
            _ => {}
        }
    }
    assert!(keys.len() > 60, "{keys:?}");
    let missing: Vec<&String> = keys.iter().filter(|key| !names(&example, &format!("{key}:"))).collect();
    assert!(missing.is_empty(), "the example does not show {missing:?}");
}
