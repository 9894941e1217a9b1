//! Which tags there are of the images for which `follow` needs that, and the higher ones that pins try.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;

use super::report::Report;
use super::targets::Group;
use super::{Parts, Request, lookup, poll};
use crate::domain::candidates::{self, FileUses, RepositoryFacts, Unknown};
use crate::domain::follow;
use crate::domain::plan::Knowledge;
use crate::domain::policy::Policy;
use crate::domain::reference::{ImageName, Tag, TagRef};
use crate::domain::tag_list::TagList;
use crate::domain::target;
use crate::registry::Session;
use crate::store::StoreError;

/// Lists under way at once; one may have hundreds of pages.
const CONCURRENCY: usize = 8;

/// The tags of images, or why they could not be listed.
pub type Lists = BTreeMap<ImageName, Result<TagList, Unknown>>;

/// The images of which these files have tags that can have higher ones under this policy.
pub fn followed<'a>(files: impl IntoIterator<Item = &'a FileUses>, policy: &Policy) -> BTreeSet<ImageName> {
    let uses = files.into_iter().flat_map(|file| &file.uses);
    let tags = uses.filter_map(|found| candidates::asked(found, policy));
    tags.filter(|tag| follow::has_higher(&tag.tag, policy.follow)).map(|tag| tag.image).collect()
}

/// The same for what is not switched off in the fleet.
pub fn followed_by(fleet: &[RepositoryFacts]) -> BTreeSet<ImageName> {
    fleet.iter().filter(|facts| facts.policy.enabled).flat_map(|facts| followed(&facts.files, &facts.policy)).collect()
}

/// Asks for the tags of the images that these are of.
pub async fn ask(session: &Session, images: BTreeSet<ImageName>) -> Lists {
    let answers = stream::iter(images).map(|image| async move {
        let tags = session.versions(&image).await;
        (image, tags.map(TagList::new).map_err(|error| lookup::unknown(&error)))
    });
    answers.buffer_unordered(CONCURRENCY).collect().await
}

/// The lists of tags that a cycle needs: those that were asked for short ago as they were then, the others anew. A list
/// that fails is a problem; the last one that is known holds on for as long as a new one would, and nothing is kept
/// from the newer digest of its own tag. With them goes what is known of their tags from earlier cycles.
pub async fn list(
    parts: &Parts,
    (session, request): (&Session, &Request),
    followed: BTreeSet<ImageName>,
    now: Timestamp,
    report: &mut Report,
) -> Result<Lists, StoreError> {
    let (mut lists, mut asked) = (Lists::new(), BTreeSet::new());
    for image in followed {
        let known = parts.store.tag_list(&image).await?;
        if !known.as_ref().is_some_and(|(_, at)| poll::is_recent((parts, request), &image, *at, now)) {
            asked.insert(image.clone());
        }
        lists.extend(known.map(|(tags, _)| (image, Ok(tags.into_iter().collect()))));
    }
    for (image, answer) in ask(session, asked).await {
        match answer {
            Ok(tags) => {
                parts.store.put_tag_list(&image, tags.tags(), now).await?;
                lists.insert(image, Ok(tags));
            }
            Err(unknown) => {
                report.problem(image.to_string(), format!("its tags could not be listed: {unknown}"));
                // A list may cost hundreds of requests until it fails: the old one holds as long as a new one would.
                if let Some(Ok(known)) = lists.get(&image) {
                    parts.store.put_tag_list(&image, known.tags(), now).await?;
                }
                lists.entry(image).or_insert(Err(unknown));
            }
        }
    }
    for (image, list) in &mut lists {
        if let Ok(list) = list {
            see(list, parts.store.first_sights(image).await?);
        }
    }
    Ok(lists)
}

/// Adds what is known of an image's tags from earlier cycles.
pub fn see(list: &mut TagList, first_sights: BTreeMap<Tag, Timestamp>) {
    for (tag, first_seen) in first_sights {
        list.see(&tag, first_seen);
    }
}

/// The higher tags that these pins try: what they point to has to be known, too.
pub fn higher(groups: &[Group<'_>], knowledge: &Knowledge, now: Timestamp) -> BTreeSet<TagRef> {
    let of_group = |group: &Group<'_>| -> BTreeSet<TagRef> {
        let rules = group.rules(knowledge, now);
        group.pins.iter().flat_map(|pin| target::higher_tags(pin, &rules)).collect()
    };
    groups.iter().flat_map(of_group).collect()
}
