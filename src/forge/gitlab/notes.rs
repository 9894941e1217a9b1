//! Saying something once.

use gitlab::api::common::SortOrder;
use gitlab::api::projects::merge_requests::notes::{CreateMergeRequestNote, MergeRequestNotes, NoteOrderBy};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{GitLab, NOTE_CHARACTERS_MAX, built, people, subject, writes};
use crate::domain::pull_request::RepoName;
use crate::forge::{ForgeError, hidden_marker};

/// How many notes are looked through, newest first, in pages of 100.
const NOTES_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Note {
    body: String,
    author: Author,
}

#[derive(Deserialize)]
struct Author {
    username: String,
}

/// Comments unless our own account already did with this key. Each attempt looks first, so that an answer that got
/// lost does not say it twice.
pub(super) async fn once(
    gitlab: &GitLab,
    (repository, number): (&RepoName, u64),
    key: &str,
    text: &str,
) -> Result<(), ForgeError> {
    let marker = hidden_marker(key)?;
    let body = format!("{text}\n\n{marker}");
    writes::check_length(&body, NOTE_CHARACTERS_MAX)?;
    let what = subject(repository, number);
    let me = &people::me(gitlab).await?.username;
    let mut notes = MergeRequestNotes::builder();
    let notes = notes.project(repository.as_str()).merge_request(number);
    let notes = built(notes.order_by(NoteOrderBy::CreatedAt).sort(SortOrder::Descending).build())?;
    let mut note = CreateMergeRequestNote::builder();
    let note = built(note.project(repository.as_str()).merge_request(number).body(&*body).build())?;
    let attempt = async || {
        let said: Vec<Note> = gitlab.account.pages(&notes, NOTES_MAX, &what).await?;
        if said.iter().any(|note| note.author.username == *me && note.body.contains(&marker)) {
            return Ok(());
        }
        gitlab.write_once::<IgnoredAny>(repository, &note, &what).await.map(drop)
    };
    gitlab.retry.run(attempt).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_note_is_read() {
        let note: Note = serde_json::from_str(include_str!("../../../tests/it/gitlab_examples/note.json")).unwrap();
        assert_eq!((note.body.as_str(), note.author.username.as_str()), ("Comment for MR", "pipin"));
    }
}
