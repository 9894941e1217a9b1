//! The keys of `policy`.

use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! keys {
    ($($variant:ident => $word:literal),+ $(,)?) => {
        /// The keys of `policy`, in the order in which they are shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum PolicyKey {
            $($variant),+
        }

        impl PolicyKey {
            /// Every key, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The key in the file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

keys! {
    Enabled => "enabled",
    Images => "images",
    Tags => "tags",
    Files => "files",
    Group => "group",
    Comment => "comment",
    Patterns => "patterns",
    Labels => "labels",
    Reviewers => "reviewers",
    Assignees => "assignees",
    Draft => "draft",
    Base => "base",
    MaxOpen => "max_open",
    Commits => "commits",
    Automerge => "automerge",
    Schedule => "schedule",
    Timezone => "timezone",
    Window => "window",
    Freeze => "freeze",
    Jitter => "jitter",
    MinAge => "min_age",
    Settle => "settle",
    Unchanged => "unchanged",
    Platforms => "platforms",
    Denied => "denied",
    Stages => "stages",
    Pair => "pair",
    MinInterval => "min_interval",
    StaleAfter => "stale_after",
    Follow => "follow",
    Pin => "pin",
    Title => "title",
    Body => "body",
    CommitMessage => "commit_message",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_by_the_word_that_is_shown() {
        for key in PolicyKey::ALL {
            assert_eq!(serde_json::from_value::<PolicyKey>(key.as_str().into()).unwrap(), *key);
        }
    }
}
