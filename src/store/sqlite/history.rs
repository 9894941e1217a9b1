//! What was seen of tags, and since when pins have their digests.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::view::View;
use super::{SqliteStore, StoreError};
use crate::domain::digest::Digest;
use crate::domain::ledger::{History, Sighting};
use crate::domain::reference::{ImageName, Tag, TagRef};

/// Two looks at a tag by two programs with one store can be as far apart and be noted in the other order: a cycle reads
/// the clock once, when it begins. In microseconds.
pub(super) const COMMON_LOOK: i64 = 3600 * 1_000_000;

/// Notes looks (`?1`, as [`rounds`] makes them) at a time (`?2`). What is new comes after everything that is there,
/// whatever the clock did. What is known was first seen earlier where another program's look was noted late (by `?3` at
/// most) and no other digest came in between.
///
/// A look that is more than that before the last one was not noted late: the clock is wrong, or was then. It counts as
/// the next look, and nothing that is there is changed by it; [`super::clock`] mends what was ahead.
const NOTE: &str = "
    INSERT INTO sighting (image, tag, digest, first_seen, last_seen)
    SELECT image, tag, digest, max(at, coalesce(newest + 1, at)), at FROM
        (SELECT value ->> 0 AS image, value ->> 1 AS tag, value ->> 2 AS digest,
                (SELECT max(first_seen) FROM sighting
                 WHERE image = value ->> 0 AND tag = value ->> 1) AS newest,
                (SELECT iif(max(last_seen) > ?2 + ?3, max(last_seen) + 1, ?2) FROM sighting
                 WHERE image = value ->> 0 AND tag = value ->> 1 AND digest <> value ->> 2) AS at
         FROM json_each(?1))
    WHERE true
    ON CONFLICT DO UPDATE SET
        last_seen = max(last_seen, excluded.last_seen),
        first_seen = iif(?2 < first_seen AND ?2 >= first_seen - ?3 AND NOT EXISTS
                         (SELECT 1 FROM sighting AS other
                          WHERE other.image = sighting.image AND other.tag = sighting.tag
                          AND other.digest <> sighting.digest
                          AND other.first_seen BETWEEN ?2 AND sighting.first_seen), ?2, first_seen)";

/// Of two looks at one time the one that is noted later is the later one. What was seen after this look stays the last
/// one: this one was noted late.
const END_OTHERS: &str = "
    UPDATE sighting SET last_seen = ?2 - 1
    FROM json_each(?1) AS look
    WHERE sighting.image = look.value ->> 0 AND sighting.tag = look.value ->> 1
    AND sighting.digest <> look.value ->> 2 AND sighting.last_seen = ?2";

const ANSWERED: &str = "
    DELETE FROM unanswered
    WHERE (image, tag) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))";

impl SqliteStore {
    pub(super) async fn note_sightings(
        &self,
        sightings: &[(TagRef, Digest)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let at = now.as_microsecond();
        let mut transaction = self.begin().await?;
        for looks in rounds(sightings) {
            let looks = self.to_json(&looks)?;
            let note = sqlx::query(NOTE).bind(&looks).bind(at).bind(COMMON_LOOK);
            note.execute(&mut *transaction).await.map_err(self.write_error())?;
            let end = sqlx::query(END_OTHERS).bind(&looks).bind(at);
            end.execute(&mut *transaction).await.map_err(self.write_error())?;
            let answered = sqlx::query(ANSWERED).bind(&looks);
            answered.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())?;
        // A registry has answered: the machine is up as it will stay, and has its time.
        if sightings.is_empty() { Ok(()) } else { self.forget_daily(now).await }
    }

    pub(super) async fn read_first_seen(&self, tag: &TagRef, digest: &Digest) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT first_seen FROM sighting WHERE image = ? AND tag = ? AND digest = ?";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let seen = query.bind(digest.to_string()).fetch_optional(&self.pool).await.map_err(self.read_error())?;
        seen.map(|at| self.time(at)).transpose()
    }

    pub(super) async fn read_history(&self, tag: &TagRef) -> Result<History, StoreError> {
        self.view().history(tag).await
    }

    /// The value of a column with a time.
    pub(super) fn time(&self, microseconds: i64) -> Result<Timestamp, StoreError> {
        self.view().time(microseconds)
    }

    /// The value of a column with a digest.
    pub(super) fn digest(&self, text: &str) -> Result<Digest, StoreError> {
        self.view().digest(text)
    }
}

impl View<'_> {
    pub(super) async fn history(self, tag: &TagRef) -> Result<History, StoreError> {
        let pinned = self.pinned_since(tag).await?;
        Ok(History::new(self.sightings(tag).await?, pinned))
    }

    pub(super) async fn first_sights(self, image: &ImageName) -> Result<BTreeMap<Tag, Timestamp>, StoreError> {
        let sql = "SELECT tag, min(first_seen) FROM sighting WHERE image = ? GROUP BY tag";
        let query = sqlx::query_as::<_, (String, i64)>(sql).bind(image.to_string());
        let rows = query.fetch_all(self.pool).await.map_err(self.read_error())?;
        let seen = |(tag, at): (String, i64)| Ok((tag.parse().map_err(|error| self.damaged(error))?, self.time(at)?));
        rows.into_iter().map(seen).collect()
    }

    /// In no order.
    pub(super) async fn sightings(self, tag: &TagRef) -> Result<Vec<Sighting>, StoreError> {
        let sql = "SELECT digest, first_seen, last_seen FROM sighting WHERE image = ? AND tag = ?";
        let query = sqlx::query_as::<_, (String, i64, i64)>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let rows = query.fetch_all(self.pool).await.map_err(self.read_error())?;
        let sightings = rows.into_iter().map(|(digest, first_seen, last_seen)| {
            let (first_seen, last_seen) = (self.time(first_seen)?, self.time(last_seen)?);
            Ok(Sighting { digest: self.digest(&digest)?, first_seen, last_seen })
        });
        sightings.collect()
    }

    async fn pinned_since(self, tag: &TagRef) -> Result<BTreeMap<Digest, Timestamp>, StoreError> {
        let sql = "SELECT digest, since FROM pinned WHERE image = ? AND tag = ?";
        let query = sqlx::query_as::<_, (String, i64)>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let rows = query.fetch_all(self.pool).await.map_err(self.read_error())?;
        rows.into_iter().map(|(digest, since)| Ok((self.digest(&digest)?, self.time(since)?))).collect()
    }
}

/// Looks as rows of image, tag and digest, in portions in which no tag comes twice: a statement does not see what it
/// writes itself.
fn rounds(sightings: &[(TagRef, Digest)]) -> Vec<Vec<[String; 3]>> {
    let mut counts: BTreeMap<&TagRef, usize> = BTreeMap::new();
    let mut rounds: Vec<Vec<[String; 3]>> = Vec::new();
    for (tag, digest) in sightings {
        let count = counts.entry(tag).or_default();
        if *count == rounds.len() {
            rounds.push(Vec::new());
        }
        let row = [tag.image.to_string(), tag.tag.to_string(), digest.to_string()];
        rounds.get_mut(*count).into_iter().for_each(|round| round.push(row.clone()));
        *count += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tags_of_a_cycle_are_noted_by_one_round_of_statements() {
        let look = |number: usize| {
            let tag = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: number.to_string().parse().unwrap() };
            (tag, Digest::of(b"a"))
        };
        let mut looks: Vec<_> = (0..1000).map(look).collect();
        assert_eq!(rounds(&looks).iter().map(Vec::len).collect::<Vec<_>>(), [1000]);
        looks.push(look(7));
        assert_eq!(rounds(&looks).iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1]);
    }
}
