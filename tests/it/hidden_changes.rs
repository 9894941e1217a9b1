//! What a pull request says of changes that a digest hides.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use refrom::domain::branch::Subject;
use refrom::domain::digest::Digest;
use refrom::domain::image::{Configuration, Image, ManifestKind};
use refrom::domain::message::{BODY_LENGTH_MAX, TITLE_LENGTH_MAX, TemplateKind, Texts, validate_template, write};
use refrom::domain::policy::Policy;
use refrom::domain::proposal::Pin;
use refrom::domain::pull_request::{CommitId, Vocabulary};
use refrom::domain::reference::TagRef;
use refrom::domain::waves::WaveProof;

fn image(text: &str, version: &str, configuration: Configuration) -> Image {
    let image = Image::bare(Digest::of(text.as_bytes()), ManifestKind::Index);
    Image { version: Some(version.to_owned()), configuration: Some(configuration), ..image }
}

fn debian(release: u32) -> Configuration {
    Configuration { distribution: Some(format!("debian-{release}")), ..Configuration::default() }
}

fn pin(name: &str, old: Image, new: Image) -> Pin {
    let tag = TagRef { image: name.parse().unwrap(), tag: "1.27".parse().unwrap() };
    Pin {
        path: "Dockerfile".into(),
        use_index: 0,
        line: 1,
        asked: tag.clone(),
        tag,
        new_tag: None,
        old: Some(old.digest),
        new: new.digest,
        old_image: Some(old),
        new_image: new,
        urgency: None,
        proofs: Vec::new(),
    }
}

#[test]
fn the_body_says_which_waves_have_proved_a_digest() {
    let [old, new] = ["a", "b"].map(|text| image(text, "1.27.0", debian(12)));
    let merged = "2026-11-20T08:00:00Z".parse().unwrap();
    let proof =
        |wave: &str, hours| WaveProof { wave: wave.into(), merged, green_for: SignedDuration::from_hours(hours) };
    let plain = pin("dhi.io/nginx", old, new);
    let proved = Pin { proofs: vec![proof("canary", 24), proof("internal", 0)], ..plain.clone() };
    let ((before, without), (after, body)) =
        (texts(std::slice::from_ref(&plain), &Policy::default()), texts(&[proved], &Policy::default()));
    let list = "**The waves before this one have it:**

- `dhi.io/nginx:1.27`: wave `canary` had merged it, or a later digest, by 2026-11-20 08:00 UTC, and its pipelines \
                stayed green for 24h.
- `dhi.io/nginx:1.27`: wave `internal` had merged it, or a later digest, by 2026-11-20 08:00 UTC, and its pipelines have \
                passed.
";
    assert!(body.contains(list), "{body}");
    assert!(!without.contains("wave"), "{without}");
    assert_eq!((before.title, before.commit_message), (after.title, after.commit_message), "in the body alone");
    let own = Policy { body: Some("{{ proved }} {{ images[0].proofs[0] }}".into()), ..Policy::default() };
    assert!(texts(&[Pin { proofs: vec![proof("canary", 24)], ..plain }], &own).1.starts_with("**The waves"));
}

fn texts(pins: &[Pin], policy: &Policy) -> (Texts, String) {
    let texts = write(&Subject::Repository, pins, policy, Vocabulary::PullRequest);
    let body = texts.body.with_commit(&"1".repeat(40).parse::<CommitId>().unwrap());
    (texts, body)
}

#[test]
fn the_title_says_what_is_grave_and_the_body_says_all_of_it() {
    let old = Configuration { user: "0".into(), ..debian(12) };
    let path = BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]);
    let new = Configuration { user: "65532".into(), environment: path, ..debian(13) };
    let pin = pin("dhi.io/nginx", image("a", "1.27.0", old), image("b", "1.27.1", new));
    let (texts, body) = texts(&[pin], &Policy::default());
    let title =
        "build(deps): refresh base image dhi.io/nginx:1.27 (debian-12 → debian-13, user 0 → 65532, variable PATH)";
    assert_eq!(texts.title, title);
    assert!(texts.commit_message.starts_with(title), "{}", texts.commit_message);
    assert_eq!(texts.warnings, [""; 0]);
    let list = "**The new digests change more than packages:**

- `dhi.io/nginx:1.27`
  - distribution: `debian-12` → `debian-13`
  - user: `0` → `65532`
  - `PATH`: none → `/usr/bin`
";
    assert!(body.contains(list), "{body}");
}

#[test]
fn nothing_is_said_where_nothing_hides() {
    let pin = pin("dhi.io/nginx", image("a", "1.27.0", debian(13)), image("b", "1.27.1", debian(13)));
    let (texts, body) = texts(&[pin], &Policy::default());
    assert_eq!(texts.title, "build(deps): refresh base image dhi.io/nginx:1.27");
    assert!(!body.contains("change more"), "{body}");
}

