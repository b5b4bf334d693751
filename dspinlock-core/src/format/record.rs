//! The record at a lock's key: `owner part,timestamp,state`.

use crate::clock::ServerTime;
use once_cell::sync::Lazy;
use std::time::{Duration, UNIX_EPOCH};

/// The state of a key that has a record: held, or done.
///
/// A key without a record is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A caller holds the lock (`0` in the record).
    Blocked,
    /// The work is done. The key remembers that until the record expires (`1` in the record).
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

/// The longest record, in bytes. A longer string belongs to another program, and is not read whole.
pub(crate) const LONGEST: usize = 1024;

/// The longest name of a process and its function, in characters.
pub(crate) const LONGEST_OWNER: usize = 128;

/// The reason why the string at a key is not a lock's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotARecord(pub(crate) &'static str);

/// A record as it was read from the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    /// The exact bytes, for comparison with a later read.
    pub(crate) raw: Vec<u8>,
    pub(crate) state: State,
    pub(crate) owner: String,
    pub(crate) timestamp: ServerTime,
}

impl Record {
    /// Parses the string at a key.
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

    /// Whether py-dspinlock wrote it. This library's owner part always has an `@`.
    pub(crate) fn is_python(&self) -> bool {
        !self.owner.contains('@')
    }

    /// Whether this library certainly wrote it, by its standard scheme: `<uuid>@…`, and a time with microseconds.
    pub(crate) fn is_surely_ours(&self) -> bool {
        const REST: usize = ",2026-01-31T23:59:59.000123+00:00,1".len();
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let id = self.owner.split_once('@').map(|(id, _)| id);
        id.is_some_and(is_id) && self.raw.len() == self.owner.len() + REST
    }

    /// The writer in readable form: host, process and function, or the bare id of a Python instance.
    pub(crate) fn holder(&self) -> String {
        match self.owner.split_once('@') {
            Some((_, owner)) => owner.to_owned(),
            None => format!("python {}", self.owner),
        }
    }
}

/// The first two fields of one turn's record, with the separator that follows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// `text` is the first two fields of a record.
    pub(crate) fn new(mut text: String, separator: &str) -> Self {
        text.push_str(separator);
        Self(text)
    }

    /// The record's text up to its state.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first two fields, without the last separator.
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

/// Parses Python's `isoformat()` of a UTC time, with microseconds or without a fraction.
fn parse_timestamp(text: &str) -> Option<ServerTime> {
    let bare = text.strip_suffix("+00:00")?;
    let time = humantime::parse_rfc3339(&format!("{bare}Z")).ok()?;
    let since: Duration = time.duration_since(UNIX_EPOCH).ok()?;
    let time = ServerTime(u64::try_from(since.as_micros()).ok()?);
    // The parser accepts more than Python writes or reads: leap seconds, fractions of any length, even `59.1+abcd`.
    let written = time.to_string();
    let is_canonical = text == written || written.strip_suffix(".000000+00:00") == Some(bare);
    is_canonical.then_some(time)
}

/// Describes the string at a key without showing it: it belongs to another program, and may be secret.
pub(crate) fn describe(raw: &[u8], why: &NotARecord) -> String {
    format!("{} bytes that are not a lock's record: {}", raw.len(), why.0)
}

/// Names a process, usually this one, as others see it in a record: `host/pid`, or `host/pid/function` where the function is known. It is
/// printable ASCII without commas, [`LONGEST_OWNER`] characters at most.
pub(crate) fn owner(pid: u32, function: Option<&str>) -> String {
    const LONGEST_HOST: usize = 48;
    static HOST: Lazy<String> =
        Lazy::new(|| clean(&gethostname::gethostname().to_string_lossy(), LONGEST_HOST));
    match function {
        Some(function) => clean(&format!("{}/{pid}/{function}", *HOST), LONGEST_OWNER),
        None => format!("{}/{pid}", *HOST),
    }
}

fn clean(text: &str, length: usize) -> String {
    let printable = |c: char| if c.is_ascii_graphic() && c != ',' { c } else { '_' };
    text.chars().map(printable).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Record, NotARecord> {
        Record::parse(text.as_bytes(), ",")
    }

    #[test]
    fn an_owner_is_short_and_has_no_separator() {
        let owner = owner(77, Some(&"löng, näme ".repeat(40)));
        assert_eq!(owner.len(), LONGEST_OWNER);
        assert!(owner.is_ascii() && !owner.contains([',', ' ']), "{owner}");
        assert!(owner.contains("/77/"));
    }

    #[test]
    fn reads_records_of_python_and_of_this_library() {
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
    fn refuses_other_strings() {
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
    fn recognises_the_form_of_this_library() {
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
        fn parsing_never_panics_and_keeps_the_bytes(raw: Vec<u8>) {
            if let Ok(record) = Record::parse(&raw, ",") {
                prop_assert_eq!(record.raw, raw);
            }
        }

        #[test]
        fn any_written_timestamp_reads_back(micros in 0_u64..4_000_000_000_000_000) {
            let text = format!("id@host,{},0", ServerTime(micros));
            prop_assert_eq!(parse(&text).unwrap().timestamp, ServerTime(micros));
        }
    }
}
