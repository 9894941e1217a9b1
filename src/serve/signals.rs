//! What the operating system and the configuration file say to the service.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::FILE_BYTES_MAX;
use crate::domain::digest::Digest;

/// How often the file is looked at. Reading a few KiB costs nothing, and mounted volumes tell of changes in ways that
/// notifications miss.
const FILE_LOOK: Duration = Duration::from_secs(5);
/// Signals that wait: nobody sends more before they are obeyed.
const WAITING_MAX: usize = 8;

/// What the service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP, or the file has another content.
    Reload,
    /// SIGTERM, SIGINT.
    Stop,
}

/// The file as it was when it was last looked at.
///
/// **Invariant**: a content that was seen once is not yet one: an editor or a copy may be in the middle of it, and the
/// half of a configuration can be one without its freezes. Only what two looks find alike is told of.
#[derive(Debug)]
pub struct Signals {
    path: PathBuf,
    /// What was told of.
    content: Option<Digest>,
    /// What the last look found.
    found: Option<Digest>,
}

impl Signals {
    /// Looks at the file. Before the configuration is read, so that no change in between is missed.
    pub fn new(path: &Path) -> Self {
        let content = content(path);
        Self { path: path.to_owned(), content, found: content }
    }

    /// Listens from here on. Errors: the operating system has no room for it.
    pub fn listen(mut self) -> std::io::Result<mpsc::Receiver<Signal>> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            loop {
                let told = tokio::select! {
                    _ = terminate.recv() => Signal::Stop,
                    _ = interrupt.recv() => Signal::Stop,
                    _ = hang_up.recv() => Signal::Reload,
                    () = self.change() => {
                        tracing::info!("the configuration file has changed");
                        Signal::Reload
                    }
                };
                // What is read now is known.
                self.found = content(&self.path);
                self.content = self.found.or(self.content);
                if sender.send(told).await.is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    /// Comes back when the file has another content.
    async fn change(&mut self) {
        loop {
            tokio::time::sleep(FILE_LOOK).await;
            if self.has_changed() {
                return;
            }
        }
    }

    /// Whether the file has another content than was told of, and had it with the last look. One that cannot be read has
    /// not: it is being replaced.
    fn has_changed(&mut self) -> bool {
        let now = content(&self.path);
        let is_settled = now.is_some() && now == self.found;
        self.found = now;
        let has_changed = is_settled && now != self.content;
        if has_changed {
            self.content = now;
        }
        has_changed
    }
}

fn content(path: &Path) -> Option<Digest> {
    let mut bytes = Vec::new();
    // One byte more than may be in it: what is too long is told by whoever reads it as a configuration.
    std::fs::File::open(path).ok()?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    Some(Digest::of(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_is_a_change_and_a_missing_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refrom.yaml");
        std::fs::write(&path, "policy: {}\n").unwrap();
        let mut signals = Signals::new(&path);
        assert!(!signals.has_changed());
        std::fs::write(&path, "policy: {}\n").unwrap();
        assert!(!signals.has_changed());
        std::fs::remove_file(&path).unwrap();
        assert!(!signals.has_changed());
        assert!(!signals.has_changed());
        std::fs::write(&path, "policy: { group: image }\n").unwrap();
        assert!(!signals.has_changed() && signals.has_changed() && !signals.has_changed());
    }

    #[test]
    fn a_file_that_is_being_written_is_left_until_it_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refrom.yaml");
        std::fs::write(&path, "policy: {}\n").unwrap();
        let mut signals = Signals::new(&path);
        for half in ["", "policy:", "policy: { group: image }\n"] {
            std::fs::write(&path, half).unwrap();
            assert!(!signals.has_changed(), "{half}");
        }
        assert!(signals.has_changed() && !signals.has_changed());
    }

    #[test]
    fn a_mounted_volume_that_is_exchanged_and_a_file_that_is_moved_there_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["1", "2"] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
            std::fs::write(folder.path().join(version).join("refrom.yaml"), format!("poll: {version}h\n")).unwrap();
        }
        // As Kubernetes mounts a ConfigMap: the file is a link into `..data`, and that is a link that is exchanged.
        let link = |version: &str| {
            std::os::unix::fs::symlink(version, folder.path().join("..new")).unwrap();
            std::fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
        };
        link("1");
        let path = folder.path().join("refrom.yaml");
        std::os::unix::fs::symlink("..data/refrom.yaml", &path).unwrap();
        let mut signals = Signals::new(&path);
        link("2");
        assert!(!signals.has_changed() && signals.has_changed());
        std::fs::rename(folder.path().join("1/refrom.yaml"), &path).unwrap();
        assert!(!signals.has_changed() && signals.has_changed() && !signals.has_changed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_of_with_the_second_look() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut signals = Signals::new(file.path());
        let start = tokio::time::Instant::now();
        std::fs::write(file.path(), "policy: {}\n").unwrap();
        signals.change().await;
        assert_eq!(start.elapsed(), FILE_LOOK * 2);
    }
}
