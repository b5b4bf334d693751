//! [`LockKey`](super::LockKey) for the date-times of other crates, each behind a feature named after its crate.
//!
//! All of them encode as the text of Python's `isoformat()`, so the same moment is the same key in every crate.

#[cfg(feature = "chrono")]
mod chrono;
#[cfg(feature = "jiff")]
mod jiff;
#[cfg(feature = "time")]
mod time;

use std::fmt;

use super::KeyEncoder;
use super::encoder::tag;

/// A date of the proleptic Gregorian calendar.
struct Date {
    year: i32,
    month: u32,
    day: u32,
}

/// A time of day. A leap second is second 60.
struct Time {
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
}

/// A distance from UTC in seconds, positive to the east.
struct Offset(i32);

fn encode_date(date: &Date, encoder: &mut KeyEncoder) {
    encoder.leaf(tag::DATE, date.to_string().as_bytes());
}

fn encode_time(time: &Time, encoder: &mut KeyEncoder) {
    encoder.leaf(tag::TIME, time.to_string().as_bytes());
}

/// Encodes a date-time without an offset (naive, in Python's words).
fn encode_naive(date: &Date, time: &Time, encoder: &mut KeyEncoder) {
    encoder.leaf(tag::DATE_TIME, format!("{date}T{time}").as_bytes());
}

/// Encodes a date-time with its offset (aware, in Python's words).
fn encode_aware(date: &Date, time: &Time, offset: &Offset, encoder: &mut KeyEncoder) {
    encoder.leaf(tag::DATE_TIME, format!("{date}T{time}{offset}").as_bytes());
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        if (0..=9999).contains(year) {
            write!(f, "{year:04}-{month:02}-{day:02}")
        } else {
            write!(f, "{year:+07}-{month:02}-{day:02}")
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hour, minute, second, nanosecond } = self;
        write!(f, "{hour:02}:{minute:02}:{second:02}")?;
        match nanosecond {
            0 => Ok(()),
            whole if whole % 1000 == 0 => write!(f, ".{:06}", whole / 1000),
            // Python has no nanoseconds. All digits count, or two date-times would share a key.
            _ => write!(f, ".{nanosecond:09}"),
        }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, seconds) = (if self.0 < 0 { '-' } else { '+' }, self.0.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if seconds % 60 == 0 { Ok(()) } else { write!(f, ":{:02}", seconds % 60) }
    }
}
