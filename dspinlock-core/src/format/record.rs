//! The record at a lock's key, `owner part,timestamp,state`: how it is written and read.

use crate::clock::ServerTime;
use std::time::{Duration, UNIX_EPOCH};

/// Whether somebody holds the key, or the work has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Somebody holds the lock (`0` in the record).
    Blocked,
    /// The work has been done, and is remembered until the record expires (`1` in the record).
    Computed,
}

impl State {
    pub(crate) const fn digit(self) -> char {
        match self {
            Self::Blocked => '0',
            Self::Computed => '1',
        }
    }
}

/// How many bytes a record has at the most: what is longer is somebody else's, and is not read whole.
pub(crate) const LONGEST: usize = 1024;

/// Why the text at a key is no record of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotARecord(pub(crate) &'static str);

/// A record as it stood in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    /// Exactly what was there, to be compared with what is there later.
    pub(crate) raw: Vec<u8>,
    pub(crate) state: State,
    pub(crate) owner: String,
    pub(crate) timestamp: ServerTime,
}

impl Record {
    /// Reads what stands at a key.
    pub(crate) fn parse(raw: &[u8], separator: &str) -> Result<Self, NotARecord> {
        let text = str::from_utf8(raw).map_err(|_| NotARecord("it is not UTF-8"))?;
        let mut fields = text.split(separator);
        let (Some(owner), Some(timestamp), Some(state), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(NotARecord("a record has three fields: owner, timestamp and state"));
        };
        if owner.is_empty() {
            return Err(NotARecord("its owner is empty"));
        }
        if !owner.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotARecord("its owner is not printable ASCII"));
        }
        let state = match state {
            "0" => State::Blocked,
            "1" => State::Computed,
            _ => return Err(NotARecord("its state is neither 0 (BLOCKED) nor 1 (COMPUTED)")),
        };
        let timestamp =
            parse_timestamp(timestamp).ok_or(NotARecord("its timestamp is no UTC date and time"))?;
        Ok(Self { raw: raw.to_vec(), state, owner: owner.to_owned(), timestamp })
    }

    /// Whether py-dspinlock wrote it: our owner part always has an `@`.
    pub(crate) fn is_python(&self) -> bool {
        !self.owner.contains('@')
    }

    /// Whether this library wrote it, by its usual scheme and beyond doubt: `<uuid>@…`, and a time with microseconds.
    pub(crate) fn is_surely_ours(&self) -> bool {
        const REST: usize = ",2026-01-31T23:59:59.000123+00:00,1".len();
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let id = self.owner.split_once('@').map(|(id, _)| id);
        id.is_some_and(is_id) && self.raw.len() == self.owner.len() + REST
    }

    /// Who wrote it, for people: host, process and function, or the bare id of a Python instance.
    pub(crate) fn holder(&self) -> String {
        match self.owner.split_once('@') {
            Some((_, owner)) => owner.to_owned(),
            None => format!("python {}", self.owner),
        }
    }
}

/// The mark of one turn of one process, with the separator that leads on to the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// `text` are the first two fields of a record.
    pub(crate) fn new(mut text: String, separator: &str) -> Self {
        text.push_str(separator);
        Self(text)
    }

    /// The record's text up to its state.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first two fields alone.
    pub(crate) fn fields(&self, separator: &str) -> &str {
        self.0.strip_suffix(separator).unwrap_or(&self.0)
    }

    pub(crate) fn record(&self, state: State) -> String {
        let mut text = String::with_capacity(self.0.len() + 1);
        text.push_str(&self.0);
        text.push(state.digit());
        text
    }
}

/// Reads Python's `isoformat()` of a UTC time: with microseconds, or without a fraction.
fn parse_timestamp(text: &str) -> Option<ServerTime> {
    let bare = text.strip_suffix("+00:00")?;
    let time = humantime::parse_rfc3339(&format!("{bare}Z")).ok()?;
    let since: Duration = time.duration_since(UNIX_EPOCH).ok()?;
    let time = ServerTime(u64::try_from(since.as_micros()).ok()?);
    // The parser takes more than Python writes or reads: leap seconds, fractions of any length, even `59.1+abcd`.
    let written = time.to_string();
    let is_canonical = text == written || written.strip_suffix(".000000+00:00") == Some(bare);
    is_canonical.then_some(time)
}

