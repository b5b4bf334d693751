//! Tests of keys: their encoding, their text forms, and that different values have different keys.

#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
mod dates;
mod encoding;
mod model;
mod properties;
mod shown;
mod uids;
