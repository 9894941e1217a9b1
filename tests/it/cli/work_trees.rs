//! Which files of a work tree are read, and what its own `.refrom.yaml` means.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::{GONE, World, answer, pin};

const FROM: &str = "FROM x:1\n";

#[test]
fn ignore_rules_of_the_repository_count_wherever_they_stand() {
    for is_repository in [true, false] {
        let world = World::new(&[
            (".gitignore", "/build/\n*.Dockerfile\n!keep.Dockerfile\n"),
            ("build/Dockerfile", FROM),
            ("a.Dockerfile", FROM),
            ("sub/keep.Dockerfile", FROM),
            ("sub/.gitignore", "gen/\n"),
            ("sub/gen/Dockerfile", FROM),
            ("gen/Dockerfile", FROM),
            (".ignore", "gen\n"),
        ]);
        if is_repository {
            world.make_repository(".");
        }
        assert_eq!(world.listed(&[]), ["gen/Dockerfile", "sub/keep.Dockerfile"]);
        // A rule above the PATH holds, too.
        assert_eq!(world.listed(&["sub"]), ["keep.Dockerfile"]);
        // What is named is read.
        assert_eq!(world.listed(&["build/Dockerfile"]), ["Dockerfile"]);
    }
}

#[test]
fn ignore_rules_from_outside_of_the_repository_do_not_count() {
    let world = World::new(&[(".gitignore", "*\n"), ("repository/Dockerfile", FROM)]);
    world.make_repository("repository");
    assert_eq!(world.listed(&["repository"]), ["Dockerfile"]);
    std::fs::create_dir_all(world.home().join(".config/git")).unwrap();
    std::fs::write(world.home().join(".config/git/ignore"), "*\n").unwrap();
    world.write("repository/.git/info/exclude", b"*\n");
    assert_eq!(world.listed(&["repository"]), ["Dockerfile"]);
}

#[test]
fn hidden_folders_are_read_and_git_and_nested_repositories_are_not() {
    let world = World::new(&[
        (".devcontainer/Dockerfile", FROM),
        (".git/Dockerfile", FROM),
        ("vendored/Dockerfile", FROM),
        ("module/.git", "gitdir: ../.git/modules/module\n"),
        ("module/Dockerfile", FROM),
    ]);
    world.make_repository("vendored");
    assert_eq!(world.listed(&[]), [".devcontainer/Dockerfile"]);
    assert_eq!(world.listed(&["vendored"]), ["Dockerfile"]);
}

