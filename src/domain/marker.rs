//! The hidden block in a pull request's body by which refrom knows what it proposed there.
//!
//! `<!-- refrom {"version":1,…} -->`, one line. People edit the text around it, forges change line endings; the block
//! reads back as it was written, or it is not used at all.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::policy::CommentMode;
use super::pull_request::CommitId;
use super::reference::{ImageName, Tag};

/// The newest version of the block, which is written where a pin gets another tag or its first digest: who knows only the
/// first version would take it for something else, and leaves what says that it is newer alone.
const VERSION: u64 = 2;
/// The version of every other block, so that who knows only this one reads it.
const FIRST_VERSION: u64 = 1;
const START: &str = "<!--";
const NAME: &str = "refrom";
const END: &str = "-->";

/// What a pull request holds, as refrom last wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The branch's head that refrom made; by it our own commit is known whatever e-mail is configured now.
    pub commit: Option<CommitId>,
    /// How comments were treated, because it decides the content of the branch.
    pub comment: CommentMode,
    /// refrom closes this pull request itself: that is no refusal.
    pub is_withdrawn: bool,
    pub pins: Vec<MarkerPin>,
}

/// One proposed change. **Invariant**: enough to tell whether a proposal has the same content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkerPin {
    /// From the repository's root.
    pub file: String,
    /// 1-based, when it was written; it moves with the base and is not compared.
    pub line: u32,
    pub image: ImageName,
    pub tag: Tag,
    /// The tag that it gets, where that changes.
    pub new_tag: Option<Tag>,
    /// `None`: it gets its first digest.
    pub old: Option<Digest>,
    pub new: Digest,
}

/// Why a body has no [`Marker`] that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    #[error("its hidden block is missing")]
    Missing,
    #[error("its hidden block has version {found}, this refrom knows {VERSION}")]
    Newer { found: u64 },
    #[error("its hidden block cannot be read: {detail}")]
    Broken { detail: String },
    /// Different blocks in one body: which one holds would be a guess.
    #[error("it has several hidden blocks that differ")]
    Several,
}

impl Marker {
    /// The block as one line without a line ending.
    pub fn write(&self) -> String {
        let is_of_the_first = |pin: &MarkerPin| pin.new_tag.is_none() && pin.old.is_some();
        let block = Block {
            version: if self.pins.iter().all(is_of_the_first) { FIRST_VERSION } else { VERSION },
            commit: self.commit.as_ref().map(ToString::to_string),
            comment: self.comment.as_str().to_owned(),
            withdrawn: self.is_withdrawn,
            pins: self.pins.iter().map(BlockPin::from).collect(),
        };
        // Strings, numbers and lists always become JSON; a block that did not would be read as broken.
        let json = serde_json::to_string(&block).unwrap_or_default();
        // JSON outside of strings has no `--`, `<` or `>`, and inside they may be escaped: no text ends the comment.
        let json = json.replace("--", r"-\u002d").replace('<', r"\u003c").replace('>', r"\u003e");
        format!("{START} {NAME} {json} {END}")
    }

    /// Reads the block in a body. Several equal ones count as one.
    pub fn read(body: &str) -> Result<Self, MarkerError> {
        let mut found = None;
        for json in blocks(body) {
            let marker = parse(json)?;
            match &found {
                None => found = Some(marker),
                Some(first) if *first == marker => {}
                Some(_) => return Err(MarkerError::Several),
            }
        }
        found.ok_or(MarkerError::Missing)
    }

    /// The body with this block in place of those that it has; whatever else it says stays.
    pub fn replace_in(&self, body: &str) -> String {
        let mut parts = body.split(START);
        let mut replaced = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match block(part).and_then(|_| part.split_once(END)) {
                Some((_, after)) => replaced.extend([self.write().as_str(), after]),
                None => replaced.extend([START, part]),
            }
        }
        replaced
    }
}

/// The JSON of each block.
fn blocks(body: &str) -> impl Iterator<Item = &str> {
    body.split(START).skip(1).filter_map(block)
}

