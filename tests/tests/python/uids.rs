//! The uid of a bare key is the one that Python itself computes.

use chrono::{FixedOffset, NaiveDate};
use dspinlock::{Key, LockKey};
use serde_json::{Value, json};

use crate::pair::Pair;

fn bare(key: &(impl LockKey + ?Sized)) -> String {
    Key::new(key).bare_uid()
}

#[test]
fn of_text() {
    let pair = Pair::start();
    let long = "x".repeat(100_000);
    for text in ["", "example", "Ελλάδα", "東京 ☕", "a\u{301}", "á", "a,b{c}\n\0\"'", "👩‍🚀", &long]
    {
        let python = pair.python.uid(&json!({"type": "text", "value": text})).unwrap();
        assert_eq!(bare(text), python, "{text:.20}");
        assert_eq!(bare(&text.to_owned()), python, "an owned {text:.20}");
    }
}

#[test]
fn of_bytes() {
    let pair = Pair::start();
    for bytes in [&b""[..], b"example", b"\x00", b"\xff\xfe not UTF-8", &[0x80; 300]] {
        let python = pair.python.uid(&json!({"type": "bytes", "value": bytes})).unwrap();
        assert_eq!(bare(bytes), python, "{bytes:?}");
        assert_eq!(bare(&bytes.to_vec()), python, "owned {bytes:?}");
    }
    // As in Python, text and its octets are one lock.
    assert_eq!(bare("example"), bare(&b"example"[..]));
}

#[test]
fn of_integers() {
    const LARGEST: i128 = (1 << 61) - 2;
    let pair = Pair::start();
    let python =
        |number: i128| pair.python.uid(&json!({"type": "integer", "value": number.to_string()})).unwrap();
    for number in [0, 1, -1, -2, -3, 2, 42, 1 << 31, -(1 << 31), 1 << 60, LARGEST - 1, LARGEST, -LARGEST] {
        assert_eq!(bare(&number), python(number), "{number}");
        if let Ok(narrow) = i64::try_from(number) {
            assert_eq!(bare(&narrow), python(number), "{number} as an i64");
        }
    }
    assert_eq!(python(-1), "-2", "Python's hash() of -1 is -2, and two keys are one lock");

    // Beyond this, Python's hash() maps numbers to small ones. Ours stay apart, and are not shared.
    for number in
        [LARGEST + 1, LARGEST + 2, -LARGEST - 1, i128::from(i64::MIN), i128::from(u64::MAX), i128::MAX]
    {
        assert!(bare(&number).starts_with("v1-"), "{number}");
        assert_ne!(bare(&number), python(number), "{number}");
    }
    assert_eq!(python(LARGEST + 1), "0");
}

#[test]
fn of_types_that_are_not_shared() {
    let pair = Pair::start();
    for value in [true, false] {
        let python = pair.python.uid(&json!({"type": "bool", "value": value})).unwrap();
        assert_eq!(python, u8::from(value).to_string(), "Python counts bool among the integers");
        assert!(bare(&value).starts_with("v1-"));
    }
    // These are no keys in Python either. A float is a key there, and does not compile here.
    let unhashable = pair.python.uid(&json!({"type": "list", "value": []})).unwrap_err();
    assert_eq!(unhashable.class, "ProvidedObjectIsNotHashable");
}

/// Year, month, day, hour, minute, second and microsecond.
type Fields = (i16, u8, u8, u8, u8, u8, u32);

const DATE_TIMES: [Fields; 7] = [
    (2026, 1, 31, 23, 59, 59, 123),
    (2026, 1, 31, 23, 59, 59, 0),
    (2026, 1, 31, 0, 0, 0, 0),
    (2026, 2, 28, 12, 0, 0, 999_999),
    (2024, 2, 29, 12, 30, 0, 100_000),
    (1970, 1, 1, 0, 0, 0, 0),
    (1, 1, 2, 3, 4, 5, 6),
];

