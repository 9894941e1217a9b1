//! The selected repositories with their heads: one request per 100 of them, and further ones for our branches.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::documents::{self, Heads};
use super::graph::{Entry, Projects};
use super::project::ProjectParts;
use super::selection::{Depth, Wanted};
use super::{GitLab, branches};
use crate::domain::pull_request::{RepoName, RepositoryHead};
use crate::forge::portion::Portion;
use crate::forge::{ForgeError, Listing, ListingProblem, Selection};

/// How many pages of repositories are read for one group: more is a cursor that leads in circles.
const PAGES_MAX: usize = 1_000;

/// One listing in the making.
struct Gathering<'a> {
    gitlab: &'a GitLab,
    selection: &'a Selection,
    heads: Heads,
    found: BTreeMap<RepoName, RepositoryHead>,
    problems: Vec<ListingProblem>,
    /// Stays small once it had to shrink: what was too much for one page is too much for the next.
    portion: Portion,
}

/// Lists what the selection names. Only what stops every question is an error; a repository or a group that cannot be
/// served is a problem of its own.
pub(super) async fn repositories(gitlab: &GitLab, selection: &Selection) -> Result<Listing, ForgeError> {
    let wanted = Wanted::of(selection);
    let portion = Portion::full();
    let heads = if selection.pipelines { Heads::Checked } else { Heads::Bare };
    let (found, problems) = (BTreeMap::new(), Vec::new());
    let mut gathering = Gathering { gitlab, selection, heads, found, problems, portion };
    if wanted.is_everything {
        let subject = "everything that the account is a member of";
        gathering.list(&documents::member_projects(heads), &["projects"], (json!({}), subject)).await?;
    } else {
        for (namespace, depth) in wanted.namespaces.values() {
            let variables = json!({ "namespace": namespace, "subgroups": *depth == Depth::Subgroups });
            let path = ["namespace", "projects"];
            let subject = format!("{namespace}/*");
            gathering.list(&documents::namespace_projects(heads), &path, (variables, &subject)).await?;
        }
    }
    gathering.by_name(&wanted).await?;
    let Gathering { found, mut problems, .. } = gathering;
    let (repositories, failed) = branches::with_ours(gitlab, found).await;
    problems.extend(failed);
    problems.sort_by(|left, right| left.subject.cmp(&right.subject));
    Ok(Listing { repositories, problems })
}

impl Gathering<'_> {
    fn problem(&mut self, subject: &str, error: ForgeError) {
        self.problems.push(ListingProblem { subject: subject.to_owned(), error });
    }

    /// Refused credentials stop every question; anything else stays with its subject.
    fn whole_or_problem(&mut self, subject: &str, error: ForgeError) -> Result<(), ForgeError> {
        match error {
            ForgeError::Unauthorized { .. } | ForgeError::Secret(_) => Err(error),
            error => {
                self.problem(subject, error);
                Ok(())
            }
        }
    }

    async fn list(
        &mut self,
        document: &documents::Document,
        path: &[&str],
        (variables, subject): (Value, &str),
    ) -> Result<(), ForgeError> {
        match self.pages(document, path, (variables, subject)).await {
            Ok(()) => Ok(()),
            Err(error) => self.whole_or_problem(subject, error),
        }
    }

    /// Reads a connection of projects to its end. What was read before a page failed stays.
    async fn pages(
        &mut self,
        document: &documents::Document,
        path: &[&str],
        (mut variables, subject): (Value, &str),
    ) -> Result<(), ForgeError> {
        let what = format!("`{subject}`");
        for _ in 0..PAGES_MAX {
            set(&mut variables, "first", Value::from(self.portion.size()));
            let question = (document, variables.clone());
            let Some(graph) = self.gitlab.query_portion(question, &what, &mut self.portion).await? else { continue };
            let Projects { entries, unnamed, next } = graph.projects(path, &what)?;
            for entry in entries {
                self.keep(entry);
            }
            if let Some(error) = unnamed {
                self.problem(subject, error);
            }
            match next {
                Some(after) => set(&mut variables, "after", Value::from(after)),
                None => return Ok(()),
            }
        }
        Err(ForgeError::Protocol { message: format!("{what} has no end after {PAGES_MAX} pages") })
    }

    fn keep(&mut self, entry: Entry) {
        let subject = entry.full_path.clone();
        match entry.read::<ProjectParts>().and_then(ProjectParts::into_head) {
            Ok(head) if self.selection.includes(&head) => drop(self.found.insert(head.name.clone(), head)),
            Ok(_) => {}
            Err(error) => self.problem(&subject, error),
        }
    }

    /// The repositories given by name.
    async fn by_name(&mut self, wanted: &Wanted) -> Result<(), ForgeError> {
        let is_asked = |name: &&RepoName| !self.selection.excludes(name) && !self.found.contains_key(*name);
        let names: Vec<RepoName> = wanted.names.iter().filter(is_asked).cloned().collect();
        let mut rest = names.as_slice();
        let mut portion = Portion::of_size(documents::NAMES_MAX);
        while !rest.is_empty() {
            let (asked, later) = portion.of(rest);
            let texts: Vec<&str> = asked.iter().map(RepoName::as_str).collect();
            let variables = json!({ "names": texts, "first": texts.len() });
            let what = format!("{} repositories", texts.len());
            let question = (&documents::named_projects(self.heads), variables);
            let answer = self.gitlab.query_portion(question, &what, &mut portion).await;
            match answer.and_then(|graph| graph.map(|graph| graph.projects(&["projects"], &what)).transpose()) {
                Ok(None) => continue,
                Ok(Some(projects)) => self.named(asked, projects).await,
                Err(error) => {
                    asked.iter().try_for_each(|name| self.whole_or_problem(name.as_str(), error.for_another()))?;
                }
            }
            rest = later;
        }
        Ok(())
    }

    async fn named(&mut self, asked: &[RepoName], projects: Projects) {
        let mut found: BTreeMap<String, Entry> =
            projects.entries.into_iter().map(|entry| (entry.full_path.to_lowercase(), entry)).collect();
        for name in asked {
            let head = match found.remove(&name.as_str().to_lowercase()) {
                Some(entry) => entry.read::<ProjectParts>().and_then(ProjectParts::into_head),
                None => Err(self.missing(name, projects.unnamed.as_ref()).await),
            };
            match head.and_then(|head| self.selection.served(name, head)) {
                Ok(head) => drop(self.found.insert(head.name.clone(), head)),
                Err(error) => self.problem(name.as_str(), error),
            }
        }
    }

    /// Why a repository is not in the answer: a former name is not followed there.
    async fn missing(&self, name: &RepoName, unnamed: Option<&ForgeError>) -> ForgeError {
        match (self.gitlab.renamed(name).await, unnamed) {
            (Some(renamed), _) => renamed,
            (None, Some(error)) => error.for_another(),
            (None, None) => ForgeError::NotFound { what: format!("`{name}`") },
        }
    }
}

fn set(variables: &mut Value, name: &str, value: Value) {
    if let Some(variables) = variables.as_object_mut() {
        variables.insert(name.to_owned(), value);
    }
}
