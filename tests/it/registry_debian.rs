//! Debian's `docker-registry` on loopback, stocked by plain HTTP calls.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use refrom::demo::registry::Content;
use refrom::domain::digest::Digest;
use refrom::net::{self, Network, Redirects};

const PROGRAM: &str = "/usr/bin/docker-registry";

/// Runs the registry until the input ends, which it does when this process ends in whatever way: nothing is left behind.
const GUARD: &str = r#""$0" serve "$1" & registry=$!; read -r _; kill "$registry"; wait "$registry""#;

/// A running registry; ended when dropped.
pub struct DebianRegistry {
    child: Child,
    host: String,
    user: Option<(String, String)>,
    _directory: tempfile::TempDir,
}

impl DebianRegistry {
    /// `None`, with a word about it, where the program is not installed and nobody insists (`CI`).
    pub fn start(user: Option<(&str, &str)>) -> Option<Self> {
        let program = if user.is_some() { &[PROGRAM, "/usr/bin/htpasswd"][..] } else { &[PROGRAM] };
        if let Some(missing) = program.iter().find(|program| !Path::new(program).exists()) {
            assert!(std::env::var_os("CI").is_none(), "`{missing}` is missing");
            // Straight to the stream: what a passing test prints is not shown.
            let _ = std::io::stderr().write_all(format!("left out: `{missing}` is not installed\n").as_bytes());
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.yml");
        let passwords = directory.path().join("htpasswd");
        let mut text = format!(
            "version: 0.1\nlog: {{ level: info }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: '127.0.0.1:0' }}\n",
            directory.path().join("data").display()
        );
        if let Some((name, password)) = user {
            let line = Command::new("htpasswd").args(["-Bbn", name, password]).output().unwrap();
            std::fs::write(&passwords, line.stdout).unwrap();
            text += &format!("auth: {{ htpasswd: {{ realm: 'a, b', path: {} }} }}\n", passwords.display());
        }
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", GUARD, PROGRAM])
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let host = lines.find_map(|line| {
            let rest = line.split_once("listening on ")?.1;
            Some(rest.split(['"', ' ', ',']).next()?.to_owned())
        });
        // Its log must go on being read, or it would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let user = user.map(|(name, password)| (name.to_owned(), password.to_owned()));
        Some(Self { child, host: host.expect("it says where it listens"), user, _directory: directory })
    }

    pub fn host(&self) -> String {
        self.host.clone()
    }

    /// Pushes an image and its tag (distribution specification, "Push").
    pub async fn push(&self, repository: &str, tag: &str, content: &Content) -> Digest {
        let client = net::client(&Network::default(), Redirects::Manual).unwrap();
        let base = format!("http://{}/v2/{repository}", self.host);
        let sign_in = |request: reqwest::RequestBuilder| match &self.user {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        for (digest, bytes) in &content.blobs {
            let begun = sign_in(client.post(format!("{base}/blobs/uploads/"))).send().await.unwrap();
            let location = begun.headers().get("location").unwrap().to_str().unwrap();
            let mut url = reqwest::Url::parse(&base).unwrap().join(location).unwrap();
            url.query_pairs_mut().append_pair("digest", &digest.to_string());
            let stored = sign_in(client.put(url)).body(bytes.clone()).send().await.unwrap();
            assert_eq!(stored.status(), 201, "{digest}");
        }
        let top = content.digest().unwrap();
        for manifest in &content.manifests {
            let reference = if manifest.digest == top { tag.to_owned() } else { manifest.digest.to_string() };
            let request = client.put(format!("{base}/manifests/{reference}"));
            let request = request.header("content-type", &manifest.media_type).body(manifest.bytes.clone());
            let stored = sign_in(request).send().await.unwrap();
            assert_eq!(stored.status(), 201, "{reference}");
        }
        top
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