/// What stands between ` refrom` and `-->`, where this text after `<!--` is a block.
fn block(after_start: &str) -> Option<&str> {
    let text = after_start.trim_start().strip_prefix(NAME)?;
    let is_block = text.starts_with(|c: char| c.is_whitespace() || c == '{');
    is_block.then(|| text.split_once(END).map_or(text, |(json, _)| json))
}

fn parse(json: &str) -> Result<Marker, MarkerError> {
    let broken = |error: &dyn std::fmt::Display| MarkerError::Broken { detail: error.to_string() };
    let Version { version: found } = serde_json::from_str(json).map_err(|error| broken(&error))?;
    if found > VERSION {
        return Err(MarkerError::Newer { found });
    }
    let block: Block = serde_json::from_str(json).map_err(|error| broken(&error))?;
    Ok(Marker {
        commit: block.commit.map(|text| text.parse()).transpose().map_err(|error| broken(&error))?,
        comment: comment_mode(&block.comment).ok_or_else(|| broken(&"unknown `comment`"))?,
        is_withdrawn: block.withdrawn,
        pins: block.pins.into_iter().map(MarkerPin::try_from).collect::<Result<_, _>>()?,
    })
}

fn comment_mode(word: &str) -> Option<CommentMode> {
    [CommentMode::Update, CommentMode::Write, CommentMode::Keep].into_iter().find(|mode| mode.as_str() == word)
}

/// What every version of the block has.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Block {
    version: u64,
    commit: Option<String>,
    comment: String,
    withdrawn: bool,
    pins: Vec<BlockPin>,
}

#[derive(Serialize, Deserialize)]
struct BlockPin {
    file: String,
    line: u32,
    image: String,
    tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    new: String,
}

impl From<&MarkerPin> for BlockPin {
    fn from(pin: &MarkerPin) -> Self {
        Self {
            file: pin.file.clone(),
            line: pin.line,
            image: pin.image.to_string(),
            tag: pin.tag.to_string(),
            new_tag: pin.new_tag.as_ref().map(ToString::to_string),
            old: pin.old.map(|old| old.to_string()),
            new: pin.new.to_string(),
        }
    }
}

impl TryFrom<BlockPin> for MarkerPin {
    type Error = MarkerError;