#[test]
fn changes_that_are_too_long_for_a_title_are_counted() {
    let ports = |from: u32| (from..from + 20).map(|port| format!("{port}/tcp")).collect();
    let old = Configuration { ports: ports(8000), ..debian(12) };
    let new = Configuration { ports: ports(9000), ..debian(13) };
    let pin = pin("dhi.io/nginx", image("a", "1.27.0", old), image("b", "2.0.0", new));
    let (texts, body) = texts(&[pin], &Policy::default());
    assert_eq!(texts.title, "build(deps): refresh base image dhi.io/nginx:1.27 (3 hidden changes)");
    assert!(body.contains("8019/tcp") && body.contains("- major version: `1` → `2`"), "{body}");
}

#[test]
fn the_version_of_a_higher_tag_hides_nothing() {
    let pin = pin("dhi.io/node", image("a", "22.1.0", debian(13)), image("b", "24.1.0", debian(13)));
    let follows = Pin { new_tag: Some("24".parse().unwrap()), ..pin.clone() };
    assert!(texts(&[pin], &Policy::default()).0.title.ends_with("(major version 22 → 24)"));
    assert!(!texts(&[follows], &Policy::default()).0.title.contains("major"));
}

#[test]
fn a_variable_and_the_name_of_a_distribution_tell_what_no_version_and_no_base_do() {
    let node = |text: &str, version: &str| {
        let environment = BTreeMap::from([("NODE_VERSION".to_owned(), version.to_owned())]);
        let configuration = Configuration { environment, ..Configuration::default() };
        Image { version: None, ..image(text, "", configuration) }
    };
    let title = |pin| texts(&[pin], &Policy::default()).0.title;
    let told = title(pin("node", node("a", "20.1.0"), node("b", "22.1.0")));
    assert!(told.ends_with("(major version 20 → 22)"), "{told}");
    let alpine = |text, version| image(text, version, Configuration::default());
    let told = title(pin("alpine", alpine("a", "3.21.3"), alpine("b", "3.22.1")));
    assert!(told.ends_with("(alpine-3.21 → alpine-3.22)"), "{told}");
}

#[test]
fn what_an_image_says_cannot_leave_its_place() {
    let evil = "`|\n--> <!-- @all [x](https://evil.example)\u{202e}\u{1b}[0m";
    let old = Configuration { user: "0".into(), ..debian(12) };
    let environment = BTreeMap::from([(evil.to_owned(), evil.to_owned())]);
    let distribution = Some(evil.to_owned());
    let new = Configuration { user: evil.into(), environment, distribution, ..Configuration::default() };
    let pin = pin("dhi.io/nginx", image("a", "1.27.0", old), image("b", "1.27.1", new));
    let (texts, body) = texts(&[pin], &Policy::default());
    for text in [&texts.title, &body] {
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
    }
    assert!(!texts.title.contains('\n') && texts.title.chars().count() <= TITLE_LENGTH_MAX);
    let list = body.split("The new digests change more").nth(1).unwrap().split("<details>").next().unwrap();
    assert!(!list.contains("<!--") && !list.contains("@all") && !list.contains("[x]("), "{list}");
}

#[test]
fn a_template_can_use_them() {
    let template = "{% for image in images %}{% for change in image.hidden if change.is_grave %}{{ image.name }} \
                    {{ change.what }} {{ change.old }} {{ change.new }} {{ change.short }}{% endfor %}{% endfor %}{{ hidden }}x";
    for kind in [TemplateKind::Title, TemplateKind::Body, TemplateKind::CommitMessage] {
        assert_eq!(validate_template(kind, template), Ok(()));
    }
    let pin = pin("dhi.io/nginx", image("a", "1.27.0", debian(12)), image("b", "1.27.1", debian(13)));
    let policy = Policy { title: Some(template.to_owned()), ..Policy::default() };
    let expected = "dhi.io/nginx distribution debian-12 debian-13 debian-12 → debian-13debian-12 → debian-13x";
    assert_eq!(texts(&[pin], &policy).0.title, expected);
}

#[test]
fn many_changes_of_many_images_leave_room_for_the_rest() {
    let variables = |value: &str| (0..30).map(|number| (format!("V{number}"), value.repeat(200))).collect();
    let pins: Vec<Pin> = (0..100)
        .map(|number| {
            let old = Configuration { environment: variables("a"), ..debian(12) };
            let new = Configuration { environment: variables("b"), ..debian(13) };
            let (before, after) = (format!("a{number}"), format!("b{number}"));
            pin(&format!("dhi.io/image{number}"), image(&before, "1.0", old), image(&after, "2.0", new))
        })
        .collect();
    let (texts, body) = texts(&pins, &Policy::default());
    assert!(body.len() <= BODY_LENGTH_MAX, "{}", body.len());
    assert!(body.contains("10 more variables") && body.contains("more, which this text has no room for"));
    assert_eq!(texts.warnings, [""; 0]);
}
