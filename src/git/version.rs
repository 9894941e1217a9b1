//! Which git is new enough.

use std::path::Path;

use super::error::GitError;

/// The oldest git that is used, of June 2021.
///
/// 2.29 has `fetch --stdin` and `--no-write-fetch-head`, 2.31 a configuration in the environment, and 2.32
/// `GIT_CONFIG_GLOBAL`, without which it would read its user's.
pub const MINIMUM_VERSION: (u32, u32) = (2, 32);

/// Reads `git version 2.47.3`, with whatever vendors add behind it.
pub(super) fn check(program: &Path, text: &str) -> Result<(), GitError> {
    let found = text.trim().strip_prefix("git version ").unwrap_or(text).trim();
    let mut numbers = found.split(['.', ' ']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= MINIMUM_VERSION {
        return Ok(());
    }
    let minimum = format!("{}.{}", MINIMUM_VERSION.0, MINIMUM_VERSION.1);
    Err(GitError::TooOld { program: program.to_owned(), found: found.to_owned(), minimum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_git_is_refused_by_name() {
        let check = |text| check(Path::new("git"), text);
        for text in
            ["git version 2.32.0\n", "git version 2.47.3", "git version 2.39.5 (Apple Git-154)", "git version 3.0.rc1"]
        {
            assert!(check(text).is_ok(), "{text}");
        }
        let error = check("git version 2.30.2\n").unwrap_err();
        assert_eq!(error.to_string(), "`git` is git 2.30.2, at least 2.32 is needed");
        assert!(check("busybox").is_err());
    }
}
