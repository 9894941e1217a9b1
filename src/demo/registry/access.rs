//! Who may pull from the embedded registry: everybody, users by Basic authentication, or holders of a token.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How clients sign in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Access {
    #[default]
    Open,
    /// User names and passwords.
    Basic(BTreeMap<String, String>),
    Bearer(TokenService),
}

/// The rules of the token service at `/token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenService {
    /// User names and passwords.
    pub users: BTreeMap<String, String>,
    /// The refresh tokens that the OAuth2 form takes.
    pub identity_tokens: Vec<String>,
    /// Whether a token is given without credentials.
    pub anonymous: Anonymous,
    /// `expires_in` of an answer; left out where absent.
    pub lifetime_seconds: Option<u64>,
    /// The token service's address, where it is another than this registry's own.
    pub realm: Option<String>,
}

/// What a client without credentials gets from the token service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    Allowed,
    Refused,
}

/// Tokens that were given out, with the scope of each.
#[derive(Debug, Default)]
pub(super) struct Issued {
    scopes: BTreeMap<String, String>,
    count: u64,
}

impl Default for TokenService {
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            identity_tokens: Vec::new(),
            anonymous: Anonymous::Allowed,
            lifetime_seconds: Some(300),
            realm: None,
        }
    }
}

impl Access {
    /// Basic authentication for one user.
    pub fn basic(username: &str, password: &str) -> Self {
        Self::Basic(BTreeMap::from([(username.to_owned(), password.to_owned())]))
    }

    /// A token service for one user.
    pub fn bearer(username: &str, password: &str) -> Self {
        let users = BTreeMap::from([(username.to_owned(), password.to_owned())]);
        Self::Bearer(TokenService { users, anonymous: Anonymous::Refused, ..TokenService::default() })
    }

    /// Whether a request may go on; `repository` is absent for `/v2/`.
    pub(super) fn admits(&self, headers: &HeaderMap, repository: Option<&str>, issued: &Issued) -> bool {
        match self {
            Self::Open => true,
            Self::Basic(users) => basic_user(headers).is_some_and(|user| is_user(users, &user)),
            Self::Bearer(_) => {
                let scope = value_of(headers, "Bearer ").and_then(|token| issued.scopes.get(&token).cloned());
                let wanted = repository.map(|repository| format!("repository:{repository}:pull"));
                scope.is_some_and(|scope| wanted.is_none_or(|wanted| wanted == scope))
            }
        }
    }

    /// `WWW-Authenticate` for a request that may not go on.
    pub(super) fn challenge(&self, own_url: &str, repository: Option<&str>) -> Option<String> {
        match self {
            Self::Open => None,
            Self::Basic(_) => Some(r#"Basic realm="refrom, embedded""#.to_owned()),
            Self::Bearer(service) => {
                let realm = service.realm.clone().unwrap_or_else(|| format!("{own_url}token"));
                let scope = repository.map(|repository| format!(r#",scope="repository:{repository}:pull""#));
                Some(format!(r#"Bearer realm="{realm}",service="embedded"{}"#, scope.unwrap_or_default()))
            }
        }
    }
}

impl TokenService {
    /// Whether a token request may be served, by its header or its form.
    pub(super) fn admits(&self, headers: &HeaderMap, form: &BTreeMap<String, String>) -> bool {
        if form.get("grant_type").is_some_and(|grant| grant == "refresh_token") {
            return form.get("refresh_token").is_some_and(|token| self.identity_tokens.contains(token));
        }
        match basic_user(headers) {
            Some(user) => is_user(&self.users, &user),
            None => self.anonymous == Anonymous::Allowed,
        }
    }
}

impl Issued {
    /// A new token for a scope. Tokens are counted, so that a run can be repeated.
    pub(super) fn issue(&mut self, scope: &str) -> String {
        self.count += 1;
        let token = format!("embedded-token-{}", self.count);
        self.scopes.insert(token.clone(), scope.to_owned());
        token
    }

    pub(super) fn revoke_all(&mut self) {
        self.scopes.clear();
    }
}

fn is_user(users: &BTreeMap<String, String>, (name, password): &(String, String)) -> bool {
    users.get(name) == Some(password)
}

fn basic_user(headers: &HeaderMap) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(value_of(headers, "Basic ")?).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

fn value_of(headers: &HeaderMap, scheme: &str) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix(scheme).map(ToOwned::to_owned)
}
