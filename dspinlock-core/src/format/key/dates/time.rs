use time::{OffsetDateTime, PrimitiveDateTime, UtcDateTime};

use super::{Date, Offset, Time, encode_aware, encode_date, encode_naive, encode_time};
use crate::format::key::{KeyEncoder, LockKey};

impl From<time::Date> for Date {
    fn from(date: time::Date) -> Self {
        Self { year: date.year(), month: u8::from(date.month()).into(), day: date.day().into() }
    }
}

impl From<time::Time> for Time {
    fn from(time: time::Time) -> Self {
        Self {
            hour: time.hour().into(),
            minute: time.minute().into(),
            second: time.second().into(),
            nanosecond: time.nanosecond(),
        }
    }
}

impl LockKey for time::Date {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_date(&(*self).into(), encoder);
    }
}

impl LockKey for time::Time {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_time(&(*self).into(), encoder);
    }
}

/// A date-time without an offset and the same one in UTC are different keys.
impl LockKey for PrimitiveDateTime {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_naive(&self.date().into(), &self.time().into(), encoder);
    }
}

/// The same moment at two offsets is two keys, as in Python; `to_utc()` makes them one.
impl LockKey for OffsetDateTime {
    fn encode(&self, encoder: &mut KeyEncoder) {
        let offset = Offset(self.offset().whole_seconds());
        encode_aware(&self.date().into(), &self.time().into(), &offset, encoder);
    }
}

impl LockKey for UtcDateTime {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encode_aware(&self.date().into(), &self.time().into(), &Offset(0), encoder);
    }
}
