//! `refrom list`: the contract of its JSON, and how it ends.

use serde_json::{Value, json};

use super::{GONE, World, pin};

/// The keys of an element, in the order in which they are documented.
const KEYS: [&str; 16] = [
    "path",
    "line",
    "kind",
    "registry",
    "repository",
    "tag",
    "digest",
    "status",
    "reason",
    "stage",
    "final",
    "platform",
    "via",
    "tag_source",
    "comment_line",
    "findings",
];

#[test]
fn every_element_has_exactly_the_documented_keys() {
    let world = World::new(&[(
        "web/Dockerfile",
        &format!(
            "# syntax=docker/dockerfile:1\nARG BASE=nginx:1.27@{GONE}\nFROM --platform=linux/amd64 ${{BASE}} AS Build\n\
             FROM $NOBODY\n# nginx 1.26\nFROM nginx:1.27@{GONE}\nCOPY --from=busybox /a /b\n"
        ),
    )]);
    let found = world.list(&[]);
    let page = include_str!("../../../docs/json.md");
    for element in &found {
        let keys: Vec<&str> = element.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = KEYS.to_vec();
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
    for key in KEYS {
        assert!(page.contains(&format!("`{key}`")), "the page does not explain `{key}`");
    }
    let element = |line: u32, rest: Value| {
        let mut element = json!({
            "path": "web/Dockerfile", "line": line, "kind": "from", "registry": "docker.io", "repository": "library/nginx",
            "tag": "1.27", "digest": GONE, "status": "pinned", "reason": null, "stage": null, "final": false,
            "platform": null, "via": null, "tag_source": "reference", "comment_line": null, "findings": [],
        });
        for (key, value) in rest.as_object().unwrap() {
            element[key] = value.clone();
        }
        element
    };
    let syntax = json!({ "kind": "syntax", "repository": "docker/dockerfile", "tag": "1", "digest": null, "status": "unpinned" });
    let in_arg = json!({ "stage": "build", "platform": "linux/amd64", "via": "BASE" });
    let variable = json!({
        "registry": null, "repository": null, "tag": null, "digest": null, "status": "skipped", "reason": "variable",
        "tag_source": null,
    });
    let disagreeing = json!({ "final": true, "comment_line": 5, "findings": ["comment-disagrees"] });
    let copied = json!({
        "kind": "copy-from", "repository": "library/busybox", "tag": null, "digest": null, "status": "unpinned",
        "final": true, "tag_source": null,
    });
    let expected =
        [element(1, syntax), element(2, in_arg), element(4, variable), element(6, disagreeing), element(7, copied)];
    assert_eq!(found, expected, "{}", serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn the_order_of_the_keys_is_the_documented_one() {
    let world = World::new(&[("Dockerfile", "FROM nginx:1\n")]);
    let text = world.refrom(&["list", "--format", "json"]).stdout;
    let places: Vec<usize> = KEYS.iter().map(|key| text.find(&format!("\"{key}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn a_tree_without_images_is_an_empty_array() {
    let world = World::new(&[("Dockerfile", "FROM scratch\nFROM scratch AS a\nFROM a\n")]);
    assert_eq!(world.list(&[]), Vec::<Value>::new());
    let answer = world.refrom(&["list"]).ended(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", "no images are used here\n"));
}

#[test]
fn paths_are_relative_to_each_path_that_was_given() {
    let world = World::new(&[
        ("a/b/Dockerfile", "FROM x:1\n"),
        ("c/Dockerfile.web", "FROM y:1\n"),
        ("Dockerfile", "FROM z:1\n"),
    ]);
    assert_eq!(world.listed(&[]), ["Dockerfile", "a/b/Dockerfile", "c/Dockerfile.web"]);
    assert_eq!(world.listed(&["a", "./c/", "Dockerfile"]), ["b/Dockerfile", "Dockerfile.web", "Dockerfile"]);
    assert_eq!(world.listed(&["a/b/Dockerfile"]), ["Dockerfile"]);
    assert_eq!(world.listed(&[world.tree().to_str().unwrap()]), world.listed(&["."]));
}

#[test]
fn a_path_that_is_not_there_is_wrong_usage() {
    let world = World::new(&[("Dockerfile", "FROM x:1\n")]);
    for command in ["list", "check", "bump"] {
        let answer = world.refrom(&[command, ".", "nowhere"]).ended(2);
        assert_eq!(answer.stdout, "");
        assert!(answer.stderr.starts_with("refrom: cannot read `nowhere`: "), "{}", answer.stderr);
    }
}

#[test]
fn a_file_that_is_named_is_read_as_a_dockerfile_unless_it_is_excluded() {
    let world = World::new(&[("notes.txt", "FROM x:1\n"), ("testdata/Dockerfile", "FROM x:1\n"), (".git/HEAD", "")]);
    let answer = world.refrom(&["list", "notes.txt", "--format", "json"]).ended(0);
    assert_eq!((&answer.json()[0]["path"], &answer.json()[0]["status"]), (&json!("notes.txt"), &json!("unpinned")));
    let answer = world.refrom(&["list", "testdata/Dockerfile", "--format", "json"]).ended(0);
    assert_eq!(answer.json(), json!([]));
    assert!(answer.stderr.contains("`Dockerfile` is not read"), "{}", answer.stderr);
}

#[test]
fn the_table_says_file_line_image_and_status() {
    let world = World::new(&[(
        "Dockerfile",
        &format!("FROM nginx:1.27@{GONE} AS a\nFROM dhi.io/node@{GONE}\nFROM $X\nCOPY --from=busybox:1 /a /b\n"),
    )]);
    let answer = world.refrom(&["list"]).ended(0);
    insta::assert_snapshot!(answer.stdout, @"
    FILE          KIND       IMAGE        DIGEST        STATUS
    Dockerfile:1  from       nginx:1.27   aaaaaaaaaaaa  pinned
    Dockerfile:2  from       dhi.io/node  aaaaaaaaaaaa  skipped: no-tag
    Dockerfile:3  from       ?                          skipped: variable
    Dockerfile:4  copy-from  busybox:1                  unpinned
    ");
}

#[test]
fn list_asks_no_network_and_reads_no_secret() {
    let world = World::new(&[("Dockerfile", &pin("nginx:1.27", GONE))]);
    let config = "registries: { docker.io: { endpoint: 'http://127.0.0.1:1', auth: { token: { env: MISSING } } } }\n";
    world.write("refrom.yaml", config.as_bytes());
    assert_eq!(world.listed(&["--config", "refrom.yaml"]), ["Dockerfile"]);
}

#[test]
fn a_configuration_adds_patterns_files_images_and_tags() {
    let world = World::new(&[
        ("Makefile", &format!("BASE := dhi.io/go@{GONE}\n")),
        ("Build", &pin("nginx:1.27", GONE)),
        ("testdata/Dockerfile", "FROM x:1\n"),
        ("examples/Dockerfile", "FROM x:1\n"),
        ("Dockerfile", &(pin("dhi.io/node", GONE) + &pin("ghcr.io/other/app:1", GONE))),
    ]);
    let config = r#"
policy:
  images: ["nginx", "dhi.io/*"]
  tags: [{ image: "dhi.io/*", tag: 1.20 }]
  files: { include: [Build], exclude: ["examples/**"] }
  patterns: [{ files: Makefile, regex: '(?m)^BASE := (?<image>\S+)@(?<digest>sha256:[0-9a-f]{64})$' }]
"#;
    world.write("refrom.yaml", config.as_bytes());
    let found = world.list(&["--config", "refrom.yaml"]);
    let shown: Vec<Value> = found
        .iter()
        .map(|found| {
            json!([found["path"], found["kind"], found["tag"], found["tag_source"], found["status"], found["reason"]])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["Build", "from", "1.27", "reference", "pinned", null]),
            json!(["Dockerfile", "from", "1.20", "config", "pinned", null]),
            json!(["Dockerfile", "from", "1", "reference", "skipped", "ignored"]),
            json!(["Makefile", "pattern", "1.20", "config", "pinned", null]),
            json!(["testdata/Dockerfile", "from", "1", "reference", "skipped", "ignored"]),
        ]
    );
}

#[test]
fn a_broken_configuration_is_named_with_line_and_column() {
    let world = World::new(&[("Dockerfile", "FROM x:1\n"), ("refrom.yaml", "policy:\n  lables: []\n")]);
    let answer = world.refrom(&["list", "--config", "refrom.yaml"]).ended(2);
    assert!(answer.stderr.contains("refrom.yaml:2:3: `policy.lables`: unknown key"), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
}
