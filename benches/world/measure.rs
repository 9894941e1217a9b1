//! What one run of the program costs: requests and bytes as the servers counted them, its time, its peak memory.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use refrom::demo::server::{self, Exchange};

/// How often the program's memory is looked at while it runs. The kernel keeps the peak.
const LOOK: Duration = Duration::from_millis(1);
/// The unit of times in proc_pid_stat(5): `USER_HZ` is 100 on every architecture that Rust runs Linux on.
const TICK: Duration = Duration::from_millis(10);

/// Requests of one kind, and the bytes of their bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    pub count: usize,
    pub bytes_up: u64,
    pub bytes_down: u64,
}

/// What the servers were asked.
#[derive(Debug)]
pub struct Cost {
    /// The exit status.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    pub registry: Vec<Exchange>,
    pub api: Vec<Exchange>,
    pub git: Vec<Exchange>,
}

/// What a run took of this machine; `None` where the system does not tell.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub duration: Duration,
    /// The processors' time of the program and of the git processes that it started, without the servers'.
    pub processor: Option<Duration>,
    /// Of the program itself, without the git processes.
    pub peak_bytes: Option<u64>,
}

/// Both.
#[derive(Debug)]
pub struct Measured {
    pub cost: Cost,
    pub usage: Usage,
}

impl Cost {
    pub fn new(output: &Output, registry: Vec<Exchange>, forge: Vec<Exchange>) -> Self {
        let (git, api) = forge.into_iter().partition(|exchange| exchange.path.contains(".git/"));
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            registry,
            api,
            git,
        }
    }

    /// Everything that could change something: REST's writing methods, a mutation, a push.
    pub fn writes(&self) -> usize {
        self.api.iter().chain(&self.git).filter(|exchange| is_write(exchange)).count()
    }
}

impl Requests {
    pub fn of(exchanges: &[Exchange]) -> Self {
        let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        // An answer to HEAD announces a body and has none.
        let with_body = exchanges.iter().filter(|exchange| exchange.method != "HEAD");
        Self {
            count: exchanges.len(),
            bytes_up: exchanges.iter().map(|exchange| length(exchange.request_body.len())).sum(),
            bytes_down: with_body.map(|exchange| exchange.response_bytes).sum(),
        }
    }
}

fn is_write(exchange: &Exchange) -> bool {
    let is_query = exchange.path.contains("/graphql") && !server::is_mutation(&exchange.request_body);
    let is_fetch = exchange.path.contains("git-upload-pack");
    exchange.method != "GET" && exchange.method != "HEAD" && !is_query && !is_fetch
}

/// Runs a program to its end and watches what it takes.
pub fn run(mut command: Command) -> (Output, Usage) {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let read = |mut stream: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let (mut peak_bytes, mut processor) = (None, None);
    loop {
        peak_bytes = self::peak_bytes(child.id()).max(peak_bytes);
        let state = ProcessState::read(child.id());
        processor = state.as_ref().map(|state| state.processor).or(processor);
        // One that has ended keeps its times until it is waited for.
        if state.is_none_or(|state| state.has_ended) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let status = child.wait().unwrap();
    let usage = Usage { duration: start.elapsed(), processor, peak_bytes };
    (Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }, usage)
}

/// `VmHWM` of proc_pid_status(5): the most memory that the process had at once.
fn peak_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A part of proc_pid_stat(5).
struct ProcessState {
    has_ended: bool,
    processor: Duration,
}

impl ProcessState {
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name is in parentheses and can hold anything.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().unwrap_or_default()).sum::<u64>();
        Some(Self { has_ended: fields.first() == Some(&"Z"), processor: TICK * u32::try_from(ticks).ok()? })
    }
}

/// Prints a row for each run. Bytes are those of bodies: up with the requests, down with the answers.
#[expect(clippy::print_stdout, reason = "a measurement prints what it found")]
pub fn print_table(rows: &[(&str, Measured)]) {
    let kind = |exchanges: &[Exchange]| {
        let Requests { count, bytes_up, bytes_down } = Requests::of(exchanges);
        format!("{count} ({} up, {} down)", kib(bytes_up), kib(bytes_down))
    };
    let milliseconds = |duration: Duration| format!("{:.0} ms", duration.as_secs_f64() * 1000.0);
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
    println!("| what | registry | API | git | writes | time | processor | peak memory |");
    println!("|---|---|---|---|---|---|---|---|");
    for (what, Measured { cost, usage }) in rows {
        println!(
            "| {what} | {} | {} | {} | {} | {} | {} | {} |",
            kind(&cost.registry),
            kind(&cost.api),
            kind(&cost.git),
            cost.writes(),
            milliseconds(usage.duration),
            or_unknown(usage.processor.map(milliseconds)),
            or_unknown(usage.peak_bytes.map(|bytes| format!("{:.1} MB", mega(bytes)))),
        );
    }
    println!();
}

fn kib(bytes: u64) -> String {
    if bytes == 0 { "0".to_owned() } else { format!("{:.1} kB", mega(bytes) * 1000.0) }
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
