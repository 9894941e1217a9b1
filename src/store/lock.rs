//! Exclusive use of a store: a file lock beside it, which the operating system frees however its holder ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use jiff::Timestamp;

/// How much of a lock file is read: its one line is far shorter.
const HOLDER_LENGTH_MAX: u64 = 500;

/// Proof that this process alone uses a store.
///
/// **Invariant**: the lock is held as long as the value lives; the file itself stays, because removing it would let
/// two processes lock two files of one name.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// Why there is no [`Lock`].
#[derive(Debug)]
pub(super) enum LockError {
    /// For people: `process 17 on build-3 since 2026-11-20T08:00:00Z`.
    Held(String),
    Io(io::Error),
}

impl Lock {
    /// Takes the lock or says who has it; never waits.
    pub(super) fn take(path: &Path, now: Timestamp) -> Result<Self, LockError> {
        let mut file = private_file(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let line = format!("process {} on {} since {now}\n", std::process::id(), host());
        file.set_len(0).and_then(|()| file.write_all(line.as_bytes())).map_err(LockError::Io)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A name that stays is corrected by the next holder.
        let _ = self.file.set_len(0);
        // Closing the file is not enough: a process that is just being started has a copy of it for a moment.
        let _ = self.file.unlock();
    }
}

/// Opens or makes a file that only its owner can read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Who holds it is a courtesy: that it is held is known already.
    let _ = file.rewind().and_then(|()| file.take(HOLDER_LENGTH_MAX).read_to_string(&mut text));
    let text = text.trim();
    if text.is_empty() { "another process".to_owned() } else { text.to_owned() }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "this machine".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_free_although_a_starting_process_has_a_copy_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = Lock::take(&path, Timestamp::UNIX_EPOCH).unwrap();
        let copy = lock.file.try_clone().unwrap();
        assert!(matches!(Lock::take(&path, Timestamp::UNIX_EPOCH), Err(LockError::Held(_))));
        drop(lock);
        assert!(Lock::take(&path, Timestamp::UNIX_EPOCH).is_ok());
        drop(copy);
    }
}
