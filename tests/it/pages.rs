//! Whether README, the pages of `docs/` and the example name everything that there is.

use clap::{Command, CommandFactory as _};
use refrom::cli::arguments::Arguments;

/// What clap adds by itself.
const OF_EVERY_PROGRAM: [&str; 2] = ["help", "version"];

/// The lines of README and of every page.
fn lines() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let texts = pages.chain([root.join("README.md")]).map(|path| std::fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

/// Whether the words stand in the text with nothing before or after them that would make them others.
fn names(text: &str, words: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(|it| it.is_alphanumeric() || it == '-' || it == '_');
    text.match_indices(words).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let after = rest.strip_prefix(words).and_then(|after| after.chars().next());
        !is_part(before.chars().next_back()) && !is_part(after)
    })
}

/// What no line names: each command, and each option in a line with its command, the ones of all commands anywhere.
fn unnamed(command: &Command, path: &str, lines: &[String]) -> Vec<String> {
    let mut missing = Vec::new();
    let is_root = !path.contains(' ');
    let of_command: Vec<&String> = lines.iter().filter(|line| is_root || names(line, path)).collect();
    if of_command.is_empty() {
        missing.push(format!("`{path}`"));
    }
    for argument in command.get_arguments() {
        let Some(name) = argument.get_long().filter(|name| !OF_EVERY_PROGRAM.contains(name)) else { continue };
        let option = format!("--{name}");
        if !of_command.iter().any(|line| names(line, &option)) {
            missing.push(format!("`{path} {option}`"));
        }
    }
    for inner in command.get_subcommands() {
        missing.extend(unnamed(inner, &format!("{path} {}", inner.get_name()), lines));
    }
    missing
}

#[test]
fn every_command_and_every_option_is_explained() {
    let missing = unnamed(&Arguments::command(), "refrom", &lines());
    assert!(missing.is_empty(), "neither README nor docs/ names {}", missing.join(", "));
}

#[test]
fn an_option_that_no_line_names_with_its_command_is_found() {
    let lines = ["`refrom run --now`", "`refrom runs --dry-run`", "`--dry-run`"].map(ToOwned::to_owned);
    let run = Arguments::command().get_subcommands().find(|it| it.get_name() == "run").unwrap().clone();
    let missing = unnamed(&run, "refrom run", &lines);
    assert!(missing.contains(&"`refrom run --dry-run`".to_owned()), "{missing:?}");
    assert!(!missing.contains(&"`refrom run --now`".to_owned()), "{missing:?}");
}

#[test]
fn the_front_door_leads_to_every_page() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".md") || readme.contains(&format!("](docs/{name})")),
            "README does not lead to {name}"
        );
    }
}

#[test]
fn every_key_of_the_schema_stands_in_the_example() {
    let example =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.yaml")).unwrap();
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
