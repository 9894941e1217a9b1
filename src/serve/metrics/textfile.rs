//! A file for node-exporter's textfile collector: how a cron job is watched.
//!
//! A cron job's process ends with its cycle, and its counters with it. So each run reads the counters of the file that
//! it replaces and adds its own: for those who watch, they only ever rise. The last success stays, too, until there is
//! another one.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use super::catalogue::{self, Kind};

/// How much of an older file is read, in bytes; our own is some 20 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The histograms that count what the process saw; the others are made of what the store remembers.
const OF_THE_PROCESS: &[&str] = &[catalogue::CYCLE_DURATION.name];
/// What holds until a run says something else.
const KEPT: &str = catalogue::LAST_SUCCESS.name;

/// Writes `text` (of [`super::Metrics::render_textfile`]) in place of what is there, in one step, readable for all: the
/// collector is another user, and must never see half of it. The folder must be there.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = add(&older(path)?, text);
    // No `.prom` at its end: the collector reads no unfinished file.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".refrom-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// What the last run wrote; empty where there is nothing that could be its.
fn older(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// Adds the older counts to the new ones, and keeps series that only the older file has.
fn add(older: &str, new: &str) -> String {
    let mut counts: BTreeMap<&str, f64> =
        older.lines().filter_map(sample).filter(|(series, _)| adds_up(series)).collect();
    let mut lines: Vec<String> = Vec::new();
    for line in new.lines() {
        let before = sample(line).and_then(|(series, value)| Some((series, value + counts.remove(series)?)));
        lines.push(before.map_or_else(|| line.to_owned(), |(series, value)| format!("{series} {value}")));
    }
    for (series, value) in counts {
        // A family's lines stand together.
        let name = name_of(series);
        let at = lines.iter().rposition(|line| sample(line).is_some_and(|(series, _)| name_of(series) == name));
        let line = format!("{series} {value}");
        match at {
            Some(at) => lines.insert(at + 1, line),
            None => lines.extend([format!("# TYPE {name} counter"), line]),
        }
    }
    let last_kept = older.lines().find(|line| sample(line).is_some_and(|(series, _)| series == KEPT));
    if let Some(line) = last_kept.filter(|_| !new.lines().filter_map(sample).any(|(series, _)| series == KEPT)) {
        lines.extend([format!("# TYPE {KEPT} gauge"), line.to_owned()]);
    }
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// A line's series and value; comments have none.
fn sample(line: &str) -> Option<(&str, f64)> {
    let (series, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    Some((series, value.parse().ok()?))
}

fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}

/// Whether a series counts what processes saw.
fn adds_up(series: &str) -> bool {
    let name = name_of(series);
    let is_part =
        |family: &str| ["_bucket", "_sum", "_count"].iter().any(|part| name.strip_suffix(part) == Some(family));
    catalogue::ALL.iter().any(|family| family.kind == Kind::Counter && family.name == name)
        || OF_THE_PROCESS.iter().any(|family| is_part(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "# TYPE refrom_pins gauge\nrefrom_pins{state=\"behind\"} 2.0\n# TYPE refrom_cycles_total counter\n\
                       refrom_cycles_total{outcome=\"done\"} 1\nrefrom_cycles_total{outcome=\"failed\"} 0\n\
                       refrom_first_seen_to_merged_seconds_count 4\nrefrom_cycle_duration_seconds_sum 1.5\n";

    #[test]
    fn counters_go_on_and_everything_else_is_as_it_is_now() {
        let second = add(&add("", RUN), RUN);
        for line in [
            "refrom_pins{state=\"behind\"} 2.0",
            "refrom_cycles_total{outcome=\"done\"} 2",
            "refrom_cycles_total{outcome=\"failed\"} 0",
            "refrom_first_seen_to_merged_seconds_count 4",
            "refrom_cycle_duration_seconds_sum 3",
        ] {
            assert!(second.lines().any(|it| it == line), "no `{line}` in {second}");
        }
    }

    #[test]
    fn a_run_with_problems_does_not_forget_the_last_success() {
        let success = |at: &str| format!("# TYPE {KEPT} gauge\n{KEPT} {at}\n");
        assert_eq!(add(&success("1795161600.25"), RUN), format!("{RUN}{}", success("1795161600.25")));
        assert_eq!(add(&success("1795161600.25"), &success("1795165200.5")), success("1795165200.5"));
    }

    #[test]
    fn a_series_that_is_not_there_this_time_stays_in_its_family() {
        let older =
            "refrom_requests_total{kind=\"registry\",name=\"gone.example\"} 5\nrefrom_pins{state=\"odd\"} 1.0\n";
        let new = "# TYPE refrom_requests_total counter\nrefrom_requests_total{kind=\"forge\",name=\"github\"} 3\n\
                   # TYPE refrom_rate_limit gauge\n";
        let lines: Vec<String> = add(older, new).lines().map(str::to_owned).collect();
        assert_eq!(lines[2], "refrom_requests_total{kind=\"registry\",name=\"gone.example\"} 5");
        assert!(!lines.iter().any(|line| line.contains("odd")), "a gauge is of its moment");
        assert!(add(older, "").starts_with("# TYPE refrom_requests_total counter\nrefrom_requests_total{"));
    }

    #[test]
    fn a_file_is_replaced_in_one_step_and_readable_for_the_collector() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refrom.prom");
        write(&path, RUN).unwrap();
        write(&path, RUN).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("refrom_cycles_total{outcome=\"done\"} 2\n"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        }
        assert!(write(&folder.path().join("missing/refrom.prom"), RUN).is_err());
    }
}
