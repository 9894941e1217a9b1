//! A proposal → a commit: the files as they are at the base, rewritten.

use anyhow::{Context as _, bail};

use super::Parts;
use super::scan::{Source, SourceFile};
use crate::domain::candidates::RepositoryFacts;
use crate::domain::plan::Proposal;
use crate::domain::proposal::Pin;
use crate::domain::pull_request::CommitId;
use crate::domain::rewrite::{self, PinMove};
use crate::domain::source_file;
use crate::forge::Forge;
use crate::git::{Author, Base, Committed, FileChange, Identity, NewCommit, Repository, SignOff};

/// A pin of a plan, as the edit of its file.
pub fn pin_move(pin: &Pin) -> PinMove {
    PinMove {
        use_index: pin.use_index,
        to: pin.new,
        new_tag: pin.new_tag.clone(),
        old: pin.old_image.clone(),
        new: Some(pin.new_image.clone()),
    }
}

/// A proposal's commit in the object cache.
#[derive(Debug)]
pub struct Built {
    pub repository: Repository,
    pub new: NewCommit,
    pub commit: CommitId,
}

/// Makes the proposal's commit in the object cache. The same proposal has the same commit.
pub async fn commit(
    parts: &Parts,
    facts: &RepositoryFacts,
    forge: &dyn Forge,
    proposal: &Proposal,
) -> anyhow::Result<Built> {
    let repository = parts.git.repository(forge.name(), &facts.head.name);
    let source = Source { forge, store: parts.store.as_ref(), repository: repository.clone(), name: &facts.head.name };
    let base = Base { branch: facts.base.clone(), commit: facts.base_commit.clone() };
    // Free while the cache is as it was.
    repository.fetch(&source.remote().await?, &base).await?;
    let content = source.content(&base, &facts.policy).await?;
    let mut changes = Vec::new();
    for (path, pins) in &proposal.changes {
        let file = content.files.iter().find(|file| file.path == *path);
        let file = file.with_context(|| format!("`{path}` is not there any more"))?;
        changes.push(change(facts, file, pins).with_context(|| format!("cannot rewrite `{path}`"))?);
    }
    let author = &parts.config.commit;
    let author = Author {
        identity: Identity { name: author.author_name.clone(), email: author.author_email.clone() },
        sign_off: if author.sign_off { SignOff::Add } else { SignOff::Omit },
        signing_key: author.signing_key.clone(),
    };
    let message = proposal.commit_message.clone();
    let new = NewCommit { base: base.commit, changes, message, author };
    match repository.commit(new.clone()).await? {
        Committed::New(commit) => Ok(Built { repository, new, commit }),
        Committed::Unchanged => bail!("the rewritten files are as before"),
    }
}

fn change(facts: &RepositoryFacts, file: &SourceFile, pins: &[Pin]) -> anyhow::Result<FileChange> {
    let uses = source_file::read(&file.path, &file.bytes, &facts.policy);
    let moves: Vec<PinMove> = pins.iter().map(pin_move).collect();
    let source = rewrite::SourceFile { path: &file.path, bytes: &file.bytes, policy: &facts.policy };
    let content = rewrite::rewrite(source, &uses, &moves)?;
    Ok(FileChange { path: file.path.clone(), content })
}
