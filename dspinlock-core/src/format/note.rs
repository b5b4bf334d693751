//! The note that a turn leaves for its waiters when it has no value for them: the computation failed, or its value can't be
//! stored.
//!
//! Its parts are separated by line breaks: the record of the turn; the server's time in microseconds until which the note
//! answers every caller; the [label](super::envelope::Label::line) of the value; one word for the outcome; and the message,
//! which may have line breaks of its own.

use crate::clock::ServerTime;
use crate::format::record::{Record, State, Tag};
use std::fmt::Write;

/// The longest message, in characters.
const MESSAGE_LENGTH: usize = 500;

const FAILED: &str = "failed";
const UNSTORED: &str = "unstored";
const UNSHARED: &str = "unshared";

/// How far a value reaches that is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// The callers of one process share it. They do not lock.
    Process,
    /// Each caller computes its own at once.
    Caller,
}

/// The outcome of a turn that has no value for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Failed(Failure),
    /// There is a value that can't be shared any further. `lasts` if the next value is likely to be the same.
    NotShared {
        reach: Reach,
        lasts: bool,
    },
}

/// Why and where a computation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// Host, process and function, if the failure was read from a note.
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

    /// The note of the turn of `tag`. Until `till` it answers every caller that wants the value of this label.
    pub(crate) fn note(&self, tag: &Tag, till: ServerTime, label: &str) -> Vec<u8> {
        note(tag, till, label, FAILED, &self.message)
    }
}

impl Note {
    /// The note of a turn whose value reaches no further. Until `till` it sends every caller on without the lock.
    pub(crate) fn not_shared(reach: Reach, tag: &Tag, till: ServerTime, label: &str) -> Vec<u8> {
        let word = match reach {
            Reach::Process => UNSTORED,
            Reach::Caller => UNSHARED,
        };
        note(tag, till, label, word, "")
    }

    pub(crate) fn read(note: &[u8], separator: &str) -> Self {
        let Parts { turn, till, rest, .. } = parts(note).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let (word, message) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        let not_shared = |reach| Self::NotShared { reach, lasts: till > ServerTime(0) };
        if word == UNSTORED.as_bytes() {
            return not_shared(Reach::Process);
        }
        if word == UNSHARED.as_bytes() {
            return not_shared(Reach::Caller);
        }
        let holder = Record::parse(turn, separator).ok().map(|record| record.holder());
        Self::Failed(Failure { message: String::from_utf8_lossy(message).into_owned(), holder })
    }
}

fn note(tag: &Tag, till: ServerTime, label: &str, word: &str, message: &str) -> Vec<u8> {
    format!("{}\n{}\n{label}\n{word}\n{message}", tag.record(State::Blocked), till.0).into_bytes()
}

/// The parts of a note.
#[derive(Clone, Copy, Default)]
pub(crate) struct Parts<'a> {
    /// The record of the turn.
    pub(crate) turn: &'a [u8],
    /// Until when it answers every caller.
    pub(crate) till: ServerTime,
    /// The [line](super::envelope::Label::line) of the value's label.
    pub(crate) label: &'a [u8],
    /// The word and the message.
    pub(crate) rest: &'a [u8],
}

/// Splits a note; `None` if it is not one.
pub(crate) fn parts(note: &[u8]) -> Option<Parts<'_>> {
    let mut lines = note.splitn(4, |&byte| byte == b'\n');
    let (turn, till, label, rest) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
    // `parse` would accept a sign.
    let till = Some(till).filter(|till| till.iter().all(u8::is_ascii_digit))?;
    let till = ServerTime(str::from_utf8(till).ok()?.parse().ok()?);
    Some(Parts { turn, till, label, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = r#"["json","usage-2","17"]"#;

    fn tag() -> Tag {
        Tag::new("id@host/7/jobs::nightly,2026-01-31T23:59:59.000123+00:00".into(), ",")
    }

    fn read(note: &[u8]) -> Failure {
        let Note::Failed(failure) = Note::read(note, ",") else { panic!("not a failure") };
        failure
    }

    #[test]
    fn a_failure_is_bounded_and_reads_back() {
        let failure = Failure::new(&"é\n".repeat(1_000), Some("jobs::nightly"));
        assert!(failure.message.chars().count() < MESSAGE_LENGTH + 30);
        assert!(failure.message.ends_with("… (in jobs::nightly)"));
        let read_back = read(&failure.note(&tag(), ServerTime(7), MARK));
        assert_eq!(read_back.message, failure.message);
        assert_eq!(read_back.holder.as_deref(), Some("host/7/jobs::nightly"));
        assert_eq!(read(b"nonsense"), Failure { message: String::new(), holder: None });
    }

    #[test]
    fn a_note_says_how_far_a_value_reaches_and_for_how_long() {
        for reach in [Reach::Process, Reach::Caller] {
            for (till, lasts) in [(0, false), (7, true)] {
                let note = Note::not_shared(reach, &tag(), ServerTime(till), MARK);
                assert_eq!(Note::read(&note, ","), Note::NotShared { reach, lasts });
            }
        }
        assert_eq!(
            read(&Failure::new("unshared\n", None).note(&tag(), ServerTime(0), MARK)).message,
            "unshared\n"
        );
    }
}
