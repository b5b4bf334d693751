//! Random records, parsed by the library and by a second reader that follows the specification alone.

use crate::clock::ServerTime;
use crate::format::record::{Record, State, Tag};
use dspinlock_fuzz::{fuzz, with_slips};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const SEPARATORS: [&str; 6] = [",", ";", "::", "|0|", "-", "\u{2192}"];

const WORDS: [&str; 30] = [
    ",", ";", "::", "@", "T", "Z", " ", "+00:00", "-00:00", "+01:00", ".", ":", "-", "+", "0", "1", "2",
    "00", "12", "13", "24", "29", "30", "31", "60", "1969", "2000", "2100", "9999", "\u{e9}",
];

/// The last microsecond of the year 9999.
const LAST: u64 = 253_402_300_799_999_999;

/// A record as this library or py-dspinlock writes it.
fn written(separator: &str, owner: &str, time: ServerTime, whole: bool, state: State) -> String {
    let mut time = time.to_string();
    if whole {
        time.replace_range(19..26, "");
    }
    Tag::new(format!("{owner}{separator}{time}"), separator).record(state)
}

fn owners() -> impl Strategy<Value = String> {
    let ours = "0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a@web-1/77/jobs::nightly";
    let any = vec(0x21..0x7f_u8, 1..20).prop_map(|text| String::from_utf8(text).expect("ASCII"));
    prop_oneof![Just(ours.to_owned()), Just("0b8e1a4e-6b6e".to_owned()), any]
}

fn times() -> impl Strategy<Value = ServerTime> {
    let second = (0..=LAST / 1_000_000).prop_map(|second| second * 1_000_000);
    prop_oneof![0..=LAST, second, select(vec![0, LAST])].prop_map(ServerTime)
}

fn states() -> impl Strategy<Value = State> {
    select(vec![State::Blocked, State::Computed])
}

#[test]
fn an_accepted_record_is_canonical() {
    let separator = || select(&SEPARATORS[..]);
    let input = (separator(), separator()).prop_flat_map(|(separator, other)| {
        let valid =
            (owners(), times(), any::<bool>(), states()).prop_map(move |(owner, time, whole, state)| {
                written(separator, &owner, time, whole, state).into_bytes()
            });
        let raw = prop_oneof![8 => with_slips(valid, &WORDS), 1 => vec(any::<u8>(), 0..80)];
        (raw, prop_oneof![8 => Just(separator), 1 => Just(other)])
    });
    fuzz("records", &input, |(raw, separator)| {
        let parsed = Record::parse(&raw, separator);
        let read = read(&raw, separator);
        let Ok(record) = parsed else {
            assert_eq!(read, None, "refused: {parsed:?}");
            return false;
        };
        assert_eq!(read, Some((record.timestamp, record.state)));
        assert_eq!(record.raw, raw);
        let forms = [false, true].map(|whole| {
            written(separator, &record.owner, record.timestamp, whole, record.state).into_bytes()
        });
        assert!(forms.contains(&raw), "{record:?} is written differently");
        assert!(!record.holder().is_empty() || record.owner.ends_with('@'));
        assert!(!(record.is_python() && record.is_surely_ours()));
        true
    });
}

#[test]
fn a_written_record_reads_back() {
    let input = (select(&[",", ";", "::", "\u{2192}"][..]), owners(), times(), states());
    fuzz("written records", &input, |(separator, owner, time, state)| {
        // No scheme with this separator has such an owner: `:` and `::` can't be told from `::` and `:`.
        if format!("{owner}{separator}").find(separator) != Some(owner.len()) {
            return false;
        }
        let raw = written(separator, &owner, time, false, state);
        let record = Record::parse(raw.as_bytes(), separator).expect("a record");
        assert_eq!((&record.owner, record.timestamp, record.state), (&owner, time, state));
        true
    });
}

/// Reads the time and the state of a record: owner, `YYYY-MM-DDTHH:MM:SS` with or without `.ffffff`, `+00:00`, and a digit.
fn read(raw: &[u8], separator: &str) -> Option<(ServerTime, State)> {
    let text = str::from_utf8(raw).ok()?;
    let fields: Vec<&str> = text.split(separator).collect();
    let &[owner, time, state] = fields.as_slice() else { return None };
    let is_printable = |byte: u8| (b'!'..=b'~').contains(&byte);
    if owner.is_empty() || !owner.bytes().all(is_printable) {
        return None;
    }
    let state = match state {
        "0" => State::Blocked,
        "1" => State::Computed,
        _ => return None,
    };
    let time = time.strip_suffix("+00:00")?;
    let form = time.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte }).collect::<Vec<u8>>();
    let micros = match form.as_slice() {
        b"0000-00-00T00:00:00" => 0,
        b"0000-00-00T00:00:00.000000" => time[20..].parse().ok()?,
        _ => return None,
    };
    let number = |at: usize, length: usize| time[at..at + length].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let is_leap =
        |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let months = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let of_month = *months.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if year < 1970 || !(1..=of_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let of_months: u64 = months.iter().zip(1..month).map(|(days, _)| days).sum();
    let days = of_years + of_months + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some((ServerTime(seconds * 1_000_000 + micros), state))
}
