//! How many random worlds the laws are held against. More of them: `REFROM_LAWS_TIMES=20 cargo test --test it laws`.

use std::num::NonZeroU32;

use proptest::prelude::ProptestConfig;

/// Multiplies the random worlds of every law: what only one world in thousands shows is found by a long run by hand.
const TIMES: &str = "REFROM_LAWS_TIMES";

/// So many worlds of a law. What fails is shown, and written to no file.
pub fn law(cases: u32) -> ProptestConfig {
    let times = std::env::var(TIMES).map_or(1, |text| text.parse::<NonZeroU32>().expect(TIMES).get());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let max_global_rejects = config.max_global_rejects.saturating_mul(times);
    ProptestConfig { cases: cases.saturating_mul(times), max_global_rejects, ..config }
}
