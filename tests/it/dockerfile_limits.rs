//! Files that are made to cost: as large as a file may be, and nothing in them takes more than its size.
//!
//! The bounds on time are generous, for a machine that is busy and a build that is not optimized. What is quadratic in
//! a file of 1 MiB takes minutes.

use std::time::{Duration, Instant};

use refrom::domain::file_name::FILE_BYTES_MAX;
use refrom::domain::image_use::{ImageUse, SkipReason, Status};
use refrom::domain::policy::CommentMode;
use refrom::domain::rewrite::{SourceFile, rewrite};
use refrom::domain::source_file;

use super::dockerfiles::bodies;

const TIME_MAX: Duration = Duration::from_secs(30);

/// `start`, and `line` as often as a file of the largest size holds it.
fn full(start: &str, line: &str) -> String {
    let times = (usize::try_from(FILE_BYTES_MAX).unwrap() - start.len()) / line.len();
    start.to_owned() + &line.repeat(times)
}

/// The same with a number in each line, for `#`.
fn full_of_numbers(start: &str, line: &str) -> String {
    let mut text = start.to_owned();
    for number in 0.. {
        let line = line.replace("{n}", &number.to_string()).replace("{n-1}", &(number - 1_i64).to_string());
        if text.len() + line.len() > usize::try_from(FILE_BYTES_MAX).unwrap() {
            break;
        }
        text += &line;
    }
    text
}

/// Reads and rewrites a file; tells what was found.
fn read_and_rewrite(name: &str, text: &str) -> Vec<ImageUse> {
    assert!(text.len() as u64 <= FILE_BYTES_MAX);
    let policy = bodies::policy(CommentMode::Write);
    let started = Instant::now();
    let file = SourceFile { path: "Dockerfile", bytes: text.as_bytes(), policy: &policy };
    let uses = source_file::read(file.path, file.bytes, &policy);
    let rewritten = rewrite(file, &uses, &bodies::moves(&uses));
    assert!(rewritten.is_ok(), "{name}: {rewritten:?}");
    assert!(started.elapsed() < TIME_MAX, "{name}: {} uses in {:?}", uses.len(), started.elapsed());
    uses
}

#[test]
fn many_uses_cost_what_they_are() {
    let a = format!("sha256:{}", "a".repeat(64));
    for (name, text) in [
        ("FROM with comments", full("", &format!("# nginx 1.27\nFROM nginx@{a}\n"))),
        ("FROM of one ARG", full(&format!("ARG D={a}\n"), "FROM a:1@$D\n")),
        ("FROM of many ARGs", full_of_numbers("", &format!("ARG D{{n}}={a}\nARG E{{n}}=a:1@${{D{{n}}}}\n"))),
        ("FROM of the last of many ARGs", {
            let (args, froms) = ("ARG A=1\n".repeat(60_000), "FROM a:1@$D\n".repeat(30_000));
            format!("{args}ARG D={a}\n{froms}")
        }),
        ("mounts under comments", {
            let comments = "# a\n".repeat(130_000);
            format!("FROM scratch\n{comments}RUN {} x\n", format!("--mount=from=b@{a} ").repeat(5_000))
        }),
        ("a comment of one line", format!("# {}\nFROM a:1@{a}\n", "a 1 ".repeat(200_000))),
        ("continuations", full("FROM \\\n", "# a 1\\\n")),
        ("stages", full_of_numbers("", "FROM a AS s{n}\nCOPY --from=s{n} x y\n")),
    ] {
        assert!(!read_and_rewrite(name, &text).is_empty() || text.starts_with("ARG"), "{name}");
    }
}

#[test]
fn values_do_not_grow_without_end() {
    let long = "x".repeat(500_000);
    for (name, text) in [
        ("a long value", full(&format!("ARG A={long}\n"), "FROM $A\n")),
        ("values that double", full_of_numbers("ARG A-1=0123456789\n", "ARG A{n}=${A{n-1}}${A{n-1}}\nFROM $A{n}\n")),
        ("values that repeat", full_of_numbers(&format!("ARG B={}\n", "b".repeat(1000)), "ARG A{n}=$B\n")),
        ("nested expansions", format!("FROM {}{}\n", "${A:-".repeat(170_000), "}".repeat(170_000))),
        ("many nested expansions", full("", &format!("FROM {}a:1{}\n", "${A:-".repeat(15), "}".repeat(15)))),
        ("patterns that replace", full(&format!("ARG A={}\n", "a".repeat(1000)), "FROM ${A//*b*a*a?b/x}\n")),
        ("patterns that trim", full(&format!("ARG A={}\n", "a".repeat(1000)), "FROM ${A%%*b*a*a?b}\n")),
        ("quotes", full("ARG ", "\"'")),
        ("words of ARG", full("ARG ", "A=1 ")),
    ] {
        let uses = read_and_rewrite(name, &text);
        assert!(uses.iter().all(|one| one.status != Status::Pinned), "{name}");
    }
    // What is too much is not known; it is not taken for something else.
    let text = full(&format!("ARG A={}\n", "a".repeat(1000)), "FROM b${A//*b*a*a?b/x}\n");
    let uses = source_file::read("Dockerfile", text.as_bytes(), &bodies::policy(CommentMode::Keep));
    assert_eq!(uses.last().map(|last| last.status), Some(Status::Skipped(SkipReason::Variable)));
}

#[test]
fn heredocs_and_json_cost_what_they_are() {
    for (name, text) in [
        ("heredocs without end", full("FROM a\nRUN ", "<<A ")),
        ("heredocs one after the other", full("FROM a\n", "RUN <<A\nA\n")),
        ("JSON arguments", full("FROM a\n", "RUN [\"<<A\"]\n")),
        ("brackets", full("FROM a\nRUN ", "[")),
        ("a file of JSON", format!("{{\"x\":\"{}\",\"syntax\":\"a:1\"}}", "\\\"syntax\\\":".repeat(90_000))),
        ("directives", full("", "# syntax=a:1\n")),
    ] {
        read_and_rewrite(name, &text);
    }
}
