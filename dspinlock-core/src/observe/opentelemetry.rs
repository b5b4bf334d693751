//! The meter provider of `opentelemetry` that is in force at the first measurement.

use super::instruments::{Attributes, Counter, Histogram, Observer, Subject, UpDownCounter};
use once_cell::sync::Lazy;
use opentelemetry::{KeyValue, global, metrics as api};
use std::sync::Arc;
use std::time::Duration;

/// The bounds of the buckets, in seconds: from a round trip in a rack to a nightly job.
const BOUNDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1_800.0,
];

/// The instruments, in the order of their tables.
struct Instruments {
    histograms: Vec<api::Histogram<f64>>,
    up_down_counters: Vec<api::UpDownCounter<i64>>,
    counters: Vec<api::Counter<u64>>,
}

static INSTRUMENTS: Lazy<Instruments> = Lazy::new(|| {
    let meter = global::meter("dspinlock");
    let histogram = |what: &Histogram| {
        let builder = meter.f64_histogram(what.name()).with_unit("s").with_boundaries(BOUNDS.to_vec());
        builder.with_description(what.description()).build()
    };
    let up_down_counter = |what: &UpDownCounter| {
        meter.i64_up_down_counter(what.name()).with_description(what.description()).build()
    };
    let counter =
        |what: &Counter| meter.u64_counter(what.name()).with_description(what.description()).build();
    Instruments {
        histograms: Histogram::ALL.iter().map(histogram).collect(),
        up_down_counters: UpDownCounter::ALL.iter().map(up_down_counter).collect(),
        counters: Counter::ALL.iter().map(counter).collect(),
    }
});

pub(super) struct OpenTelemetry;

impl Observer for OpenTelemetry {
    // The instruments describe themselves, and a provider that is installed after the first client is still in time.
    fn announce(&self) {}

    fn took(&self, what: Histogram, time: Duration, attributes: Attributes<'_>) {
        with(attributes, |pairs| INSTRUMENTS.histograms[what as usize].record(time.as_secs_f64(), pairs));
    }

    fn change(&self, what: UpDownCounter, by: i32, attributes: Attributes<'_>) {
        with(attributes, |pairs| INSTRUMENTS.up_down_counters[what as usize].add(by.into(), pairs));
    }

    fn count(&self, what: Counter, attributes: Attributes<'_>) {
        with(attributes, |pairs| INSTRUMENTS.counters[what as usize].add(1, pairs));
    }
}

/// Calls `measure` with the attributes, without an allocation.
fn with(attributes: Attributes<'_>, measure: impl FnOnce(&[KeyValue])) {
    let subject = match attributes.subject {
        Subject::Function(path) => Some(KeyValue::new("function", *path)),
        Subject::Namespace(namespace) => Some(KeyValue::new("namespace", Arc::clone(namespace))),
        Subject::Bare | Subject::Unobserved => None,
    };
    let outcome = attributes.outcome.map(|(name, value)| KeyValue::new(name, value));
    let error = attributes.error.map(|error| KeyValue::new("error.type", error));
    match (subject, outcome, error) {
        (Some(subject), Some(outcome), Some(error)) => measure(&[subject, outcome, error]),
        (Some(subject), Some(outcome), None) => measure(&[subject, outcome]),
        (Some(subject), None, _) => measure(&[subject]),
        (None, Some(outcome), Some(error)) => measure(&[outcome, error]),
        (None, Some(outcome), None) => measure(&[outcome]),
        (None, None, _) => measure(&[]),
    }
}
