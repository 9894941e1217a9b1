//! The tags of a repository, by pages (distribution specification, "Listing Tags").

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use url::form_urlencoded;

use super::Registries;
use super::error::{Failure, RegistryError};
use super::host::Target;
use super::questions::success;
use super::session::Session;
use super::transport::body;
use crate::domain::reference::{ImageName, Tag};
use crate::domain::tag_version::TagVersion;

/// Tags of a page: what the strictest registries allow (Amazon ECR answers 405 to more), and what most of them cap at.
const PAGE_TAGS: usize = 1000;
/// A page, in bytes. Google's registries ignore pages, and add to some ten thousand tags a list of all manifests.
const PAGE_BYTES_MAX: usize = 32 << 20;
/// Tags that are read of one repository. Docker's largest have some 20,000.
const TAGS_MAX: usize = 200_000;
/// Pages that are read. Quay's have at most 100 tags, others' 1,000.
const PAGES_MAX: usize = 500;
/// The longest question for a next page, in bytes; the registry's own cursors are some hundred.
const QUERY_LENGTH_MAX: usize = 4096;

/// One page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TagPage {
    /// As they are listed; not each needs to be a tag.
    pub tags: Vec<String>,
    /// The query that asks for the next page.
    pub next: Option<String>,
}

impl Session {
    /// All tags of a repository that begin with a version; long lists are mostly others. Every page is read, because each
    /// registry has its own order. Asked once per repository.
    pub async fn versions(&self, name: &ImageName) -> Result<Arc<BTreeSet<Tag>>, RegistryError> {
        let ask = Box::pin(async {
            let mut tags = self.list(name).await.map_err(|failure| failure.about(name))?;
            tags.retain(|tag| TagVersion::read(tag).is_some());
            Ok(Arc::new(tags))
        });
        self.0.versions.get(name.clone(), ask).await
    }

    async fn list(&self, name: &ImageName) -> Result<BTreeSet<Tag>, Failure> {
        let registries = &self.0.registries;
        let target = registries.target(name)?;
        let (mut tags, mut asked) = (BTreeSet::new(), BTreeSet::new());
        let mut query = Some(format!("n={PAGE_TAGS}"));
        // A page that was asked for before ends it.
        while let Some(this) = query.take().filter(|query| asked.insert(query.clone())) {
            let page = self.ask(&target.host, || registries.tag_page(&target, &this)).await?;
            let known = tags.len();
            tags.extend(page.tags.iter().filter_map(|tag| tag.parse::<Tag>().ok()));
            // So does one that repeats what is known already: the registry does not read the question.
            let is_repeated = tags.len() == known && !page.tags.is_empty();
            query = page.next.filter(|_| !is_repeated);
            if tags.len() > TAGS_MAX || (query.is_some() && asked.len() >= PAGES_MAX) {
                return Err(Failure::TooManyTags { limit: TAGS_MAX });
            }
        }
        Ok(tags)
    }
}

impl Registries {
    /// **Invariant**: whatever the registry calls the next page, only its query is taken, and asked at the repository's
    /// own address: some name another path (Artifactory, behind a virtual repository), and none may name another host.
    pub(super) async fn tag_page(&self, target: &Target, query: &str) -> Result<TagPage, Failure> {
        #[derive(Deserialize)]
        struct Page {
            /// `null` where there is none.
            tags: Option<Vec<String>>,
        }
        let mut url = target.url("tags", "list");
        url.set_query(Some(query));
        let response = success(self.request(target, Method::GET, url, "application/json").await?).await?;
        let linked = next_link(response.headers()).map(query_of).transpose()?;
        let bytes = body(response, PAGE_BYTES_MAX, "list of tags").await?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::invalid(format!("not a list of tags, at line {line} column {column}"))
        })?;
        let tags = page.tags.unwrap_or_default();
        Ok(TagPage { next: linked.or_else(|| query_after(&tags)), tags })
    }
}

/// Where a full page ends without a word about the next one, the registry may have one all the same.
fn query_after(tags: &[String]) -> Option<String> {
    let last = tags.last().filter(|_| tags.len() >= PAGE_TAGS)?;
    let mut query = form_urlencoded::Serializer::new(format!("n={PAGE_TAGS}"));
    Some(query.append_pair("last", last).finish())
}

/// The query of a link to the next page.
fn query_of(link: String) -> Result<String, Failure> {
    let query = link.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or(query));
    match query {
        Some(query) if !query.is_empty() && query.len() <= QUERY_LENGTH_MAX => Ok(query.to_owned()),
        _ => Err(Failure::invalid("a list of tags whose next page cannot be asked for")),
    }
}

/// The target of `Link: <…>; rel="next"` (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|mut text| {
        while let Some((_, rest)) = text.split_once('<') {
            let (link, rest) = rest.split_once('>')?;
            let parameters = rest.split('<').next().unwrap_or(rest);
            if parameters.split([';', ',']).any(is_next) {
                return Some(link.to_owned());
            }
            text = rest;
        }
        None
    })
}

fn is_next(parameter: &str) -> bool {
    let relation = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel"));
    relation.is_some_and(|(_, value)| value.trim().trim_matches('"').eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(values: &[&str]) -> Option<String> {
        let values = values.iter().map(|value| (LINK, value.parse().unwrap()));
        next_link(&values.collect())
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        let link = "/v2/a/tags/list?last=b,c&n=2";
        for values in [
            &[&*format!("<{link}>; rel=\"next\"")][..],
            &[&format!("</x>; rel=\"prev\", <{link}>;REL=next; title=\"a, b\"")],
            &["</x>; rel=first", &format!("<{link}>; rel=\"next\"")],
        ] {
            assert_eq!(next(values).as_deref(), Some(link), "{values:?}");
        }
        for values in [&[][..], &["</x>; rel=\"prev\""], &["</x"], &["rel=\"next\""]] {
            assert_eq!(next(values), None, "{values:?}");
        }
    }

    #[test]
    fn only_the_query_of_a_link_is_taken() {
        let query = |link: &str| query_of(link.to_owned()).ok();
        assert_eq!(query("https://evil.example/v2/b/tags/list?last=1&n=2#x").as_deref(), Some("last=1&n=2"));
        assert_eq!(query("/v2/a/tags/list?next_page=gAAA%3D").as_deref(), Some("next_page=gAAA%3D"));
        for link in ["/v2/a/tags/list", "/v2/a/tags/list?", &format!("/?{}", "a".repeat(QUERY_LENGTH_MAX + 1))] {
            assert_eq!(query(link), None);
        }
    }

    #[test]
    fn a_full_page_without_a_link_is_asked_on_after_its_last_tag() {
        let tags: Vec<String> = (0..PAGE_TAGS).map(|number| format!("1.{number}+b")).collect();
        assert_eq!(query_after(&tags).as_deref(), Some("n=1000&last=1.999%2Bb"));
        assert_eq!(query_after(&tags[1..]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_link_panics_or_hangs(text in "[ -~]{0,80}") {
            next(&[&text]);
        }
    }
}
