//! Where a repository's objects are kept: a bare repository of refrom's own that can be thrown away at any time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::GitError;
use crate::domain::digest::Digest;
use crate::domain::pull_request::RepoName;

/// The longest readable part of a directory's name; file systems end at 255 bytes.
const READABLE_MAX: usize = 60;
/// Hex digits of the hash that tells repositories apart.
const HASH_DIGITS: usize = 32;
/// Each moved head adds up to three packs. A cache beyond this is made anew, which costs less than looking through all.
const PACKS_MAX: usize = 100;

/// All of the configuration that a cache has. **Invariant**: written anew before every use, so that nothing which git
/// noted there outlives its process.
const CONFIGURATION: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tlogAllRefUpdates = false\n";

/// A directory name for any repository of any forge: readable, and of characters that every file system takes.
pub(super) fn directory_name(forge: &str, name: &RepoName) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let readable: String = name.as_str().chars().map(plain).take(READABLE_MAX).collect();
    let hash: String = Digest::of(format!("{forge}\0{name}").as_bytes()).hex().chars().take(HASH_DIGITS).collect();
    format!("{readable}-{hash}.git")
}

/// Makes the cache where there is none, and brings its fixed files into order. What a git that was ended left half
/// written goes: nobody else writes here, and git itself would keep it for weeks.
pub(super) fn prepare(directory: &Path) -> Result<(), GitError> {
    let prepare = || -> io::Result<()> {
        fs::create_dir_all(pack_directory(directory))?;
        fs::create_dir_all(directory.join("refs"))?;
        for entry in fs::read_dir(pack_directory(directory))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tmp_")) {
                fs::remove_file(path)?;
            }
        }
        fs::write(directory.join("config"), CONFIGURATION)?;
        fs::write(directory.join("HEAD"), "ref: refs/heads/none\n")
    };
    prepare().map_err(failed(directory))
}

/// Throws the cache away where it has grown beyond [`PACKS_MAX`]. Only before a commit is fetched anew: what was
/// committed and not yet pushed goes with it.
pub(super) fn discard_crowded(directory: &Path) -> Result<(), GitError> {
    if packs(directory).map_err(failed(directory))? > PACKS_MAX { discard(directory) } else { Ok(()) }
}

/// Throws the cache away.
pub(super) fn discard(directory: &Path) -> Result<(), GitError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(directory)(error)),
        _ => Ok(()),
    }
}

pub(super) fn object_directory(directory: &Path) -> PathBuf {
    directory.join("objects")
}

pub(super) fn pack_directory(directory: &Path) -> PathBuf {
    directory.join("objects").join("pack")
}

fn packs(directory: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(pack_directory(directory)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let is_pack = |entry: &io::Result<fs::DirEntry>| {
        entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "pack"))
    };
    Ok(entries.filter(is_pack).count())
}

fn failed(directory: &Path) -> impl Fn(io::Error) -> GitError {
    let path = directory.to_owned();
    move |source| GitError::Cache { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_caches_of_their_own() {
        let name = |forge: &str, text: &str| directory_name(forge, &text.parse().unwrap());
        let names = [name("a", "acme/web"), name("b", "acme/web"), name("a", "acme-web/x"), name("a", "Acme/Web")];
        let distinct: std::collections::BTreeSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names[0].starts_with("acme-web-"), "{names:?}");
    }

    #[test]
    fn a_name_stays_within_its_folder_and_short() {
        let long = format!("_/{}", "x".repeat(500));
        let name = directory_name("../..", &long.parse().unwrap());
        assert!(name.len() < 110 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)), "{name}");
        assert!(!name.contains(".."), "{name}");
    }

    #[test]
    fn what_was_left_half_written_goes() {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path()).unwrap();
        for name in ["tmp_pack_x1", "tmp_idx_x1", "pack-1.pack"] {
            fs::write(pack_directory(directory.path()).join(name), "half").unwrap();
        }
        prepare(directory.path()).unwrap();
        let left: Vec<_> =
            fs::read_dir(pack_directory(directory.path())).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(left, [pack_directory(directory.path()).join("pack-1.pack")]);
    }

    #[test]
    fn a_cache_of_too_many_packs_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path()).unwrap();
        for index in 0..=PACKS_MAX {
            discard_crowded(directory.path()).unwrap();
            fs::write(pack_directory(directory.path()).join(format!("{index}.pack")), "").unwrap();
        }
        assert_eq!(packs(directory.path()).unwrap(), PACKS_MAX + 1);
        discard_crowded(directory.path()).unwrap();
        assert_eq!(packs(directory.path()).unwrap(), 0);
    }
}
