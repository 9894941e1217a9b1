//! What a question weighs, reckoned as GitLab reckons it before it answers
//! (`Types::BaseField` and `Resolvers::BaseResolver` of its source): a field weighs one, one more where it asks Gitaly,
//! or what it is given; a resolver adds one, and one for a sort; a resolver's connection adds one per cent of itself for
//! each item of its page.

use serde_json::{Map, Value};

/// The most for who is signed in (<https://docs.gitlab.com/api/graphql/#limits>).
pub(super) const WEIGHT_MAX: usize = 250;
/// Items of a connection whose page is not limited.
const PAGE: usize = 100;

/// How a field is weighed.
enum Kind {
    /// So much, and what is below it.
    Plain(usize),
    /// A connection of a resolver, which adds so much.
    List(usize),
}

/// As the types of GitLab's source give them.
fn kind(field: &str, is_below_a_namespace: bool) -> Kind {
    match field {
        "projects" if is_below_a_namespace => Kind::List(11),
        "projects" | "pipelines" => Kind::List(1),
        // With a sort.
        "mergeRequests" => Kind::List(2),
        "branchNames" => Kind::Plain(170),
        "lastCommit" => Kind::Plain(10),
        "labels" | "mergedAt" => Kind::Plain(5),
        "rootRef" | "empty" | "tree" | "diffHeadSha" => Kind::Plain(2),
        _ => Kind::Plain(1),
    }
}

/// The words and signs of a document.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\n', ',']);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
        let length = if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start_matches([' ', '\n', ',']);
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    variables: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.at).copied().unwrap_or("}")
    }

    /// The fields between the braces that come next.
    fn selection(&mut self, parent: &str) -> usize {
        let mut weight = 0;
        self.next();
        while self.at < self.tokens.len() && self.peek() != "}" {
            let name = self.next();
            weight += match name.strip_prefix("...") {
                Some(fragment) => self.fragment(fragment, parent),
                None => self.field(name, parent),
            };
        }
        self.next();
        weight
    }

    /// An alias, arguments and a selection may follow.
    fn field(&mut self, name: &'a str, parent: &str) -> usize {
        let mut name = name;
        if self.peek() == ":" {
            self.next();
            name = self.next();
        }
        let first = if self.peek() == "(" { self.first() } else { PAGE };
        let below = if self.peek() == "{" { self.selection(name) } else { 0 };
        match kind(name, parent == "namespace") {
            Kind::Plain(own) => own + below,
            Kind::List(own) => (own + below) + (own + below) * first / 100,
        }
    }

    /// The arguments, and the size of the page that they ask for.
    fn first(&mut self) -> usize {
        let mut first = PAGE;
        while self.at < self.tokens.len() && self.next() != ")" {
            if self.peek() == "first" {
                self.at += 2;
                let value = self.peek();
                let number = match value.strip_prefix('$') {
                    Some(variable) => self.variables.get(variable).and_then(Value::as_u64),
                    None => value.parse().ok(),
                };
                first = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(PAGE).min(PAGE);
            }
        }
        first
    }

    /// A fragment of the same document, weighed where it is used.
    fn fragment(&mut self, name: &str, parent: &str) -> usize {
        let back = self.at;
        let is_meant = |pair: &[&str]| pair == ["fragment", name];
        let weight = self.tokens.windows(2).position(is_meant).map(|place| {
            // `fragment NAME on TYPE {`
            self.at = place + 4;
            self.selection(parent)
        });
        self.at = back;
        weight.unwrap_or_default()
    }
}

/// What the operation weighs, which stands first.
pub(super) fn of(text: &str, variables: &Map<String, Value>) -> usize {
    let tokens = tokens(text);
    // Its variables have no braces.
    let at = tokens.iter().position(|token| *token == "{").unwrap_or_default();
    Reader { tokens, at, variables }.selection("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::forge::gitlab::documents::{self, Heads};

    fn weight(text: &str, variables: &Value) -> usize {
        of(text, variables.as_object().unwrap())
    }

    #[test]
    fn fields_lists_and_fragments_are_weighed() {
        let text = "query A($n: Int!) { projects(first: $n, ids: [1]) { ...P } }\nfragment P on X { nodes { id tree { a: lastCommit { sha } } } }";
        // nodes 1, id 1, tree 2, lastCommit 10, sha 1, the list 1; and a half of all that.
        assert_eq!(weight(text, &json!({ "n": 50 })), 24);
        assert_eq!(weight("{ namespace(fullPath: $x) { projects { nodes { id } } } }", &json!({})), 27);
    }

    #[test]
    fn the_documents_weigh_what_they_are_said_to() {
        let all = json!({ "first": 100 });
        assert_eq!(weight(&documents::namespace_projects(Heads::Bare).text, &all), 77);
        assert_eq!(weight(&documents::namespace_projects(Heads::Checked).text, &all), 83);
        assert_eq!(weight(&documents::merge_requests().text, &all), 194);
        assert_eq!(weight(&documents::branch_names().text, &json!({ "first": documents::BRANCH_NAMES_FIRST })), 245);
        let ids = json!({ "first0": 100, "first1": 1 });
        assert_eq!(weight(&documents::branch_heads(2).text, &ids), 40 + 20);
    }
}
