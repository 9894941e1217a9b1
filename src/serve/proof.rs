//! Who is asking: secrets and signatures, compared in constant time.

use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// What stands before the hex digits in `X-Hub-Signature-256` (GitHub, "Validating webhook deliveries").
const SIGNATURE_PREFIX: &str = "sha256=";

/// Whether this is the secret. Both sides are hashed to one length first, so that the time tells neither the length of
/// the secret nor where the two part.
pub fn is_secret(secret: &SecretString, given: &[u8]) -> bool {
    let (Some(expected), Some(given)) = (keyed(secret.expose_secret().as_bytes()), keyed(given)) else {
        return false;
    };
    expected.verify_slice(&given.finalize().into_bytes()).is_ok()
}

/// Whether `signature`, in GitHub's form, is of these bytes with this secret.
pub fn is_signed(secret: &SecretString, bytes: &[u8], signature: &str) -> bool {
    let Some(signature) = signature.strip_prefix(SIGNATURE_PREFIX).and_then(from_hex) else { return false };
    let Some(mac) = keyed_with(secret.expose_secret().as_bytes()) else { return false };
    mac.chain_update(bytes).verify_slice(&signature).is_ok()
}

fn keyed(text: &[u8]) -> Option<Hmac<Sha256>> {
    keyed_with(b"refrom").map(|mac| mac.chain_update(text))
}

/// HMAC takes keys of every length; the type does not say so.
fn keyed_with(key: &[u8]) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(key).ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_own_example_is_signed_and_nothing_else_is() {
        // GitHub, "Testing the webhook payload validation".
        let secret = SecretString::from("It's a Secret to Everybody");
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_signed(&secret, b"Hello, World!", signature));
        assert!(!is_signed(&secret, b"Hello, World", signature));
        assert!(!is_signed(&SecretString::from("It's a secret to everybody"), b"Hello, World!", signature));
        for wrong in ["", "sha256=", "sha256=7", "sha256=zz", "sha1=757107ea", "sha256=757107ea0eb2"] {
            assert!(!is_signed(&secret, b"Hello, World!", wrong), "{wrong}");
        }
        assert!(!is_signed(&secret, b"Hello, World!", &format!("{signature}00")));
    }

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let secret = SecretString::from("hunter2");
        assert!(is_secret(&secret, b"hunter2"));
        for wrong in ["", "hunter", "hunter22", "Hunter2", "hunter2\n"] {
            assert!(!is_secret(&secret, wrong.as_bytes()), "{wrong}");
        }
    }
}
