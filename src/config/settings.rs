//! The mirror of the file → [`Config`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::cadence;
use super::check::{Checker, Secrets};
use super::file::{
    AppFile, ConfigFile, ForgeAuthFile, ForgeFile, ForgeKind, NetworkFile, OverrideFile, PolicyKey, SelectionFile,
};
use super::layer::{Layer, layer};
use super::ledger::retention;
use super::mistake::KeyPath;
use super::registries::{mirrors, registries};
use super::serve::serve;
use super::waves;
use super::{CommitConfig, Config, ForgeAuth, ForgeConfig, Override};
use crate::forge::Selection;
use crate::net::Network;

const DEFAULT_STORE: &str = "sqlite://refrom.db";
const DEFAULT_STATE_DIR: &str = "./state";
/// GitHub asks for a second between writes ("Best practices for using the REST API").
const DEFAULT_WRITE_INTERVAL: &str = "1s";
/// A longer pause would keep a cycle from ending.
const WRITE_INTERVAL_MAX: Duration = Duration::from_secs(600);
const DEFAULT_AUTHOR_NAME: &str = "refrom";
/// `.invalid` is nobody's (RFC 2606), so that no forge takes the commits for somebody's.
const DEFAULT_AUTHOR_EMAIL: &str = "refrom@refrom.invalid";
/// What a repository's own file may set unless the administrator says otherwise: nothing that leads to other images,
/// other files' formats or other people's words. Its owners know best when they have time for pull requests; windows and
/// freezes only add to the administrator's.
const DEFAULT_MAY_SET: [PolicyKey; 18] = [
    PolicyKey::Enabled,
    PolicyKey::Group,
    PolicyKey::Labels,
    PolicyKey::Reviewers,
    PolicyKey::Assignees,
    PolicyKey::Files,
    PolicyKey::Comment,
    PolicyKey::Schedule,
    PolicyKey::Timezone,
    PolicyKey::Window,
    PolicyKey::Freeze,
    PolicyKey::MinAge,
    PolicyKey::Settle,
    PolicyKey::Denied,
    PolicyKey::Stages,
    PolicyKey::Pair,
    PolicyKey::MinInterval,
    PolicyKey::StaleAfter,
];
pub(super) const HTTP: [&str; 2] = ["https", "http"];

/// Checks everything; what is wrong goes to `checker`, and its place in the result is a default.
pub fn config(checker: &mut Checker<'_>, file: &ConfigFile, path: &Path) -> Config {
    let top = KeyPath::default();
    let state_dir = checker.file_path(file.state_dir.as_deref().unwrap_or(DEFAULT_STATE_DIR));
    let waves = waves::waves(checker, &top.key("waves"), file.waves.as_deref().unwrap_or_default());
    let mut forges = forges(checker, &top.key("forges"), file.forges.as_deref().unwrap_or_default());
    // Nobody else needs them.
    forges.iter_mut().for_each(|forge| forge.selection.pipelines = !waves.is_empty());
    Config {
        store: store(checker, &top.key("store"), file.store.as_deref().unwrap_or(DEFAULT_STORE), &state_dir),
        state_dir,
        forges,
        registries: registries(checker, &top.key("registries"), file),
        mirrors: mirrors(checker, &top.key("registries"), file).into(),
        docker_config_dir: docker_config_dir(checker),
        network: network(checker, &top.key("network"), file.network.as_ref()),
        commit: commit(checker, &top.key("commit"), file),
        max_new_per_hour: max_new_per_hour(checker, &top.key("max_new_per_hour"), file.max_new_per_hour),
        poll: file.poll.as_ref().and_then(|text| cadence::poll(checker, &top.key("poll"), text)),
        waves,
        advance: waves::advance(checker, &top.key("advance"), file.advance.as_ref()),
        repository_may_set: may_set(file),
        retention: retention(checker, &top.key("ledger"), file.ledger.as_ref()),
        serve: serve(checker, &top.key("serve"), file.serve.as_ref()),
        file: path.to_owned(),
        freezes: cadence::freezes(checker, &top.key("freeze"), file.freeze.as_deref().unwrap_or_default()),
        policy: file.policy.as_ref().map(|file| layer(checker, &top.key("policy"), file)).unwrap_or_default(),
        overrides: overrides(checker, &top.key("repositories"), file.repositories.as_deref().unwrap_or_default()),
    }
}

/// `sqlite://PATH`, relative to the state directory; `sqlite:///PATH` is absolute.
fn store(checker: &mut Checker<'_>, path: &KeyPath, text: &str, state_dir: &Path) -> PathBuf {
    match text.strip_prefix("sqlite://") {
        Some(file) if !file.is_empty() && !file.contains(['?', '#']) => return state_dir.join(file),
        _ => checker.wrong(path, "expected `sqlite://` and a path"),
    }
    PathBuf::new()
}

