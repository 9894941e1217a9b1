//! docs/tuning.md, held to what the program says.
