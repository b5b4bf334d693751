//! What the library logs, as text.

use std::fmt::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The events and spans of this process, each with its level and fields.
#[derive(Clone, Debug)]
pub struct Log(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    /// The library's threads send their lines here, so that they never wait for a reader.
    arriving: Receiver<String>,
    arrived: Vec<String>,
}

impl Log {
    /// Collects from the first call on.
    ///
    /// # Panics
    /// If the process has another subscriber.
    pub fn of_this_process() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let collect = || {
            let (sender, arriving) = mpsc::channel();
            tracing::subscriber::set_global_default(Collector(sender)).expect("no other subscriber");
            Self(Arc::new(Mutex::new(Lines { arriving, arrived: Vec::new() })))
        };
        LOG.get_or_init(collect).clone()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Lines { arriving, arrived } = &mut *lines;
        arrived.extend(arriving.try_iter());
        lines
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.lines().arrived.clone()
    }

    /// How many lines contain all of `parts`.
    pub fn count(&self, parts: &[&str]) -> usize {
        self.lines().arrived.iter().filter(|line| has(line, parts)).count()
    }

    /// Waits until a line contains all of `parts`.
    ///
    /// # Panics
    /// If that takes longer than ten seconds.
    #[track_caller]
    pub fn wait_for(&self, parts: &[&str]) {
        let mut looked_at = 0;
        crate::eventually(&format!("a line with {parts:?}"), || {
            let lines = self.lines();
            let new = &lines.arrived[looked_at..];
            looked_at = lines.arrived.len();
            new.iter().any(|line| has(line, parts))
        });
    }
}

fn has(line: &str, parts: &[&str]) -> bool {
    parts.iter().all(|part| line.contains(part))
}

/// Sends each of the library's events and spans to a log.
struct Collector(Sender<String>);

impl Collector {
    fn send(&self, line: Text) {
        // The log lives as long as the process.
        let _ = self.0.send(line.0);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "dspinlock"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = Text(format!("span {} ", attributes.metadata().name()));
        attributes.record(&mut text);
        self.send(text);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, record: &Record<'_>) {
        let mut text = Text("span ".to_owned());
        record.record(&mut text);
        self.send(text);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        // One that is of no call stands in no span.
        let root = if event.is_root() { "root " } else { "" };
        let mut text = Text(format!("{} {root}", event.metadata().level()));
        event.record(&mut text);
        self.send(text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
