//! Checks of the whole: a model of the protocol, one suite for all stores, and random input.

pub(crate) mod conformance;
mod model;
mod record_fuzz;
mod value_fuzz;
