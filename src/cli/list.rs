//! `refrom list`: every image use of a work tree, offline.

use super::Failure;
use super::arguments::{Format, WorkTree};
use super::exit::Outcome;
use super::output::Output;
use super::settings::{self, Secrets};
use super::table::Table;
use super::use_record::UseRecord;
use super::work_tree::{self, Tree};

/// Prints the uses. What could not be read is named, and ends with 3.
pub fn run(arguments: &WorkTree, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(arguments.config.as_deref(), Secrets::Skip)?;
    let trees = work_tree::read_all(&arguments.paths, &config)?;
    match arguments.format {
        Format::Json => output.json(&records(&trees))?,
        Format::Table => print(&table(&trees), output)?,
    }
    Ok(work_tree::note_left_out(&trees, output))
}

fn records(trees: &[Tree]) -> Vec<UseRecord> {
    let uses = trees.iter().flat_map(Tree::uses);
    uses.map(|(file, _, image_use)| UseRecord::new(&file.shown, image_use)).collect()
}

fn print(table: &Table, output: &mut Output) -> anyhow::Result<()> {
    if table.is_empty() {
        output.note("no images are used here");
        return Ok(());
    }
    output.text(table)
}

fn table(trees: &[Tree]) -> Table {
    let mut table = Table::new(["FILE", "KIND", "IMAGE", "DIGEST", "STATUS"]);
    for (file, _, image_use) in trees.iter().flat_map(Tree::uses) {
        table.row([
            format!("{}:{}", file.shown, image_use.line),
            image_use.kind.to_string(),
            image_use.shown(),
            image_use.digest.map(|digest| digest.short()).unwrap_or_default(),
            image_use.shown_status(),
        ]);
    }
    table
}
