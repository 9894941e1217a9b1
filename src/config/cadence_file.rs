//! The mirror of `policy`'s keys about time.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::policy_file::OneOrMany;

/// When turns come.
#[derive(Debug)]
pub enum ScheduleFile {
    /// A cron expression or a word.
    Text(String),
    Every(EveryFile),
}

/// A turn in each of these lengths of time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ every: DURATION }`")]
pub struct EveryFile {
    /// The length of time: `6h`, `2d`.
    pub every: Option<String>,
}

/// Hours of some days. What ends before it begins crosses midnight.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ days: …, from: \"09:00\", to: \"17:00\" }`")]
pub struct WindowFile {
    /// `mon` to `sun`, `weekdays`, `weekend`, or a list of them; every day where it is left out.
    pub days: Option<OneOrMany>,
    /// `09:00`; the beginning of the day where it is left out.
    pub from: Option<String>,
    /// `17:00`, which does not belong to it; the end of the day, `24:00`, where it is left out.
    pub to: Option<String>,
}

/// Dates between which nothing is proposed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ from: DATE, to: DATE, reason: TEXT, urgent: true }`")]
pub struct FreezeFile {
    /// `2026-12-20`, the whole day, or `2026-12-20T18:00`.
    pub from: Option<String>,
    /// The same; a day belongs to the freeze as a whole.
    pub to: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Whether what is urgent passes: a pinned digest that is gone, or one that somebody took back.
    pub urgent: Option<bool>,
}

impl<'de> Deserialize<'de> for ScheduleFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Schedule;

        impl<'de> Visitor<'de> for Schedule {
            type Value = ScheduleFile;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a cron expression, a word or `{ every: DURATION }`")
            }

            fn visit_str<E>(self, text: &str) -> Result<ScheduleFile, E> {
                Ok(ScheduleFile::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<ScheduleFile, A::Error> {
                EveryFile::deserialize(MapAccessDeserializer::new(access)).map(ScheduleFile::Every)
            }
        }

        deserializer.deserialize_any(Schedule)
    }
}

impl JsonSchema for ScheduleFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ScheduleFile".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Five fields of cron, `daily`, `weekdays`, `weekly`, `monthly`, `always`, or `{ every: 6h }`.",
            "type": ["string", "object"],
            "properties": { "every": { "type": "string", "description": "The length of time: `6h`, `2d`." } },
            "additionalProperties": false
        })
    }
}
