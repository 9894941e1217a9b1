//! The address line: `?state=behind&forge=github&q=nginx&sort=oldest&page=2`.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::domain::status::{Filter, FilterError, Sort};

/// How much of a search text counts, in characters: a digest has 71.
pub const TEXT_LENGTH_MAX: usize = 200;

/// What the address line asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub filter: Filter,
    /// The first page is 0; one behind the last is the last.
    pub page: usize,
}

impl Query {
    /// Reads the pairs of an address line. What a form sends empty is not set; keys that mean nothing here are others'.
    pub fn read(pairs: &BTreeMap<String, String>) -> Result<Self, FilterError> {
        let get = |key: &str| pairs.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        let page: usize = get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
        Ok(Self {
            filter: Filter {
                state: get("state").map(str::parse).transpose()?,
                forge: get("forge").map(ToOwned::to_owned),
                text: get("q").map(|text| text.chars().take(TEXT_LENGTH_MAX).collect()),
                sort: get("sort").map(str::parse).transpose()?.unwrap_or_default(),
            },
            page: page.saturating_sub(1),
        })
    }

    /// The address line, with its question mark; what is as always is left out.
    pub fn address(&self) -> String {
        let Filter { state, forge, text, sort } = &self.filter;
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let sort = (*sort != Sort::default()).then(|| sort.as_str());
        let words = [
            ("q", text.as_deref()),
            ("state", state.map(|state| state.as_str())),
            ("forge", forge.as_deref()),
            ("sort", sort),
        ];
        for (key, value) in words {
            if let Some(value) = value {
                pairs.append_pair(key, value);
            }
        }
        if self.page > 0 {
            pairs.append_pair("page", &(self.page + 1).to_string());
        }
        format!("?{}", pairs.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::StateFilter;

    fn read(pairs: &[(&str, &str)]) -> Result<Query, FilterError> {
        Query::read(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn an_address_line_comes_back_as_it_was_read() {
        let pairs =
            [("state", "behind"), ("forge", "github"), ("q", " a&b=c \u{e9} "), ("sort", "oldest"), ("page", "3")];
        let query = read(&pairs).unwrap();
        assert_eq!(query.filter.state, Some(StateFilter::Behind));
        assert_eq!(query.filter.text.as_deref(), Some("a&b=c \u{e9}"));
        assert_eq!(query.page, 2);
        let address = query.address();
        assert_eq!(address, "?q=a%26b%3Dc+%C3%A9&state=behind&forge=github&sort=oldest&page=3");
        let again = form_urlencoded::parse(address.trim_start_matches('?').as_bytes()).into_owned().collect();
        assert_eq!(Query::read(&again), Ok(query));
    }

    #[test]
    fn what_a_form_sends_empty_is_not_set_and_a_wrong_word_is_said() {
        let query = read(&[("state", ""), ("forge", ""), ("q", " "), ("sort", ""), ("page", "x"), ("other", "1")]);
        assert_eq!(query, Ok(Query::default()));
        assert_eq!(Query::default().address(), "?");
        let error = read(&[("state", "bad")]).unwrap_err().to_string();
        assert!(error.starts_with("there is no state `bad`: choose one of attention, behind, "), "{error}");
        assert!(read(&[("sort", "bad")]).is_err());
        assert_eq!(read(&[("page", "0")]).map(|query| query.page), Ok(0));
    }
}
