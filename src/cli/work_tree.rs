//! Reading a person's work tree: which files can hold a pin, and what they hold.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use ignore::WalkBuilder;
use serde::Serialize;

use super::Failure;
use super::exit::Outcome;
use super::output::Output;
use super::settings;
use crate::config::Config;
use crate::domain::candidates::FileUses;
use crate::domain::file_name::{self, FILE_BYTES_MAX, LeftOut};
use crate::domain::image_use::ImageUse;
use crate::domain::pattern::Pattern;
use crate::domain::policy::Policy;
use crate::domain::source_file;
use crate::store::LeftOutFile;

/// A file of the work tree and its image uses.
#[derive(Debug)]
pub struct WorkTreeFile {
    /// Where it is on this machine.
    pub location: PathBuf,
    /// Relative to the PATH that was given, with `/`: what people see.
    pub shown: String,
    /// Relative to the repository's root, with `/`: what patterns see.
    pub path: String,
    pub bytes: Vec<u8>,
    pub uses: Vec<ImageUse>,
}

/// What a PATH holds.
#[derive(Debug, Default)]
pub struct Contents {
    pub files: Vec<WorkTreeFile>,
    pub left_out: Vec<LeftOutFile>,
    /// Files and folders that could not be read.
    pub problems: Vec<String>,
    /// What a person should know besides; nothing is wrong.
    pub notes: Vec<String>,
}

/// A PATH of the command line, read with its repository's policy.
#[derive(Debug)]
pub struct Tree {
    pub policy: Policy,
    pub contents: Contents,
}

impl Tree {
    /// Every use with its file and its index there, in the order of paths and lines.
    pub fn uses(&self) -> impl Iterator<Item = (&WorkTreeFile, usize, &ImageUse)> {
        let files = self.contents.files.iter();
        files.flat_map(|file| file.uses.iter().enumerate().map(move |(index, image_use)| (file, index, image_use)))
    }
}

/// A file that was left out, in JSON.
#[derive(Debug, Serialize)]
pub struct LeftOutRecord {
    path: String,
    reason: String,
}

/// What was left out of all PATHs.
pub fn left_out_records(trees: &[Tree]) -> Vec<LeftOutRecord> {
    let left_out = trees.iter().flat_map(|tree| &tree.contents.left_out);
    left_out.map(|file| LeftOutRecord { path: file.path.clone(), reason: file.reason.clone() }).collect()
}

/// Every file of all PATHs with its tree, and its uses as decisions take them.
pub fn files(trees: &[Tree]) -> Vec<(&Tree, &WorkTreeFile, FileUses)> {
    let files = trees.iter().flat_map(|tree| tree.contents.files.iter().map(move |file| (tree, file)));
    files.map(|(tree, file)| (tree, file, FileUses { path: file.path.clone(), uses: file.uses.clone() })).collect()
}

impl WorkTreeFile {
    /// [`Self::shown`] as the bytes that the file system has.
    pub fn shown_bytes(&self) -> Vec<u8> {
        let count = self.shown.split('/').count();
        let parts: Vec<&[u8]> = self.location.iter().map(std::ffi::OsStr::as_encoded_bytes).collect();
        parts.get(parts.len().saturating_sub(count)..).unwrap_or_default().join(&b'/')
    }
}

/// Reads every PATH.
pub fn read_all(paths: &[PathBuf], config: &Config) -> Result<Vec<Tree>, Failure> {
    paths
        .iter()
        .map(|path| {
            let root = root_of(path).map_err(Failure::usage)?;
            let mut policy = settings::policy_of_work_tree(config, &root)?;
            if !policy.enabled {
                // Its uses are listed, as ignored.
                policy.images.clear();
            }
            include_named(path, &root, &mut policy).map_err(Failure::usage)?;
            let mut contents = read(path, &policy).map_err(Failure::usage)?;
            if !policy.enabled {
                contents.notes.push(format!("`{}` is not followed: `enabled: false`", path.display()));
            }
            Ok(Tree { policy, contents })
        })
        .collect()
}

/// A file that was named is read, whatever its name is; as a Dockerfile, unless a pattern of the policy is for it.
fn include_named(path: &Path, root: &Path, policy: &mut Policy) -> anyhow::Result<()> {
    let given = absolute(path)?;
    let named = slashed(root, &given).filter(|relative| !given.is_dir() && !file_name::can_hold_pins(relative, policy));
    if let Some(relative) = named {
        policy.files.include.push(Pattern::literal(&relative)?);
    }
    Ok(())
}

