//! The patterns of `${v#p}` and `${v/p/b}`: `*`, `?`, and escapes (BuildKit, `convertShellPatternToRegex`).

use super::expand::SyntaxError;

/// How many tokens a pattern may have; its states fit into one machine word. People write five.
const TOKENS_MAX: usize = 63;

/// A pattern, matched in time proportional to the text.
#[derive(Debug)]
pub(super) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    AnyByte,
    AnyText,
}

impl Glob {
    /// Reads a pattern; `None` where it has more tokens than are followed.
    pub fn new(pattern: &[u8]) -> Result<Option<Self>, SyntaxError> {
        let mut tokens = Vec::new();
        let mut bytes = pattern.iter().copied();
        while let Some(byte) = bytes.next() {
            tokens.push(match byte {
                b'*' => Token::AnyText,
                b'?' => Token::AnyByte,
                b'\\' => match bytes.next() {
                    Some(escaped @ (b'}' | b'/' | b'*' | b'?' | b'\\')) => Token::Byte(escaped),
                    _ => return Err(SyntaxError),
                },
                other => Token::Byte(other),
            });
        }
        Ok((tokens.len() <= TOKENS_MAX).then_some(Self { tokens }))
    }

    /// How many tokens it has.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.prefixes(text).last() == Some(&text.len())
    }

    /// The lengths of all prefixes that match, ascending.
    pub fn prefixes(&self, text: &[u8]) -> Vec<usize> {
        let accepting = 1_u64 << self.tokens.len();
        let mut states = self.closure(1);
        let mut lengths = Vec::new();
        for (length, byte) in text.iter().map(Some).chain([None]).enumerate() {
            if states & accepting != 0 {
                lengths.push(length);
            }
            let Some(byte) = byte else { break };
            states = self.step(states, *byte);
            if states == 0 {
                break;
            }
        }
        lengths
    }

    /// The states after one more byte.
    fn step(&self, states: u64, byte: u8) -> u64 {
        let next =
            self.tokens.iter().enumerate().filter(|(index, _)| states >> index & 1 == 1).map(|(index, token)| {
                match token {
                    Token::AnyText => 1 << index,
                    Token::AnyByte => 1 << (index + 1),
                    Token::Byte(expected) if *expected == byte => 1 << (index + 1),
                    Token::Byte(_) => 0,
                }
            });
        self.closure(next.fold(0, |all, state: u64| all | state))
    }

    /// The states that are reached without a byte: a star may stand for nothing.
    fn closure(&self, states: u64) -> u64 {
        self.tokens.iter().enumerate().fold(states, |states, (index, token)| {
            if *token == Token::AnyText && states >> index & 1 == 1 { states | 1 << (index + 1) } else { states }
        })
    }
}
