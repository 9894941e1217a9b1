//! The selected repositories with their heads: one request per 100 of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::account::Account;
use super::documents::{self, Heads};
use super::graph::{Graph, Segment, fields, item};
use super::installations;
use super::repository::{self, PageInfo, RepositoryParts};
use super::selection::Wanted;
use super::{GitHub, SignedIn, owner_and_name};
use crate::domain::pull_request::{RepoName, RepositoryHead};
use crate::forge::portion::Portion;
use crate::forge::{ForgeError, Listing, ListingProblem, Selection};

/// How many pages of repositories are read for one owner: more is a cursor that leads in circles.
const PAGES_MAX: usize = 1_000;

/// One listing in the making.
struct Gathering<'a> {
    github: &'a GitHub,
    selection: &'a Selection,
    heads: Heads,
    found: BTreeMap<RepoName, RepositoryHead>,
    problems: Vec<ListingProblem>,
    /// Stays small once it had to shrink: what was too much for one page is too much for the next.
    portion: Portion,
}

/// Lists what the selection names. Only what stops every question is an error; a repository or an owner that cannot
/// be served is a problem of its own.
pub(super) async fn repositories(github: &GitHub, selection: &Selection) -> Result<Listing, ForgeError> {
    let wanted = Wanted::of(selection);
    let portion = Portion::full();
    let heads = if selection.pipelines { Heads::Checked } else { Heads::Bare };
    let (found, problems) = (BTreeMap::new(), Vec::new());
    let mut gathering = Gathering { github, selection, heads, found, problems, portion };
    match &github.signed_in {
        SignedIn::Token(account) => gathering.by_token(account, &wanted).await?,
        SignedIn::App(app) => {
            let known = github.retry.run(|| app.refreshed()).await?;
            for (owner, installation) in known.iter() {
                if wanted.is_everything || wanted.owners.contains_key(owner) {
                    gathering.of_installation(&installation.owner, installation.account()).await;
                }
            }
            for (key, owner) in wanted.owners.iter().filter(|(key, _)| !known.contains_key(*key)) {
                tracing::debug!(owner = key, "no installation");
                let what = format!("an installation of the app at `{owner}`");
                gathering.problem(format!("{owner}/*"), ForgeError::NotFound { what });
            }
        }
    }
    gathering.by_name(&wanted).await?;
    let mut problems = gathering.problems;
    problems.sort_by(|left, right| left.subject.cmp(&right.subject));
    Ok(Listing { repositories: gathering.found.into_values().collect(), problems })
}

