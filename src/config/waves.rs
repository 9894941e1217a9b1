//! `waves` and `advance` → values of [`crate::domain::waves`].

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::check::Checker;
use super::mistake::KeyPath;
use super::waves_file::{AdvanceFile, WaveFile};
use crate::domain::cadence;
use crate::domain::pattern::Pattern;
use crate::domain::waves::{Advance, Wave};

/// How many waves there may be: with a day in each, a digest is three weeks old at the end.
const WAVES_MAX: usize = 20;
/// The longest name, in characters: it stands in columns and in metrics.
const NAME_LENGTH_MAX: usize = 50;
/// Longer than that no digest is waited for that moves each month.
const GREEN_FOR_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// In their order; none where one of them is wrong.
pub fn waves(checker: &mut Checker<'_>, path: &KeyPath, files: &[WaveFile]) -> Vec<Wave> {
    if files.len() > WAVES_MAX {
        checker.wrong(path, format!("too many: {} of at most {WAVES_MAX}", files.len()));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut waves = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = path.index(index);
        let name = name(checker, &path.key("name"), file.name.as_deref());
        if let Some(name) = &name
            && !names.insert(name.clone())
        {
            checker.wrong(&path.key("name"), format!("a second wave with the name `{name}`"));
        }
        let repositories = patterns(checker, &path.key("match"), file.patterns.as_deref());
        waves.extend(name.zip(repositories).map(|(name, repositories)| Wave { name, repositories }));
    }
    waves
}

fn name(checker: &mut Checker<'_>, path: &KeyPath, text: Option<&str>) -> Option<String> {
    let Some(name) = text else {
        checker.missing(path, "missing: the wave's name in reports");
        return None;
    };
    let is_name = !name.is_empty()
        && name.chars().count() <= NAME_LENGTH_MAX
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_name {
        checker.wrong(
            path,
            format!("expected a name of at most {NAME_LENGTH_MAX} letters, digits, `-`, `_` and `.`, found `{name}`"),
        );
    }
    is_name.then(|| name.to_owned())
}

fn patterns(checker: &mut Checker<'_>, path: &KeyPath, texts: Option<&[String]>) -> Option<Vec<Pattern>> {
    match texts {
        None => {
            checker.missing(path, "missing: patterns over the repositories' full names, for example `[\"acme/*\"]`")
        }
        Some([]) => checker.wrong(path, "expected at least one pattern; `[\"**\"]` matches every repository"),
        Some(texts) => return Some(checker.patterns(path, texts)),
    }
    None
}

/// The default where a key is left out.
pub fn advance(checker: &mut Checker<'_>, path: &KeyPath, file: Option<&AdvanceFile>) -> Advance {
    let mut advance = Advance::default();
    let Some(file) = file else { return advance };
    if let Some(text) = &file.merged {
        let percent = text.strip_suffix('%').and_then(|number| number.trim_end().parse::<u8>().ok());
        match percent.filter(|percent| (1..=100).contains(percent)) {
            Some(percent) => advance.merged_percent = percent,
            None => checker.wrong(&path.key("merged"), format!("expected `1%` to `100%`, found `{text}`")),
        }
    }
    if let Some(text) = &file.green_for {
        let most = GREEN_FOR_MAX.as_hours() / 24;
        match cadence::duration(text).filter(|green_for| *green_for <= GREEN_FOR_MAX) {
            Some(green_for) => advance.green_for = green_for,
            None => checker.wrong(
                &path.key("green_for"),
                format!("expected a duration like `24h` of at most {most} days, found `{text}`"),
            ),
        }
    }
    advance
}
