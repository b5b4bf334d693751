//! The measurements of a build without an observer: none.

#![expect(clippy::unused_self, reason = "each method stands in the place of one that measures")]

use super::{Attempted, Computed, Held, Layer, Renewal};
use crate::clock::Tick;

#[derive(Clone, Debug, Default)]
pub(crate) struct Subject(());

impl Subject {
    pub(crate) fn function(_: &'static str) -> Self {
        Self(())
    }

    pub(crate) fn namespace(_: Option<&str>) -> Self {
        Self(())
    }

    pub(crate) fn unobserved() -> Self {
        Self(())
    }
}

pub(crate) fn announce() {}

pub(crate) fn cache_request(_: &Subject, _: Layer) {}

pub(crate) fn renewal(_: &Subject, _: Renewal) {}

pub(crate) struct Acquiring;

impl Acquiring {
    pub(crate) fn begin(_: &Subject, _: Tick) -> Self {
        Self
    }

    pub(crate) fn end(self, _: impl FnOnce() -> Attempted) {}
}

#[derive(Debug)]
pub(crate) struct Holding;

impl Holding {
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn begin(_: &Subject, _: Tick) -> Self {
        Self
    }

    pub(crate) fn end(&self, _: Held) {}
}

#[derive(Default)]
pub(crate) struct Waiting(());

impl Waiting {
    pub(crate) fn begin(&mut self, _: &Subject) {}
}

pub(crate) struct Computing;

impl Computing {
    pub(crate) fn begin() -> Self {
        Self
    }

    pub(crate) fn end(self, _: &Subject, _: Computed) {}
}
