//! Files, paths and secrets.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use refrom::config::{Config, ForgeAuth, RegistryAuth, Secrets};
use refrom::secret::Secret;
use secrecy::ExposeSecret;

use super::{SECRET, SIGNED_IN, config_of, load, no_environment};

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.yaml");
    let load = || Config::load(&path, &no_environment, Secrets::Skip).map_err(|errors| errors.mistakes[0].to_string());
    assert_snapshot!(load().unwrap_err(), @"cannot be read: No such file or directory (os error 2)");
    std::fs::write(&path, b"policy:\n  title: \xc3\xa4\xff\n").unwrap();
    assert_snapshot!(load().unwrap_err(), @"2:11: not UTF-8");
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_snapshot!(load().unwrap_err(), @"larger than 1048576 bytes");
    std::fs::write(&path, "\u{feff}max_new_per_hour: 3\r\n").unwrap();
    assert_eq!(load().unwrap().max_new_per_hour, Some(3));
}

#[test]
fn relative_paths_begin_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.yaml");
    std::fs::write(&path, "store: sqlite://memory.db\nstate_dir: var\nnetwork: { ca_file: ca.pem }\n").unwrap();
    let config = Config::load(&path, &no_environment, Secrets::Skip).unwrap();
    assert_eq!(config.state_dir, folder.path().join("var"));
    assert_eq!(config.store, folder.path().join("var/memory.db"));
    assert_eq!(config.network.ca_file, Some(folder.path().join("ca.pem")));
    let absolute = config_of("store: sqlite:///srv/refrom.db\nstate_dir: /var/lib/refrom\n");
    assert_eq!((absolute.store, absolute.state_dir), ("/srv/refrom.db".into(), "/var/lib/refrom".into()));
}

#[test]
fn docker_is_configured_where_its_variables_say() {
    let folder = |variables: &[(&str, &str)]| {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::default_for_work_tree(&|name| variables.get(name).cloned()).docker_config_dir
    };
    assert_eq!(folder(&[]), None);
    assert_eq!(folder(&[("HOME", "/home/a")]), Some("/home/a/.docker".into()));
    assert_eq!(folder(&[("HOME", "/home/a"), ("DOCKER_CONFIG", "")]), Some("/home/a/.docker".into()));
    assert_eq!(folder(&[("HOME", "/home/a"), ("DOCKER_CONFIG", "/etc/docker")]), Some("/etc/docker".into()));
}

#[test]
fn secrets_are_read_from_environment_and_files_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password.txt"), format!("{SECRET}\n")).unwrap();
    let path = folder.path().join("refrom.yaml");
    let environment = |name: &str| ["GITHUB_TOKEN", "A_TOKEN"].contains(&name).then(|| format!("{SECRET}-{name}"));
    let config = Config::from_text(SIGNED_IN, &path, &environment, Secrets::Read).unwrap();
    let read = |secret: &Secret| secret.read().unwrap().expose_secret().to_owned();
    let ForgeAuth::Token(token) = &config.forges[0].auth else { panic!("{config:?}") };
    assert_eq!(read(token), format!("{SECRET}-GITHUB_TOKEN"));
    let RegistryAuth::Password { username, password } = &config.registries["dhi.io"].auth else { panic!("{config:?}") };
    assert_eq!((username.as_str(), read(password)), ("acme", SECRET.to_owned()));
    let RegistryAuth::Token(token) = &config.registries["a.io"].auth else { panic!("{config:?}") };
    assert_eq!(read(token), format!("{SECRET}-A_TOKEN"));
    assert_eq!(config.registries["a.io"].realm.as_ref().unwrap().as_str(), "https://auth.a.io/token");
    assert_eq!(config.registries["b.io"].auth, RegistryAuth::Anonymous);
    assert_eq!(config.registries["c.io"].auth, RegistryAuth::Docker);
    assert_eq!(config.registries["d.io"].endpoint.as_ref().unwrap().as_str(), "http://127.0.0.1:5000/prefix");
    assert_eq!(config.registries["e.io"].auth, RegistryAuth::Docker);
    assert_eq!(config.network.proxy_auth.as_ref().unwrap().0, "me");
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn without_its_secrets_a_configuration_is_checked_and_signs_in_nowhere() {
    let asked = std::cell::RefCell::new(Vec::new());
    let environment = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        None
    };
    let config = load(SIGNED_IN, &environment, Secrets::Skip).unwrap();
    assert_eq!(*asked.borrow(), ["DOCKER_CONFIG", "HOME"]);
    let ForgeAuth::Token(token) = &config.forges[0].auth else { panic!("{config:?}") };
    assert!(token.read().is_err());
    let told = load(SIGNED_IN, &no_environment, Secrets::Read).unwrap_err();
    assert_eq!(told.lines().count(), 5, "{told}");
}

#[test]
fn each_kind_of_forge_has_its_name_and_address() {
    let forge = |kind: &str| {
        format!("  - {{ kind: {kind}, auth: {{ token: {{ env: T }} }}, repositories: {{ include: [a/b] }} }}\n")
    };
    let config = config_of(&format!("forges:\n{}{}", forge("github"), forge("gitlab")));
    let described: Vec<_> = config.forges.iter().map(|forge| (forge.name.as_str(), forge.url.as_str())).collect();
    assert_eq!(described, [("github", "https://github.com/"), ("gitlab", "https://gitlab.com/")]);
}

#[test]
fn the_ledger_keeps_more_than_any_policy_waits_for() {
    let days = |text| config_of(text).retention.as_hours() / 24;
    assert_eq!(days("ledger: {}\n"), 400);
    assert_eq!(days("ledger: { retention: 90d }\npolicy: { min_age: 89d }\n"), 90);
    let mistakes = |text| load(text, &no_environment, Secrets::Skip).unwrap_err();
    assert_snapshot!(mistakes("ledger: { retention: 7d }\n"), @"refrom.yaml:1:22: `ledger.retention`: expected a duration like `400d`, from 30 to 3650 days, found `7d`");
    assert_snapshot!(
        mistakes("ledger: { retention: 90d }\nrepositories: [{ match: acme/web, policy: { min_age: 90d } }]\n"),
        @"refrom.yaml:1:22: `ledger.retention`: expected more than the longest `min_age`, 90d"
    );
}
