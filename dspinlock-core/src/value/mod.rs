//! Computed values: how they are encoded, who computes them, and how they reach the other callers.

pub(crate) mod codec;
pub(crate) mod compute;
mod following;
mod outer;
mod print;
mod reading;
pub(crate) mod request;
pub(crate) mod sharing;
