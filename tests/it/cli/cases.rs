//! The corpus of Dockerfiles, through the program: what is listed, and what a real move leaves behind.

use std::collections::BTreeSet;

use refrom::demo::registry::{Access, ImageSpec, Registry};
use serde_json::Value;

use super::{World, answer};

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../../dockerfiles/cases.json")).unwrap()
}

fn folder(index: usize) -> String {
    format!("case-{index:02}")
}

/// The corpus as a work tree, a folder for each case.
fn tree(cases: &[Value]) -> World {
    let world = World::new(&[]);
    for (index, case) in cases.iter().enumerate() {
        world.write(&format!("{}/Dockerfile", folder(index)), case["input"].as_str().unwrap().as_bytes());
    }
    world
}

#[test]
fn every_case_is_listed_as_it_should() {
    let cases = cases();
    assert_eq!(cases.len(), 53);
    let world = tree(&cases);
    for (index, case) in cases.iter().enumerate() {
        let found = world.list(&[&format!("{}/Dockerfile", folder(index))]);
        let expected = case["uses"].as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{}: {found:#?}", case["name"]);
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found["path"], "Dockerfile");
            for (key, value) in expected.as_object().unwrap() {
                assert_eq!(&found[key], value, "{}: `{key}` of {found:#}", case["name"]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_is_bumped_as_it_should_in_place_and_by_its_diff() {
    let cases = cases();
    let world = tree(&cases);
    let registry = Registry::start(Access::Open).await.unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pinned: BTreeSet<(String, String, String)> = world
        .list(&[])
        .iter()
        .filter(|found| found["status"] == "pinned")
        .map(|found| (text(&found["registry"]), text(&found["repository"]), text(&found["tag"])))
        .collect();
    // One image for all of them: its digest stands for the cases' `c…`. The pinned digests are gone.
    let spec = ImageSpec::index(&["linux/amd64"], "new");
    let path = |host: &str| host.replace(':', "-");
    let mut configuration = "registries:\n".to_owned();
    for host in pinned.iter().map(|(host, ..)| host).collect::<BTreeSet<_>>() {
        configuration += &format!("  '{host}': {{ endpoint: '{}{}' }}\n", registry.url(), path(host));
    }
    let new = spec.build().digest().unwrap();
    for (host, repository, tag) in &pinned {
        registry.publish(&format!("{}/{repository}", path(host)), tag, &spec);
    }
    world.write("refrom.yaml", configuration.as_bytes());
    let refrom = |arguments: &[&str]| {
        let arguments = [arguments, &["--config", "refrom.yaml"]].concat();
        answer(world.command(env!("CARGO_BIN_EXE_refrom"), &arguments).output().unwrap())
    };
    let after = |case: &Value| {
        let text = case.get("after").unwrap_or(&case["input"]).as_str().unwrap();
        text.replace(&format!("sha256:{}", "c".repeat(64)), &new.to_string())
            .replace(" cccccccc ", &format!(" {} ", new.short().get(..8).unwrap()))
    };
    let check = |how: &str| {
        for (index, case) in cases.iter().enumerate() {
            let found = world.text(&format!("{}/Dockerfile", folder(index)));
            assert_eq!(found, after(case), "{}, {how}", case["name"]);
        }
    };

    let diff = refrom(&["bump", "--dry-run"]).ended(0);
    for (index, case) in cases.iter().enumerate() {
        assert_eq!(world.text(&format!("{}/Dockerfile", folder(index))), case["input"].as_str().unwrap());
    }
    world.git_apply(&diff.bytes);
    check("by its diff");
    for (index, case) in cases.iter().enumerate() {
        world.write(&format!("{}/Dockerfile", folder(index)), case["input"].as_str().unwrap().as_bytes());
    }
    refrom(&["check"]).ended(1);
    refrom(&["bump"]).ended(0);
    check("in place");
    refrom(&["check"]).ended(0);
    assert_eq!(refrom(&["bump"]).ended(0).stdout, "");
    check("a second time");
}
