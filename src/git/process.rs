//! Running git: a cleared environment, a time limit for the whole process group, bounded and scrubbed output.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::environment::Environment;
use super::error::GitError;

/// The most that is kept of what git prints, in bytes; a line per branch and the server's words.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// The most that is shown of git's words in an error, in characters; the last ones, where the failure is.
const WORDS_CHARACTERS_MAX: usize = 4000;
/// How long git may take to remove its lock files when it is asked to end.
const GRACE: Duration = Duration::from_secs(2);
/// Shorter secrets would blacken ordinary words; none of the forges' tokens is that short.
const SECRET_LENGTH_MIN: usize = 4;

/// One call of git.
pub(super) struct Call<'a> {
    pub(super) program: &'a Path,
    /// The work directory, an empty one.
    pub(super) home: &'a Path,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Environment,
    pub(super) input: Vec<u8>,
    pub(super) timeout: Duration,
    /// The largest file that it may write.
    pub(super) file_bytes_max: u64,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) is_success: bool,
    pub(super) stdout: String,
    /// What git and the server said, without secrets.
    pub(super) words: String,
}

/// Ends the process and all that it started, even when nobody waits for the answer any more.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Call<'_> {
    /// Runs it to its end or to the time limit.
    pub(super) async fn run(self) -> Result<Output, GitError> {
        let failed = |source| GitError::Program { program: self.program.to_owned(), source };
        let mut child = self.spawn().map_err(failed)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut group = Group(pid);
        bound(pid, self.file_bytes_max);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let send = async {
            if let Some(mut stdin) = stdin {
                // A git that ended early does not read on; why it ended is in its words.
                let _ = stdin.write_all(&self.input).await;
            }
        };
        let answer = tokio::time::timeout(self.timeout, async {
            let ((), stdout, stderr) = tokio::join!(send, read(stdout), read(stderr));
            Ok((stdout?, stderr?, child.wait().await?))
        });
        match answer.await {
            Ok(result) => {
                let (stdout, stderr, status) = result.map_err(failed)?;
                // The group's number is free for others from here on.
                group.0 = None;
                let stdout = String::from_utf8_lossy(&stdout).into_owned();
                Ok(Output { is_success: status.success(), stdout, words: self.scrub(&stderr) })
            }
            Err(_) => {
                group.signal(Signal::TERM);
                let _ = tokio::time::timeout(GRACE, child.wait()).await;
                Err(GitError::Timeout { after: self.timeout })
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        Command::new(self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.variables())
            .current_dir(self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    /// Printable text without secrets and progress, its last [`WORDS_CHARACTERS_MAX`] characters.
    fn scrub(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).replace('\r', "\n");
        for secret in &self.environment.secrets {
            let secret = secret.expose_secret();
            if secret.len() >= SECRET_LENGTH_MIN {
                text = text.replace(secret, "…");
            }
        }
        text.retain(|c| c == '\n' || !c.is_control());
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let text = lines.join("\n");
        let surplus = text.chars().count().saturating_sub(WORDS_CHARACTERS_MAX);
        text.chars().skip(surplus).collect()
    }
}

/// Bounds the files of a process and of those that it starts from here on. git takes longer to start its next one than
/// this does.
#[cfg(target_os = "linux")]
fn bound(pid: Option<Pid>, file_bytes_max: u64) {
    use rustix::process::{Resource, Rlimit, prlimit};
    if let Some(pid) = pid {
        let limit = Rlimit { current: Some(file_bytes_max), maximum: Some(file_bytes_max) };
        // It may have ended by itself; a lower limit of the whole machine stays.
        let _ = prlimit(Some(pid), Resource::Fsize, limit);
    }
}

#[cfg(not(target_os = "linux"))]
fn bound(_: Option<Pid>, _: u64) {}

/// Reads to the end and keeps the last [`OUTPUT_BYTES_MAX`] bytes or a little more.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok(kept) };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend(buffer.iter().take(count));
        if kept.len() > 2 * OUTPUT_BYTES_MAX {
            kept.drain(..kept.len() - OUTPUT_BYTES_MAX);
        }
    }
}
