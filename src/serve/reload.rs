//! A changed configuration: taken as a whole, or refused and the old one stays.

use std::sync::Arc;

use super::service::Service;
use crate::config::Config;
use crate::cycle;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reloaded {
    /// The next cycle begins with it.
    New,
    Refused,
}

/// Reads the file and makes all parts anew, over the same store. A cycle that is under way goes on with the old ones.
pub(super) async fn reload(service: &Service) -> Reloaded {
    let config = match (service.setup.load)() {
        Ok(config) => config,
        Err(errors) => {
            for mistake in &errors.mistakes {
                let at = mistake.place.map(|place| format!("{}:{}", place.line, place.column));
                let file = errors.file.display();
                tracing::error!(%file, at, key = %mistake.path, mistake = mistake.message, "a mistake in the configuration");
            }
            return refuse(service, errors.to_string());
        }
    };
    let old = service.parts();
    let (config, after_restart) = with_fixed_settings(config, &old.config);
    for setting in &after_restart {
        tracing::warn!(setting, "this setting changes with a restart");
    }
    match cycle::assemble_over(config, (Arc::clone(&old.store), old.tally.clone()), service.setup.retry).await {
        Ok(parts) => service.use_parts(parts),
        Err(error) => return refuse(service, format!("{:#}", anyhow::Error::from(error))),
    }
    let mut health = service.health();
    (health.configuration_error, health.after_restart) = (None, after_restart);
    tracing::info!("the configuration was read anew");
    Reloaded::New
}

fn refuse(service: &Service, error: String) -> Reloaded {
    tracing::error!(error, "the configuration is refused; the old one stays in use");
    service.health().configuration_error = Some(error);
    Reloaded::Refused
}

/// The new configuration with what the process holds on to, and the names of what was to be different there.
fn with_fixed_settings(new: Config, old: &Config) -> (Config, Vec<&'static str>) {
    let changed = [
        ("store", new.store != old.store),
        ("state_dir", new.state_dir != old.state_dir),
        ("ledger.retention", new.retention != old.retention),
        ("serve.listen", new.serve.listen != old.serve.listen),
    ];
    let changed = changed.into_iter().filter(|(_, has_changed)| *has_changed).map(|(name, _)| name).collect();
    let mut config = new;
    config.store.clone_from(&old.store);
    config.state_dir.clone_from(&old.state_dir);
    config.retention = old.retention;
    // Where it listens decides over who needs the token; whoever takes that away has to move to loopback, too.
    if config.serve.token.is_none() && !old.serve.listen.ip().is_loopback() {
        config.serve.token.clone_from(&old.serve.token);
    }
    config.serve.listen = old.serve.listen;
    (config, changed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Secrets;

    fn config(text: &str) -> Config {
        Config::from_text(text, Path::new("refrom.yaml"), &|_| None, Secrets::Skip).unwrap()
    }

    #[test]
    fn what_the_process_holds_on_to_stays_and_is_named() {
        let old = config("serve: { shutdown_grace: 10s }\n");
        let new = config(
            "store: sqlite://other.db\nledger: { retention: 90d }\nserve: { listen: '127.0.0.1:9', shutdown_grace: 20s }\n",
        );
        let (config, changed) = with_fixed_settings(new, &old);
        assert_eq!(changed, ["store", "ledger.retention", "serve.listen"]);
        assert_eq!((&config.store, config.serve.listen), (&old.store, old.serve.listen));
        assert_eq!(config.retention, old.retention);
        assert_eq!(config.serve.shutdown_grace.as_secs(), 20);
    }

    #[test]
    fn a_service_that_everybody_reaches_keeps_its_token() {
        let old = config("serve: { listen: '0.0.0.0:8080', token: { env: T } }\n");
        let (config, changed) = with_fixed_settings(config("serve: {}\n"), &old);
        assert_eq!((changed, config.serve.token), (vec!["serve.listen"], old.serve.token));
    }
}
