//! Which tags there are of the images for which `follow` needs that, and the higher ones that pins may move to.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;

use super::report::Report;
use super::{Parts, Request, lookup, poll};
use crate::domain::candidates::{self, FileUses, RepositoryFacts, Unknown};
use crate::domain::follow;
use crate::domain::policy::{Follow, Policy};
use crate::domain::reference::{ImageName, Tag, TagRef};
use crate::domain::tag_list::TagList;
use crate::registry::Session;
use crate::store::StoreError;

/// Lists under way at once; one may have hundreds of pages.
const CONCURRENCY: usize = 8;

/// Tags that pins may leave for higher ones, as registries are asked for them, and how far.
pub type Followed = BTreeSet<(TagRef, Follow)>;

/// The tags of images, or why they could not be listed.
pub type Lists = BTreeMap<ImageName, Result<TagList, Unknown>>;

/// The tags of these files that can have higher ones under this policy.
pub fn followed<'a>(files: impl IntoIterator<Item = &'a FileUses>, policy: &Policy) -> Followed {
    let uses = files.into_iter().flat_map(|file| &file.uses);
    let tags = uses.filter_map(|found| candidates::asked(found, policy));
    tags.filter(|tag| follow::has_higher(&tag.tag, policy.follow)).map(|tag| (tag, policy.follow)).collect()
}

/// The same for what is not switched off in the fleet.
pub fn followed_by(fleet: &[RepositoryFacts]) -> Followed {
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
/// from the newer digest of its own tag.
pub async fn list(
    parts: &Parts,
    (session, request): (&Session, &Request),
    followed: &Followed,
    now: Timestamp,
    report: &mut Report,
) -> Result<Lists, StoreError> {
    let (mut lists, mut asked) = (Lists::new(), BTreeSet::new());
    for image in images(followed) {
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
    Ok(lists)
}

/// The images that these tags are of.
pub fn images(followed: &Followed) -> BTreeSet<ImageName> {
    followed.iter().map(|(tag, _)| tag.image.clone()).collect()
}

/// The higher tags that pins may move to: what they point to has to be known, too.
pub fn higher(followed: &Followed, lists: &Lists) -> BTreeSet<TagRef> {
    let higher = followed.iter().flat_map(|(from, follow)| {
        let tags = lists.get(&from.image).and_then(|list| list.as_ref().ok());
        let higher: Vec<Tag> = tags.map(|tags| tags.higher(&from.tag, *follow).to_vec()).unwrap_or_default();
        higher.into_iter().map(|tag| TagRef { image: from.image.clone(), tag })
    });
    higher.collect()
}
