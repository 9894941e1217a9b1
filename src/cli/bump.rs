//! `refrom bump`: moves the pins of a work tree, or shows the change as a diff.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::Failure;
use super::arguments::Bump;
use super::diff;
use super::exit::Outcome;
use super::output::Output;
use super::progress::Progress;
use super::settings::{self, Secrets};
use super::work_tree::{self, Tree, WorkTreeFile};
use crate::cycle::{self, lookup};
use crate::domain::candidates::{self, Candidate};
use crate::domain::ledger::Ledger;
use crate::domain::proposal::{self, Pin};
use crate::domain::rewrite::{PinMove, SourceFile, rewrite};

/// Looks up, then edits in place or prints. What could not be looked up or written is named, and ends with 3.
pub async fn run(arguments: &Bump, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(arguments.config.as_deref(), Secrets::Read)?;
    let trees = work_tree::read_all(&arguments.paths, &config)?;
    let session = cycle::registries(&config)?.session();
    let progress = Progress::new(output);
    let watcher = |step: cycle::Step| progress.step(step.what, step.done, step.of);
    let files: Vec<_> = trees.iter().map(Tree::file_uses).collect();
    let observations = lookup::observe(&session, lookup::tracked(files.iter().flatten()), &watcher).await;
    let pins: Vec<_> = files.iter().map(|files| candidates::pins(files, &observations)).collect();
    let moves = pins.iter().flatten().filter_map(Candidate::wanted).collect();
    let evidence = lookup::evidence(&session, None, &moves, &watcher).await;
    drop(progress);

    let mut outcome = work_tree::note_left_out(&trees, output);
    for (tree, candidates) in trees.iter().zip(&pins) {
        for file in &tree.contents.files {
            let mut pins = Vec::new();
            for candidate in candidates.iter().filter(|candidate| candidate.path == file.path) {
                match proposal::consider(candidate, &evidence, &Ledger::default()) {
                    None => {}
                    Some(Ok(pin)) => pins.push(pin),
                    Some(Err(waiting)) => {
                        output.note(format!("{}:{}: `{}`: {}", file.shown, waiting.line, waiting.tag, waiting.reason));
                        if waiting.reason.is_incomplete() {
                            outcome = outcome.max(Outcome::Incomplete);
                        }
                    }
                }
            }
            if let Err(error) = bump(tree, file, &pins, arguments.dry_run, output) {
                output.note(format!("{}: {error:#}", file.shown));
                outcome = outcome.max(Outcome::Incomplete);
            }
        }
    }
    Ok(outcome)
}

/// Rewrites one file, or prints how it would change.
fn bump(tree: &Tree, file: &WorkTreeFile, pins: &[Pin], dry_run: bool, output: &mut Output) -> anyhow::Result<()> {
    if pins.is_empty() {
        return Ok(());
    }
    let source = SourceFile { path: &file.path, bytes: &file.bytes, policy: &tree.policy };
    let moves: Vec<PinMove> = pins.iter().map(cycle::pin_move).collect();
    let after = rewrite(source, &file.uses, &moves)?;
    if dry_run {
        return output.bytes(&diff::unified(&file.shown, &file.bytes, &after));
    }
    replace(&file.location, &file.bytes, &after)?;
    for pin in pins {
        output.line(format!("{}:{}: {} {} -> {}", file.shown, pin.line, pin.tag, pin.old.short(), pin.new.short()))?;
    }
    Ok(())
}

/// Replaces a file's content at one stroke: the old file or the new one is there, whatever happens in between. Its
/// permissions stay. An edit that somebody made in the meantime is not overwritten.
fn replace(location: &Path, before: &[u8], after: &[u8]) -> anyhow::Result<()> {
    let folder = location.parent().context("a file has no folder")?;
    let permissions = std::fs::metadata(location)?.permissions();
    let mut file = tempfile::Builder::new().prefix(".refrom-").tempfile_in(folder)?;
    file.write_all(after)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    if std::fs::read(location)? != before {
        anyhow::bail!("it changed meanwhile; nothing was written");
    }
    file.persist(location)?;
    Ok(())
}
