//! `waves` and `advance`.

use jiff::SignedDuration;
use refrom::cli::config as commands;
use refrom::config::Secrets;
use refrom::domain::waves::Advance;

use super::{config_of, load, no_environment};

/// What is said about a text that is wrong, a line for each mistake.
#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    let told = load(text, &no_environment, Secrets::Skip).expect_err("the text is wrong");
    told.lines().map(str::to_owned).collect()
}

const THREE: &str = "waves:
  - { name: canary, match: [acme/canary-*, acme/lab] }
  - { name: internal, match: ['/^acme\\/internal-/'] }
  - { name: rest, match: ['**'] }
";

#[test]
fn waves_are_read_in_their_order_and_a_day_of_green_is_the_default() {
    let config = config_of(THREE);
    let names: Vec<&str> = config.waves.iter().map(|wave| wave.name.as_str()).collect();
    assert_eq!(names, ["canary", "internal", "rest"]);
    assert_eq!(config.advance, Advance { merged_percent: 100, green_for: SignedDuration::from_hours(24) });
    let config = config_of("advance: { merged: 80%, green_for: 2d }\n");
    assert!(config.waves.is_empty());
    assert_eq!(config.advance, Advance { merged_percent: 80, green_for: SignedDuration::from_hours(48) });
}

#[test]
fn pipelines_are_asked_for_only_where_there_are_waves() {
    let forge = "forges: [{ auth: { token: { env: TOKEN } }, repositories: { include: ['acme/*'] } }]\n";
    assert!(!config_of(forge).forges[0].selection.pipelines);
    assert!(config_of(&format!("{forge}{THREE}")).forges[0].selection.pipelines);
}

#[test]
fn waves_are_checked_at_their_place() {
    let text = "waves:
  - { name: canary, match: [] }
  - { name: canary, match: ['['] }
  - { match: ['**'], only: a }
  - { name: 'the rest' }
advance: { merged: 101%, green_for: 31d, red_for: 1h }
";
    assert_eq!(
        mistakes(text),
        [
            "refrom.yaml:2:28: `waves[0].match`: expected at least one pattern; `[\"**\"]` matches every repository",
            "refrom.yaml:3:13: `waves[1].name`: a second wave with the name `canary`",
            "refrom.yaml:3:29: `waves[1].match[0]`: bad pattern `[`: unclosed character class; missing ']'",
            "refrom.yaml:4:5: `waves[2].name`: missing: the wave's name in reports",
            "refrom.yaml:4:22: `waves[2].only`: unknown key `only`; known here: `name`, `match`",
            "refrom.yaml:5:5: `waves[3].match`: missing: patterns over the repositories' full names, for example `[\"acme/*\"]`",
            "refrom.yaml:5:13: `waves[3].name`: expected a name of at most 50 letters, digits, `-`, `_` and `.`, found `the rest`",
            "refrom.yaml:6:20: `advance.merged`: expected `1%` to `100%`, found `101%`",
            "refrom.yaml:6:37: `advance.green_for`: expected a duration like `24h` of at most 30 days, found `31d`",
            "refrom.yaml:6:42: `advance.red_for`: unknown key `red_for`; known here: `merged`, `green_for`",
        ]
    );
    let wave = |number| format!("{{ name: w{number}, match: ['**'] }}");
    let many: Vec<String> = (0..21).map(wave).collect();
    let told = mistakes(&format!("waves: [{}]\n", many.join(", ")));
    assert_eq!(told, ["refrom.yaml:1:8: `waves`: too many: 21 of at most 20"]);
    for merged in ["0%", "80", "1.5%", "-1%", "all"] {
        assert_eq!(mistakes(&format!("advance: {{ merged: {merged} }}\n")).len(), 1, "{merged}");
    }
}

#[test]
fn show_names_the_wave_of_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.yaml");
    std::fs::write(&path, THREE).unwrap();
    let first = |name: &str| {
        let shown = commands::show(&path, name, &no_environment).stdout;
        shown.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(first("acme/lab"), "# the policy of acme/lab, in the wave `canary`");
    assert_eq!(first("other/web"), "# the policy of other/web, in the wave `rest`");
}
