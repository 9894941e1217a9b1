//! `WWW-Authenticate`: how a registry wants its clients to sign in.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What a registry wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Nothing.
    Open,
    Basic,
    /// A token of this service (distribution specification, "token authentication").
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// The strongest of the challenges in these headers: Bearer, else Basic. `None` where there is neither.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let mut offers: Vec<Offer> = values.flat_map(parse).collect();
        if let Some(at) = offers.iter().position(|offer| offer.scheme == "bearer" && offer.has("realm")) {
            let mut parameters = offers.swap_remove(at).parameters;
            let realm = parameters.remove("realm")?;
            return Some(Self::Bearer { realm, service: parameters.remove("service") });
        }
        offers.iter().any(|offer| offer.scheme == "basic").then_some(Self::Basic)
    }
}

/// One challenge with its parameters; scheme and names in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    scheme: String,
    parameters: BTreeMap<String, String>,
}

impl Offer {
    fn has(&self, name: &str) -> bool {
        self.parameters.get(name).is_some_and(|value| !value.is_empty())
    }
}

/// Reads one header line (RFC 9110, section 11.6.1): challenges and their parameters are parted by the same commas,
/// so that a word is a parameter's name exactly when `=` follows.
fn parse(line: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = split_token(rest);
        if word.is_empty() {
            // Not by the grammar (or the end): skip one character, so that this ends.
            let mut characters = rest.chars();
            if characters.next().is_none() {
                return offers;
            }
            rest = characters.as_str();
            continue;
        }
        match (after.trim_start().strip_prefix('='), offers.last_mut()) {
            (Some(value), Some(offer)) => {
                let (value, after) = split_value(value.trim_start());
                offer.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
                rest = after;
            }
            _ => {
                offers.push(Offer { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
                rest = after;
            }
        }
    }
}

/// A token (RFC 9110, section 5.6.2) and what follows it.
fn split_token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A quoted string without its quotes and backslashes, or the text up to the next comma or blank.
fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    (value, characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(lines: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, line.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
    }

    #[test]
    fn a_bearer_challenge_with_commas_in_quotes_is_read() {
        let line = r#"Bearer realm="https://auth.example/token",service="a, \"b\"",scope="repository:a:pull,push""#;
        assert_eq!(challenge(&[line]), bearer("https://auth.example/token", Some(r#"a, "b""#)));
    }

    #[test]
    fn bearer_is_preferred_among_several_challenges_on_one_line_or_many() {
        let expected = bearer("https://a/t", Some("s"));
        assert_eq!(challenge(&[r#"Basic realm="x, y", Bearer realm="https://a/t", service=s"#]), expected);
        assert_eq!(challenge(&[r#"BEARER Realm = "https://a/t" , SERVICE="s", basic realm="x""#]), expected);
        assert_eq!(challenge(&[r#"Basic realm="x""#, r#"Bearer realm="https://a/t",service="s""#]), expected);
        assert_eq!(challenge(&[r#"Negotiate YWJj==, Basic realm="x""#]), Some(Challenge::Basic));
    }

    #[test]
    fn what_cannot_be_used_is_no_challenge() {
        for lines in
            [&[][..], &["Negotiate"], &["Bearer service=\"s\""], &["\"\u{7f}".trim_end_matches('\u{7f}')], &["=,=,"]]
        {
            assert_eq!(challenge(lines), None, "{lines:?}");
        }
        assert_eq!(challenge(&[r#"Bearer, Basic"#]), Some(Challenge::Basic));
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics_or_hangs(line in "[ -~]{0,80}") {
            parse(&line);
        }
    }
}
