//! Whole cycles, in a small test language, over the embedded registry and forge.

/// Each of these twice: on a GitHub and on a GitLab.
macro_rules! on_both_forges {
    ($($situation:ident),+ $(,)?) => {
        mod on_github {
            $(#[tokio::test]
            async fn $situation() {
                super::$situation(refrom::demo::forge::Face::GitHub).await;
            })+
        }

        mod on_gitlab {
            $(#[tokio::test]
            async fn $situation() {
                super::$situation(refrom::demo::forge::Face::GitLab).await;
            })+
        }
    };
}

mod api_commits;
mod automerge;
mod cadence;
mod checks;
mod choice;
mod failures;
mod figures;
mod following;
mod images;
mod interrupted;
pub mod meddling;
mod policies;
mod processes;
mod quiet;
mod rollback;
mod situations;
mod two_forges;
mod waves;
pub mod world;
