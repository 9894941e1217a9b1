//! Changing branches on the server: every update names the head that it was made for.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::{self, GitError};
use super::process::Output;
use crate::domain::pull_request::{BranchName, CommitId};

/// A branch's change. The lease is the head that the decision was made from; with another head nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// The branch must not exist yet.
    Create {
        branch: BranchName,
        new: CommitId,
    },
    Replace {
        branch: BranchName,
        lease: CommitId,
        new: CommitId,
    },
    Delete {
        branch: BranchName,
        lease: CommitId,
    },
}

/// What became of one update, also where the answer to it got lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The branch was changed.
    Pushed,
    /// It is as wanted, and was so before the last attempt.
    UpToDate,
    /// The branch has another head than the lease says; nothing was changed.
    StaleLease,
    /// The server refused: its words, those of its hooks included.
    Rejected { reason: String },
}

impl PushOutcome {
    /// Whether the branch is as wanted.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Pushed | Self::UpToDate => true,
            Self::StaleLease | Self::Rejected { .. } => false,
        }
    }
}

impl Update {
    pub fn branch(&self) -> &BranchName {
        match self {
            Self::Create { branch, .. } | Self::Replace { branch, .. } | Self::Delete { branch, .. } => branch,
        }
    }

    fn lease(&self) -> &str {
        match self {
            // Empty: no such branch (git-push(1), `--force-with-lease`).
            Self::Create { .. } => "",
            Self::Replace { lease, .. } | Self::Delete { lease, .. } => lease.as_str(),
        }
    }

    /// Empty: to be deleted.
    fn target(&self) -> &str {
        match self {
            Self::Create { new, .. } | Self::Replace { new, .. } => new.as_str(),
            Self::Delete { .. } => "",
        }
    }
}

/// git's arguments for all of them in one push. Refuses branches outside of refrom's namespace.
pub(super) fn arguments(url: &url::Url, updates: &[Update]) -> Result<Vec<OsString>, GitError> {
    if let Some(foreign) = updates.iter().find(|update| !update.branch().is_ours()) {
        return Err(GitError::ForeignBranch { branch: foreign.branch().clone() });
    }
    // A thin pack would be built on blobs that were never fetched.
    let mut arguments: Vec<OsString> =
        ["push", "--porcelain", "--no-verify", "--no-thin", "--recurse-submodules=no"].map(OsString::from).into();
    arguments.extend(
        updates
            .iter()
            .map(|update| format!("--force-with-lease=refs/heads/{}:{}", update.branch(), update.lease()).into()),
    );
    arguments.push(url.as_str().into());
    arguments.extend(updates.iter().map(|update| format!("{}:refs/heads/{}", update.target(), update.branch()).into()));
    Ok(arguments)
}

/// The outcome of each update, from `git push --porcelain` (git-push(1), "Output").
pub(super) fn outcomes(output: Output, updates: &[Update]) -> Result<Vec<(BranchName, PushOutcome)>, GitError> {
    let lines: BTreeMap<&str, (&str, &str)> = output.stdout.lines().filter_map(status_line).collect();
    let remote = remote_words(&output.words);
    let mut outcomes = Vec::new();
    for update in updates {
        let Some((flag, summary)) = lines.get(format!("refs/heads/{}", update.branch()).as_str()) else {
            return Err(error::from_words(output.words));
        };
        let outcome = match *flag {
            "=" => PushOutcome::UpToDate,
            // `[rejected]`: git did not send it. All our updates are forced, so only the lease can be the reason.
            "!" if summary.starts_with("[rejected]") => PushOutcome::StaleLease,
            "!" => PushOutcome::Rejected { reason: format!("{summary}{remote}") },
            _ => PushOutcome::Pushed,
        };
        outcomes.push((update.branch().clone(), outcome));
    }
    Ok(outcomes)
}

/// git's arguments for asking where these branches are now.
pub(super) fn question(url: &url::Url, updates: &[Update]) -> Vec<OsString> {
    let branches = updates.iter().map(|update| format!("refs/heads/{}", update.branch()).into());
    [OsString::from("ls-remote"), url.as_str().into()].into_iter().chain(branches).collect()
}