fn forges(checker: &mut Checker<'_>, path: &KeyPath, files: &[ForgeFile]) -> Vec<ForgeConfig> {
    let mut names = BTreeSet::new();
    let mut forges = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = path.index(index);
        let name = file.name.as_deref().unwrap_or(default_name(file.kind.unwrap_or_default()));
        if !names.insert(name) {
            checker.wrong(&path, format!("a second forge with the name `{name}`"));
        }
        forges.extend(forge(checker, &path, name, file));
    }
    forges
}

fn forge(checker: &mut Checker<'_>, path: &KeyPath, name: &str, file: &ForgeFile) -> Option<ForgeConfig> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_name || name.starts_with('.') {
        checker.wrong(&path.key("name"), "expected a name of letters, digits, `-`, `_` and `.`");
    }
    let kind = file.kind.unwrap_or_default();
    let url = checker.url(&path.key("url"), file.url.as_deref().unwrap_or(default_url(kind)), &HTTP);
    let api_url = file.api_url.as_ref().and_then(|text| checker.url(&path.key("api_url"), text, &HTTP));
    let auth = checker.for_the_fleet(|checker| forge_auth(checker, &path.key("auth"), kind, file.auth.as_ref()));
    let selection = selection(checker, &path.key("repositories"), file.repositories.as_ref());
    let interval = file.write_interval.as_deref().unwrap_or(DEFAULT_WRITE_INTERVAL);
    let write_interval = duration(checker, &path.key("write_interval"), interval);
    let secret_path = path.key("webhook_secret");
    let reference = file.webhook_secret.as_ref();
    let webhook_secret =
        checker.for_the_service(|checker| reference.and_then(|secret| checker.secret(&secret_path, secret)));
    Some(ForgeConfig {
        name: name.to_owned(),
        kind,
        url: url?,
        api_url,
        auth: auth?,
        selection,
        write_interval: write_interval?,
        webhook_secret,
    })
}

/// The name of a forge that has none.
fn default_name(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::Github => "github",
        ForgeKind::Gitlab => "gitlab",
    }
}

fn default_url(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::Github => "https://github.com",
        ForgeKind::Gitlab => "https://gitlab.com",
    }
}

fn forge_auth(
    checker: &mut Checker<'_>,
    path: &KeyPath,
    kind: ForgeKind,
    file: Option<&ForgeAuthFile>,
) -> Option<ForgeAuth> {
    let is_gitlab = kind == ForgeKind::Gitlab;
    if is_gitlab && file.is_some_and(|file| file.app.is_some()) {
        let message = "GitLab has no apps of this kind: expected `{ token: … }`, a personal, project or group token";
        checker.wrong(&path.key("app"), message);
        return None;
    }
    match file.map(|file| (&file.token, &file.app)) {
        Some((Some(token), None)) => checker.secret(&path.key("token"), token).map(ForgeAuth::Token),
        Some((None, Some(app))) => app_auth(checker, &path.key("app"), app),
        Some((Some(_), Some(_))) => {
            checker.wrong(path, "expected one of `token` and `app`, found both");
            None
        }
        Some((None, None)) | None if is_gitlab => {
            checker.missing(path, "missing: `{ token: { env: NAME } }`");
            None
        }
        Some((None, None)) | None => {
            checker.missing(
                path,
                "missing: `{ token: { env: NAME } }` or `{ app: { id: …, private_key: { file: PATH } } }`",
            );
            None
        }
    }
}

fn app_auth(checker: &mut Checker<'_>, path: &KeyPath, app: &AppFile) -> Option<ForgeAuth> {
    if app.id.is_none() {
        checker.missing(&path.key("id"), "missing: the App's id");
    }
    let path = path.key("private_key");
    let Some(reference) = &app.private_key else {
        checker.missing(&path, "missing: `{ env: NAME }` or `{ file: PATH }`");
        return None;
    };
    let private_key = checker.secret(&path, reference)?;
    Some(ForgeAuth::App { id: app.id?, private_key })
}

fn selection(checker: &mut Checker<'_>, path: &KeyPath, file: Option<&SelectionFile>) -> Selection {
    let no_file = SelectionFile::default();
    let file = file.unwrap_or(&no_file);
    let include = file.include.as_deref().unwrap_or_default();
    if include.is_empty() {
        checker.missing(&path.key("include"), "missing: which repositories, for example `[\"acme/*\"]`");
    }
    Selection {
        include: checker.patterns(&path.key("include"), include),
        exclude: checker.patterns(&path.key("exclude"), file.exclude.as_deref().unwrap_or_default()),
        topics: file.topics.clone().unwrap_or_default(),
        archived: file.archived.unwrap_or_default(),
        forks: file.forks.unwrap_or_default(),
        pipelines: false,
    }
}

