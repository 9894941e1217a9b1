//! SSH signatures over commits (OpenSSH's PROTOCOL.sshsig, namespace `git`).

use secrecy::ExposeSecret as _;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::error::GitError;
use crate::secret::Secret;

/// What git signs commits and tags in.
const NAMESPACE: &str = "git";

/// Whether this secret is a key that can sign: an OpenSSH private key without a passphrase, Ed25519 or ECDSA P-256.
pub fn check_signing_key(secret: &Secret) -> Result<(), GitError> {
    sign(secret, b"").map(|_| ())
}

/// The armored signature. Ed25519 and ECDSA (RFC 6979) sign the same bytes with the same signature.
pub(super) fn sign(secret: &Secret, payload: &[u8]) -> Result<String, GitError> {
    let text = secret.read()?;
    let refused = |reason, source: ssh_key::Error| GitError::SigningKey { reason, source: Some(Box::new(source)) };
    let key = PrivateKey::from_openssh(text.expose_secret().as_bytes())
        .map_err(|error| refused("not an OpenSSH private key", error))?;
    if key.is_encrypted() {
        return Err(GitError::SigningKey { reason: "it has a passphrase", source: None });
    }
    let signature = key
        .sign(NAMESPACE, HashAlg::Sha512, payload)
        .map_err(|error| refused("only Ed25519 and ECDSA P-256 keys sign", error))?;
    let armored =
        signature.to_pem(LineEnding::LF).map_err(|error| refused("its signature cannot be written", error))?;
    Ok(armored.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        let error = check_signing_key(&Secret::from("hunter2hunter2")).unwrap_err();
        assert!(matches!(error, GitError::SigningKey { .. }));
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
