//! `refrom bump`: in place and as a diff.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use refrom::demo::registry::ImageSpec;
use refrom::domain::digest::Digest;

use super::{GONE, PLATFORMS, Shop, mode, pin};

/// A shop in which `dhi.io/nginx:1` moved; the old digest and the new one.
async fn moved() -> (Shop, Digest, Digest) {
    let shop = Shop::open(&[]).await;
    let spec = |content: &str, version: &str, date: &str| ImageSpec {
        version: Some(version.to_owned()),
        created: Some(format!("{date}T04:00:00Z")),
        ..ImageSpec::index(&PLATFORMS, content)
    };
    let old = shop.registry.publish("dhi.io/nginx", "1", &spec("old", "1.27.0", "2026-10-01"));
    let new = shop.registry.publish("dhi.io/nginx", "1", &spec("new", "1.27.1", "2026-11-02"));
    (shop, old, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_and_its_comment_move_and_a_second_bump_changes_nothing() {
    let (shop, old, new) = moved().await;
    shop.world.write(
        "a/Dockerfile",
        format!("# base image: nginx 1 (1.27.0) as of 2026-10-01\n{}", pin("dhi.io/nginx", old)).as_bytes(),
    );
    let answer = shop.refrom(&["bump"]).ended(0);
    assert_eq!(answer.stdout, format!("a/Dockerfile:2: dhi.io/nginx:1 {} -> {}\n", old.short(), new.short()));
    let after = format!("# base image: nginx 1 (1.27.1) as of 2026-11-02\n{}", pin("dhi.io/nginx", new));
    assert_eq!(shop.world.text("a/Dockerfile"), after);
    let before = std::fs::metadata(shop.world.path("a/Dockerfile")).unwrap().ino();
    let again = shop.refrom(&["bump"]).ended(0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", ""));
    assert_eq!(std::fs::metadata(shop.world.path("a/Dockerfile")).unwrap().ino(), before);
    assert_eq!(shop.refrom(&["bump", "--dry-run"]).ended(0).stdout, "");
    shop.refrom(&["check"]).ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_diff_of_a_dry_run_is_what_git_applies() {
    use std::os::unix::ffi::OsStrExt as _;
    let (shop, old, _) = moved().await;
    let from = format!("FROM dhi.io/nginx:1@{old}");
    let contents: [(&str, Vec<u8>); 8] = [
        ("plain/Dockerfile", format!("# a\n\n{from} AS x\n\nRUN y\nRUN z\n").into_bytes()),
        ("crlf/Dockerfile", format!("# a\r\n{from}\r\nRUN x\r\n").into_bytes()),
        ("no newline/Dockerfile", format!("RUN x\n{from}").into_bytes()),
        ("cr/Dockerfile", format!("{from}\nRUN echo a\rb\rc\n").into_bytes()),
        ("bom/Dockerfile", format!("\u{feff}{from}\n").into_bytes()),
        ("bytes/Dockerfile", [b"# \xff\xfe\x80\n".as_slice(), from.as_bytes(), b"\n"].concat()),
        ("quo\"te\\\u{e9}\t/Dockerfile", format!("{from}\n").into_bytes()),
        ("far/Dockerfile", format!("{from}\n{}{from} AS b\n", "RUN x\n".repeat(20)).into_bytes()),
    ];
    let named = shop.world.tree().join(std::ffi::OsStr::from_bytes(b"Dockerfile.\xff"));
    let write_all = || {
        contents.iter().for_each(|(path, bytes)| shop.world.write(path, bytes));
        std::fs::write(&named, format!("{from}\n")).unwrap();
    };
    let read_all = || {
        let mut all: Vec<Vec<u8>> = contents.iter().map(|(path, _)| shop.world.bytes(path)).collect();
        all.push(std::fs::read(&named).unwrap());
        all
    };
    write_all();
    let before = read_all();
    let diff = shop.refrom(&["bump", "--dry-run"]).ended(0);
    assert_eq!(read_all(), before);
    shop.world.git_apply(&diff.bytes);
    let applied = read_all();
    write_all();
    shop.refrom(&["bump"]).ended(0);
    assert_eq!(applied, read_all());
    assert!(applied.iter().zip(&before).all(|(applied, before)| applied != before));
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_and_owner_stay() {
    let (shop, old, _) = moved().await;
    for permissions in [0o640, 0o755, 0o444] {
        shop.world.write("Dockerfile", pin("dhi.io/nginx:1", old).as_bytes());
        let path = shop.world.path("Dockerfile");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(permissions)).unwrap();
        // Only root may give a file away.
        let _ = std::os::unix::fs::chown(&path, Some(1234), Some(1234));
        let owner = std::fs::metadata(&path).unwrap().uid();
        shop.refrom(&["bump"]).ended(0);
        assert_eq!((mode(&path), std::fs::metadata(&path).unwrap().uid()), (permissions, owner));
        std::fs::remove_file(path).unwrap();
    }
    let left: Vec<_> = std::fs::read_dir(shop.world.tree()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_arg_for_two_stages_is_one_edit() {
    let (shop, old, new) = moved().await;
    let dockerfile = |digest| format!("ARG BASE=dhi.io/nginx:1@{digest}\nFROM $BASE AS a\nFROM $BASE\n");
    shop.world.write("Dockerfile", dockerfile(old).as_bytes());
    assert_eq!(shop.world.list(&[]).len(), 2);
    shop.refrom(&["bump"]).ended(0);
    assert_eq!(shop.world.text("Dockerfile"), dockerfile(new));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_arg_whose_uses_need_different_digests_is_ambiguous() {
    let (shop, old, _) = moved().await;
    shop.publish("dhi.io/nginx", "2", "another");
    let dockerfile = format!("ARG DIGEST={old}\nFROM dhi.io/nginx:1@$DIGEST AS a\nFROM dhi.io/nginx:2@$DIGEST\n");
    shop.world.write("Dockerfile", dockerfile.as_bytes());
    shop.refrom(&["bump"]).ended(0);
    assert_eq!(shop.world.text("Dockerfile"), dockerfile);
    let checked = shop.refrom(&["check", "--format", "json"]).ended(0).json();
    for found in checked["uses"].as_array().unwrap() {
        assert_eq!((&found["status"], &found["reason"]), (&"skipped".into(), &"ambiguous".into()), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_follow_the_policy() {
    let (shop, old, new) = moved().await;
    let with = |comment: &str, digest| format!("{comment}{}", pin("dhi.io/nginx:1", digest));
    for (policy, before, after) in [
        ("update", "# nginx 1 (1.27.0)\n", "# nginx 1 (1.27.1)\n"),
        ("update", "", ""),
        ("keep", "# nginx 1 (1.27.0)\n", "# nginx 1 (1.27.0)\n"),
        ("write", "", "# base image: dhi.io/nginx:1 (1.27.1)\n"),
    ] {
        shop.configure(&format!("policy: {{ comment: {policy} }}\n"));
        shop.world.write("Dockerfile", with(before, old).as_bytes());
        shop.refrom(&["bump"]).ended(0);
        assert_eq!(shop.world.text("Dockerfile"), with(after, new), "{policy}");
        shop.refrom(&["bump"]).ended(0);
        assert_eq!(shop.world.text("Dockerfile"), with(after, new), "{policy}, again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_stays_and_the_rest_moves() {
    let (shop, old, new) = moved().await;
    let unknown = pin("dhi.io/other:1", GONE);
    shop.world.write("Dockerfile", (pin("dhi.io/nginx:1", old) + &unknown + "FROM busybox\n").as_bytes());
    let answer = shop.refrom(&["bump"]).ended(3);
    assert_eq!(answer.stderr, "Dockerfile:2: `dhi.io/other:1`: no such repository\n");
    assert_eq!(shop.world.text("Dockerfile"), pin("dhi.io/nginx:1", new) + &unknown + "FROM busybox\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_where_the_registry_does_not_answer() {
    let shop = Shop::open(&[]).await;
    let dockerfile = pin("dhi.io/nginx:1", GONE);
    shop.world.write("Dockerfile", dockerfile.as_bytes());
    shop.configure("  quay.io: { endpoint: 'http://127.0.0.1:1' }\n");
    shop.world.write("quay/Dockerfile", pin("quay.io/a/b:1", GONE).as_bytes());
    let answer = shop.refrom(&["bump"]).ended(3);
    assert_eq!(answer.stdout, "");
    assert!(answer.stderr.contains("quay/Dockerfile:1: `quay.io/a/b:1`: "), "{}", answer.stderr);
    assert_eq!(shop.world.text("Dockerfile"), dockerfile);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_two_paths_hold_is_bumped_once() {
    let (shop, old, new) = moved().await;
    shop.world.write("a/Dockerfile", pin("dhi.io/nginx:1", old).as_bytes());
    let answer = shop.refrom(&["bump", ".", "a", "a/Dockerfile"]).ended(0);
    assert_eq!(answer.stdout.lines().count(), 1);
    assert_eq!(shop.world.text("a/Dockerfile"), pin("dhi.io/nginx:1", new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_tree_follows_versions_and_pins_tags_as_its_policy_says() {
    let shop = Shop::open(&[]).await;
    let [old, own, higher] = [("1.27", "old"), ("1.27", "own"), ("1.28", "higher")]
        .map(|(tag, content)| shop.publish("dhi.io/nginx", tag, content));
    let text = |tag: &str, digest| format!("# nginx {tag}\nFROM dhi.io/nginx:{tag}@{digest}\n");
    shop.world.write("a/Dockerfile", text("1.27", old).as_bytes());
    shop.world.write("b/Dockerfile", b"FROM dhi.io/nginx:1.27\n");
    // What is said of a work tree without a policy of its own.
    shop.refrom(&["bump", "a"]).ended(0);
    assert_eq!(shop.world.text("a/Dockerfile"), text("1.27", own));
    shop.refrom(&["check", "a"]).ended(0);
    shop.configure("policy: { follow: minor, pin: digest }\n");
    let checked = shop.refrom(&["check"]).ended(1);
    assert!(checked.stdout.contains("2 behind, 0 current"), "{}", checked.stdout);
    let answer = shop.refrom(&["bump"]).ended(0);
    let expected = format!("a/Dockerfile:2: dhi.io/nginx:1.27 {} -> 1.28 {}\n", own.short(), higher.short());
    assert!(answer.stdout.contains(&expected), "{}", answer.stdout);
    assert_eq!(shop.world.text("a/Dockerfile"), text("1.28", higher));
    assert_eq!(shop.world.text("b/Dockerfile"), format!("FROM dhi.io/nginx:1.28@{higher}\n"));
    shop.refrom(&["check"]).ended(0);
}
