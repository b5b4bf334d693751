//! Tests of the keys: what they are made of, their text forms, and that no two of them meet.

#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
mod dates;
mod encoding;
mod model;
mod properties;
mod shown;
mod uids;
