//! The installations of a GitHub App: one identity per owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;
use serde::Deserialize;

use super::PAGE;
use super::account::{Account, Api, Call, Connection, Credentials};
use super::repository::ListedRepository;
use crate::forge::ForgeError;

/// How many pages of a REST list are read: 100,000 installations or repositories are a fault, not a fleet.
const PAGES_MAX: usize = 1_000;

/// By the owner's name in lower case.
pub(super) type ByOwner = Arc<BTreeMap<String, Installation>>;

/// An App and where it is installed. The identities stay when the list is read again, and with them their tokens.
#[derive(Debug)]
pub(super) struct Installations {
    app: Arc<Account>,
    connection: Arc<Connection>,
    known: tokio::sync::Mutex<Option<ByOwner>>,
}

/// The App at one owner.
#[derive(Debug, Clone)]
pub(super) struct Installation {
    pub owner: String,
    account: Arc<Account>,
    is_suspended: bool,
}

#[derive(Deserialize)]
struct ListedInstallation {
    id: u64,
    account: Option<Owner>,
    #[serde(default)]
    suspended_at: Option<String>,
}

/// A user or an organization; an enterprise, which owns no repositories, has no login.
#[derive(Deserialize)]
struct Owner {
    login: Option<String>,
}

#[derive(Deserialize)]
struct RepositoryPage {
    total_count: usize,
    repositories: Vec<ListedRepository>,
}

impl Installation {
    /// The identity, unless the owner suspended the App.
    pub fn account(&self) -> Result<Arc<Account>, ForgeError> {
        if self.is_suspended {
            Err(ForgeError::Denied { message: format!("the app's installation at `{}` is suspended", self.owner) })
        } else {
            Ok(Arc::clone(&self.account))
        }
    }
}

impl Installations {
    pub fn new(app: Arc<Account>, connection: Arc<Connection>) -> Self {
        Self { app, connection, known: Default::default() }
    }

    /// The installations as they were read last; read once where they were not.
    pub async fn known(&self) -> Result<ByOwner, ForgeError> {
        let mut known = self.known.lock().await;
        match known.as_ref() {
            Some(installations) => Ok(Arc::clone(installations)),
            None => self.read(&mut known).await,
        }
    }

    /// Reads the installations anew: each listing does.
    pub async fn refreshed(&self) -> Result<ByOwner, ForgeError> {
        self.read(&mut *self.known.lock().await).await
    }

    /// `GET /app/installations`
    async fn read(&self, known: &mut Option<ByOwner>) -> Result<ByOwner, ForgeError> {
        let mut installations = BTreeMap::new();
        for number in 1..=PAGES_MAX {
            let what = "the app's installations";
            let answer = self.app.call(&page("/app/installations", number, what)).await?;
            let listed: Vec<ListedInstallation> = answer.json(what)?;
            let is_last = listed.len() < PAGE;
            for ListedInstallation { id, account, suspended_at } in listed {
                let Some(owner) = account.and_then(|account| account.login) else { continue };
                let key = owner.to_lowercase();
                let former = known.as_ref().and_then(|known| known.get(&key));
                let former = former.filter(|installation| installation.account.installation() == Some(id));
                let account = former.map_or_else(|| self.new_account(id), |former| Arc::clone(&former.account));
                installations.insert(key, Installation { owner, account, is_suspended: suspended_at.is_some() });
            }
            if is_last {
                let installations = Arc::new(installations);
                *known = Some(Arc::clone(&installations));
                return Ok(installations);
            }
        }
        Err(ForgeError::Protocol { message: format!("the app's installations have no end after {PAGES_MAX} pages") })
    }

    fn new_account(&self, id: u64) -> Arc<Account> {
        let credentials = Credentials::Installation { app: Arc::clone(&self.app), id };
        Arc::new(Account::new(Arc::clone(&self.connection), credentials))
    }
}

/// The repositories that an installation was given: `GET /installation/repositories`, page by number. The list's
/// links are absolute, and octocrab would send them without the token on an Enterprise Server.
pub(super) async fn repositories(
    account: &Account,
    number: usize,
) -> Result<(Vec<ListedRepository>, bool), ForgeError> {
    let what = "the installation's repositories";
    let answer = account.call(&page("/installation/repositories", number, what)).await?;
    let listed: RepositoryPage = answer.json(what)?;
    let is_last = number * PAGE >= listed.total_count || listed.repositories.is_empty() || number >= PAGES_MAX;
    Ok((listed.repositories, is_last))
}

fn page(path: &str, number: usize, what: &str) -> Call {
    let path = format!("{path}?per_page={PAGE}&page={number}");
    Call { api: Api::Rest, method: Method::GET, path, body: None, what: what.to_owned() }
}
