//! How a key becomes the names that stand in Redis, and a turn becomes its tag: py-dspinlock's form, or the user's own.

mod checks;
mod names;

pub(crate) use names::Names;

use crate::format::key::Key;
use std::any::Any;
use std::fmt;

/// One turn of one process at a lock: what a [`Scheme`] builds its tag from.
///
/// ```
/// use dspinlock::{Client, Scheme, Turn};
///
/// /// Holders are known by their service and not by their host.
/// #[derive(Debug)]
/// struct Billing;
///
/// impl Scheme for Billing {
///     fn tag(&self, turn: &Turn) -> String {
///         format!("{}@billing,{}", turn.id, turn.timestamp)
///     }
/// }
///
/// let lock = Client::memory().lock("example").scheme(Billing);
/// let _guard = lock.acquire_blocking()?;
/// assert_eq!(lock.inspect_blocking()?.expect("somebody holds it").holder(), "billing");
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Turn {
    /// A random UUID (version 4) in its usual text form, new for every turn.
    pub id: String,
    /// Who takes the turn: `host/pid` or `host/pid/function`, printable ASCII without commas, 128 characters at most.
    pub owner: String,
    /// The server's time in UTC as Python's `isoformat()` writes it.
    pub timestamp: String,
}

/// The naming of locks: the parts that py-dspinlock lets a subclass override.
///
/// Every method has py-dspinlock's behaviour as its default. A tag must have two fields, the second one the timestamp as it
/// was given, joined by [`value_separator`](Self::value_separator), and the first must be printable ASCII and contain an
/// `@`: a record without one is taken for Python's. A name must tell namespaces apart. A scheme that does otherwise is
/// refused as `Config` before anything is sent, as is one whose records may be longer than 1,024 bytes.
///
/// Annotated functions have a namespace of their own, and Python has none: to share a key with Python, they write
/// `namespace = ""`.
///
/// ```
/// use dspinlock::{Client, Scheme};
///
/// /// Matches `class Reports(HashDSpinlock): def get_key(self): return f"reports:{self._obj_uid}"`.
/// #[derive(Debug)]
/// struct Reports;
///
/// impl Scheme for Reports {
///     fn key(&self, namespace: Option<&str>, uid: &str) -> String {
///         match namespace {
///             None => format!("reports:{uid}"),
///             Some(namespace) => format!("reports:{namespace}:{uid}"),
///         }
///     }
/// }
///
/// let client = Client::memory();
/// let lock = || client.lock(17_u64).scheme(Reports);
/// assert_eq!(lock().record_key()?, "reports:17");
/// assert_eq!(lock().namespace("billing").record_key()?, "reports:billing:17");
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[expect(clippy::unnecessary_literal_bound, reason = "an implementation may return a field")]
pub trait Scheme: fmt::Debug + Send + Sync + Any {
    /// The first part of every key (py-dspinlock's `_key_prefix`).
    fn prefix(&self) -> &str {
        "dspinlock"
    }

    /// What stands between the parts of a key (`_key_sep`).
    fn key_separator(&self) -> &str {
        ","
    }

    /// What stands between the fields of a record (`_value_sep`).
    fn value_separator(&self) -> &str {
        ","
    }

    /// The stable text form of a key (`_get_uid`).
    fn uid(&self, namespace: Option<&str>, key: &Key) -> String {
        match namespace {
            Some(_) => key.namespaced_uid(),
            None => key.bare_uid(),
        }
    }

    /// The name of the record (`get_key`), another one for each namespace.
    fn key(&self, namespace: Option<&str>, uid: &str) -> String {
        let separator = self.key_separator();
        match namespace {
            Some(namespace) => format!("{}{separator}{namespace}{separator}{uid}", self.prefix()),
            None => format!("{}{separator}{uid}", self.prefix()),
        }
    }

    /// The first two fields of the record (`_get_tag`), unique for each turn: two turns of one tag would both hold the lock.
    fn tag(&self, turn: &Turn) -> String {
        format!("{}@{}{}{}", turn.id, turn.owner, self.value_separator(), turn.timestamp)
    }
}

/// py-dspinlock's naming, under a prefix that environments sharing a server can choose.
#[derive(Clone, Debug)]
pub(crate) struct StandardScheme {
    prefix: String,
}

impl StandardScheme {
    pub(crate) fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }
}

impl Default for StandardScheme {
    fn default() -> Self {
        Self::new("dspinlock")
    }
}

impl Scheme for StandardScheme {
    fn prefix(&self) -> &str {
        &self.prefix
    }
}
