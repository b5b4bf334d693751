//! Computed values: how they are encoded, which caller computes them, and how they reach the other callers.

pub(crate) mod codec;
pub(crate) mod compute;
mod fingerprint;
mod following;
mod outer;
pub(crate) mod publish;
mod reading;
pub(crate) mod request;
pub(crate) mod sharing;