#[test]
fn links_pointers_and_large_files_are_left_out_and_said_so() {
    let world = World::new(&[
        ("Dockerfile", FROM),
        ("lfs/Dockerfile", "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n"),
        ("large/Dockerfile", &format!("FROM x:1\n{}", "#".repeat(1 << 20))),
        ("folder/Dockerfile", FROM),
    ]);
    symlink("Dockerfile", world.path("Dockerfile.link")).unwrap();
    symlink("nowhere", world.path("Dockerfile.dangling")).unwrap();
    symlink("folder", world.path("linked")).unwrap();
    symlink("..", world.path("folder/loop")).unwrap();
    let answer = world.refrom(&["list", "--format", "json"]).ended(0);
    let paths: Vec<String> =
        answer.json().as_array().unwrap().iter().map(|found| found["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths, ["Dockerfile", "folder/Dockerfile"]);
    let said = [
        "left out `Dockerfile.dangling`: symlink",
        "left out `Dockerfile.link`: symlink",
        "left out `large/Dockerfile`: too-large",
        "left out `lfs/Dockerfile`: lfs-pointer",
    ];
    assert_eq!(answer.stderr, said.map(|line| format!("{line}\n")).concat());
    let checked = world.refrom(&["check", "--format", "json", "large", "Dockerfile.link"]).ended(0);
    assert_eq!(
        checked.json()["left_out"],
        serde_json::json!([{ "path": "Dockerfile", "reason": "too-large" }, { "path": "Dockerfile.link", "reason": "symlink" }])
    );
    // A link that is given as PATH names a folder.
    assert_eq!(world.listed(&["linked/."]), ["Dockerfile"]);
}

#[test]
fn what_cannot_be_read_is_named_and_incomplete() {
    let world = World::new(&[("Dockerfile", FROM), ("closed/Dockerfile", FROM), ("dark/Dockerfile", FROM)]);
    let closed =
        |path: &str| std::fs::set_permissions(world.path(path), std::fs::Permissions::from_mode(0o000)).unwrap();
    closed("closed/Dockerfile");
    closed("dark");
    // Root reads everything; nobody does not.
    let program = world.folder.path().join("refrom");
    std::fs::copy(env!("CARGO_BIN_EXE_refrom"), &program).unwrap();
    std::fs::set_permissions(world.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = world.command(program.to_str().unwrap(), &["list", "--format", "json"]);
    if std::fs::read(world.path("closed/Dockerfile")).is_ok() {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    let answer = answer(command.output().unwrap()).ended(3);
    assert_eq!(answer.json().as_array().unwrap().len(), 1);
    assert!(answer.stderr.contains("cannot read `closed/Dockerfile`: Permission denied"), "{}", answer.stderr);
    assert!(answer.stderr.contains("dark: Permission denied"), "{}", answer.stderr);
    std::fs::set_permissions(world.path("dark"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn names_that_are_no_text_are_listed_and_cannot_move_the_cursor() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new(&[("a\u{1b}[31m/Dockerfile", FROM)]);
    for byte in [0xfe, 0xff] {
        std::fs::write(
            world.tree().join(std::ffi::OsStr::from_bytes(&[
                b'D', b'o', b'c', b'k', b'e', b'r', b'f', b'i', b'l', b'e', b'.', byte,
            ])),
            FROM,
        )
        .unwrap();
    }
    assert_eq!(world.list(&[]).len(), 3);
    let table = world.refrom(&["list"]).ended(0).stdout;
    assert!(!table.contains('\u{1b}') && table.contains(r"a\u{1b}[31m/Dockerfile:1"), "{table}");
}

#[test]
fn a_large_tree_is_listed_in_order() {
    let world = World::new(&[]);
    for number in 0..3000 {
        world.write(&format!("{:02}/{number:04}/Dockerfile", number % 50), FROM.as_bytes());
    }
    let paths = world.listed(&[]);
    assert_eq!(paths.len(), 3000);
    assert!(paths.is_sorted());
}

#[test]
fn without_a_configuration_the_tree_may_set_every_key() {
    let own = r#"
images: ["dhi.io/*"]
tags: [{ image: "dhi.io/*", tag: "1.20" }]
patterns: [{ files: Makefile, regex: '(?m)^BASE := (?<image>\S+)@(?<digest>\S+)$' }]
base: develop
draft: true
title: "{{ count }} images"
"#;
    let world = World::new(&[("Makefile", &format!("BASE := dhi.io/go@{GONE}\n")), (".refrom.yaml", own)]);
    let found = world.list(&[]);
    assert_eq!((found[0]["tag"].as_str(), found[0]["kind"].as_str()), (Some("1.20"), Some("pattern")));
    // The root's file counts for a folder below it, and its patterns see the path from there.
    world.make_repository(".");
    world.write("sub/Dockerfile", pin("dhi.io/go", GONE).as_bytes());
    assert_eq!(world.list(&["sub"])[0]["tag_source"], "config");
    // With a configuration, its administrator says what may be set.
    world.write("refrom.yaml", b"policy: { group: image }\n");
    let answer = world.refrom(&["list", "--config", "refrom.yaml"]).ended(2);
    assert!(answer.stderr.contains(".refrom.yaml:2:9: `images`: only the administrator"), "{}", answer.stderr);
    world.write("refrom.yaml", b"repository_may_set: [images, tags, patterns, base, draft, title]\n");
    assert_eq!(world.listed(&["--config", "refrom.yaml"]), ["Makefile", "sub/Dockerfile"]);
}

#[test]
fn a_broken_file_of_the_tree_is_named_with_its_place() {
    let world = World::new(&[("a/.refrom.yaml", "group: repo\n"), ("a/Dockerfile", FROM), ("b/Dockerfile", FROM)]);
    let answer = world.refrom(&["list", "a", "b"]).ended(2);
    let place = world.path("a/.refrom.yaml").canonicalize().unwrap();
    assert!(answer.stderr.contains(&format!("{}:1:8: `group`: unknown value", place.display())), "{}", answer.stderr);
}

#[test]
fn a_tree_that_opts_out_is_listed_and_not_followed() {
    let dockerfile = pin("nginx:1.27", GONE);
    let world = World::new(&[(".refrom.yaml", "enabled: false\n"), ("Dockerfile", &dockerfile)]);
    let answer = world.refrom(&["list", "--format", "json"]).ended(0);
    assert_eq!(answer.json()[0]["reason"], "ignored");
    assert!(answer.stderr.contains("`.` is not followed: `enabled: false`"), "{}", answer.stderr);
    // Nothing is asked, nothing is behind, nothing is written: there is no registry in this test.
    assert_eq!(
        world.refrom(&["check", "--format", "json"]).ended(0).json()["uses"][0]["state"],
        serde_json::Value::Null
    );
    world.refrom(&["bump"]).ended(0);
    assert_eq!(world.text("Dockerfile"), dockerfile);
}

#[test]
fn overrides_hold_where_the_remote_tells_the_repositorys_name() {
    let config = "
forges: [{ url: 'https://git.acme.example', auth: { token: { env: UNSET } }, repositories: { include: ['acme/*'] } }]
repositories: [{ match: acme/web, policy: { tags: [{ image: '**', tag: '9' }] } }]
";
    let world = World::new(&[("Dockerfile", &pin("nginx", GONE)), ("refrom.yaml", config)]);
    world.make_repository(".");
    let reason = || world.list(&["--config", "refrom.yaml"])[0]["reason"].clone();
    assert_eq!(reason(), "no-tag");
    for (address, is_named) in [
        ("git@git.acme.example:acme/web.git", true),
        ("https://git.acme.example/acme/web", true),
        ("https://github.com/acme/web", false),
        ("https://git.acme.example/acme/api", false),
        ("/srv/git/acme/web.git", false),
    ] {
        world.write(".git/config", format!("[remote \"origin\"]\n\turl = {address}\n").as_bytes());
        assert_eq!(reason().is_null(), is_named, "{address}");
    }
}
