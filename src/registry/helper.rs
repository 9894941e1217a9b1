//! Docker's credential helpers: programs that are told a server on their input and print credentials
//! (`docker/docker-credential-helpers`).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::credentials::Credentials;
use super::docker_config::HelperQuestion;
use super::error::Failure;

/// How long a helper may take; those of clouds fetch a token over the network.
pub(super) const HELPER_TIMEOUT: Duration = Duration::from_secs(30);
/// What a helper may print, in bytes; tokens of clouds have some KiB.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;
/// What helpers print when they know nothing of the server; the protocol has no other sign.
const NOT_FOUND: &str = "credentials not found";
/// The user name that marks the secret as an identity token.
const IDENTITY_TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks a helper. `Ok(None)`: it knows nothing of the server.
pub(super) async fn ask(
    question: &HelperQuestion,
    directory: Option<&Path>,
    timeout: Duration,
) -> Result<Option<Credentials>, Failure> {
    let program = format!("docker-credential-{}", question.helper);
    let failure = |message: String| Failure::CredentialHelper { helper: program.clone(), message };
    // The name comes from a file: it must not lead to a program elsewhere.
    if !question.helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err(failure("has a name that is no program's".to_owned()));
    }
    let path = directory.map_or_else(|| program.clone().into(), |directory| directory.join(&program));
    let output = match tokio::time::timeout(timeout, run(&path, &question.server)).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(failure(format!("cannot be run: {error}"))),
        Err(_) => return Err(failure(format!("did not answer within {} seconds", timeout.as_secs()))),
    };
    if !output.is_success {
        let is_unknown = String::from_utf8_lossy(&output.text).contains(NOT_FOUND);
        return if is_unknown { Ok(None) } else { Err(failure("failed".to_owned())) };
    }
    let answer: Answer =
        serde_json::from_slice(&output.text).map_err(|_| failure("printed no credentials".to_owned()))?;
    let secret = SecretString::from(answer.secret);
    Ok(Some(match answer.username.as_str() {
        IDENTITY_TOKEN_USER => Credentials::Identity(secret),
        _ => Credentials::Basic { username: answer.username, password: secret },
    }))
}

struct Output {
    is_success: bool,
    text: Vec<u8>,
}

/// Runs `get`. What the program says on its error output is dropped: it may hold anything.
async fn run(path: &Path, server: &str) -> std::io::Result<Output> {
    let mut child = Command::new(path)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that ends without reading is judged by its answer.
        let _ = input.write_all(format!("{server}\n").as_bytes()).await;
    }
    let mut text = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(OUTPUT_BYTES_MAX).read_to_end(&mut text).await?;
    }
    Ok(Output { is_success: child.wait().await?.success(), text })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    async fn answer(script: &str, timeout: Duration) -> Result<Option<Credentials>, Failure> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker-credential-fake");
        // Written by a child: a file that this process holds open for writing while another test forks cannot be run.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "printf '%s' \"$SCRIPT\" > \"$0\""]).arg(&path).env("SCRIPT", format!("#!/bin/sh\n{script}"));
        assert!(shell.status().unwrap().success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let question = HelperQuestion { helper: "fake".into(), server: "r.example".into() };
        ask(&question, Some(directory.path()), timeout).await
    }

    #[tokio::test]
    async fn the_server_goes_in_and_credentials_come_out() {
        let script = r#"read server; printf '{"Username":"me","Secret":"for %s"}' "$server""#;
        match answer(script, HELPER_TIMEOUT).await.unwrap().unwrap() {
            Credentials::Basic { username, password } => {
                assert_eq!((username.as_str(), password.expose_secret()), ("me", "for r.example"));
            }
            other => panic!("{other:?}"),
        }
        let script = r#"echo '{"Username":"<token>","Secret":"refresh"}'"#;
        let identity = answer(script, HELPER_TIMEOUT).await.unwrap().unwrap();
        assert!(matches!(identity, Credentials::Identity(token) if token.expose_secret() == "refresh"));
    }

    #[tokio::test]
    async fn a_helper_that_knows_nothing_is_told_from_one_that_fails() {
        let unknown = "echo 'credentials not found in native keychain'; exit 1";
        assert!(answer(unknown, HELPER_TIMEOUT).await.unwrap().is_none());
        for script in ["echo hunter2; exit 1", "echo hunter2", "echo hunter2 >&2; exit 3"] {
            let error = answer(script, HELPER_TIMEOUT).await.unwrap_err();
            assert!(matches!(&error, Failure::CredentialHelper { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_helper_that_hangs_is_ended() {
        let error = answer("exec cat /dev/zero > /dev/null", Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("did not answer"), "{error}");
    }

    #[tokio::test]
    async fn a_helpers_name_cannot_be_a_path() {
        let question = HelperQuestion { helper: "../../bin/sh".into(), server: "r.example".into() };
        assert!(ask(&question, None, HELPER_TIMEOUT).await.is_err());
    }
}
