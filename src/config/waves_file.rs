//! The mirror of `waves` and `advance`.

use schemars::JsonSchema;
use serde::Deserialize;

/// A wave of repositories.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ name: NAME, match: [PATTERN, …] }`")]
pub struct WaveFile {
    /// Its name in reports.
    pub name: Option<String>,
    /// Patterns over the full name. The first wave that matches counts; what none matches belongs to the last one.
    #[serde(rename = "match")]
    pub patterns: Option<Vec<String>>,
}

/// When a digest reaches the next wave.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ merged: 100%, green_for: 24h }`")]
pub struct AdvanceFile {
    /// How many of a wave's repositories that have a pin of the tag must have merged it: `100%`.
    pub merged: Option<String>,
    /// How long their pipelines must have stayed green since: `24h`.
    pub green_for: Option<String>,
}
