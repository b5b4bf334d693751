//! A store with two clients, and a body that tells what it does and waits until it may go on.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dspinlock::{Client, Error};
use dspinlock_testkit::Server;
use serde::{Deserialize, Serialize};

/// How long a test waits for what must come soon.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) enum AppError {
    Lock(Error),
    Own(String),
}

impl From<Error> for AppError {
    fn from(error: Error) -> Self {
        Self::Lock(error)
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => write!(f, "lock: {error}"),
            Self::Own(text) => f.write_str(text),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) day: String,
    pub(crate) run: u32,
}

/// Two clients of one store. On Redis they share nothing else, as two processes do.
pub(crate) struct Rig {
    pub(crate) ours: Client,
    pub(crate) theirs: Client,
    pub(crate) server: Option<Server>,
}

/// One rig for each store.
pub(crate) fn rigs() -> [Rig; 2] {
    let memory = Client::memory();
    [Rig { ours: memory.clone(), theirs: memory, server: None }, redis()]
}

pub(crate) fn redis() -> Rig {
    let server = Server::start();
    let connect = || Client::connect(&server.url()).unwrap();
    Rig { ours: connect(), theirs: connect(), server: Some(server) }
}

/// Counts the runs of a body, and says which of them fail.
#[derive(Default)]
pub(crate) struct Runs {
    count: AtomicU32,
    failing: Mutex<Option<String>>,
}

impl Runs {
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// From now on the body fails, or no longer.
    pub(crate) fn fail(&self, message: Option<&str>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = message.map(ToOwned::to_owned);
    }

    /// One run.
    pub(crate) fn run(&self) -> Result<u32, AppError> {
        let run = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        match &*self.failing.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(AppError::Own(message.clone())),
            None => Ok(run),
        }
    }
}

/// The body's end of a pair of signals: it tells that it runs, and waits until it may go on.
pub(crate) struct Body {
    entered: SyncSender<()>,
    finish: Mutex<Receiver<()>>,
}

/// The test's end.
pub(crate) struct Test {
    entered: Receiver<()>,
    finish: SyncSender<()>,
}

pub(crate) fn signals() -> (Body, Test) {
    let ((enter, entered), (finish, finished)) = (sync_channel(100), sync_channel(100));
    (Body { entered: enter, finish: Mutex::new(finished) }, Test { entered, finish })
}

impl Body {
    pub(crate) fn wait(&self) {
        self.entered.send(()).unwrap();
        self.finish.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE).unwrap();
    }
}

impl Test {
    /// Waits until the body runs.
    pub(crate) fn entered(&self) {
        self.entered.recv_timeout(PATIENCE).unwrap();
    }

    /// Lets one run go on.
    pub(crate) fn finish(&self) {
        self.finish.send(()).unwrap();
    }
}

type Events = Arc<Mutex<Vec<String>>>;

/// What the library logs in this process from now on, as text.
pub(crate) fn logged() -> Events {
    static EVENTS: OnceLock<Events> = OnceLock::new();
    let collect = || {
        let events = Events::default();
        tracing::subscriber::set_global_default(Collector(Arc::clone(&events))).unwrap();
        events
    };
    Arc::clone(EVENTS.get_or_init(collect))
}

/// Keeps each event's fields as text.
struct Collector(Events);

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "dspinlock"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                // Writing to a string does not fail.
                let _ = write!(self.0, "{field}={value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Waits for what must become true soon.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}