/// What failed updates came to, by where the branches are now (`git ls-remote`). git sends a push again when the
/// connection breaks, and so does the retry policy: what the first attempt did is refused to the second.
pub(super) fn settle(outcomes: &mut [(BranchName, PushOutcome)], updates: &[Update], heads: &Output) {
    let heads: BTreeMap<&str, &str> =
        heads.stdout.lines().filter_map(|line| line.split_once('\t')).map(|(head, name)| (name, head)).collect();
    for ((branch, outcome), update) in outcomes.iter_mut().zip(updates) {
        let head = heads.get(format!("refs/heads/{branch}").as_str()).copied().unwrap_or_default();
        match outcome {
            PushOutcome::Pushed | PushOutcome::UpToDate => {}
            _ if head == update.target() => *outcome = PushOutcome::UpToDate,
            _ if head != update.lease() => *outcome = PushOutcome::StaleLease,
            PushOutcome::StaleLease | PushOutcome::Rejected { .. } => {}
        }
    }
}

/// `<flag>\t<from>:<to>\t<summary> (<reason>)` as (to, (flag, summary and reason)).
fn status_line(line: &str) -> Option<(&str, (&str, &str))> {
    let mut fields = line.splitn(3, '\t');
    let (flag, refs, summary) = (fields.next()?, fields.next()?, fields.next()?);
    let (_, to) = refs.split_once(':')?;
    Some((to, (flag, summary)))
}

/// What the server and its hooks said, to be added to a reason.
fn remote_words(words: &str) -> String {
    let lines: Vec<&str> = words.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
    let text = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    if text.is_empty() { text } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refroms_own_branches_are_touched() {
        let url = "https://example.com/acme/web.git".parse().unwrap();
        let id: CommitId = "1".repeat(40).parse().unwrap();
        for name in ["main", "refrom", "renovate/x"] {
            let update = Update::Delete { branch: name.parse().unwrap(), lease: id.clone() };
            assert!(matches!(arguments(&url, &[update]), Err(GitError::ForeignBranch { .. })), "{name}");
        }
    }

    #[test]
    fn where_the_branch_is_tells_what_a_failed_update_came_to() {
        let [old, new, other] = ["1", "2", "3"].map(|digit| digit.repeat(40));
        let branch: BranchName = "refrom/x".parse().unwrap();
        let (lease, target) = (old.parse::<CommitId>().unwrap(), new.parse().unwrap());
        let replace = Update::Replace { branch: branch.clone(), lease: lease.clone(), new: target };
        let delete = Update::Delete { branch: branch.clone(), lease };
        let rejected = PushOutcome::Rejected { reason: "no".to_owned() };
        let settled = |update: &Update, outcome: &PushOutcome, head: Option<&String>| {
            let line = head.map(|head| format!("{head}\trefs/heads/x\n{head}\trefs/heads/refrom/x\n"));
            let heads = Output { is_success: true, stdout: line.unwrap_or_default(), words: String::new() };
            let mut outcomes = [(branch.clone(), outcome.clone())];
            settle(&mut outcomes, std::slice::from_ref(update), &heads);
            outcomes[0].1.clone()
        };
        assert_eq!(settled(&replace, &rejected, Some(&new)), PushOutcome::UpToDate);
        assert_eq!(settled(&replace, &rejected, Some(&other)), PushOutcome::StaleLease);
        assert_eq!(settled(&replace, &rejected, Some(&old)), rejected);
        assert_eq!(settled(&replace, &PushOutcome::StaleLease, None), PushOutcome::StaleLease);
        assert_eq!(settled(&delete, &PushOutcome::StaleLease, None), PushOutcome::UpToDate);
        assert_eq!(settled(&delete, &rejected, Some(&old)), rejected);
    }

    #[test]
    fn a_reason_has_the_servers_words() {
        let update = Update::Create { branch: "refrom/x".parse().unwrap(), new: "1".repeat(40).parse().unwrap() };
        let output = Output {
            is_success: false,
            stdout: "To http://h\n!\t111:refs/heads/refrom/x\t[remote rejected] (pre-receive hook declined)\nDone\n"
                .to_owned(),
            words: "remote: no pushes\nremote: on Fridays\nerror: failed to push".to_owned(),
        };
        let reason = "[remote rejected] (pre-receive hook declined): no pushes; on Fridays".to_owned();
        let expected = vec![(update.branch().clone(), PushOutcome::Rejected { reason })];
        assert_eq!(outcomes(output, &[update]).unwrap(), expected);
    }
}
