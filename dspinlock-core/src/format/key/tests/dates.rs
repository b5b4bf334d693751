//! Date-times: the same text from every crate. py-dspinlock 0.3.1 computed the uids.

use crate::format::key::{Key, LockKey};

/// A date-time in Python: its text, and its uid from py-dspinlock.
struct Python(&'static str, &'static str);

const NAIVE: Python =
    Python("2026-01-31T23:59:59", "21a485c57195a6c0ae80c57aa3a81326480b6f2a90c6463975a2730521b72d0b");
const NAIVE_MICROSECONDS: Python =
    Python("2026-01-31T23:59:59.000123", "a23834e4f561f9590cfa75abd41bc57e22c43cd29359157e5ef83450fd4cb662");
const UTC: Python =
    Python("2026-01-31T23:59:59+00:00", "66a1644f45483c30706b82385ef66b28ba0b68a75563a13b766a456aa1abd7b8");
const UTC_MILLISECONDS: Python = Python(
    "2026-01-31T23:59:59.123000+00:00",
    "0919d4b8107e10b2ee4118ef652006a3a9a94b212333ab60cb2b534195bc7b7d",
);
const WEST: Python =
    Python("2026-01-31T23:59:59-05:30", "126c24b4d4f0b4723136b24238a9db632b3484aa39d5a5e07251094441e623ea");
const ODD_OFFSET: Python = Python(
    "1890-01-01T00:00:00+01:24:05",
    "22099a9f4bf419346c96ba71c57bbf786c61a71d6c6e5ece4515992ac5bad388",
);
const FIRST: Python =
    Python("0001-01-01T00:00:00", "1513ea25a7ec1855a737a02418e171dc1741afe7322be7b7384d8f8efb8f60f0");

#[track_caller]
fn is_the_key_of(date_time: &impl LockKey, Python(text, uid): Python) {
    let key = Key::new(date_time);
    assert_eq!(key.to_string(), text);
    assert_eq!(key.canonical()[..2], *b"\x01d");
    assert_eq!(key.bare_uid(), uid);
    assert_ne!(key.namespaced_uid(), Key::new(text).namespaced_uid());
}

/// A fraction below the microsecond counts, except in bare keys: Python has none.
#[track_caller]
fn is_the_key_when_cut(date_time: &impl LockKey, shown: &str, Python(_, uid): Python) {
    let key = Key::new(date_time);
    assert_eq!(key.to_string(), shown);
    assert_eq!(key.bare_uid(), uid);
}

#[track_caller]
fn is_not_a_date_time(value: &impl LockKey, tag: u8, shown: &str) {
    let key = Key::new(value);
    assert_eq!(key.canonical()[..2], [1, tag]);
    assert_eq!(key.to_string(), shown);
    assert_eq!(key.bare_uid(), key.namespaced_uid());
}

#[cfg(feature = "chrono")]
#[test]
fn date_times_of_chrono_match_those_of_python() {
    use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, Utc};

    let day = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let second = day.and_hms_opt(23, 59, 59).unwrap();
    let west = FixedOffset::west_opt(5 * 3600 + 1800).unwrap();
    let odd = FixedOffset::east_opt(3600 + 24 * 60 + 5).unwrap();
    is_the_key_of(&second, NAIVE);
    is_the_key_of(&day.and_hms_micro_opt(23, 59, 59, 123).unwrap(), NAIVE_MICROSECONDS);
    is_the_key_of(&DateTime::<Utc>::from_naive_utc_and_offset(second, Utc), UTC);
    is_the_key_of(&day.and_hms_milli_opt(23, 59, 59, 123).unwrap().and_utc(), UTC_MILLISECONDS);
    is_the_key_of(&second.and_local_timezone(west).unwrap(), WEST);
    let old = NaiveDate::from_ymd_opt(1890, 1, 1).unwrap().and_time(NaiveTime::MIN);
    is_the_key_of(&old.and_local_timezone(odd).unwrap(), ODD_OFFSET);
    is_the_key_of(&NaiveDate::from_ymd_opt(1, 1, 1).unwrap().and_time(NaiveTime::MIN), FIRST);

    let nano = |nanosecond| day.and_hms_nano_opt(23, 59, 59, nanosecond).unwrap();
    is_the_key_when_cut(&nano(500), "2026-01-31T23:59:59.000000500", NAIVE);
    is_the_key_when_cut(&nano(123_999), "2026-01-31T23:59:59.000123999", NAIVE_MICROSECONDS);
    is_the_key_when_cut(&nano(999).and_utc(), "2026-01-31T23:59:59.000000999+00:00", UTC);
    assert_eq!(Key::new(&nano(1_500_000_000)).to_string(), "2026-01-31T23:59:60.500000");

    is_not_a_date_time(&day, b'D', "2026-01-31");
    is_not_a_date_time(&NaiveDate::MAX, b'D', "+262142-12-31");
    is_not_a_date_time(&NaiveDate::from_ymd_opt(-44, 3, 15).unwrap(), b'D', "-000044-03-15");
    is_not_a_date_time(&second.time(), b'T', "23:59:59");
}

