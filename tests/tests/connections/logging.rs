//! The log: the initialiser that honours `SL_LOG_ENABLED`, and the span of each attempt.

use dspinlock::{Client, logging};
use dspinlock_tests::block_on;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

/// Runs the test `name` in a process of its own with `SL_LOG_ENABLED` set to `value` or unset, and returns its standard
/// error. In that process it returns `None`.
fn alone(name: &str, enabled: bool) -> Option<String> {
    dspinlock_tests::alone(&format!("logging::{name}"), "SL_LOG_ENABLED", enabled.then(|| "".into()))
}

fn turns() {
    let client = Client::memory();
    client.lock("blocking").acquire_blocking().unwrap().release_blocking().unwrap();
    block_on(async { client.lock("async").acquire().await.unwrap().release().await }).unwrap();
}

#[test]
fn with_the_variable_events_go_to_the_standard_error() {
    if let Some(shown) = alone("with_the_variable_events_go_to_the_standard_error", true) {
        for key in ["blocking", "async"] {
            let line =
                |line: &&str| line.contains("dspinlock") && line.contains(key) && line.contains("entered");
            assert!(shown.lines().find(line).is_some(), "{key}: {shown}");
        }
        assert!(!shown.contains("not ours"), "{shown}");
    } else {
        assert!(logging::init());
        tracing::error!(target: "somebody", "not ours");
        turns();
    }
}

#[test]
fn without_the_variable_nothing_is_shown() {
    if let Some(shown) = alone("without_the_variable_nothing_is_shown", false) {
        assert!(!shown.contains("dspinlock") && !shown.contains("entered"), "{shown}");
    } else {
        assert!(!logging::init());
        turns();
        // No subscriber has been installed.
        tracing::subscriber::set_global_default(Spans::default()).unwrap();
    }
}

#[test]
fn an_installed_subscriber_stays() {
    if let Some(shown) = alone("an_installed_subscriber_stays", true) {
        assert!(!shown.contains("entered"), "{shown}");
    } else {
        tracing::subscriber::set_global_default(Spans::default()).unwrap();
        assert!(!logging::init());
        turns();
    }
}

mod jobs {
    use dspinlock::{Client, Error, dspinlock};

    #[dspinlock(key = "x", client = client, skip)]
    pub(super) fn nightly(client: &Client) -> Result<(), Error> {
        other(client)
    }

    #[dspinlock(key = "x", client = client, wait = "50ms")]
    pub(super) fn other(client: &Client) -> Result<(), Error> {
        client.ping_blocking()
    }
}

/// Two functions with one key are told apart, and a job that is turned away says why.
#[test]
fn the_way_of_a_lock_names_function_and_holder() {
    if alone("the_way_of_a_lock_names_function_and_holder", false).is_none() {
        let spans = Spans::default();
        tracing::subscriber::set_global_default(spans.clone()).unwrap();
        let client = Client::memory();
        jobs::nightly(&client).unwrap();
        for function in ["jobs::nightly", "jobs::other"] {
            for what in ["entered", "given back"] {
                assert_eq!(
                    spans.count(&[what, "key=\"x\"", function]),
                    1,
                    "{function} {what}: {:?}",
                    spans.events()
                );
            }
        }
        let held = client.lock("x").namespace("shared").acquire_blocking().unwrap();
        let lock = client.lock("x").namespace("shared").wait(std::time::Duration::from_millis(30));
        lock.acquire_blocking().unwrap_err();
        lock.try_acquire_blocking().unwrap();
        let holder = format!("/{}", std::process::id());
        for what in ["message=waiting", "turned away"] {
            assert_eq!(spans.count(&[what, "holder=", &holder]), 1, "{what}: {:?}", spans.events());
        }
        drop(held);
    }
}

/// Each span and event with the spans around it, from the outermost, and its own text last.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Seen>>);

impl Spans {
    fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().events.clone()
    }

    fn count(&self, parts: &[&str]) -> usize {
        self.events().iter().filter(|event| parts.iter().all(|part| event.contains(part))).count()
    }
}

#[derive(Default)]
struct Seen {
    /// The text of each span, at the index of its id less one.
    spans: Vec<String>,
    events: Vec<String>,
    /// The spans that are entered now, by the thread.
    inside: Vec<(ThreadId, u64)>,
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(span.metadata().name().to_owned());
        span.record(&mut text);
        let mut seen = self.0.lock().unwrap();
        seen.spans.push(text.0);
        Id::from_u64(u64::try_from(seen.spans.len()).unwrap())
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut seen = self.0.lock().unwrap();
        let here = thread::current().id();
        let inside = seen.inside.iter().filter(|(thread, _)| *thread == here);
        let around = inside.map(|(_, id)| seen.spans[usize::try_from(*id).unwrap() - 1].as_str());
        let place: Vec<&str> = around.chain([text.0.as_str()]).collect();
        let place = place.join(" > ");
        seen.events.push(place);
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().inside.push((thread::current().id(), span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.0.lock().unwrap().inside.retain(|inside| *inside != (thread::current().id(), span.into_u64()));
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, " {field}={value:?}");
    }
}

#[test]
fn the_events_of_an_attempt_are_in_a_span_that_names_the_key() {
    if alone("the_events_of_an_attempt_are_in_a_span_that_names_the_key", false).is_none() {
        let spans = Spans::default();
        tracing::subscriber::set_global_default(spans.clone()).unwrap();
        turns();
        let seen = spans.0.lock().unwrap();
        for key in ["\"blocking\"", "\"async\""] {
            let inside = format!("lock key={key} record_key=");
            let is_it = |event: &&String| {
                event.contains(&inside) && event.contains(" > ") && event.contains("entered")
            };
            assert!(seen.events.iter().find(is_it).is_some(), "{key}: {:?}", seen.events);
        }
        assert_eq!(seen.spans.len(), 2, "one for each attempt: {:?}", seen.spans);
    }
}

mod values {
    use dspinlock::{Client, Error, dspinlock};

    #[dspinlock(key = (), client = client, cached)]
    pub(super) fn total(client: &Client) -> Result<u32, Error> {
        client.ping_blocking()?;
        Ok(1)
    }
}

/// Also where the library's own thread asks for the lock, and gives it back.
#[test]
fn the_events_of_a_cached_call_are_in_the_span_of_its_caller() {
    if let Some(shown) = alone("the_events_of_a_cached_call_are_in_the_span_of_its_caller", true) {
        let lines = |parts: &[&str]| {
            shown.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
        };
        for parts in [
            ["request{number=17}:lock{", "entered"],
            ["request{number=17}", "computed"],
            ["request{number=17}", "given back"],
        ] {
            assert_eq!(lines(&parts), 1, "{parts:?}: {shown}");
        }
    } else {
        assert!(logging::init());
        let client = Client::memory();
        let request = tracing::info_span!(target: "dspinlock", "request", number = 17);
        request.in_scope(|| values::total(&client).unwrap());
    }
}
