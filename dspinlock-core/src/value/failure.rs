//! The note that a failed computation leaves for those who waited for it.
//!
//! It is the record of the turn, a line break, the server's time in microseconds until which everybody is turned away,
//! a line break, and the message.

use crate::clock::ServerTime;
use crate::record::{Record, State, Tag};
use std::fmt::Write;

/// How many characters of a message are passed on.
const MESSAGE_LENGTH: usize = 500;

/// Why and where a computation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// Host, process and function, once it was read from a note.
    pub(crate) holder: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: &str, at: Option<&str>) -> Self {
        let mut bounded: String = message.chars().take(MESSAGE_LENGTH).collect();
        if bounded.len() < message.len() {
            bounded.push('…');
        }
        if let Some(at) = at {
            // Writing to a string does not fail.
            let _ = write!(bounded, " (in {at})");
        }
        Self { message: bounded, holder: None }
    }

    /// The note of the turn of `tag`, which turns everybody away until `till`.
    pub(crate) fn note(&self, tag: &Tag, till: ServerTime) -> Vec<u8> {
        format!("{}\n{}\n{}", tag.record(State::Blocked), till.0, self.message).into_bytes()
    }

    pub(crate) fn read(note: &[u8], separator: &str) -> Self {
        let (turn, _, message) = parts(note).unwrap_or_default();
        let holder = Record::parse(turn, separator).ok().map(|record| record.holder());
        Self { message: String::from_utf8_lossy(message).into_owned(), holder }
    }
}

/// The record of the turn, until when the note turns everybody away, and the message; `None` if it is no note.
pub(crate) fn parts(note: &[u8]) -> Option<(&[u8], ServerTime, &[u8])> {
    let mut lines = note.splitn(3, |&byte| byte == b'\n');
    let (turn, till, message) = (lines.next()?, lines.next()?, lines.next()?);
    // `parse` would take a sign.
    let till = Some(till).filter(|till| till.iter().all(u8::is_ascii_digit))?;
    let till = str::from_utf8(till).ok()?.parse().ok()?;
    Some((turn, ServerTime(till), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_comes_back() {
        let failure = Failure::new(&"é\n".repeat(1_000), Some("jobs::nightly"));
        assert!(failure.message.chars().count() < MESSAGE_LENGTH + 30);
        assert!(failure.message.ends_with("… (in jobs::nightly)"));
        let tag = Tag::new("id@host/7/jobs::nightly,2026-01-31T23:59:59.000123+00:00".into(), ",");
        let read = Failure::read(&failure.note(&tag, ServerTime(7)), ",");
        assert_eq!(read.message, failure.message);
        assert_eq!(read.holder.as_deref(), Some("host/7/jobs::nightly"));
        assert_eq!(Failure::read(b"nonsense", ","), Failure { message: String::new(), holder: None });
    }
}
