//! What a history says of digests acts in the replay; where it says nothing that is told.

use refrom::domain::digest::Digest;
use refrom::simulate::{DeedKind, Outcome};
use serde_json::{Value, json};

use super::{NGINX, NODE, fleet, hour, recording_of, run, told};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A manifest of a platform: `amd64=runs`. What it is made of is the text before a dot, so that `runs.2` is another manifest
/// of the same content.
fn manifest(text: &str) -> Value {
    let (architecture, name) = text.split_once('=').unwrap();
    let content = name.split_once('.').map_or(name, |(content, _)| content);
    json!({
        "os": "linux", "architecture": architecture, "variant": null, "digest": digest(name).to_string(),
        "config": digest(&format!("configuration of {content}")).to_string(),
        "layers": [digest(&format!("layer of {content}")).to_string()],
    })
}

/// A move of a tag to an index with these manifests, where they are known.
pub fn line(at: i64, (tag, content): (&str, &str), manifests: Option<&[&str]>) -> Value {
    let manifests = manifests.map(|manifests| manifests.iter().map(|text| manifest(text)).collect::<Vec<_>>());
    let image = manifests.map(|manifests| {
        json!({
            "kind": "index", "media_type": null, "version": "1.27.3", "created": null, "size_bytes": null,
            "end_of_life": null, "manifests": manifests, "configuration": null,
        })
    });
    json!({
        "first_seen": hour(at).to_string(), "last_seen": null, "reference": tag,
        "digest": digest(&format!("{tag} {content}")).to_string(), "image": image,
    })
}

/// A move to an index of its own.
fn build(at: i64, tag: &str, manifests: &[&str]) -> Value {
    line(at, (tag, &at.to_string()), Some(manifests))
}

/// The same without what the digests hold.
fn bare(lines: &[Value]) -> Vec<Value> {
    let mut lines = lines.to_vec();
    lines.iter_mut().for_each(|line| line["image"] = Value::Null);
    lines
}

fn opened(outcome: &Outcome) -> usize {
    outcome.deeds.iter().filter(|deed| deed.kind == DeedKind::Opened).count()
}

fn notes(outcome: &Outcome) -> Vec<String> {
    outcome.notes.iter().map(ToString::to_string).collect()
}

/// Five builds, two days apart: an attested one, one of another base, one for a platform that nobody else has, a rebuild.
fn builds() -> [Value; 6] {
    [
        build(0, NGINX, &["amd64=a", "arm64=b"]),
        build(48, NGINX, &["amd64=a.2", "arm64=b.2"]),
        build(96, NGINX, &["amd64=c", "arm64=b"]),
        build(144, NGINX, &["amd64=c", "arm64=b", "s390x=d"]),
        build(192, NGINX, &["amd64=c.2", "arm64=b", "s390x=d"]),
        build(400, NODE, &["amd64=e"]),
    ]
}

#[test]
fn digests_that_change_nothing_are_kept_back_where_the_history_says_what_they_hold() {
    let (lines, fleet) = (builds(), fleet(&[("acme/web", &[NGINX])]));
    for (unchanged, with_facts) in [("off", 4), ("platforms", 3), ("content", 1)] {
        let text = format!("policy: {{ unchanged: {unchanged} }}");
        let outcome = run(&text, &recording_of(&lines), &fleet);
        assert_eq!((opened(&outcome), notes(&outcome)), (with_facts, Vec::new()), "{unchanged}");
        let outcome = run(&text, &recording_of(&bare(&lines)), &fleet);
        assert_eq!(opened(&outcome), 4, "{unchanged}");
        let note = "`unchanged`: the history does not say what 5 of 5 digests hold; \
                    a move from or to one of them counts as a change";
        assert_eq!(notes(&outcome), if unchanged == "off" { vec![] } else { vec![note.to_owned()] });
    }
    // One line without its facts: the moves to it and from it are changes.
    let mut mixed = lines.to_vec();
    mixed[1]["image"] = Value::Null;
    let outcome = run("policy: { unchanged: content }", &recording_of(&mixed), &fleet);
    assert_eq!(opened(&outcome), 2);
    assert!(notes(&outcome)[0].contains("1 of 5"), "{:?}", notes(&outcome));
    // Manifests that nobody looked into: contents are not known, and nothing is kept back for their sake.
    let mut shallow = lines.to_vec();
    shallow[0]["image"]["manifests"][0]["config"] = Value::Null;
    let outcome = run("policy: { unchanged: content }", &recording_of(&shallow), &fleet);
    assert_eq!(opened(&outcome), 2);
    assert!(notes(&outcome)[0].contains("1 of 5"), "{:?}", notes(&outcome));
}

#[test]
fn only_the_platforms_in_use_count() {
    let fleet = fleet(&[("acme/web", &[NGINX])]);
    let of = |platform| {
        run(&format!("policy: {{ unchanged: platforms, platforms: [{platform}] }}"), &recording_of(&builds()), &fleet)
    };
    assert_eq!(
        told(&of("linux/arm64"), &fleet),
        ["48 open web#1", "72 merge web#1", "96 open web#2", "120 merge web#2"]
    );
    assert_eq!(opened(&of("linux/amd64")), 3);
}

