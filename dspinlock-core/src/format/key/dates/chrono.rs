use chrono::{
    DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeZone, Timelike as _,
};

use super::{Date, Offset, Time, encode_aware, encode_date, encode_naive, encode_time};
use crate::format::key::{KeyEncoder, LockKey};

impl From<NaiveDate> for Date {
    fn from(date: NaiveDate) -> Self {
        Self { year: date.year(), month: date.month(), day: date.day() }
    }
}

impl From<NaiveTime> for Time {
    fn from(time: NaiveTime) -> Self {
        // chrono writes a leap second as a second with more than 10^9 nanoseconds.
        let (leap, nanosecond) = (time.nanosecond() / 1_000_000_000, time.nanosecond() % 1_000_000_000);
        Self { hour: time.hour(), minute: time.minute(), second: time.second() + leap, nanosecond }
    }
}

impl LockKey for NaiveDate {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_date(&(*self).into(), encoder);
    }
}

impl LockKey for NaiveTime {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_time(&(*self).into(), encoder);
    }
}

/// A date-time without an offset and the same one in UTC are different keys.
impl LockKey for NaiveDateTime {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_naive(&self.date().into(), &self.time().into(), encoder);
    }
}

/// The same moment at two offsets is two keys, as in Python; `to_utc()` makes them one.
impl<Tz: TimeZone> LockKey for DateTime<Tz> {
    fn encode(&self, encoder: &mut KeyEncoder) {
        let (local, offset) = (self.naive_local(), self.offset().fix());
        encode_aware(&local.date().into(), &local.time().into(), &Offset(offset.local_minus_utc()), encoder);
    }
}