    fn try_from(pin: BlockPin) -> Result<Self, MarkerError> {
        let broken = |what: &str| MarkerError::Broken { detail: format!("bad `{what}`") };
        Ok(Self {
            file: pin.file,
            line: pin.line,
            image: pin.image.parse().map_err(|_| broken("image"))?,
            tag: pin.tag.parse().map_err(|_| broken("tag"))?,
            new_tag: pin.new_tag.map(|tag| tag.parse()).transpose().map_err(|_| broken("new_tag"))?,
            old: pin.old.map(|old| old.parse()).transpose().map_err(|_| broken("old"))?,
            new: pin.new.parse().map_err(|_| broken("new"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker(file: &str) -> Marker {
        Marker {
            commit: Some("ab".repeat(20).parse().unwrap()),
            comment: CommentMode::Write,
            is_withdrawn: false,
            pins: vec![MarkerPin {
                file: file.to_owned(),
                line: 3,
                image: "dhi.io/nginx--x".parse().unwrap(),
                tag: "1.27--alpine".parse().unwrap(),
                new_tag: None,
                old: Some(Digest::of(b"old")),
                new: Digest::of(b"new"),
            }],
        }
    }

    #[test]
    fn the_block_is_one_hidden_line() {
        let text = marker("a --> b\n<!-- c").write();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(text.matches("--").count(), 2, "{text}");
        assert!(text.starts_with("<!-- refrom {\"version\":1,") && text.ends_with("} -->"), "{text}");
    }

    #[test]
    fn another_comment_is_no_block() {
        for body in ["", "text", "<!-- other {} -->", "<!-- refromage {} -->", "refrom {}"] {
            assert_eq!(Marker::read(body), Err(MarkerError::Missing), "{body}");
        }
    }

    #[test]
    fn a_newer_or_broken_block_is_known_as_such() {
        assert_eq!(Marker::read("<!-- refrom {\"version\":3,\"x\":[]} -->"), Err(MarkerError::Newer { found: 3 }));
        let whole = marker("Dockerfile").write();
        for broken in [
            "<!-- refrom {} -->".to_owned(),
            "<!-- refrom nonsense -->".to_owned(),
            whole.replace("sha256:", "sha:"),
            whole.replace("} -->", ""),
            whole.replace("\"write\"", "\"other\""),
        ] {
            assert!(matches!(Marker::read(&broken), Err(MarkerError::Broken { .. })), "{broken}");
        }
    }

    #[test]
    fn equal_blocks_are_one_and_different_ones_are_a_guess() {
        let (one, other) = (marker("a"), marker("b"));
        assert_eq!(Marker::read(&format!("{0}\n> {0}", one.write())), Ok(one.clone()));
        assert_eq!(Marker::read(&format!("{}\n{}", one.write(), other.write())), Err(MarkerError::Several));
    }

    #[test]
    fn a_block_is_replaced_and_the_rest_stays() {
        let (old, new) = (marker("a"), Marker { is_withdrawn: true, ..marker("a") });
        let body = format!("by hand <!-- note -->\r\n{}\r\nend", old.write());
        assert_eq!(new.replace_in(&body), format!("by hand <!-- note -->\r\n{}\r\nend", new.write()));
    }

    #[test]
    fn a_block_tells_the_tag_that_changes_and_the_first_digest() {
        let of = |new_tag: Option<&str>, old| {
            let mut marker = marker("Dockerfile");
            for pin in &mut marker.pins {
                (pin.new_tag, pin.old) = (new_tag.map(|tag| tag.parse().unwrap()), old);
            }
            marker
        };
        for marker in [of(Some("1.28--alpine"), Some(Digest::of(b"old"))), of(None, None), of(Some("1.28"), None)] {
            assert_eq!(Marker::read(&marker.write()), Ok(marker));
        }
    }

    /// What the first version of the block has of a pin, and nothing else.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only that it can be read counts")]
    struct PinOfTheFirstVersion {
        file: String,
        line: u32,
        image: String,
        tag: String,
        old: String,
        new: String,
    }

    #[test]
    fn who_knows_only_the_first_version_reads_what_it_can_say_and_leaves_the_rest_alone() {
        let old = Some(Digest::of(b"old"));
        for (new_tag, old, version) in
            [(None, old, 1), (Some("1.28"), old, 2), (None, None, 2), (Some("1.28"), None, 2)]
        {
            let mut marker = marker("Dockerfile");
            let changed = MarkerPin { new_tag: new_tag.map(|tag| tag.parse().unwrap()), old, ..marker.pins[0].clone() };
            // One such pin is enough.
            marker.pins.push(changed);
            let text = marker.write();
            let json: serde_json::Value = serde_json::from_str(blocks(&text).next().unwrap()).unwrap();
            assert_eq!(json["version"], version, "{text}");
            let pins = json["pins"].as_array().unwrap().iter().cloned();
            let read: Result<Vec<PinOfTheFirstVersion>, _> = pins.map(serde_json::from_value).collect();
            assert_eq!(read.is_ok(), version == 1, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_block_reads_back_whatever_stands_around_it(
            file in ".{0,80}", before in "[^<]{0,80}", after in "[^<]{0,80}", withdrawn: bool
        ) {
            let marker = Marker { is_withdrawn: withdrawn, ..marker(&file) };
            let body = format!("{before}{}{after}", marker.write());
            prop_assert_eq!(Marker::read(&body), Ok(marker.clone()));
            prop_assert_eq!(Marker::read(&body.replace('\n', "\r\n")), Ok(marker));
        }

        #[test]
        fn no_body_is_too_strange_to_read(body in "(<!-- refrom |[{}\"-]|-->|.){0,60}") {
            let _ = Marker::read(&body);
        }
    }
}
