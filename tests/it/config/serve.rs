//! What `refrom serve` is told: defaults, what is refused, and whose secrets are read.

use refrom::config::{Secrets, WebhookKind};

use super::{config_of, load, no_environment};

/// What is said about a text that is wrong, a line for each mistake.
#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    let told = load(text, &no_environment, Secrets::Skip).expect_err("the text is wrong");
    told.lines().map(str::to_owned).collect()
}

#[test]
fn it_listens_on_loopback_unless_it_is_told_otherwise() {
    let serve = config_of("policy: {}\n").serve;
    assert_eq!((serve.listen.to_string().as_str(), serve.token), ("127.0.0.1:8080", None));
    assert_eq!(serve.allowed_hosts, ["127.0.0.1", "[::1]", "localhost"].map(str::to_owned).into());
    assert_eq!((serve.shutdown_grace.as_secs(), serve.webhooks.len()), (30, 0));
}

#[test]
fn who_listens_for_everybody_needs_a_token() {
    for listen in ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:80"] {
        let refused = mistakes(&format!("serve: {{ listen: '{listen}' }}\n"));
        let expected = "refrom.yaml:1:18: `serve.listen`: whoever reaches";
        assert!(refused.len() == 1 && refused[0].starts_with(expected), "{refused:?}");
        config_of(&format!("serve: {{ listen: '{listen}', token: {{ env: TOKEN }} }}\n"));
    }
    for listen in ["127.0.0.2:1", "[::1]:8080"] {
        assert_eq!(config_of(&format!("serve: {{ listen: '{listen}' }}\n")).serve.listen.to_string(), listen);
    }
}

#[test]
fn values_are_checked_at_their_place() {
    let text = "serve:
  listen: localhost
  allowed_hosts: [refrom.example.com, 'https://refrom.example.com', 'a:80', '[::1', '']
  shutdown_grace: soon
";
    assert_eq!(
        mistakes(text),
        [
            "refrom.yaml:2:11: `serve.listen`: expected an address with a port like `127.0.0.1:8080` or `[::]:8080`, found `localhost`",
            "refrom.yaml:3:39: `serve.allowed_hosts[1]`: expected a host without scheme and port, found `https://refrom.example.com`",
            "refrom.yaml:3:69: `serve.allowed_hosts[2]`: expected a host without scheme and port, found `a:80`",
            "refrom.yaml:3:77: `serve.allowed_hosts[3]`: expected a host without scheme and port, found `[::1`",
            "refrom.yaml:3:85: `serve.allowed_hosts[4]`: expected a host without scheme and port, found ``",
            "refrom.yaml:4:19: `serve.shutdown_grace`: expected a duration like `30s` of at most 10 minutes, found `soon`",
        ]
    );
    let none = "refrom.yaml:1:25: `serve.allowed_hosts`: expected a host; without one every request is refused";
    assert_eq!(mistakes("serve: { allowed_hosts: [] }\n"), [none]);
    assert_eq!(mistakes("serve: { shutdown_grace: 1h }\n").len(), 1);
}

#[test]
fn webhooks_are_checked() {
    let text = "serve:
  webhooks:
    - {}
    - { name: a b, kind: harbor, secret: { env: A } }
    - { name: c, kind: quay, registry: 'https://quay.io', secret: { env: A } }
    - { name: c, kind: nexus, secret: hunter2 }
";
    assert_eq!(
        mistakes(text),
        [
            "refrom.yaml:3:7: `serve.webhooks[0].kind`: missing: `harbor`, `docker_hub`, `quay`, `github_packages` or `chainguard`",
            "refrom.yaml:3:7: `serve.webhooks[0].name`: missing: the last part of the webhook's address",
            "refrom.yaml:3:7: `serve.webhooks[0].secret`: missing: `{ env: NAME }` or `{ file: PATH }`",
            "refrom.yaml:4:7: `serve.webhooks[1].registry`: missing: the registry's host, as it stands in `FROM`",
            "refrom.yaml:4:15: `serve.webhooks[1].name`: expected a name of letters, digits, `-`, `_` and `.`",
            "refrom.yaml:5:40: `serve.webhooks[2].registry`: expected a registry's host, with a port where it has one: `registry.example.com:5000`",
            "refrom.yaml:6:15: `serve.webhooks[3].name`: a second webhook with the name `c`",
            "refrom.yaml:6:24: `serve.webhooks[3].kind`: unknown value `nexus`; known here: `harbor`, `docker_hub`, `quay`, `github_packages`, `chainguard`",
            "refrom.yaml:6:39: `serve.webhooks[3].secret`: expected where the secret is kept, `{ env: NAME }` or `{ file: PATH }`, and never the secret itself, found text",
        ]
    );
}

#[test]
fn a_vendors_own_registry_is_known() {
    let kinds = ["docker_hub", "quay", "github_packages", "chainguard"];
    let webhooks: String =
        kinds.map(|kind| format!("  - {{ name: {kind}, kind: {kind}, secret: {{ env: A }} }}\n")).concat();
    let serve = config_of(&format!("serve:\n  webhooks:\n{webhooks}")).serve;
    let registries: Vec<&str> = serve.webhooks.iter().map(|webhook| webhook.registry.as_str()).collect();
    assert_eq!(registries, ["docker.io", "quay.io", "ghcr.io", "cgr.dev"]);
    let own = "serve: { webhooks: [{ name: a, kind: quay, registry: quay.example.com, secret: { env: A } }] }\n";
    let webhook = config_of(own).serve.webhooks.remove(0);
    assert_eq!((webhook.kind, webhook.registry.as_str()), (WebhookKind::Quay, "quay.example.com"));
}

#[test]
fn its_secrets_are_its_own_and_neither_a_cycle_nor_a_desk_needs_them() {
    let text = "forges:
  - { auth: { token: { env: A } }, repositories: { include: ['acme/*'] }, webhook_secret: { env: MISSING } }
serve:
  token: { env: MISSING }
  webhooks: [{ name: a, kind: quay, secret: { env: MISSING } }]
";
    load(text, &no_environment, Secrets::ReadForRegistries).unwrap();
    let only_a = |name: &str| (name == "A").then(|| "secret".to_owned());
    load(text, &only_a, Secrets::ReadForCycle).unwrap();
    let told = load(text, &no_environment, Secrets::ReadForCycle).unwrap_err();
    assert!(told.contains("`forges[0].auth.token.env`") && !told.contains("MISSING"), "{told}");
    let told = load(text, &only_a, Secrets::Read).unwrap_err();
    for key in ["forges[0].webhook_secret.env", "serve.token.env", "serve.webhooks[0].secret.env"] {
        assert!(told.contains(&format!("`{key}`: the environment variable `MISSING` is not set or empty")), "{told}");
    }
}
