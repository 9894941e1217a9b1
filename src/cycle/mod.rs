//! One pass over the fleet: gather, decide, act.
