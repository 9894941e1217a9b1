//! The one integration binary: each module is a part of the program seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod architecture;
mod dockerfile_laws;
mod dockerfile_oracles;
mod dockerfiles;
mod fuzz_corpus;
