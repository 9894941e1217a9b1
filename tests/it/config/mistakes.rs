//! What is refused, and what is said about it.

use std::path::Path;

use insta::assert_snapshot;
use refrom::config::{Config, Secrets};

use super::{SECRET, load, no_environment};
use crate::laws::law;

/// What is said about a text that is wrong.
#[track_caller]
fn mistakes(text: &str) -> String {
    let told = load(text, &no_environment, Secrets::Read).expect_err("the text is wrong");
    assert!(!told.contains(SECRET), "{told}");
    told
}

#[test]
fn what_is_no_yaml_is_refused_at_its_place() {
    assert_snapshot!(mistakes(""), @"refrom.yaml: the configuration is empty");
    assert_snapshot!(mistakes("# nothing\n"), @"refrom.yaml: the configuration is empty");
    assert_snapshot!(mistakes("policy:\n\tgroup: image\n"), @"refrom.yaml:2:2: tabs disallowed within this context (block indentation)");
    assert_snapshot!(mistakes("policy: [\n"), @"refrom.yaml:1:9: unclosed bracket '['");
    assert_snapshot!(mistakes("policy: {}\n---\npolicy: {}\n"), @"refrom.yaml:3:1: a second document starts here; only one is read");
    assert_snapshot!(mistakes("policy: { images: [*dhi] }\n"), @r#"refrom.yaml:1:20: an alias of nothing; text that begins with `*` needs quotes: `"*/web"`"#);
    assert_snapshot!(mistakes("policy:\n  images:\n    - **/nginx\n"), @r#"refrom.yaml:3:7: an alias of nothing; text that begins with `*` needs quotes: `"*/web"`"#);
    assert_snapshot!(mistakes("policy: { reviewers: [@acme/team] }\n"), @"refrom.yaml:1:23: unexpected character: `@'; text that begins with it needs quotes");
    assert_snapshot!(mistakes("policy: !important {}\n"), @"refrom.yaml:1:20: unsupported tag `!important`");
    assert_snapshot!(mistakes("- policy\n"), @"refrom.yaml:1:1: expected a mapping of settings, found a list");
    assert_snapshot!(mistakes("policy: {}\npolicy: {}\n"), @"refrom.yaml:2:1: `policy`: the key stands here a second time, after line 1");
}

#[test]
fn unknown_keys_and_values_are_named_with_what_was_meant() {
    assert_snapshot!(mistakes("polcy: {}\n"), @"refrom.yaml:1:1: `polcy`: unknown key `polcy`; did you mean `policy`?");
    assert_snapshot!(mistakes("policy:\n  lables: [a]\n  Group: image\n  cadence: daily\n"), @"
        refrom.yaml:2:3: `policy.lables`: unknown key `lables`; did you mean `labels`?
        refrom.yaml:3:3: `policy.Group`: unknown key `Group`; did you mean `group`?
        refrom.yaml:4:3: `policy.cadence`: unknown key `cadence`; known here: `enabled`, `images`, `tags`, `files`, `group`, `comment`, `patterns`, `labels`, `reviewers`, `assignees`, `draft`, `base`, `max_open`, `commits`, `automerge`, `schedule`, `timezone`, `window`, `freeze`, `jitter`, `min_age`, `settle`, `unchanged`, `platforms`, `denied`, `stages`, `pair`, `min_interval`, `stale_after`, `follow`, `pin`, `title`, `body`, `commit_message`
    ");
    assert_snapshot!(mistakes("policy: { group: repo }\n"), @"refrom.yaml:1:18: `policy.group`: unknown value `repo`; did you mean `repository`?");
    assert_snapshot!(mistakes("policy: { group: repositry, comment: writes }\n"), @"
        refrom.yaml:1:18: `policy.group`: unknown value `repositry`; did you mean `repository`?
        refrom.yaml:1:38: `policy.comment`: unknown value `writes`; did you mean `write`?
    ");
    assert_snapshot!(mistakes("forges: [{ kind: gitea }]\n"), @r#"
        refrom.yaml:1:10: `forges[0].auth`: missing: `{ token: { env: NAME } }` or `{ app: { id: …, private_key: { file: PATH } } }`
        refrom.yaml:1:10: `forges[0].repositories.include`: missing: which repositories, for example `["acme/*"]`
        refrom.yaml:1:18: `forges[0].kind`: unknown value `gitea`; known here: `github`, `gitlab`
    "#);
    assert_snapshot!(mistakes("repository_may_set: [enabled, file]\n"), @"refrom.yaml:1:31: `repository_may_set[1]`: unknown value `file`; did you mean `files`?");
    assert_snapshot!(mistakes("network: { ca_files: a }\n"), @"refrom.yaml:1:12: `network.ca_files`: unknown key `ca_files`; did you mean `ca_file`?");
}

#[test]
fn wrong_types_say_what_was_expected_and_found() {
    assert_snapshot!(mistakes("policy: { enabled: no }\n"), @"refrom.yaml:1:20: `policy.enabled`: expected `true` or `false`, found text");
    assert_snapshot!(mistakes("policy: { enabled: \"true\", draft: 1 }\n"), @"
        refrom.yaml:1:20: `policy.enabled`: expected `true` or `false`, found text
        refrom.yaml:1:35: `policy.draft`: expected `true` or `false`, found a number
    ");
    assert_snapshot!(mistakes("policy: { labels: base-image, images: { a: b } }\n"), @"
        refrom.yaml:1:19: `policy.labels`: expected a list, found text
        refrom.yaml:1:39: `policy.images`: expected a list, found a mapping
    ");
    assert_snapshot!(mistakes("policy: { labels: [a, ~, [b]] }\n"), @"refrom.yaml:1:23: `policy.labels[1]`: expected text, found nothing");
    assert_snapshot!(mistakes("policy: { max_open: -1 }\nmax_new_per_hour: many\n"), @"
        refrom.yaml:1:21: `policy.max_open`: expected a whole number, 0 or more
        refrom.yaml:2:19: `max_new_per_hour`: expected a whole number, found text
    ");
    assert_snapshot!(mistakes("policy: { max_open: 1.5 }\nmax_new_per_hour: 5000000000\n"), @"
        refrom.yaml:1:21: `policy.max_open`: expected a whole number, 0 or more
        refrom.yaml:2:19: `max_new_per_hour`: expected at most 4294967295
    ");
    assert_snapshot!(mistakes("policy: true\nforges: {}\nregistries: [dhi.io]\nstore: []\n"), @"
        refrom.yaml:1:9: `policy`: expected a mapping of policy keys, found a boolean
        refrom.yaml:2:9: `forges`: expected a list, found a mapping
        refrom.yaml:3:13: `registries`: expected a mapping, found a list
        refrom.yaml:4:8: `store`: expected text, found a list
    ");
    assert_snapshot!(mistakes("forges: [github]\n"), @"refrom.yaml:1:10: `forges[0]`: expected a forge: a mapping with `auth` and `repositories`, found text");
    assert_snapshot!(mistakes("policy: { patterns: [{ files: { a: b }, regex: 1 }] }\n"), @"
        refrom.yaml:1:31: `policy.patterns[0].files`: expected a text or a list of texts
        refrom.yaml:1:48: `policy.patterns[0].regex`: the named group `(?<digest>…)` is missing
        refrom.yaml:1:48: `policy.patterns[0].regex`: the named group `(?<image>…)` is missing
    ");
}

#[test]
fn values_are_checked() {
    assert_snapshot!(mistakes("policy: { images: [\"[\", \"/(/\", \"\"], files: { include: [\"{a\"] } }\n"), @"
        refrom.yaml:1:20: `policy.images[0]`: bad pattern `[`: unclosed character class; missing ']'
        refrom.yaml:1:25: `policy.images[1]`: bad pattern `/(/`: unclosed group
        refrom.yaml:1:32: `policy.images[2]`: bad pattern ``: empty
        refrom.yaml:1:56: `policy.files.include[0]`: bad pattern `{a`: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    ");
    assert_snapshot!(mistakes("policy: { patterns: [{ files: \"*.mk\", regex: \"(?<image>a)(?<digset>b)\" }] }\n"), @"
        refrom.yaml:1:46: `policy.patterns[0].regex`: the named group `(?<digest>…)` is missing
        refrom.yaml:1:46: `policy.patterns[0].regex`: unknown group `digset`; did you mean `digest`?
    ");
    assert_snapshot!(mistakes("policy: { patterns: [{ files: \"*.mk\", regex: \"(\" }, { regex: \"a{9999}{9999}\" }, {}] }\n"), @"
        refrom.yaml:1:46: `policy.patterns[0].regex`: bad regular expression: unclosed group
        refrom.yaml:1:53: `policy.patterns[1].files`: missing: a pattern over the path
        refrom.yaml:1:62: `policy.patterns[1].regex`: bad regular expression: Compiled regex exceeds size limit of 1048576 bytes
        refrom.yaml:1:81: `policy.patterns[2].files`: missing: a pattern over the path
        refrom.yaml:1:81: `policy.patterns[2].regex`: missing: a regular expression
    ");
    assert_snapshot!(mistakes("policy: { tags: [{ image: a, tag: -x }, { tag: 1.20 }, { image: a }] }\n"), @"
        refrom.yaml:1:35: `policy.tags[0].tag`: expected a tag, found `-x`
        refrom.yaml:1:41: `policy.tags[1].image`: missing: a pattern over registry and repository
        refrom.yaml:1:56: `policy.tags[2].tag`: missing: the tag to track
    ");
    assert_snapshot!(mistakes("policy: { base: \"a b\", max_open: 0 }\n"), @"
        refrom.yaml:1:17: `policy.base`: expected a branch name, found `a b`
        refrom.yaml:1:34: `policy.max_open`: expected 1 or more; `enabled: false` opens none
    ");
    assert_snapshot!(mistakes("policy: { base: refrom/base-images }\n"), @"refrom.yaml:1:17: `policy.base`: the branches under `refrom/` are refrom's own");
    assert_snapshot!(mistakes("policy: { labels: [\"\", \" a\", \"a,b\", \"refrom:hold\"], reviewers: [\"a b\", \"@\"] }\n"), @"
        refrom.yaml:1:20: `policy.labels[0]`: expected a label of 1 to 50 characters without commas, found ``
        refrom.yaml:1:24: `policy.labels[1]`: expected a label of 1 to 50 characters without commas, found ` a`
        refrom.yaml:1:30: `policy.labels[2]`: expected a label of 1 to 50 characters without commas, found `a,b`
        refrom.yaml:1:37: `policy.labels[3]`: `refrom:hold` is for people: it would hold every pull request
        refrom.yaml:1:65: `policy.reviewers[0]`: expected a user or a team (`@org/team`), found `a b`
        refrom.yaml:1:72: `policy.reviewers[1]`: expected a user or a team (`@org/team`), found `@`
    ");
    assert_snapshot!(mistakes("policy: { title: \"{{ image\", body: \"{% if %}\", commit_message: \" \" }\n"), @"
        refrom.yaml:1:18: `policy.title`: bad template: line 1: syntax error: unexpected end of input, expected end of variable block
        refrom.yaml:1:36: `policy.body`: bad template: line 1: syntax error: unexpected end of block
        refrom.yaml:1:64: `policy.commit_message`: expected a template of 1 to 65536 bytes
    ");
    assert_snapshot!(mistakes("store: postgres://db\n"), @"refrom.yaml:1:8: `store`: expected `sqlite://` and a path");
    assert_snapshot!(mistakes("commit: { author: { name: \"a <b>\", email: nobody } }\nmax_new_per_hour: 0\n"), @"
        refrom.yaml:1:27: `commit.author.name`: expected a name without `<`, `>` and line ends
        refrom.yaml:1:43: `commit.author.email`: expected an e-mail address
        refrom.yaml:2:19: `max_new_per_hour`: expected 1 or more; `policy.enabled: false` opens none
    ");
    assert_snapshot!(mistakes("repositories: [{ policy: {} }, { match: \"[\" }]\n"), @"
        refrom.yaml:1:16: `repositories[0].match`: missing: a pattern over the repository's full name
        refrom.yaml:1:32: `repositories[1].policy`: missing: what holds for them
        refrom.yaml:1:41: `repositories[1].match`: bad pattern `[`: unclosed character class; missing ']'
    ");
}

#[test]
fn forges_and_registries_are_checked() {
    assert_snapshot!(mistakes("forges: [{}]\n"), @r#"
        refrom.yaml:1:10: `forges[0].auth`: missing: `{ token: { env: NAME } }` or `{ app: { id: …, private_key: { file: PATH } } }`
        refrom.yaml:1:10: `forges[0].repositories.include`: missing: which repositories, for example `["acme/*"]`
    "#);
    assert_snapshot!(mistakes("forges: [{ url: github.com, write_interval: 5, auth: {}, repositories: { include: [] } }]\n"), @r#"
        refrom.yaml:1:17: `forges[0].url`: expected an address that begins with `https://` or `http://`
        refrom.yaml:1:45: `forges[0].write_interval`: expected a duration like `1s` or `500ms` of at most 10 minutes, found `5`
        refrom.yaml:1:54: `forges[0].auth`: missing: `{ token: { env: NAME } }` or `{ app: { id: …, private_key: { file: PATH } } }`
        refrom.yaml:1:83: `forges[0].repositories.include`: missing: which repositories, for example `["acme/*"]`
    "#);
    assert_snapshot!(mistakes("forges: [{ auth: { app: {} }, repositories: { include: [\"acme/*\"] }, name: a/b }]\n"), @"
        refrom.yaml:1:25: `forges[0].auth.app.id`: missing: the App's id
        refrom.yaml:1:25: `forges[0].auth.app.private_key`: missing: `{ env: NAME }` or `{ file: PATH }`
        refrom.yaml:1:76: `forges[0].name`: expected a name of letters, digits, `-`, `_` and `.`
    ");
    assert_snapshot!(mistakes("forges: [{ kind: gitlab, auth: { app: { id: 1 } }, repositories: { include: [\"acme/*\"] } }]\n"), @"refrom.yaml:1:39: `forges[0].auth.app`: GitLab has no apps of this kind: expected `{ token: … }`, a personal, project or group token");
    assert_snapshot!(mistakes("forges: [{ kind: gitlab, repositories: { include: [\"acme/*\"] } }]\n"), @"refrom.yaml:1:10: `forges[0].auth`: missing: `{ token: { env: NAME } }`");
    let one = "{ name: a, auth: { token: { file: /dev/null } }, repositories: { include: [a/b] } }";
    assert_snapshot!(mistakes(&format!("forges:\n- {one}\n- {one}\n")), @"
        refrom.yaml:2:37: `forges[0].auth.token.file`: the secret file `/dev/null` is empty, larger than 64 KiB or not UTF-8
        refrom.yaml:3:3: `forges[1]`: a second forge with the name `a`
        refrom.yaml:3:37: `forges[1].auth.token.file`: the secret file `/dev/null` is empty, larger than 64 KiB or not UTF-8
    ");
    assert_snapshot!(mistakes("registries: { \"https://dhi.io\": {}, nginx: {}, docker.io/library: {} }\n"), @"
        refrom.yaml:1:33: `registries.https://dhi.io`: expected a registry's host, with a port where it has one: `registry.example.com:5000`
        refrom.yaml:1:44: `registries.nginx`: expected a registry's host, with a port where it has one: `registry.example.com:5000`
        refrom.yaml:1:67: `registries.docker.io/library`: expected a registry's host, with a port where it has one: `registry.example.com:5000`
    ");
    assert_snapshot!(mistakes("registries: { docker.io: {}, index.docker.io: {} }\n"), @"refrom.yaml:1:47: `registries.index.docker.io`: a second entry for `docker.io`");
    assert_snapshot!(mistakes("registries: { dhi.io: { auth: { username: acme } } }\n"), @"refrom.yaml:1:31: `registries.dhi.io.auth.password`: missing: `{ env: NAME }` or `{ file: PATH }`");
    assert_snapshot!(mistakes("registries: { dhi.io: { auth: { anonymous: true, docker: true } } }\n"), @"refrom.yaml:1:31: `registries.dhi.io.auth`: expected one of `username` with `password`, `token`, `anonymous` and `docker`");
    assert_snapshot!(mistakes("registries: { dhi.io: { endpoint: \"ftp://a\", auth: { realm: \"http://a/token\" } } }\n"), @"
        refrom.yaml:1:35: `registries.dhi.io.endpoint`: expected an address that begins with `https://` or `http://`
        refrom.yaml:1:61: `registries.dhi.io.auth.realm`: expected an address that begins with `https://`
    ");
    assert_snapshot!(mistakes("network: { proxy_auth: {}, ca_file: missing.pem }\n"), @"
        refrom.yaml:1:24: `network.proxy_auth`: a `proxy_auth` needs a `proxy`
        refrom.yaml:1:37: `network.ca_file`: there is no file `missing.pem`
    ");
}

#[test]
fn a_secret_in_the_wrong_place_is_refused_and_not_repeated() {
    let forge = |auth: &str| format!("forges: [{{ auth: {auth}, repositories: {{ include: [a/b] }} }}]\n");
    assert_snapshot!(mistakes(&forge(&format!("{{ token: {SECRET} }}"))), @"refrom.yaml:1:27: `forges[0].auth.token`: expected where the secret is kept, `{ env: NAME }` or `{ file: PATH }`, and never the secret itself, found text");
    assert_snapshot!(mistakes(&forge(&format!("{{ token: {{ {SECRET} }} }}"))), @"refrom.yaml:1:29: `forges[0].auth.token`: unknown key; known here: `env`, `file`");
    assert_snapshot!(mistakes(&forge(&format!("{{ token: {{ env: {SECRET} }} }}"))), @"refrom.yaml:1:34: `forges[0].auth.token.env`: the environment variable of this name is not set or empty");
    assert_snapshot!(mistakes(&forge(&format!("{{ token: [{SECRET}] }}"))), @"refrom.yaml:1:27: `forges[0].auth.token`: expected where the secret is kept, `{ env: NAME }` or `{ file: PATH }`, and never the secret itself, found a list");
    assert_snapshot!(mistakes(&forge(&format!("{{ app: {SECRET} }}"))), @"refrom.yaml:1:25: `forges[0].auth.app`: expected `{ id: NUMBER, private_key: … }`, found text");
    assert_snapshot!(mistakes(&forge(&format!("{{ {SECRET} }}"))), @"refrom.yaml:1:20: `forges[0].auth`: unknown key; known here: `token`, `app`");
    assert_snapshot!(mistakes(&forge("{ tokne: { env: A } }")), @"refrom.yaml:1:20: `forges[0].auth.tokne`: unknown key `tokne`; did you mean `token`?");
    assert_snapshot!(mistakes(&forge("{ token: { env: MISSING_TOKEN } }")), @"refrom.yaml:1:34: `forges[0].auth.token.env`: the environment variable `MISSING_TOKEN` is not set or empty");
    assert_snapshot!(mistakes(&forge("{ token: { env: A, file: b } }")), @"refrom.yaml:1:27: `forges[0].auth.token`: expected one of `env` and `file`, found both");
    assert_snapshot!(mistakes(&forge("{ token: { file: missing.txt } }")), @"refrom.yaml:1:35: `forges[0].auth.token.file`: cannot read the secret file `missing.txt`: No such file or directory (os error 2)");
    assert_snapshot!(mistakes(&format!("network: {{ proxy: \"http://me:{SECRET}@proxy.example\" }}\n")), @"refrom.yaml:1:19: `network.proxy`: no user name or password may stand in an address; they have keys of their own");
    assert_snapshot!(mistakes(&format!("registries: {{ a.io: {{ endpoint: \"https://{SECRET}@a.io\" }} }}\n")), @"refrom.yaml:1:33: `registries.a.io.endpoint`: no user name or password may stand in an address; they have keys of their own");
    assert_snapshot!(mistakes(&format!("registries: {{ a.io: {{ endpoint: \"https://a.io/?key={SECRET}\" }} }}\n")), @"refrom.yaml:1:33: `registries.a.io.endpoint`: expected an address without `?` and `#`");
}

proptest::proptest! {
    #![proptest_config(law(256))]

    #[test]
    fn a_damaged_file_never_panics_and_every_mistake_lies_within_it(
        start in 0.0..1.0f64, length in 0usize..40, inserted in "[-:#{}\\[\\]&*!|>'\"%@`~ \t\na-z0-9.]{0,6}",
    ) {
        let text: Vec<char> = include_str!("../../../config.example.yaml").chars().collect();
        let start = (start * text.len() as f64) as usize;
        let end = (start + length).min(text.len());
        let damaged: String = text[..start].iter().copied().chain(inserted.chars()).chain(text[end..].iter().copied()).collect();
        let config = Config::from_text(&damaged, Path::new("refrom.yaml"), &no_environment, Secrets::Skip);
        let lines = damaged.split('\n').count() as u64;
        for mistake in config.err().into_iter().flat_map(|errors| errors.mistakes) {
            let place = mistake.place.unwrap();
            assert!((1..=lines).contains(&place.line) && place.column >= 1, "{mistake}");
        }
    }
}
