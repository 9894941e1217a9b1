//! The digest of a manifest: `sha256:` and 64 lower-case hex digits.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 content digest (OCI image specification, `descriptor.md`, "Digests").
///
/// Written `sha256:` and 64 lower-case hex digits. **Invariant**: every value was checked when it was parsed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is no [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Well formed, but another algorithm than SHA-256 (the specification registers sha512 and blake3 too).
    #[error("only sha256 digests are followed")]
    UnsupportedAlgorithm,
    /// No digest by the specification's grammar: a wrong length, upper-case hex, a missing colon.
    #[error("not a digest: expected `sha256:` and 64 lower-case hex digits")]
    Malformed,
}

impl Digest {
    /// The only algorithm that is followed, with its colon; see [`DigestError::UnsupportedAlgorithm`].
    pub const ALGORITHM: &str = "sha256:";
    /// How many hex digits follow it.
    pub const HEX_DIGITS: usize = 64;

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hex digits without the algorithm.
    pub fn hex(&self) -> String {
        let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
    }

    /// The first 12 hex digits, as tools show a digest to people.
    pub fn short(&self) -> String {
        self.hex().chars().take(12).collect()
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some(hex) = text.strip_prefix(Self::ALGORITHM) else {
            return Err(other_algorithm(text));
        };
        if hex.len() != Self::HEX_DIGITS || !hex.bytes().all(is_lower_hex) {
            return Err(DigestError::Malformed);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let text = std::str::from_utf8(pair).map_err(|_| DigestError::Malformed)?;
            *byte = u8::from_str_radix(text, 16).map_err(|_| DigestError::Malformed)?;
        }
        Ok(Self(bytes))
    }
}

/// Tells another algorithm from a text that is no digest: `algorithm:encoded` with at least 32 characters encoded.
fn other_algorithm(text: &str) -> DigestError {
    match text.split_once(':') {
        Some((algorithm, encoded))
            if algorithm != "sha256"
                && !algorithm.is_empty()
                && algorithm.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+._-".contains(&b))
                && encoded.len() >= 32
                && encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"=_-".contains(&b)) =>
        {
            DigestError::UnsupportedAlgorithm
        }
        _ => DigestError::Malformed,
    }
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::ALGORITHM, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_it_was_written() {
        let text = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(text.parse::<Digest>().map(|d| d.to_string()), Ok(text));
    }

    #[test]
    fn upper_case_short_and_long_hex_is_malformed() {
        for hex in ["A".repeat(64), "a".repeat(63), "a".repeat(65), String::new()] {
            assert_eq!(format!("sha256:{hex}").parse::<Digest>(), Err(DigestError::Malformed), "{hex}");
        }
    }

    #[test]
    fn another_algorithm_is_told_from_nonsense() {
        let sha512 = format!("sha512:{}", "c".repeat(128));
        assert_eq!(sha512.parse::<Digest>(), Err(DigestError::UnsupportedAlgorithm));
        assert_eq!("latest".parse::<Digest>(), Err(DigestError::Malformed));
        assert_eq!("md5:abc".parse::<Digest>(), Err(DigestError::Malformed));
    }

    #[test]
    fn the_digest_of_bytes_is_their_sha256() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(Digest::of(b"").short(), "e3b0c44298fc");
    }
}
