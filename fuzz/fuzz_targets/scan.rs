#![no_main]

#[allow(dead_code, reason = "each target runs one of the bodies")]
#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::scan(bytes));
