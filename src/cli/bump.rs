//! `refrom bump`: moves the pins of a work tree, or shows the change as a diff.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::Failure;
use super::arguments::Bump;
use super::chosen;
use super::diff;
use super::exit::Outcome;
use super::output::Output;
use super::progress::Progress;
use super::settings::{self, Secrets};
use super::use_record::shown_reason;
use super::work_tree::{self, Tree, WorkTreeFile};
use crate::cycle::{self, targets::Depth};
use crate::domain::proposal::{NotProposed, Pin};
use crate::domain::pull_request::Vocabulary;
use crate::domain::rewrite::{PinMove, SourceFile, rewrite};
use crate::domain::target::{Choice, Considered};

/// Looks up, then edits in place or prints. What could not be looked up or written is named, and ends with 3.
pub async fn run(arguments: &Bump, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(arguments.config.as_deref(), Secrets::ReadForRegistries)?;
    let trees = work_tree::read_all(&arguments.paths, &config)?;
    let session = cycle::registries(&config)?.session();
    let progress = Progress::new(output);
    let watcher = |step: cycle::Step| progress.step(step.what, step.done, step.of);
    let mut files = work_tree::files(&trees);
    // A file that several PATHs hold is one file.
    let mut seen = BTreeSet::new();
    files.retain(|(_, file, _)| seen.insert(&file.location));
    let uses: Vec<_> = files.iter().map(|(tree, _, uses)| (&tree.policy, uses)).collect();
    let (_, considered) = chosen::pins(&session, &config, (&uses, Depth::Images(None)), &watcher).await?;
    drop(progress);

    let mut outcome = work_tree::note_left_out(&trees, output);
    for ((tree, file, _), considered) in files.iter().zip(considered) {
        let mut pins = Vec::new();
        for Considered { choice, .. } in considered {
            match choice {
                Choice::Propose(pin) => pins.push(*pin),
                Choice::Wait(waiting) => outcome = outcome.max(not_moved(file, &waiting, output)),
                Choice::Nothing => {}
            }
        }
        if let Err(error) = bump(tree, file, &pins, arguments.dry_run, output) {
            output.note(format!("{}: {error:#}", file.shown));
            outcome = outcome.max(Outcome::Incomplete);
        }
    }
    Ok(outcome)
}

/// Says why a pin stays.
fn not_moved(file: &WorkTreeFile, waiting: &NotProposed, output: &mut Output) -> Outcome {
    let NotProposed { line, tag, reason, .. } = waiting;
    output.note(format!("{}:{line}: `{tag}`: {}", file.shown, shown_reason(tag, reason, Vocabulary::PullRequest)));
    if waiting.reason.is_incomplete() { Outcome::Incomplete } else { Outcome::Done }
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
        return output.bytes(&diff::unified(&file.shown_bytes(), &file.bytes, &after));
    }
    replace(&file.location, &file.bytes, &after)?;
    for pin in pins {
        let tag = pin.new_tag.as_ref().map(|tag| format!("{tag} ")).unwrap_or_default();
        let (old, new) = (pin.shown_old(), pin.new.short());
        output.line(format!("{}:{}: {} {old} -> {tag}{new}", file.shown, pin.line, pin.tag))?;
    }
    Ok(())
}

/// Replaces a file's content at one stroke: the old file or the new one is there, whatever happens in between. Its
/// permissions stay. An edit that somebody made in the meantime is not overwritten.
fn replace(location: &Path, before: &[u8], after: &[u8]) -> anyhow::Result<()> {
    let folder = location.parent().context("a file has no folder")?;
    let metadata = std::fs::metadata(location)?;
    let mut file = tempfile::Builder::new().prefix(".refrom-").tempfile_in(folder)?;
    file.write_all(after)?;
    keep_owner(file.as_file(), &metadata);
    file.as_file().set_permissions(metadata.permissions())?;
    file.as_file().sync_all()?;
    if std::fs::read(location)? != before {
        anyhow::bail!("it changed meanwhile; nothing was written");
    }
    file.persist(location)?;
    Ok(())
}

/// Gives the new file to who has the old one, as far as this user may: a container's root edits other people's files.
#[cfg(unix)]
fn keep_owner(file: &File, metadata: &Metadata) {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    // Who may not give a file away keeps it.
    let _ = fchown(file, Some(metadata.uid()), Some(metadata.gid()));
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) {}
