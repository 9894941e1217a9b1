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

#[test]
fn the_tables_of_the_page_are_what_the_program_prints() {
    let examples = examples();
    assert!(examples.len() >= 2, "{examples:?}");
    for (command, table) in examples {
        let arguments = command.split_whitespace();
        let answer = Command::new(env!("CARGO_BIN_EXE_refrom"))
            .args(arguments)
            .env_clear()
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .output()
            .unwrap();
        let told = String::from_utf8(answer.stdout).unwrap();
        assert_eq!(told, table, "{command}\n{}", String::from_utf8_lossy(&answer.stderr));
    }
}
