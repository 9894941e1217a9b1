//! Which files of a repository can hold a pin, and their bytes: from the store and the object cache while the head
//! stays, else with one fetch of trees and one of the few blobs.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::REPOSITORY_FILE;
use crate::domain::digest::Digest;
use crate::domain::file_name::{self, LeftOut};
use crate::domain::policy::Policy;
use crate::domain::pull_request::{BranchName, CommitId, RepoName};
use crate::forge::Forge;
use crate::git::{Base, Blob, GitError, Repository, TreeFileKind};
use crate::net::Remote;
use crate::store::{LeftOutFile, Scan, ScannedFile, Store};

/// Changes whenever the choice of files changes with a release, so that old scans are made anew.
const SELECTOR_VERSION: &str = "1";

/// A repository's object cache and where it is filled from.
#[derive(Debug)]
pub struct Source<'a> {
    pub forge: &'a dyn Forge,
    pub store: &'a dyn Store,
    pub repository: Repository,
    pub name: &'a RepoName,
}

/// A file of a commit and its bytes.
#[derive(Debug)]
pub struct SourceFile {
    pub path: String,
    pub bytes: Vec<u8>,
}

/// What a commit holds, as far as refrom looks.
#[derive(Debug, Default)]
pub struct Content {
    pub files: Vec<SourceFile>,
    pub left_out: Vec<LeftOutFile>,
}

impl Source<'_> {
    /// The repository's own configuration at this commit. Where the head has not moved, nothing is fetched.
    pub async fn own_file(&self, base: &Base, policy: &Policy) -> anyhow::Result<Option<Vec<u8>>> {
        let scan = match self.stored(&base.branch, &base.commit).await? {
            Some(scan) => scan,
            None => self.look(base, policy).await?,
        };
        let is_own = |file: &&ScannedFile| file.path == REPOSITORY_FILE;
        let Some(own) = scan.files.iter().find(is_own) else { return Ok(None) };
        // All blobs at once: the others are wanted next, and one request serves both.
        let mut blobs = self.blobs(base, &scan).await?;
        match blobs.remove(&own.blob) {
            Some(Blob::Content(bytes)) => Ok(Some(bytes)),
            Some(Blob::TooLarge { .. }) | None => anyhow::bail!("`{REPOSITORY_FILE}` is larger than 1 MiB"),
        }
    }

    /// The files that this policy selects.
    pub async fn content(&self, base: &Base, policy: &Policy) -> anyhow::Result<Content> {
        let scan = match self.stored(&base.branch, &base.commit).await? {
            Some(scan) if scan.selector == selector(policy) => scan,
            Some(_) | None => self.look(base, policy).await?,
        };
        let blobs = self.blobs(base, &scan).await?;
        let mut content = Content { files: Vec::new(), left_out: scan.left_out };
        for file in scan.files.into_iter().filter(|file| file_name::can_hold_pins(&file.path, policy)) {
            match blobs.get(&file.blob) {
                Some(Blob::Content(bytes)) => content.add(file.path, bytes.clone()),
                Some(Blob::TooLarge { .. }) => content.leave_out(file.path, LeftOut::TooLarge),
                None => anyhow::bail!("the object `{}` of `{}` is missing", file.blob, file.path),
            }
        }
        Ok(content)
    }

    /// Where git reads and pushes.
    pub async fn remote(&self) -> anyhow::Result<Remote> {
        Ok(self.forge.git_access(self.name).await?)
    }

    async fn stored(&self, branch: &BranchName, commit: &CommitId) -> anyhow::Result<Option<Scan>> {
        let scan = self.store.scan(self.forge.name(), self.name, branch).await?;
        Ok(scan.filter(|scan| scan.head == *commit))
    }

    /// Fetches the commit's trees where they are not there, and notes which files are candidates.
    async fn look(&self, base: &Base, policy: &Policy) -> anyhow::Result<Scan> {
        self.repository.fetch(&self.remote().await?, base).await?;
        let selecting = policy.clone();
        let select = move |path: &str| path == REPOSITORY_FILE || file_name::can_hold_pins(path, &selecting);
        let mut scan =
            Scan { head: base.commit.clone(), selector: selector(policy), files: Vec::new(), left_out: Vec::new() };
        for file in self.repository.files(&base.commit, select).await? {
            let reason = match file.kind {
                TreeFileKind::File | TreeFileKind::Executable => {
                    scan.files.push(ScannedFile { path: file.path, mode: file.mode, blob: file.blob });
                    continue;
                }
                TreeFileKind::Symlink => LeftOut::Symlink.as_str(),
                TreeFileKind::Submodule => continue,
                TreeFileKind::OddPath => "odd-path",
            };
            scan.left_out.push(LeftOutFile { path: file.path, reason: reason.to_owned() });
        }
        self.store.put_scan(self.forge.name(), self.name, &base.branch, &scan).await?;
        Ok(scan)
    }

    async fn blobs(&self, base: &Base, scan: &Scan) -> anyhow::Result<BTreeMap<String, Blob>> {
        let ids: BTreeSet<String> = scan.files.iter().map(|file| file.blob.clone()).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let remote = self.remote().await?;
        match self.repository.blobs(&remote, base, &ids).await {
            // The store remembers the scan and the cache was thrown away.
            Err(GitError::NotFetched { .. }) => {
                self.repository.fetch(&remote, base).await?;
                Ok(self.repository.blobs(&remote, base, &ids).await?)
            }
            result => Ok(result?),
        }
    }
}

impl Content {
    fn add(&mut self, path: String, bytes: Vec<u8>) {
        match LeftOut::by_content(&bytes) {
            Some(reason) => self.leave_out(path, reason),
            None => self.files.push(SourceFile { path, bytes }),
        }
    }

    fn leave_out(&mut self, path: String, reason: LeftOut) {
        self.left_out.push(LeftOutFile { path, reason: reason.as_str().to_owned() });
    }
}

/// What decides which files are candidates, as a short text that changes with it.
fn selector(policy: &Policy) -> String {
    let patterns: Vec<_> = policy.patterns.iter().map(|pattern| &pattern.files).collect();
    let choice = format!("{SELECTOR_VERSION} {:?} {patterns:?}", policy.files);
    Digest::of(choice.as_bytes()).short()
}