impl Gathering<'_> {
    fn problem(&mut self, subject: String, error: ForgeError) {
        self.problems.push(ListingProblem { subject, error });
    }

    async fn by_token(&mut self, account: &Account, wanted: &Wanted) -> Result<(), ForgeError> {
        if wanted.is_everything {
            let path = fields(&["viewer", "repositories"]);
            let (document, subject) = (documents::viewer_repositories(self.heads), "everything that the account sees");
            if let Err(error) = self.pages(account, &document, &path, (json!({}), subject)).await {
                self.whole_or_problem(subject, error)?;
            }
            return Ok(());
        }
        for owner in wanted.owners.values() {
            let path = fields(&["repositoryOwner", "repositories"]);
            let (document, subject) = (documents::owner_repositories(self.heads), format!("{owner}/*"));
            let variables = json!({ "owner": owner });
            if let Err(error) = self.pages(account, &document, &path, (variables, &subject)).await {
                self.whole_or_problem(&subject, error)?;
            }
        }
        Ok(())
    }

    /// Refused credentials stop every question; anything else stays with its subject.
    fn whole_or_problem(&mut self, subject: &str, error: ForgeError) -> Result<(), ForgeError> {
        match error {
            ForgeError::Unauthorized { .. } | ForgeError::Secret(_) => Err(error),
            error => {
                self.problem(subject.to_owned(), error);
                Ok(())
            }
        }
    }

    /// The same for each of these repositories.
    fn each(&mut self, names: &[RepoName], error: &ForgeError) -> Result<(), ForgeError> {
        names.iter().try_for_each(|name| self.whole_or_problem(name.as_str(), error.for_another()))
    }

    /// Reads a connection of repositories to its end. What was read before a page failed stays.
    async fn pages(
        &mut self,
        account: &Account,
        document: &documents::Document,
        path: &[Segment],
        (mut variables, subject): (Value, &str),
    ) -> Result<(), ForgeError> {
        let what = format!("`{subject}`");
        for _ in 0..PAGES_MAX {
            if let Some(variables) = variables.as_object_mut() {
                variables.insert("first".to_owned(), Value::from(self.portion.size()));
            }
            let question = (document, &variables);
            let Some(graph) = self.github.query_portion(account, question, &what, &mut self.portion).await? else {
                continue;
            };
            let mut page_info = path.to_vec();
            page_info.push(Segment::Field("pageInfo".to_owned()));
            let page_info: PageInfo = graph.container(&page_info, &what)?;
            let mut nodes = path.to_vec();
            nodes.push(Segment::Field("nodes".to_owned()));
            for index in 0..graph.count(&nodes) {
                let place = item(&nodes, index);
                let subject = name_at(&graph, &place).unwrap_or_else(|| subject.to_owned());
                match self.head(account, &graph, &place, &subject).await {
                    Ok(head) => self.keep(head),
                    Err(error) => self.problem(subject, error),
                }
            }
            match (page_info.next(), variables.as_object_mut()) {
                (Some(after), Some(variables)) => variables.insert("after".to_owned(), Value::from(after)),
                _ => return Ok(()),
            };
        }
        Err(ForgeError::Protocol { message: format!("{what} has no end after {PAGES_MAX} pages") })
    }

    fn keep(&mut self, head: RepositoryHead) {
        if self.selection.includes(&head) {
            self.found.insert(head.name.clone(), head);
        }
    }

    async fn head(
        &self,
        account: &Account,
        graph: &Graph,
        place: &[Segment],
        subject: &str,
    ) -> Result<RepositoryHead, ForgeError> {
        let parts: RepositoryParts = graph.value(place, &format!("`{subject}`"))?;
        parts.into_head(self.github, account).await
    }

    /// The repositories that an owner gave to the App: their names by REST, their heads by id.
    async fn of_installation(&mut self, owner: &str, account: Result<Arc<Account>, ForgeError>) {
        let subject = format!("{owner}/*");
        let account = match account {
            Ok(account) => account,
            Err(error) => return self.problem(subject, error),
        };
        for number in 1.. {
            let page = self.github.retry.run(|| installations::repositories(&account, number)).await;
            let (listed, is_last) = match page {
                Ok(page) => page,
                Err(error) => return self.problem(subject, error),
            };
            let is_wanted = |name: &str| repository::name(name).is_ok_and(|name| self.selection.names(&name));
            let listed = listed.into_iter().filter(|listed| is_wanted(&listed.full_name));
            let listed: Vec<_> = listed.map(|listed| (listed.node_id, listed.full_name)).collect();
            self.by_id(&account, &listed).await;
            if is_last {
                return;
            }
        }
    }

    /// Repositories with their ids and names.
    async fn by_id(&mut self, account: &Account, mut listed: &[(String, String)]) {
        let document = documents::repositories_by_id(self.heads);
        while !listed.is_empty() {
            let (asked, later) = self.portion.of(listed);
            let ids: Vec<&str> = asked.iter().map(|(id, _)| id.as_str()).collect();
            let what = format!("{} repositories", ids.len());
            let question = (&document, &json!({ "ids": ids }));
            match self.github.query_portion(account, question, &what, &mut self.portion).await {
                Ok(None) => continue,
                Ok(Some(graph)) => {
                    for (index, (_, subject)) in asked.iter().enumerate() {
                        match self.head(account, &graph, &item(&fields(&["nodes"]), index), subject).await {
                            Ok(head) => self.keep(head),
                            Err(error) => self.problem(subject.clone(), error),
                        }
                    }
                }
                Err(error) => {
                    for (_, name) in asked {
                        self.problem(name.clone(), error.for_another());
                    }
                }
            }
            listed = later;
        }
    }

    /// The repositories given by name, 100 of one identity per request.
    async fn by_name(&mut self, wanted: &Wanted) -> Result<(), ForgeError> {
        let mut by_owner: BTreeMap<String, Vec<RepoName>> = BTreeMap::new();
        for name in &wanted.names {
            if self.selection.excludes(name) || self.found.contains_key(name) {
                continue;
            }
            match owner_and_name(name) {
                // A token serves all owners at once.
                Ok(_) if matches!(self.github.signed_in, SignedIn::Token(_)) => {
                    by_owner.entry(String::new()).or_default().push(name.clone());
                }
                Ok((owner, _)) => by_owner.entry(owner.to_lowercase()).or_default().push(name.clone()),
                Err(error) => self.problem(name.to_string(), error),
            }
        }
        for (owner, names) in by_owner {
            match self.github.account(&owner).await {
                Ok(account) => {
                    let mut names = names.as_slice();
                    while !names.is_empty() {
                        let (asked, later) = self.portion.of(names);
                        if self.named(&account, asked).await? {
                            names = later;
                        }
                    }
                }
                Err(error) => self.each(&names, &error)?,
            }
        }
        Ok(())
    }

    /// Whether they are done; otherwise they were too many for one question.
    async fn named(&mut self, account: &Account, names: &[RepoName]) -> Result<bool, ForgeError> {
        let mut variables = serde_json::Map::new();
        for (index, name) in names.iter().enumerate() {
            let (owner, name) = owner_and_name(name)?;
            variables.insert(format!("owner{index}"), Value::from(owner));
            variables.insert(format!("name{index}"), Value::from(name));
        }
        let what = format!("{} repositories", names.len());
        let document = documents::repositories_by_name(names.len(), self.heads);
        let question = (&document, &Value::from(variables));
        let graph = match self.github.query_portion(account, question, &what, &mut self.portion).await {
            Ok(Some(graph)) => graph,
            Ok(None) => return Ok(false),
            Err(error) => return self.each(names, &error).map(|()| true),
        };
        for (index, name) in names.iter().enumerate() {
            let head = self.head(account, &graph, &fields(&[&format!("r{index}")]), name.as_str()).await;
            match head.and_then(|head| self.selection.served(name, head)) {
                Ok(head) => {
                    self.found.insert(head.name.clone(), head);
                }
                Err(error) => self.problem(name.to_string(), error),
            }
        }
        Ok(true)
    }
}

fn name_at(graph: &Graph, place: &[Segment]) -> Option<String> {
    let mut place = place.to_vec();
    place.push(Segment::Field("nameWithOwner".to_owned()));
    graph.container(&place, "").ok()
}
