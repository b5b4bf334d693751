//! The naming of locks: from a key to the names in Redis, and from a turn to its tag.

mod checks;
mod names;
pub(crate) mod slot;

pub(crate) use names::Names;

use crate::format::key::Key;
use std::fmt;

/// One turn of one process at a lock, from which a [`Scheme`] builds the tag of the record.
///
/// # Examples
///
/// ```
/// use dspinlock::{Client, Scheme, Turn};
///
/// /// Names holders by their service instead of their host.
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
/// assert_eq!(lock.inspect_blocking()?.expect("the lock is held").holder(), "billing");
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Turn {
    /// A random UUID (version 4) in its usual text form, different for every turn.
    pub id: String,
    /// The process and function that take the turn, as `host/pid` or `host/pid/function`: printable ASCII without commas,
    /// 128 characters at most.
    pub owner: String,
    /// The server's time in UTC, as Python's `isoformat()` writes it.
    pub timestamp: String,
}

/// The naming of locks, for keys that other programs must find under names of their own.
///
/// A scheme overrides the same parts that py-dspinlock lets a subclass override. Every method defaults to py-dspinlock's
/// behaviour.
///
/// # Requirements
///
/// A scheme is checked on samples when a lock is used, before anything is sent. One that breaks a rule is an error of kind
/// [`Config`](crate::ErrorKind::Config).
///
/// - A [`tag`](Self::tag) has two fields, joined by [`value_separator`](Self::value_separator). The first field is printable
///   ASCII and contains an `@`, since a record without one counts as Python's. The second field is [`Turn::timestamp`],
///   unchanged. No two turns have the same tag.
/// - A [`key`](Self::key) differs from namespace to namespace, and is not the key of fencing tokens
///   (`<prefix>:fence:{<number>}`).
/// - A record is at most 1,024 bytes long.
///
/// An annotated function has a namespace by default, and Python has none. To share a key with Python, write
/// `namespace = ""`.
///
/// # Examples
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
pub trait Scheme: fmt::Debug + Send + Sync + 'static {
    /// The first part of every key (py-dspinlock's `_key_prefix`).
    fn prefix(&self) -> &str {
        "dspinlock"
    }

    /// The separator between the parts of a key (`_key_sep`).
    fn key_separator(&self) -> &str {
        ","
    }

    /// The separator between the fields of a record (`_value_sep`).
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

    /// The name of the record (`get_key`), which differs from namespace to namespace.
    fn key(&self, namespace: Option<&str>, uid: &str) -> String {
        let separator = self.key_separator();
        match namespace {
            Some(namespace) => [self.prefix(), separator, namespace, separator, uid].concat(),
            None => [self.prefix(), separator, uid].concat(),
        }
    }

    /// The first two fields of the record (`_get_tag`), unique for each turn: two turns with the same tag would both hold
    /// the lock.
    fn tag(&self, turn: &Turn) -> String {
        let separator = self.value_separator();
        let parts = [&*turn.id, "@", &turn.owner, separator, &turn.timestamp];
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // Another separator follows, in `Tag`.
        let mut tag = String::with_capacity(length + separator.len());
        tag.extend(parts);
        tag
    }

    /// Whether this is the library's own scheme, which needs no checks.
    #[doc(hidden)]
    fn is_standard(&self) -> bool {
        false
    }
}

/// py-dspinlock's naming. Environments that share a server choose different prefixes.
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

    fn is_standard(&self) -> bool {
        true
    }
}