/// Says what stands at a key without showing it: it is somebody else's, and may be a secret.
pub(crate) fn describe(raw: &[u8], why: &NotARecord) -> String {
    format!("{} bytes that are not a lock's record: {}", raw.len(), why.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Record, NotARecord> {
        Record::parse(text.as_bytes(), ",")
    }

    #[test]
    fn reads_python_and_ours() {
        let python =
            parse("0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59.000123+00:00,0").unwrap();
        assert!(python.is_python());
        assert_eq!(python.timestamp, ServerTime(1_769_903_999_000_123));
        assert_eq!(python.holder(), "python 0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a");
        let ours = parse("0b8e@web-1/77/jobs::nightly,2026-01-31T23:59:59+00:00,1").unwrap();
        assert!(!ours.is_python());
        assert_eq!((ours.state, ours.holder()), (State::Computed, "web-1/77/jobs::nightly".to_owned()));
    }

    #[test]
    fn refuses_what_is_not_a_record() {
        for foreign in [
            "",
            "hello",
            "a,2026-01-31T23:59:59+00:00",
            "a,2026-01-31T23:59:59+00:00,7",
            "a,2026-01-31T23:59:59+00:00,",
            ",2026-01-31T23:59:59+00:00,0",
            "a,2026-01-31T23:59:59+00:00,0,0",
            "a,2026-01-31 23:59:59+00:00,0",
            "a,2026-01-31T23:59:59,0",
            "a,2026-01-31T23:59:59Z,0",
            "a,2026-01-31T23:59:59+02:00,0",
            "a,2026-01-31T23:59:60+00:00,0",
            "a,2026-01-31T23:59:59.+00:00,0",
            "a,2026-01-31T23:59:59.5+00:00,0",
            "a,2026-01-31T23:59:59.000123000+00:00,0",
            "a,2026-01-31T23:59:59.1+abcd+00:00,0",
            "a,2026-02-29T23:59:59+00:00,0",
            "a b,2026-01-31T23:59:59+00:00,0",
            "a\n,2026-01-31T23:59:59+00:00,0",
            "\u{f6},2026-01-31T23:59:59+00:00,0",
            "a,yesterday,0",
        ] {
            assert!(parse(foreign).is_err(), "{foreign:?}");
        }
        assert_eq!(Record::parse(b"a\xff,b,0", ","), Err(NotARecord("it is not UTF-8")));
    }

    #[test]
    fn knows_its_own_form() {
        let is_ours = |owner: &str, seconds: &str| {
            parse(&format!("{owner},2026-01-31T23:59:{seconds}+00:00,1")).unwrap().is_surely_ours()
        };
        assert!(is_ours("0b8e1a4e-6b6e-4a54@web.1/77", "59.000123") && is_ours("0b8e@", "59.000000"));
        assert!(!is_ours("0b8e", "59.000123"), "Python's");
        assert!(!is_ours("@web", "59.000123") && !is_ours("turn@web", "59.000123"), "another scheme's");
        assert!(!is_ours("0b8e@web", "59"), "another library's");
    }

    #[test]
    fn a_tag_and_its_records() {
        let tag = Tag::new("id@host,2026-01-31T23:59:59.000123+00:00".to_owned(), ",");
        let record = parse(&tag.record(State::Computed)).unwrap();
        assert_eq!(record.state, State::Computed);
        assert_eq!(tag.record(State::Blocked).strip_suffix('0'), Some(tag.as_str()));
        assert_eq!(tag.fields(","), "id@host,2026-01-31T23:59:59.000123+00:00");
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_what_was_there(raw: Vec<u8>) {
            if let Ok(record) = Record::parse(&raw, ",") {
                prop_assert_eq!(record.raw, raw);
            }
        }

        #[test]
        fn any_written_timestamp_is_read_back(micros in 0_u64..4_000_000_000_000_000) {
            let text = format!("id@host,{},0", ServerTime(micros));
            prop_assert_eq!(parse(&text).unwrap().timestamp, ServerTime(micros));
        }
    }
}