#[cfg(feature = "jiff")]
#[test]
fn date_times_of_jiff_match_those_of_python() {
    use jiff::civil::{date, time};
    use jiff::tz::{Offset, TimeZone};

    let day = date(2026, 1, 31);
    let second = day.at(23, 59, 59, 0);
    let zoned = |local: jiff::civil::DateTime, offset| {
        local.to_zoned_datetime(TimeZone::fixed(Offset::from_seconds(offset).unwrap()))
    };
    is_the_key_of(&second, NAIVE);
    is_the_key_of(&day.at(23, 59, 59, 123_000), NAIVE_MICROSECONDS);
    is_the_key_of(&zoned(second, 0).unwrap(), UTC);
    is_the_key_of(&zoned(second, 0).unwrap().timestamp(), UTC);
    is_the_key_of(&zoned(day.at(23, 59, 59, 123_000_000), 0).unwrap().timestamp(), UTC_MILLISECONDS);
    is_the_key_of(&zoned(second, -5 * 3600 - 1800).unwrap(), WEST);
    is_the_key_of(&zoned(date(1890, 1, 1).at(0, 0, 0, 0), 3600 + 24 * 60 + 5).unwrap(), ODD_OFFSET);
    is_the_key_of(&date(1, 1, 1).at(0, 0, 0, 0), FIRST);

    is_the_key_when_cut(&day.at(23, 59, 59, 500), "2026-01-31T23:59:59.000000500", NAIVE);
    is_the_key_when_cut(&day.at(23, 59, 59, 123_999), "2026-01-31T23:59:59.000123999", NAIVE_MICROSECONDS);

    is_not_a_date_time(&day, b'D', "2026-01-31");
    is_not_a_date_time(&date(-44, 3, 15), b'D', "-000044-03-15");
    is_not_a_date_time(&time(23, 59, 59, 0), b'T', "23:59:59");
}

#[cfg(feature = "time")]
#[test]
fn date_times_of_time_match_those_of_python() {
    use time::{Date, Month, Time, UtcOffset};

    let date = |year, month, day| Date::from_calendar_date(year, month, day).unwrap();
    let day = date(2026, Month::January, 31);
    let second = day.with_hms(23, 59, 59).unwrap();
    is_the_key_of(&second, NAIVE);
    is_the_key_of(&day.with_hms_micro(23, 59, 59, 123).unwrap(), NAIVE_MICROSECONDS);
    is_the_key_of(&second.assume_utc(), UTC);
    is_the_key_of(&second.as_utc(), UTC);
    is_the_key_of(&day.with_hms_milli(23, 59, 59, 123).unwrap().assume_utc(), UTC_MILLISECONDS);
    is_the_key_of(&second.assume_offset(UtcOffset::from_hms(-5, -30, 0).unwrap()), WEST);
    let old = date(1890, Month::January, 1).with_time(Time::MIDNIGHT);
    is_the_key_of(&old.assume_offset(UtcOffset::from_hms(1, 24, 5).unwrap()), ODD_OFFSET);
    is_the_key_of(&date(1, Month::January, 1).with_time(Time::MIDNIGHT), FIRST);

    let nano = |nanosecond| day.with_hms_nano(23, 59, 59, nanosecond).unwrap();
    is_the_key_when_cut(&nano(500), "2026-01-31T23:59:59.000000500", NAIVE);
    is_the_key_when_cut(&nano(123_999), "2026-01-31T23:59:59.000123999", NAIVE_MICROSECONDS);

    is_not_a_date_time(&day, b'D', "2026-01-31");
    is_not_a_date_time(&date(-44, Month::March, 15), b'D', "-000044-03-15");
    is_not_a_date_time(&second.time(), b'T', "23:59:59");
}
