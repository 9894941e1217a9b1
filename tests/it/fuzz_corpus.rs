//! The saved corpus of the fuzz targets, through the functions that they run.

use std::path::Path;

use super::dockerfiles::bodies;

fn each_file(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "an empty corpus tests nothing");
    for file in files {
        run(&std::fs::read(file).unwrap());
    }
}

#[test]
fn the_scanner_holds_on_its_corpus() {
    each_file("scan", bodies::scan);
}

#[test]
fn comments_hold_on_their_corpus() {
    each_file("comment", bodies::comment);
}

#[test]
fn edits_hold_on_their_corpus() {
    each_file("edit", bodies::edit);
}
