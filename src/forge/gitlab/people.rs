//! Users: who we are, and which number a name has.

use std::collections::BTreeMap;

use gitlab::api::users::{CurrentUser, Users};
use serde::Deserialize;

use super::{GitLab, built, token};
use crate::forge::ForgeError;

/// Whose the token is (<https://docs.gitlab.com/api/users/#retrieve-the-current-user>). Project and group tokens have a
/// user of their own, a bot.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Me {
    pub username: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub commit_email: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: u64,
    username: String,
}

/// The account that refrom is signed in as; asked once, and with it, once for each token, when that ends.
pub(super) async fn me(gitlab: &GitLab) -> Result<&Me, ForgeError> {
    let ask = async || {
        let endpoint = built(CurrentUser::builder().build())?;
        gitlab.ask(&endpoint, "the token's user").await
    };
    let me = gitlab.me.get_or_try_init(ask).await?;
    token::note_end(gitlab).await;
    Ok(me)
}

/// The numbers of users, by their names in lower case, and for people why some have none. `noun` is what they are asked
/// to be. Names may have an `@`; one with a `/` is a group, whom GitLab asks for nothing here.
pub(super) async fn numbers<'a>(
    gitlab: &GitLab,
    noun: &str,
    names: &'a [String],
) -> (BTreeMap<u64, &'a str>, Vec<String>) {
    let (mut numbers, mut warnings) = (BTreeMap::new(), Vec::new());
    for name in names {
        let plain = name.trim_start_matches('@');
        if plain.contains('/') {
            warnings.push(format!("the {noun} `{name}` could not be set: GitLab takes users here, not groups"));
            continue;
        }
        match number(gitlab, plain).await {
            Ok(number) => drop(numbers.insert(number, plain)),
            Err(error) => warnings.push(format!("the {noun} `{plain}` could not be set: {error}")),
        }
    }
    (numbers, warnings)
}

async fn number(gitlab: &GitLab, name: &str) -> Result<u64, ForgeError> {
    let what = format!("the user `{name}`");
    let endpoint = built(Users::builder().username(name).build())?;
    let found: Vec<User> = gitlab.ask(&endpoint, &what).await?;
    let found = found.into_iter().find(|user| user.username.eq_ignore_ascii_case(name));
    found.map(|user| user.id).ok_or(ForgeError::NotFound { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_users_are_read() {
        let me: Me = serde_json::from_str(include_str!("../../../tests/it/gitlab_examples/current_user.json")).unwrap();
        assert_eq!((me.username.as_str(), me.commit_email.as_deref()), ("john_smith", Some("john-codes@example.com")));
        let users: Vec<User> =
            serde_json::from_str(include_str!("../../../tests/it/gitlab_examples/users.json")).unwrap();
        assert_eq!((users[0].id, users[0].username.as_str()), (1, "john_smith"));
    }
}
