//! Which files are read, and as what.

use super::policy::{FilePattern, FilePolicy, Policy};

/// The largest file that is read, in bytes. A Dockerfile has a few thousand; BuildKit itself refuses lines of 64 KiB.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// How a Git LFS pointer begins (Git LFS specification, "The Pointer").
const LFS_HEADER: &[u8] = b"version https://git-lfs.github.com/spec/v1";
/// The specification's limit for a pointer, in bytes; a longer file only begins like one.
const LFS_POINTER_BYTES_MAX: usize = 1024;

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub enum FileFormat<'a> {
    Dockerfile,
    /// By a regular expression of the policy.
    Pattern(&'a FilePattern),
}

/// Why a file that could hold pins is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    TooLarge,
    Symlink,
    LfsPointer,
}

impl LeftOut {
    /// The word in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Symlink => "symlink",
            Self::LfsPointer => "lfs-pointer",
        }
    }

    /// Whether a file's content is a reason to leave it out.
    pub fn by_content(bytes: &[u8]) -> Option<Self> {
        if bytes.len() as u64 > FILE_BYTES_MAX {
            Some(Self::TooLarge)
        } else if bytes.len() <= LFS_POINTER_BYTES_MAX && bytes.starts_with(LFS_HEADER) {
            Some(Self::LfsPointer)
        } else {
            None
        }
    }
}

/// Whether a path, with `/`, has the name of a Dockerfile: `Dockerfile`, `Containerfile`, `*.Dockerfile`,
/// `*.dockerfile`, `Dockerfile.*`, `Dockerfile-*`, `Containerfile.*`, the first letter in any case; never
/// `*.dockerignore`.
pub fn is_dockerfile(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.ends_with(".dockerignore") {
        return false;
    }
    let after = |stem: &str| name.strip_prefix(['D', 'd', 'C', 'c']).and_then(|rest| rest.strip_prefix(stem));
    let is_dockerfile = name.starts_with(['D', 'd'])
        && after("ockerfile").is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']));
    let is_containerfile = name.starts_with(['C', 'c'])
        && after("ontainerfile").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    is_dockerfile || is_containerfile || name.ends_with(".Dockerfile") || name.ends_with(".dockerfile")
}

/// How the file at a path is read: as a Dockerfile, by each of the policy's patterns that is for it, both, or not at
/// all. An excluded path is never read.
pub fn formats<'a>(path: &str, policy: &'a Policy) -> Vec<FileFormat<'a>> {
    let FilePolicy { include, exclude } = &policy.files;
    if exclude.iter().any(|pattern| pattern.matches(path)) {
        return Vec::new();
    }
    let is_dockerfile = is_dockerfile(path) || include.iter().any(|pattern| pattern.matches(path));
    let patterns = policy.patterns.iter().filter(|format| format.files.iter().any(|pattern| pattern.matches(path)));
    is_dockerfile.then_some(FileFormat::Dockerfile).into_iter().chain(patterns.map(FileFormat::Pattern)).collect()
}

/// Whether the file at a path can hold a pin at all, by its name.
pub fn can_hold_pins(path: &str, policy: &Policy) -> bool {
    !formats(path, policy).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockerfiles_are_told_by_their_names() {
        for path in [
            "Dockerfile",
            "dockerfile",
            "Containerfile",
            "containerfile",
            "a/b/Dockerfile",
            "web.Dockerfile",
            "web.dockerfile",
            "Dockerfile.web",
            "Dockerfile-web",
            "dockerfile.web",
            "dockerfile-web",
            "Containerfile.x",
        ] {
            assert!(is_dockerfile(path), "{path}");
        }
        for path in [
            "Dockerfile.dockerignore",
            "web.dockerignore",
            ".dockerignore",
            "Dockerfiles",
            "MyDockerfile",
            "DOCKERFILE",
            "Dockerfile/readme.md",
            "Containerfile-x",
            "ockerfile",
            "Cockerfile",
            "Dontainerfile",
            "",
        ] {
            assert!(!is_dockerfile(path), "{path}");
        }
    }

    #[test]
    fn pointers_and_large_files_are_left_out() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n";
        assert_eq!(LeftOut::by_content(pointer), Some(LeftOut::LfsPointer));
        assert_eq!(LeftOut::by_content(&vec![b'#'; 1 << 20]), None);
        assert_eq!(LeftOut::by_content(&vec![b'#'; (1 << 20) + 1]), Some(LeftOut::TooLarge));
    }
}
