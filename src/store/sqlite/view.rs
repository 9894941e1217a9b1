//! Reading, whoever has the file open: the process that uses the store, or one that only looks into it.

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::SqlitePool;

use super::{StoreError, sql_error};
use crate::domain::digest::Digest;

/// An open file that is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub name: &'a str,
    pub pool: &'a SqlitePool,
}

impl<'a> View<'a> {
    pub(super) fn read_error(self) -> impl Fn(sqlx::Error) -> StoreError + 'a {
        move |error| sql_error(self.name, "read", error)
    }

    pub(super) fn damaged(self, detail: impl ToString) -> StoreError {
        StoreError::Damaged { store: self.name.to_owned(), detail: detail.to_string() }
    }

    /// The value of a JSON column.
    pub(super) fn json<T: for<'de> Deserialize<'de>>(self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.damaged(error))
    }

    /// The value of a column with a time.
    pub(super) fn time(self, microseconds: i64) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(microseconds).map_err(|error| self.damaged(error))
    }

    /// The value of a column with a digest.
    pub(super) fn digest(self, text: &str) -> Result<Digest, StoreError> {
        text.parse().map_err(|error| self.damaged(error))
    }
}
