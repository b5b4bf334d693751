//! What stands in Redis, and is frozen with the first release: names, records, values and notes. Pure, no I/O.

pub(crate) mod envelope;
pub(crate) mod key;
pub(crate) mod note;
pub(crate) mod owner;
pub(crate) mod record;
pub(crate) mod scheme;
