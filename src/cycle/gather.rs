//! Reading the fleet: which repositories there are, and what their files pin.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream;
use tracing::Instrument as _;

use super::report::{LeftOut, Report};
use super::scan::Source;
use super::{Parts, Request, Step, Watcher};
use crate::config::{ForgeConfig, RepositoryFile};
use crate::domain::candidates::{FileUses, RepositoryFacts};
use crate::domain::pattern::Pattern;
use crate::domain::policy::Policy;
use crate::domain::pull_request::RepositoryHead;
use crate::domain::source_file;
use crate::forge::{Forge, Selection};
use crate::git::Base;

/// Repositories that are read at once; git has a limit of its own.
const CONCURRENCY: usize = 16;

/// What was read of a repository, and what people should know about it.
struct Gathered {
    facts: RepositoryFacts,
    left_out: Vec<LeftOut>,
    /// About the repository's own file.
    warning: Option<String>,
}

/// Reads every selected repository of every forge, sorted by forge and name. What fails is in the report.
pub async fn fleet(
    parts: &Parts,
    request: &Request,
    watcher: Watcher<'_>,
    report: &mut Report,
) -> Vec<RepositoryFacts> {
    let mut fleet = Vec::new();
    for (forge, config) in parts.forges.iter().zip(&parts.config.forges) {
        let Some(selection) = narrow(config, request) else { continue };
        let listing = match forge.repositories(&selection).await {
            Ok(listing) => listing,
            Err(error) => {
                report.problem(forge.name().to_owned(), format!("its repositories cannot be listed: {error}"));
                continue;
            }
        };
        for problem in listing.problems {
            report.problem(format!("{}:{}", forge.name(), problem.subject), problem.error.to_string());
        }
        fleet.extend(repositories(parts, forge.as_ref(), listing.repositories, watcher, report).await);
    }
    fleet.sort_by_key(RepositoryFacts::key);
    fleet
}

/// The selection, limited to the repositories that were asked for by name.
fn narrow(config: &ForgeConfig, request: &Request) -> Option<Selection> {
    let selection = &config.selection;
    if request.repositories.is_empty() {
        return Some(selection.clone());
    }
    let of_forge = request.repositories.iter().filter(|key| key.forge == config.name);
    let names = of_forge.map(|key| &key.name).filter(|name| selection.names(name));
    let include: Vec<Pattern> = names.filter_map(|name| Pattern::new(name.as_str()).ok()).collect();
    (!include.is_empty()).then(|| Selection { include, ..selection.clone() })
}

async fn repositories(
    parts: &Parts,
    forge: &dyn Forge,
    heads: Vec<RepositoryHead>,
    watcher: Watcher<'_>,
    report: &mut Report,
) -> Vec<RepositoryFacts> {
    let of = heads.len();
    let mut answers = stream::iter(heads)
        .map(|head| async move {
            let name = head.name.clone();
            let span = tracing::info_span!("repository", forge = forge.name(), repo = %name);
            (name, repository(parts, forge, head).instrument(span).await)
        })
        .buffer_unordered(CONCURRENCY);
    let (mut facts, mut done) = (Vec::new(), 0);
    while let Some((name, answer)) = answers.next().await {
        let subject = format!("{}:{name}", forge.name());
        match answer {
            Ok(Some(gathered)) => {
                report.left_out.extend(gathered.left_out);
                if let Some(warning) = gathered.warning {
                    report.problem(subject, warning);
                }
                facts.push(gathered.facts);
            }
            Ok(None) => report.notes.push(format!("`{subject}` is empty")),
            Err(error) => report.problem(subject, format!("{error:#}")),
        }
        done += 1;
        watcher(Step { what: "repositories", done, of });
    }
    facts
}

/// Reads one repository; `None` where it is empty.
async fn repository(parts: &Parts, forge: &dyn Forge, mut head: RepositoryHead) -> anyhow::Result<Option<Gathered>> {
    let Some(commit) = head.head.clone() else { return Ok(None) };
    let default = Base { branch: head.default_branch.clone(), commit };
    let admin = parts.config.policy_for(&head.name, None);
    let source = Source {
        forge,
        store: parts.store.as_ref(),
        repository: parts.git.repository(forge.name(), &head.name),
        name: &head.name,
    };
    let own = source.own_file(&default, &admin.policy).await?.map(|bytes| RepositoryFile::read(&bytes));
    let effective = parts.config.policy_for(&head.name, own.as_ref());
    let warning = effective.problem.map(|errors| errors.to_string());
    let policy = effective.policy;
    let base = match &policy.base {
        Some(branch) if *branch != default.branch => {
            let found = forge.branch_head(&head, branch).await?;
            let found = found.ok_or_else(|| anyhow::anyhow!("its base branch `{branch}` is not there"))?;
            head.pipeline = found.pipeline;
            Base { branch: branch.clone(), commit: found.commit }
        }
        Some(_) | None => default,
    };
    let (files, left_out) = if policy.enabled { read(&source, &base, &policy).await? } else { Default::default() };
    let left_out = left_out.into_iter().map(|file| LeftOut {
        repository: format!("{}:{}", forge.name(), head.name),
        path: file.path,
        reason: file.reason,
    });
    let left_out = left_out.collect();
    let facts = RepositoryFacts {
        forge: forge.name().to_owned(),
        vocabulary: forge.vocabulary(),
        auto_merges_from: forge.auto_merges_from(),
        base: base.branch,
        base_commit: base.commit,
        policy,
        files,
        problems: BTreeMap::new(),
        head,
    };
    Ok(Some(Gathered { facts, left_out, warning }))
}

async fn read(
    source: &Source<'_>,
    base: &Base,
    policy: &Policy,
) -> anyhow::Result<(Vec<FileUses>, Vec<crate::store::LeftOutFile>)> {
    let content = source.content(base, policy).await?;
    let uses = content.files.into_iter().map(|file| {
        let uses = source_file::read(&file.path, &file.bytes, policy);
        FileUses { path: file.path, uses }
    });
    // Files without images say nothing and need not be carried along.
    Ok((uses.filter(|file| !file.uses.is_empty()).collect(), content.left_out))
}
