//! What happened in a sandbox, and how often a body ran.

use crate::engine::ending::Ending;
use crate::engine::probe::Event;
use crate::engine::spec::Spec;
use crate::format::record::State;
use crate::sync::lock;
use std::fmt::{self, Write};
use std::sync::Mutex;

/// The names by which a test can call a lock.
#[derive(Debug)]
pub(super) struct Names {
    function: Option<&'static str>,
    namespace: Option<String>,
    record: String,
}

impl Names {
    pub(super) fn of(spec: &Spec) -> Self {
        let record = spec.names.record.clone();
        // Prefix, namespace, key.
        let namespace = record.split(spec.scheme.key_separator()).nth(1).filter(|_| !spec.bare);
        Self { function: spec.function, namespace: namespace.map(str::to_owned), record }
    }

    /// Whether `name` is the function, with its path or the end of it, the namespace, or the record's name.
    pub(super) fn include(&self, name: &str) -> bool {
        let ends =
            |path: &str| path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"));
        self.function.is_some_and(ends) || self.namespace.as_deref() == Some(name) || self.record == name
    }
}

/// The events of a sandbox, in their order.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    /// The names of a run.
    run: Option<Names>,
    text: String,
}

impl History {
    /// Notes what the test itself does.
    pub(super) fn note(&self, text: String) {
        lock(&self.0).push(Entry { run: None, text });
    }

    /// Notes what a caller does.
    pub(super) fn saw(&self, instance: usize, spec: &Spec, event: Event<'_>) {
        let what = describe(event);
        let runs = matches!(event, Event::Runs { .. });
        let name = match spec.function {
            Some(function) => {
                format!("{}({})", function.rsplit("::").next().unwrap_or(function), spec.text())
            }
            None => spec.text().to_owned(),
        };
        let mark = if spec.is_mark() { " (ahead of expiry)" } else { "" };
        let text = format!("instance {instance}: {name}{mark} {what}");
        lock(&self.0).push(Entry { run: runs.then(|| Names::of(spec)), text });
    }

    /// How often the bodies of this name ran.
    pub(super) fn runs(&self, name: &str) -> usize {
        let is_run = |entry: &&Entry| entry.run.as_ref().is_some_and(|names| names.include(name));
        lock(&self.0).iter().filter(is_run).count()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = lock(&self.0);
        if entries.is_empty() {
            return f.write_str("  nothing\n");
        }
        entries.iter().try_for_each(|entry| writeln!(f, "  {}", entry.text))
    }
}

fn describe(event: Event<'_>) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match event {
        Event::Asks => write!(text, "asks for the lock"),
        Event::Waits => write!(text, "waits"),
        Event::Acquired(fence) => write!(text, "has the lock, fencing token {fence}"),
        Event::Runs { locked: true } => write!(text, "runs"),
        Event::Runs { locked: false } => write!(text, "runs WITHOUT the lock"),
        Event::Served => write!(text, "gets a value that was computed before"),
        Event::TurnedAway(record) => {
            let state = match record.state {
                State::Blocked => "held",
                State::Computed => "computed",
            };
            write!(text, "is turned away: {state} by {}", record.holder())
        }
        Event::Refused(error) => write!(text, "fails: {error}"),
        Event::Ends(Ending::Release) => write!(text, "gives the lock back, the work is done"),
        Event::Ends(Ending::Publish { .. }) => write!(text, "gives the lock back, with a value"),
        Event::Ends(Ending::Abandon) => write!(text, "gives the lock back, the work is not done"),
        Event::Ends(Ending::Fail { .. }) => write!(text, "gives the lock back, without a value for others"),
        Event::HandsOver => write!(text, "hands the lock to the next caller of its instance"),
    };
    text
}
