//! Registries: what a tag points to now, and what a digest holds.
