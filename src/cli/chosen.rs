//! What becomes of the pins of a work tree, by the same rules as those of a fleet, as far as a work tree knows them.

use jiff::Timestamp;

use super::Failure;
use crate::config::Config;
use crate::cycle::Watcher;
use crate::cycle::targets::{self, Depth, Group};
use crate::cycle::{lookup, tags};
use crate::domain::candidates::{self, FileUses};
use crate::domain::denial;
use crate::domain::plan::Knowledge;
use crate::domain::policy::Policy;
use crate::domain::target::{self, Considered};
use crate::registry::Session;
use crate::store::{SqliteReader, StoreError};

/// What is known of the tags of these files, and what becomes of the pins of each file: by file, because two paths that are
/// no UTF-8 may look the same.
///
/// What a service has seen, and what people took back, is read from its store, where the configuration has one that is
/// there; else nothing is known but what the tags point to now.
pub async fn pins(
    session: &Session,
    config: &Config,
    (files, depth): (&[(&Policy, &FileUses)], Depth<'_>),
    watcher: Watcher<'_>,
) -> Result<(Knowledge, Vec<Vec<Considered>>), Failure> {
    let (store, now) = (open(config).await?, Timestamp::now());
    let followed = files.iter().flat_map(|(policy, file)| tags::followed([*file], policy)).collect();
    let mut lists = tags::ask(session, followed).await;
    for (image, list) in &mut lists {
        if let (Ok(list), Some(store)) = (list, &store) {
            tags::see(list, store.first_sights(image).await.map_err(Failure::usage)?);
        }
    }
    let mut knowledge = Knowledge { tags: lists, ..Knowledge::default() };
    let higher = tags::higher(&groups(files, &knowledge), &knowledge, now);
    let tracked = files.iter().flat_map(|(policy, file)| lookup::tracked([*file], policy));
    knowledge.observations = lookup::observe(session, tracked.chain(higher).collect(), watcher).await;
    let groups = groups(files, &knowledge);
    if let Some(store) = &store {
        remember(store, &groups, (&mut knowledge, now)).await?;
    }
    targets::look_up(session, depth, &groups, (&mut knowledge, now), watcher).await;
    let considered =
        groups.iter().map(|group| target::choose_all(group.pins.clone(), &group.rules(&knowledge, now))).collect();
    Ok((knowledge, considered))
}

fn groups<'a>(files: &[(&'a Policy, &'a FileUses)], knowledge: &Knowledge) -> Vec<Group<'a>> {
    let of_file = |(policy, file): &(&'a Policy, &'a FileUses)| {
        let pins = candidates::pins(std::slice::from_ref(*file), policy, &knowledge.observations);
        Group { repository: None, policy, pins }
    };
    files.iter().map(of_file).collect()
}

/// The store, where it is there.
async fn open(config: &Config) -> Result<Option<SqliteReader>, Failure> {
    match SqliteReader::open(&config.store).await {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(Failure::usage(error)),
    }
}

async fn remember(
    store: &SqliteReader,
    groups: &[Group<'_>],
    (knowledge, now): (&mut Knowledge, Timestamp),
) -> Result<(), Failure> {
    let recorded = store.denials().await.map_err(Failure::usage)?;
    knowledge.denials.denials = denial::in_force(recorded).collect();
    knowledge.missing = store.missing().await.map_err(Failure::usage)?;
    for tag in targets::tags(groups, knowledge) {
        let history = store.history(&tag).await.map_err(Failure::usage)?;
        knowledge.ledger.insert(tag.clone(), history);
        // The look of now is not noted in the store, and counts as those that are.
        if let Some(Ok(head)) = knowledge.observations.get(&tag) {
            knowledge.ledger.note(tag, *head, now);
        }
    }
    Ok(())
}
