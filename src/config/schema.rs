//! The JSON Schema of the configuration, for editors.

use super::file::{ConfigFile, PolicyFile};

/// The schema of the configuration file (JSON Schema 2020-12).
pub fn config_schema() -> serde_json::Value {
    schemars::schema_for!(ConfigFile).to_value()
}

/// The schema of a repository's own `.refrom.yaml`.
pub fn repository_schema() -> serde_json::Value {
    schemars::schema_for!(PolicyFile).to_value()
}