/// Seconds east of UTC: none, whole hours, half and quarter hours, west, and one with seconds.
const OFFSETS: [i32; 8] = [0, 3600, 19_800, 20_700, -12_600, -43_200, 50_400, 19_815];

fn python_date_time(pair: &Pair, fields: Fields, offset: Option<i32>) -> String {
    let (year, month, day, hour, minute, second, micro) = fields;
    let value = Value::from(vec![
        i64::from(year),
        month.into(),
        day.into(),
        hour.into(),
        minute.into(),
        second.into(),
        micro.into(),
    ]);
    pair.python.uid(&json!({"type": "datetime", "value": value, "offset": offset})).unwrap()
}

fn chrono_of((year, month, day, hour, minute, second, micro): Fields) -> chrono::NaiveDateTime {
    NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())
        .and_then(|date| date.and_hms_micro_opt(hour.into(), minute.into(), second.into(), micro))
        .expect("a date-time that exists")
}

fn jiff_of(fields: Fields) -> jiff::civil::DateTime {
    let signed = |field: u8| i8::try_from(field).expect("below 60");
    let (year, month, day, hour, minute, second, micro) = fields;
    let nanos = i32::try_from(micro * 1000).expect("below a second");
    jiff::civil::datetime(
        year,
        signed(month),
        signed(day),
        signed(hour),
        signed(minute),
        signed(second),
        nanos,
    )
}

fn time_of((year, month, day, hour, minute, second, micro): Fields) -> time::PrimitiveDateTime {
    let month = time::Month::try_from(month).expect("a month");
    let date = time::Date::from_calendar_date(year.into(), month, day).expect("a date that exists");
    date.with_hms_micro(hour, minute, second, micro).expect("a time that exists")
}

#[test]
fn of_naive_date_times() {
    let pair = Pair::start();
    for fields in DATE_TIMES {
        let python = python_date_time(&pair, fields, None);
        assert_eq!(bare(&chrono_of(fields)), python, "chrono {fields:?}");
        assert_eq!(bare(&jiff_of(fields)), python, "jiff {fields:?}");
        assert_eq!(bare(&time_of(fields)), python, "time {fields:?}");
    }
}

#[test]
fn of_aware_date_times() {
    let pair = Pair::start();
    for fields in DATE_TIMES {
        for seconds in OFFSETS {
            let python = python_date_time(&pair, fields, Some(seconds));
            assert_ne!(python, python_date_time(&pair, fields, None), "aware and naive differ");

            let offset = FixedOffset::east_opt(seconds).expect("less than a day");
            let chrono = chrono_of(fields).and_local_timezone(offset).single().expect("one moment");
            assert_eq!(bare(&chrono), python, "chrono {fields:?} {seconds}");

            let offset = jiff::tz::Offset::from_seconds(seconds).expect("less than a day");
            let jiff =
                jiff_of(fields).to_zoned_datetime(jiff::tz::TimeZone::fixed(offset)).expect("in range");
            assert_eq!(bare(&jiff), python, "jiff {fields:?} {seconds}");

            let offset = time::UtcOffset::from_whole_seconds(seconds).expect("less than a day");
            assert_eq!(bare(&time_of(fields).assume_offset(offset)), python, "time {fields:?} {seconds}");
        }
        // The types that are UTC by themselves.
        let python = python_date_time(&pair, fields, Some(0));
        assert_eq!(bare(&chrono_of(fields).and_utc()), python, "chrono {fields:?} UTC");
        let timestamp =
            jiff_of(fields).to_zoned_datetime(jiff::tz::TimeZone::UTC).expect("in range").timestamp();
        assert_eq!(bare(&timestamp), python, "jiff {fields:?} UTC");
    }
}

#[test]
fn of_date_times_finer_than_pythons() {
    let nanos = chrono_of(DATE_TIMES[0]) + chrono::TimeDelta::nanoseconds(999);
    assert_eq!(bare(&nanos), bare(&chrono_of(DATE_TIMES[0])), "what Python can't say is cut off");
}
