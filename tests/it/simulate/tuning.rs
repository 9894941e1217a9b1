//! docs/tuning.md says what the program says.

use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../docs/tuning.md");

/// The commands of the page, each with the table that stands below it.
fn examples() -> Vec<(String, String)> {
    let blocks = PAGE.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let replays = blocks.filter(|block| block.starts_with("$ refrom simulate"));
    let read = |block: &str| {
        let joined = block.replace("\\\n", " ");
        let (command, table) = joined.split_once('\n').unwrap();
        (command.trim_start_matches("$ refrom ").to_owned(), table.to_owned())
    };
    replays.map(read).filter(|(_, table)| !table.is_empty()).collect()
}

fn refrom(arguments: &[&str]) -> String {
    let answer = Command::new(env!("CARGO_BIN_EXE_refrom"))
        .args(arguments)
        .env_clear()
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stderr), "");
    String::from_utf8(answer.stdout).unwrap()
}

#[test]
fn the_picture_of_the_page_is_what_the_program_draws() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tuning.svg");
    let [one, other, history] =
        ["at-once.yaml", "weekly.yaml", "dhi-churn.jsonl.gz"].map(|name| format!("examples/tuning/{name}"));
    let arguments = ["simulate", "--config", &one, "--compare", &other, "--history", &history, "--svg"];
    refrom(&[&arguments[..], &[file.to_str().unwrap()]].concat());
    assert!(
        std::fs::read_to_string(&file).unwrap() == include_str!("../../../docs/tuning.svg"),
        "draw docs/tuning.svg anew"
    );
}

#[test]
fn the_tables_of_the_page_are_what_the_program_prints() {
    let examples = examples();
    assert!(examples.len() >= 2, "{examples:?}");
    for (command, table) in examples {
        let told = refrom(&command.split_whitespace().collect::<Vec<_>>());
        assert_eq!(told, table, "{command}");
    }
}
