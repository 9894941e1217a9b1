//! A secret that came from the configuration, and the only way to read it.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// The longest secret that is read from a file, in bytes; a private key has about 3 KiB.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is kept. Its `Debug` shows no secret.
#[derive(Clone)]
pub enum Secret {
    /// Read from the environment when the configuration was loaded.
    Value(SecretString),
    /// A mounted file, read anew at each use so that a rotated secret is picked up.
    File(PathBuf),
    /// A variable of the environment that was left alone: the configuration was loaded without secrets.
    Unread,
}

/// Why a secret could not be read. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read the secret file `{path}`")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the secret file `{path}` is empty, larger than 64 KiB or not UTF-8")]
    Content { path: PathBuf },
    #[error("the configuration was loaded without its secrets")]
    Unread,
}

impl Secret {
    /// The secret without the line ending that editors add at the end of a file.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        use std::io::Read as _;
        let path = match self {
            Self::Value(value) => return Ok(value.clone()),
            Self::File(path) => path,
            Self::Unread => return Err(SecretError::Unread),
        };
        let read = |source| SecretError::Read { path: path.clone(), source };
        let mut bytes = Vec::new();
        std::fs::File::open(path).map_err(read)?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(read)?;
        let is_too_long = u64::try_from(bytes.len()).is_ok_and(|length| length > SECRET_BYTES_MAX);
        let text = String::from_utf8(bytes).ok().filter(|text| !is_too_long && !text.trim().is_empty());
        let text = text.ok_or_else(|| SecretError::Content { path: path.clone() })?;
        Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::Value(SecretString::from(value.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Secret(…)"),
            Self::File(path) => write!(f, "Secret({})", path.display()),
            Self::Unread => f.write_str("Secret(unread)"),
        }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(left), Self::Value(right)) => left.expose_secret() == right.expose_secret(),
            (Self::File(left), Self::File(right)) => left == right,
            (Self::Unread, Self::Unread) => true,
            (Self::Value(_) | Self::File(_) | Self::Unread, _) => false,
        }
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_and_loses_only_its_line_ending() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secret = Secret::File(file.path().to_owned());
        for (content, expected) in [("one\n", "one"), (" two\r\n", " two")] {
            std::fs::write(file.path(), content).unwrap();
            assert_eq!(secret.read().unwrap().expose_secret(), expected);
        }
    }

    #[test]
    fn an_empty_file_is_no_secret_and_debug_shows_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(Secret::File(file.path().to_owned()).read(), Err(SecretError::Content { .. })));
        assert!(matches!(Secret::Unread.read(), Err(SecretError::Unread)));
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(…)");
    }
}
