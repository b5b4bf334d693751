//! The recorder of the crate `metrics`, whichever the program has installed.

use super::instruments::{Attributes, Counter, Histogram, Observer, Subject, UpDownCounter};
use metrics::{Key, KeyName, Label, Level, Metadata, SharedString, Unit, with_recorder};
use std::sync::Arc;
use std::time::Duration;

const METADATA: Metadata<'static> = Metadata::new("dspinlock", Level::INFO, None);

pub(super) struct Metrics;

impl Observer for Metrics {
    fn announce(&self) {
        let named = |name: &'static str| KeyName::from(name);
        with_recorder(|recorder| {
            for what in Histogram::ALL {
                recorder.describe_histogram(
                    named(what.name()),
                    Some(Unit::Seconds),
                    what.description().into(),
                );
            }
            for what in UpDownCounter::ALL {
                recorder.describe_gauge(named(what.name()), None, what.description().into());
            }
            for what in Counter::ALL {
                recorder.describe_counter(named(what.name()), None, what.description().into());
            }
        });
    }

    fn took(&self, what: Histogram, time: Duration, attributes: Attributes<'_>) {
        with_recorder(|recorder| {
            recorder.register_histogram(&key(what.name(), attributes), &METADATA).record(time.as_secs_f64());
        });
    }

    fn change(&self, what: UpDownCounter, by: i32, attributes: Attributes<'_>) {
        with_recorder(|recorder| {
            recorder.register_gauge(&key(what.name(), attributes), &METADATA).increment(f64::from(by));
        });
    }

    fn count(&self, what: Counter, attributes: Attributes<'_>) {
        with_recorder(|recorder| {
            recorder.register_counter(&key(what.name(), attributes), &METADATA).increment(1);
        });
    }
}

fn key(name: &'static str, attributes: Attributes<'_>) -> Key {
    let subject = match attributes.subject {
        Subject::Function(path) => Some(Label::from_static_parts("function", path)),
        Subject::Namespace(namespace) => {
            Some(Label::new("namespace", SharedString::from_shared(Arc::clone(namespace))))
        }
        Subject::Bare | Subject::Unobserved => None,
    };
    let outcome = attributes.outcome.map(|(name, value)| Label::from_static_parts(name, value));
    let error = attributes.error.map(|error| Label::from_static_parts("error.type", error));
    Key::from_parts(name, [subject, outcome, error].into_iter().flatten().collect::<Vec<_>>())
}
