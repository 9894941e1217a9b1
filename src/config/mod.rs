//! The configuration: YAML, checked with file, line and column, into a validated model.