fn duration(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<Duration> {
    let duration = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let duration = duration.filter(|duration| *duration <= WRITE_INTERVAL_MAX);
    if duration.is_none() {
        let most = WRITE_INTERVAL_MAX.as_secs() / 60;
        checker
            .wrong(path, format!("expected a duration like `1s` or `500ms` of at most {most} minutes, found `{text}`"));
    }
    duration
}

fn docker_config_dir(checker: &Checker<'_>) -> Option<PathBuf> {
    let variable = |name| (checker.environment)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")))
}

fn network(checker: &mut Checker<'_>, path: &KeyPath, file: Option<&NetworkFile>) -> Network {
    let Some(file) = file else { return Network::default() };
    let proxy: Option<Url> =
        file.proxy.as_ref().and_then(|text| checker.url(&path.key("proxy"), text, &["http", "https"]));
    let ca_file = file.ca_file.as_ref().map(|text| checker.file_path(text));
    if checker.secrets != Secrets::Skip
        && let Some(ca_file) = ca_file.as_ref().filter(|file| !file.is_file())
    {
        checker.wrong(&path.key("ca_file"), format!("there is no file `{}`", ca_file.display()));
    }
    let path = path.key("proxy_auth");
    if file.proxy.is_none() && file.proxy_auth.is_some() {
        checker.missing(&path, "a `proxy_auth` needs a `proxy`");
    }
    let proxy_auth = file.proxy_auth.as_ref().and_then(|auth| match (&auth.username, &auth.password) {
        (Some(username), Some(password)) => {
            checker.secret(&path.key("password"), password).map(|password| (username.clone(), password))
        }
        _ => {
            checker.missing(&path, "expected `{ username: NAME, password: … }`");
            None
        }
    });
    Network { proxy, proxy_auth, ca_file }
}

fn commit(checker: &mut Checker<'_>, path: &KeyPath, file: &ConfigFile) -> CommitConfig {
    let file = file.commit.as_ref();
    let author = file.and_then(|file| file.author.as_ref());
    let author_path = path.key("author");
    let name = author.and_then(|author| author.name.as_deref()).unwrap_or(DEFAULT_AUTHOR_NAME);
    let email = author.and_then(|author| author.email.as_deref()).unwrap_or(DEFAULT_AUTHOR_EMAIL);
    // git drops these from a commit's header (`ident.c`), which would make it another commit than was planned.
    let is_plain = |text: &str| text.trim() == text && !text.chars().any(|c| c.is_control() || "<>".contains(c));
    if name.is_empty() || !is_plain(name) {
        checker.wrong(&author_path.key("name"), "expected a name without `<`, `>` and line ends");
    }
    let is_address = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if !is_address || !is_plain(email) || email.contains(' ') {
        checker.wrong(&author_path.key("email"), "expected an e-mail address");
    }
    let signing_key = file.and_then(|file| file.signing_key.as_ref());
    let path = path.key("signing_key");
    let signing_key =
        checker.for_the_fleet(|checker| signing_key.and_then(|reference| checker.secret(&path, reference)));
    CommitConfig {
        author_name: name.to_owned(),
        author_email: email.to_owned(),
        sign_off: file.and_then(|file| file.sign_off).unwrap_or_default(),
        signing_key,
    }
}

fn max_new_per_hour(checker: &mut Checker<'_>, path: &KeyPath, value: Option<u32>) -> Option<u32> {
    if value == Some(0) {
        checker.wrong(path, "expected 1 or more; `policy.enabled: false` opens none");
    }
    value
}

fn may_set(file: &ConfigFile) -> BTreeSet<PolicyKey> {
    file.repository_may_set.as_deref().unwrap_or(&DEFAULT_MAY_SET).iter().copied().collect()
}

fn overrides(checker: &mut Checker<'_>, path: &KeyPath, files: &[OverrideFile]) -> Vec<Override> {
    let mut overrides = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = path.index(index);
        let layer = match &file.policy {
            Some(policy) => layer(checker, &path.key("policy"), policy),
            None => {
                checker.missing(&path.key("policy"), "missing: what holds for them");
                Layer::default()
            }
        };
        let Some(text) = &file.pattern else {
            checker.missing(&path.key("match"), "missing: a pattern over the repository's full name");
            continue;
        };
        overrides.extend(checker.pattern(&path.key("match"), text).map(|pattern| Override { pattern, layer }));
    }
    overrides
}