/// Says on stderr what was left out (which is no failure) and what could not be read (which is one).
pub fn note_left_out(trees: &[Tree], output: &mut Output) -> Outcome {
    for left_out in trees.iter().flat_map(|tree| &tree.contents.left_out) {
        output.note(format!("left out `{}`: {}", left_out.path, left_out.reason));
    }
    for note in trees.iter().flat_map(|tree| &tree.contents.notes) {
        output.note(note);
    }
    let problems: Vec<&String> = trees.iter().flat_map(|tree| &tree.contents.problems).collect();
    for problem in &problems {
        output.note(problem);
    }
    if problems.is_empty() { Outcome::Done } else { Outcome::Incomplete }
}

/// The root of the repository that holds `path`: the nearest folder with `.git`, else `path` itself (its folder, for a
/// file).
pub fn root_of(path: &Path) -> anyhow::Result<PathBuf> {
    let absolute = absolute(path)?;
    let folder = if absolute.is_dir() { absolute.as_path() } else { absolute.parent().unwrap_or(&absolute) };
    let root = folder.ancestors().find(|ancestor| ancestor.join(".git").exists()).unwrap_or(folder);
    Ok(root.to_owned())
}

/// Where a PATH really is. A symlink to a file stays what it is, since it is not followed.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let resolved = path.canonicalize().with_context(|| format!("cannot read `{}`", path.display()))?;
    match (path.file_name(), path.parent()) {
        (Some(name), Some(parent)) if path.is_symlink() && resolved.is_file() => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            Ok(parent.canonicalize()?.join(name))
        }
        _ => Ok(resolved),
    }
}

/// Reads every file under `path` that can hold a pin, honouring `.gitignore`. A single file is read whatever
/// `.gitignore` says, since it was named.
pub fn read(path: &Path, policy: &Policy) -> anyhow::Result<Contents> {
    let root = root_of(path)?;
    let given = absolute(path)?;
    let mut contents = Contents::default();
    if !given.is_dir() {
        let shown = given.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(relative) = slashed(&root, &given) else { bail!("`{}` is outside of its repository", path.display()) };
        if !file_name::can_hold_pins(&relative, policy) {
            contents.notes.push(format!("`{shown}` is not read: the policy's `files.exclude` leaves it out"));
        }
        contents.add(&given, shown, relative, policy);
        return Ok(contents);
    }
    for entry in walk(&given, &root) {
        match entry {
            Ok(entry) => {
                let is_candidate = entry.file_type().is_some_and(|kind| kind.is_file() || kind.is_symlink());
                let names = slashed(&given, entry.path()).zip(slashed(&root, entry.path()));
                if let Some((shown, relative)) = names.filter(|_| is_candidate) {
                    contents.add(entry.path(), shown, relative, policy);
                }
            }
            Err(error) => contents.problems.push(error.to_string()),
        }
    }
    Ok(contents)
}

/// Every file in a fixed order, hidden ones too (`.devcontainer/Dockerfile`), without `.git`, ignored files and nested
/// repositories. Only the repository's own `.gitignore` files count, so that everybody sees the same; where there is no
/// repository, those of every folder above.
fn walk(folder: &Path, root: &Path) -> ignore::Walk {
    let top = folder.to_owned();
    WalkBuilder::new(folder)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(root.join(".git").exists())
        .follow_links(false)
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .filter_entry(move |entry| {
            let is_nested_repository = entry.path() != top && entry.path().join(".git").exists();
            entry.file_name() != ".git" && !is_nested_repository
        })
        .build()
}

impl Contents {
    fn add(&mut self, location: &Path, shown: String, path: String, policy: &Policy) {
        if !file_name::can_hold_pins(&path, policy) {
            return;
        }
        match content(location) {
            Ok(Content::Bytes(bytes)) => {
                let uses = source_file::read(&path, &bytes, policy);
                self.files.push(WorkTreeFile { location: location.to_owned(), shown, path, bytes, uses });
            }
            Ok(Content::LeftOut(reason)) => {
                self.left_out.push(LeftOutFile { path: shown, reason: reason.as_str().to_owned() });
            }
            Err(error) => self.problems.push(format!("cannot read `{shown}`: {error}")),
        }
    }
}

enum Content {
    Bytes(Vec<u8>),
    LeftOut(LeftOut),
}

fn content(location: &Path) -> std::io::Result<Content> {
    if location.symlink_metadata()?.is_symlink() {
        return Ok(Content::LeftOut(LeftOut::Symlink));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large, whatever its metadata says.
    File::open(location)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(match LeftOut::by_content(&bytes) {
        Some(reason) => Content::LeftOut(reason),
        None => Content::Bytes(bytes),
    })
}

/// `path` relative to `base` with `/`; `None` where it is not below it.
fn slashed(base: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(base).ok()?;
    let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(parts.join("/"))
}
