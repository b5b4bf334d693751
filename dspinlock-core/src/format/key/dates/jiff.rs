use jiff::{Timestamp, ZonedDateTime, civil, tz};

use super::{Date, Offset, Time, encode_aware, encode_date, encode_naive, encode_time};
use crate::format::key::{KeyEncoder, LockKey};

impl From<civil::Date> for Date {
    fn from(date: civil::Date) -> Self {
        Self {
            year: date.year().into(),
            month: date.month().unsigned_abs().into(),
            day: date.day().unsigned_abs().into(),
        }
    }
}

impl From<civil::Time> for Time {
    fn from(time: civil::Time) -> Self {
        Self {
            hour: time.hour().unsigned_abs().into(),
            minute: time.minute().unsigned_abs().into(),
            second: time.second().unsigned_abs().into(),
            nanosecond: time.subsec_nanosecond().unsigned_abs(),
        }
    }
}

impl LockKey for civil::Date {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_date(&(*self).into(), encoder);
    }
}

impl LockKey for civil::Time {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_time(&(*self).into(), encoder);
    }
}

/// A date-time without an offset and the same one in UTC are different keys.
impl LockKey for civil::DateTime {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_naive(&self.date().into(), &self.time().into(), encoder);
    }
}

/// A date-time with the offset of its zone; the zone's name does not count. The same moment at two offsets is two keys, as
/// in Python; `timestamp()` makes them one.
impl LockKey for ZonedDateTime {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_aware(&self.date().into(), &self.time().into(), &Offset(self.offset().seconds()), encoder);
    }
}

/// A date-time in UTC.
impl LockKey for Timestamp {
    fn encode(&self, encoder: &mut KeyEncoder) {
        let utc = tz::Offset::UTC.to_datetime(*self);
        encode_aware(&utc.date().into(), &utc.time().into(), &Offset(0), encoder);
    }
}
