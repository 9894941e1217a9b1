//! The branch of a proposal: a function of its subject, never of time.

use super::digest::Digest;
use super::policy::Grouping;
use super::pull_request::BranchName;
use super::reference::ImageName;

/// The branch where one pull request holds everything.
const WHOLE_REPOSITORY: &str = "base-images";
/// The hash tells subjects apart whose readable parts are equal: 32 bits are plenty within one repository.
const HASH_LENGTH: usize = 8;
/// Long enough to recognize an image or a file, short enough for listings; far from git's limit of 255 bytes.
const READABLE_LENGTH_MAX: usize = 60;

/// What one pull request is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Repository,
    Image(ImageName),
    /// A path from the repository's root.
    File(String),
}

impl Subject {
    /// The subject that a pin belongs to.
    pub fn of(grouping: Grouping, image: &ImageName, path: &str) -> Self {
        match grouping {
            Grouping::Repository => Self::Repository,
            Grouping::Image => Self::Image(image.clone()),
            Grouping::File => Self::File(path.to_owned()),
        }
    }

    /// `refrom/base-images`, else `refrom/<readable subject>-<8 hex of its hash>`.
    pub fn branch(&self) -> BranchName {
        match self {
            Self::Repository => BranchName::ours(WHOLE_REPOSITORY),
            Self::Image(image) => hashed(&image.familiar(), &format!("image {image}")),
            Self::File(path) => hashed(path, &format!("file {path}")),
        }
    }
}

fn hashed(readable: &str, identity: &str) -> BranchName {
    let hash: String = Digest::of(identity.as_bytes()).hex().chars().take(HASH_LENGTH).collect();
    let lower = readable.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug: String = words.collect::<Vec<_>>().join("-").chars().take(READABLE_LENGTH_MAX).collect();
    BranchName::ours(
        &[slug.trim_matches('-'), &hash].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image(text: &str) -> Subject {
        Subject::Image(text.parse().unwrap())
    }

    #[test]
    fn a_branch_says_what_it_is_about() {
        assert_eq!(Subject::Repository.branch().as_str(), "refrom/base-images");
        assert_eq!(image("dhi.io/nginx").branch().as_str(), "refrom/dhi-io-nginx-cb06627b");
        assert_eq!(image("docker.io/library/nginx").branch(), image("nginx").branch());
        assert!(Subject::File("web/Dockerfile".into()).branch().as_str().starts_with("refrom/web-dockerfile-"));
    }

    #[test]
    fn subjects_with_one_readable_form_have_branches_of_their_own() {
        let branches = ["a/b", "a-b", "A/b", "a//b"].map(|path| Subject::File(path.into()).branch());
        for (index, branch) in branches.iter().enumerate() {
            assert!(!branches[..index].contains(branch), "{branch}");
        }
        assert_ne!(image("nginx").branch(), Subject::File("nginx".into()).branch());
    }

    proptest! {
        #[test]
        fn every_path_gives_a_branch_that_git_accepts(path in ".{0,300}") {
            let branch = Subject::File(path).branch();
            prop_assert!(branch.is_ours());
            prop_assert!(branch.as_str().len() < 100);
            prop_assert_eq!(branch.as_str().parse::<BranchName>().unwrap(), branch);
        }
    }
}
