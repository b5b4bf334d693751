//! The data in Redis: names, records, values and notes. Pure, no I/O. The forms are frozen with the first release.

pub(crate) mod envelope;
pub(crate) mod key;
pub(crate) mod note;
pub(crate) mod record;
pub(crate) mod scheme;
