//! Where a person's work tree comes from, read offline from its own `config` file and no other.

use std::path::{Path, PathBuf};

use crate::domain::pull_request::RepoName;

/// The server and the name of a repository, as a remote's address tells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Without a port: one server has several, one for each protocol.
    pub host: String,
    pub repository: RepoName,
}

impl Remote {
    /// The remote `origin` of the work tree with this root; `None` where there is none on a server.
    pub fn origin_of(root: &Path) -> Option<Self> {
        let config = git2::Config::open(&common_directory(root)?.join("config")).ok()?;
        Self::parse(&config.get_string("remote.origin.url").ok()?)
    }

    /// Reads `https://HOST/OWNER/NAME.git`, `ssh://git@HOST:22/OWNER/NAME.git` and `git@HOST:OWNER/NAME.git`
    /// (`git-fetch(1)`, "Git URLs"). The name is the last two segments.
    fn parse(address: &str) -> Option<Self> {
        let (authority, path) = match address.split_once("://") {
            Some(("https" | "http" | "ssh" | "git", rest)) => rest.split_once('/')?,
            Some(_) => return None,
            // A slash before the colon makes it a path of this machine.
            None => address.split_once(':').filter(|(authority, _)| !authority.contains('/'))?,
        };
        let host = authority.rsplit('@').next()?;
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let mut segments = path.rsplit('/');
        let (name, owner) = (segments.next()?, segments.next()?);
        let repository = format!("{owner}/{name}").parse().ok()?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), repository })
    }
}

/// The folder of a repository's `config`: `.git`, or what a `.git` file names (`gitrepository-layout(5)`).
fn common_directory(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = std::fs::read_to_string(&git).ok()?;
    let directory = root.join(text.strip_prefix("gitdir:")?.trim());
    match std::fs::read_to_string(directory.join("commondir")) {
        Ok(common) => Some(directory.join(common.trim())),
        Err(_) => Some(directory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_address_tells_host_and_name() {
        for address in [
            "https://github.com/acme/web.git",
            "https://github.com/acme/web",
            "https://me:secret@github.com:8443/acme/web/",
            "ssh://git@github.com:22/acme/web.git",
            "git@github.com:acme/web.git",
            "github.com:/acme/web",
        ] {
            let remote = Remote::parse(address).unwrap();
            assert_eq!((remote.host.as_str(), remote.repository.as_str()), ("github.com", "acme/web"), "{address}");
        }
        for address in
            ["/srv/git/acme/web.git", "../acme/web", "file:///srv/acme/web", "https://github.com/web", "a:b", ""]
        {
            assert_eq!(Remote::parse(address), None, "{address}");
        }
    }
}
