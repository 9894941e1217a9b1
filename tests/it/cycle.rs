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

mod checks;
mod failures;
mod images;
mod interrupted;
mod meddling;
mod policies;
mod processes;
mod situations;
mod two_forges;
pub mod world;
