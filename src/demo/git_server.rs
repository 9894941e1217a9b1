//! Git repositories over smart HTTP on loopback.
