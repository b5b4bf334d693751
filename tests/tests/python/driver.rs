//! A Python process that runs the real py-dspinlock on behalf of a test; the other end is `tests/python/driver.py`.

use std::collections::{HashMap, HashSet};
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dspinlock_testkit::{Child, Ended};
use serde_json::{Value, json};

/// How long a test waits for Python before it fails. On an idle machine nothing takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(60);

/// An exception of Python's.
#[derive(Debug)]
pub(crate) struct Raised {
    /// The name of its class.
    pub(crate) class: String,
    message: String,
    /// How long the call took, where the driver measures it.
    pub(crate) milliseconds: Option<f64>,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Python raised {}: {}", self.class, self.message)
    }
}

/// Messages from Python that no caller has taken yet.
#[derive(Default)]
struct Inbox {
    replies: HashMap<u64, Value>,
    /// The locks that have gone to sleep on a blocked key.
    waiting: HashSet<String>,
    ended: bool,
}

type Shared = Arc<(Mutex<Inbox>, Condvar)>;

/// The running process. It ends when this is dropped.
pub(crate) struct Python {
    /// The process, and the number of requests so far.
    requests: Mutex<(Child, u64)>,
    inbox: Shared,
}

impl Python {
    /// Starts the driver beside the server at `port`.
    pub(crate) fn start(port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/driver.py");
        let mut command = Command::new(interpreter());
        let mut process = Child::start(command.arg(script).arg(port.to_string())).expect("Python starts");
        let lines = process.take_lines().expect("they are taken once");
        let inbox = Shared::default();
        let filled = Arc::clone(&inbox);
        thread::spawn(move || receive(&lines, &filled));
        Self { requests: Mutex::new((process, 0)), inbox }
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn call(&self, request: Value) -> Result<Value, Raised> {
        self.send(request).reply()
    }

    /// Sends a request. Python works on it while the test continues.
    pub(crate) fn send(&self, mut request: Value) -> Pending<'_> {
        let mut requests = self.requests.lock().expect("no writer has panicked");
        requests.1 += 1;
        let id = requests.1;
        request["id"] = json!(id);
        requests.0.say(&request.to_string()).expect("Python reads its requests");
        Pending { python: self, id }
    }

    /// Makes a lock in Python. `name` is unique in the test.
    pub(crate) fn lock(&self, name: &str, key: &Value, options: &Value) -> PythonLock<'_> {
        let made = self
            .call(json!({"do": "make", "lock": name, "key": key, "options": options}))
            .unwrap_or_else(|raised| panic!("{raised}"));
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        PythonLock { python: self, name: name.to_owned(), key: text("key"), tag: text("tag") }
    }

    /// The uid that py-dspinlock gives to a key.
    pub(crate) fn uid(&self, key: &Value) -> Result<String, Raised> {
        let uid = self.call(json!({"do": "uid", "key": key}))?;
        Ok(uid.as_str().expect("a text").to_owned())
    }

    fn end(&self) -> Ended {
        self.requests.lock().expect("no writer has panicked").0.kill().expect("it has ended")
    }

    /// Waits until `found` returns something, or fails the test.
    fn wait_for<T>(&self, what: &str, mut found: impl FnMut(&mut Inbox) -> Option<T>) -> T {
        let (inbox, arrived) = &*self.inbox;
        let deadline = Instant::now() + PATIENCE;
        let mut inbox = held(inbox);
        loop {
            if let Some(value) = found(&mut inbox) {
                return value;
            }
            assert!(!inbox.ended, "Python ended before {what}: {}", self.end());
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing from Python in {PATIENCE:?}: no {what}");
            inbox = arrived.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A request that Python is working on.
#[must_use = "the reply says whether Python raised"]
pub(crate) struct Pending<'a> {
    python: &'a Python,
    id: u64,
}

impl Pending<'_> {
    pub(crate) fn reply(self) -> Result<Value, Raised> {
        let mut reply = self.python.wait_for("a reply", |inbox| inbox.replies.remove(&self.id));
        match reply.get("error") {
            None => Ok(reply["ok"].take()),
            Some(class) => Err(Raised {
                class: class.as_str().unwrap_or_default().to_owned(),
                message: reply["message"].as_str().unwrap_or_default().to_owned(),
                milliseconds: reply["milliseconds"].as_f64(),
            }),
        }
    }
}

/// One instance of `HashDSpinlock`, or of a subclass, in the Python process.
pub(crate) struct PythonLock<'a> {
    python: &'a Python,
    name: String,
    /// The result of its `get_key()`.
    pub(crate) key: String,
    /// Its owner part and timestamp.
    pub(crate) tag: String,
}

impl PythonLock<'_> {
    /// Enters its `with` and waits until it is inside.
    pub(crate) fn enter(&self) -> Result<(), Raised> {
        self.start_entering().reply().map(drop)
    }

    /// Enters its `with`, which may wait, while the test continues.
    pub(crate) fn start_entering(&self) -> Pending<'_> {
        self.python.send(json!({"do": "enter", "lock": self.name}))
    }

    /// Leaves its `with`, and returns how many milliseconds that took.
    pub(crate) fn leave(&self) -> Result<f64, Raised> {
        let left = self.python.call(json!({"do": "leave", "lock": self.name}))?;
        Ok(left["milliseconds"].as_f64().expect("a number"))
    }

    /// Leaves its `with` as Python does when the body has raised.
    pub(crate) fn leave_raising(&self) -> Result<(), Raised> {
        self.python.call(json!({"do": "leave", "lock": self.name, "raising": true})).map(drop)
    }

    /// `delete_atomic_query_mutex_state()`.
    pub(crate) fn forget(&self) -> bool {
        let deleted = self.python.call(json!({"do": "forget", "lock": self.name}));
        deleted.unwrap_or_else(|raised| panic!("{raised}")).as_bool().expect("a boolean")
    }

    /// The result of `_unpack_value` for a record.
    pub(crate) fn unpack(&self, record: &str) -> Result<Value, Raised> {
        self.python.call(json!({"do": "unpack", "lock": self.name, "value": record}))
    }

    /// Waits until it has found its key blocked and is about to sleep.
    pub(crate) fn wait_until_it_waits(&self) {
        self.python.wait_for("a lock that waits", |inbox| inbox.waiting.contains(&self.name).then_some(()));
    }
}

/// The interpreter that `scripts/test` has made ready.
pub(crate) fn interpreter() -> PathBuf {
    let path = env::var_os("DSPINLOCK_PYTHON")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python"), PathBuf::from);
    assert!(
        path.exists(),
        "there is no Python at {}; `scripts/test --setup` makes one with py-dspinlock, \
         or DSPINLOCK_PYTHON names one that has it",
        path.display()
    );
    path
}

/// Sorts what Python writes into the inbox, until Python ends.
fn receive(lines: &Receiver<String>, shared: &Shared) {
    let (inbox, arrived) = &**shared;
    for line in lines {
        let message: Value = serde_json::from_str(&line).expect("Python writes JSON");
        let mut inbox = held(inbox);
        if let Some(id) = message["id"].as_u64() {
            inbox.replies.insert(id, message);
        } else if let Some(lock) = message["lock"].as_str() {
            inbox.waiting.insert(lock.to_owned());
        }
        arrived.notify_all();
    }
    held(inbox).ended = true;
    arrived.notify_all();
}

/// A test that fails while it holds the inbox must not hide its own message behind a poisoned mutex.
fn held(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}
