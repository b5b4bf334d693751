//! The measurements of a build with an observer.

use super::instruments::{Attributes, Counter, Histogram, Observer, UpDownCounter};
use super::{Attempted, Computed, Held, Layer, Renewal};
use crate::clock::Tick;
use crate::error::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use super::instruments::Subject;

/// The observers of this build.
const OBSERVERS: &[&dyn Observer] = &[
    #[cfg(feature = "metrics")]
    &super::metrics::Metrics,
    #[cfg(feature = "opentelemetry")]
    &super::opentelemetry::OpenTelemetry,
];

impl Subject {
    pub(crate) fn function(path: &'static str) -> Self {
        Self::Function(path)
    }

    pub(crate) fn namespace(namespace: Option<&str>) -> Self {
        namespace.map_or(Self::Bare, |namespace| Self::Namespace(namespace.into()))
    }

    pub(crate) fn unobserved() -> Self {
        Self::Unobserved
    }

    fn observe(
        &self,
        outcome: Option<(&'static str, &'static str)>,
        pass: impl Fn(&dyn Observer, Attributes<'_>),
    ) {
        self.observe_error(outcome, None, pass);
    }

    fn observe_error(
        &self,
        outcome: Option<(&'static str, &'static str)>,
        error: Option<&'static str>,
        pass: impl Fn(&dyn Observer, Attributes<'_>),
    ) {
        if !matches!(self, Self::Unobserved) {
            for observer in OBSERVERS {
                pass(*observer, Attributes { subject: self, outcome, error });
            }
        }
    }
}

/// Describes the instruments to the recorder and the provider that are installed by now.
pub(crate) fn announce() {
    for observer in OBSERVERS {
        observer.announce();
    }
}

/// Counts a cached call that got its value.
pub(crate) fn cache_request(subject: &Subject, layer: Layer) {
    subject.observe(Some(("layer", layer.as_str())), |observer, attributes| {
        observer.count(Counter::CacheRequests, attributes);
    });
}

/// Counts a renewal of a lease.
pub(crate) fn renewal(subject: &Subject, renewal: Renewal) {
    subject.observe(Some(("outcome", renewal.as_str())), |observer, attributes| {
        observer.count(Counter::Renewals, attributes);
    });
}

/// An attempt at a lock. Dropped before it ends, it was cancelled.
pub(crate) struct Acquiring {
    subject: Subject,
    began: Tick,
    is_over: bool,
}

impl Acquiring {
    /// An attempt that began then.
    pub(crate) fn begin(subject: &Subject, began: Tick) -> Self {
        Self { subject: subject.clone(), began, is_over: false }
    }

    pub(crate) fn end(mut self, attempted: impl FnOnce() -> Attempted) {
        self.is_over = true;
        match attempted() {
            Ok(acquired) => self.note(acquired.as_str(), None),
            Err(ErrorKind::Contended) => self.note("contended", Some(ErrorKind::Contended)),
            Err(error) => self.note("error", Some(error)),
        }
    }

    fn note(&self, outcome: &'static str, error: Option<ErrorKind>) {
        let took = Tick::now() - self.began;
        self.subject.observe_error(Some(("outcome", outcome)), error.map(name), |observer, attributes| {
            observer.took(Histogram::Acquire, took, attributes);
        });
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        if !self.is_over {
            self.note("cancelled", None);
        }
    }
}

/// A lock that is held, until its end is noted. Only the first end counts.
#[derive(Debug)]
pub(crate) struct Holding {
    subject: Subject,
    began: Tick,
    is_over: AtomicBool,
}

impl Holding {
    /// That of a body without a lock.
    pub(crate) fn none() -> Self {
        Self { subject: Subject::Unobserved, began: Tick::now(), is_over: AtomicBool::new(true) }
    }

    /// A lock that was granted then.
    pub(crate) fn begin(subject: &Subject, began: Tick) -> Self {
        let this = Self { subject: subject.clone(), began, is_over: AtomicBool::new(false) };
        this.subject
            .observe(None, |observer, attributes| observer.change(UpDownCounter::Held, 1, attributes));
        this
    }

    pub(crate) fn end(&self, held: Held) {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        let took = Tick::now() - self.began;
        self.subject
            .observe(None, |observer, attributes| observer.change(UpDownCounter::Held, -1, attributes));
        self.subject.observe(Some(("outcome", held.as_str())), |observer, attributes| {
            observer.took(Histogram::Hold, took, attributes);
        });
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.end(Held::Abandoned);
    }
}

/// A caller that waits, from the first `begin` until it is dropped.
#[derive(Default)]
pub(crate) struct Waiting(Option<Subject>);

impl Waiting {
    pub(crate) fn begin(&mut self, subject: &Subject) {
        if self.0.is_none() {
            self.0 = Some(subject.clone());
            self.change(1);
        }
    }

    fn change(&self, by: i32) {
        if let Some(subject) = &self.0 {
            subject.observe(None, |observer, attributes| {
                observer.change(UpDownCounter::Waiting, by, attributes);
            });
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.change(-1);
    }
}

/// A computation under way.
pub(crate) struct Computing(Tick);

impl Computing {
    pub(crate) fn begin() -> Self {
        Self(Tick::now())
    }

    pub(crate) fn end(self, subject: &Subject, computed: Computed) {
        let took = Tick::now() - self.0;
        subject.observe(Some(("outcome", computed.as_str())), |observer, attributes| {
            observer.took(Histogram::Compute, took, attributes);
        });
    }
}

/// The kind of an error as the value of `error.type`.
fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::KeyExists => "key_exists",
        ErrorKind::NotOwner => "not_owner",
        ErrorKind::LeaderFailed => "leader_failed",
        kind => kind.as_str(),
    }
}