#[test]
fn an_index_that_lost_a_platform_waits_for_one_that_has_it() {
    let lines = [
        build(0, NGINX, &["amd64=a", "arm64=b"]),
        build(10, NGINX, &["amd64=c"]),
        build(60, NGINX, &["amd64=c", "arm64=d"]),
        build(400, NODE, &["amd64=e"]),
    ];
    let fleet = fleet(&[("acme/web", &[NGINX])]);
    let outcome = run("policy: {}", &recording_of(&lines), &fleet);
    assert_eq!(told(&outcome, &fleet), ["60 open web#1", "84 merge web#1"]);
    assert_eq!(outcome.waits["other"].as_hours(), 50);
    assert_eq!(told(&run("policy: {}", &recording_of(&bare(&lines)), &fleet), &fleet)[0], "10 open web#1");
}

#[test]
fn a_pair_is_of_one_build_by_the_versions_that_the_history_has() {
    let dev = "dhi.io/nginx:1-dev";
    let versioned = |at, tag: &str, version: &str| {
        let mut line = build(at, tag, &[&format!("amd64={tag} {at}")]);
        line["image"]["version"] = version.into();
        line
    };
    // The tools came two days before the image that is built with them.
    let lines = |of_dev| {
        [
            versioned(0, NGINX, "1"),
            versioned(0, dev, "1-dev"),
            versioned(40, dev, of_dev),
            versioned(90, NGINX, "2"),
            build(400, NODE, &["amd64=e"]),
        ]
    };
    let fleet = fleet(&[("acme/web", &[dev, NGINX])]);
    let first = |lines: &[Value]| told(&run("policy: { pair: together }", &recording_of(lines), &fleet), &fleet);
    let (same, other) = (first(&lines("2-dev")), first(&lines("1-dev")));
    assert_eq!(same, ["64 open web#1", "88 merge web#1", "90 open web#2", "114 merge web#2"]);
    // The tools of the build that runs go at once; the second build waits for its tools for a day.
    assert_eq!(other, ["40 open web#1", "64 merge web#1", "114 open web#2", "138 merge web#2"]);
}

#[test]
fn waves_are_told_nothing_of_where_no_two_repositories_share_a_tag() {
    let note = "`waves`: no tag is pinned in two repositories, so that none waits for another; \
                `--repositories` takes a list in which tags are shared";
    let waves = "waves: [{ name: canary, match: [acme/web] }, { name: rest, match: ['**'] }]\npolicy: {}";
    for (fleet, text, told) in [
        (fleet(&[("acme/web", &[NGINX]), ("acme/api", &[NODE])]), waves, vec![note.to_owned()]),
        (fleet(&[("acme/web", &[NGINX, NGINX]), ("acme/api", &[NODE])]), waves, vec![note.to_owned()]),
        (fleet(&[("acme/web", &[NGINX]), ("acme/api", &[NODE, NGINX])]), waves, vec![]),
        (fleet(&[("acme/web", &[NGINX]), ("acme/api", &[NODE])]), "policy: {}", vec![]),
    ] {
        assert_eq!(notes(&run(text, &recording_of(&builds()), &fleet)), told, "{text}");
    }
}

#[test]
fn what_a_history_cannot_tell_is_said() {
    let fleet = fleet(&[("acme/web", &["harbor.acme.internal/dhi/nginx:1"])]);
    let text = format!(
        "registries: {{ harbor.acme.internal: {{ mirrors: {{ 'dhi/': 'dhi.io/' }} }} }}\n\
         policy: {{ stale_after: 30d, pin: digest, denied: [{{ digest: '{}' }}, {{ digest: '{}' }}] }}",
        digest(&format!("{NGINX} 48")),
        digest("of another image"),
    );
    let outcome = run(&text, &recording_of(&builds()), &fleet);
    assert_eq!(
        notes(&outcome),
        [
            "`mirrors`: every digest is taken to be in its mirror at once",
            "`stale_after`: what it tells is no pull request, and in no figure",
            "`pin: digest`: every pin is taken to have a digest from the beginning",
            "`denied`: 1 of the digests is not in the history, and keeps nothing back in it",
        ]
    );
    let two = text.replace("denied: [", &format!("denied: [{{ digest: '{}' }}, ", digest("of a third one")));
    let note = "`denied`: 2 of the digests are not in the history, and keep nothing back in it";
    assert_eq!(notes(&run(&two, &recording_of(&builds()), &fleet))[3], note);
    // The denied one that is in it is not proposed.
    assert_eq!(opened(&outcome), 3);
    let off = format!("{text}\nrepositories: [{{ match: '**', policy: {{ enabled: false }} }}]");
    assert_eq!(notes(&run(&off, &recording_of(&builds()), &fleet)), Vec::<String>::new());
}
