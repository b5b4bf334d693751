//! How a key becomes the names that stand in Redis, and a turn becomes its tag: py-dspinlock's form, or the user's own.

mod checks;

use crate::error::{Error, ErrorKind, Result};
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

/// The names of all that belongs to one lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) record: String,
    /// The record's key in braces: what puts all the others in its cluster slot.
    slot: String,
    /// The scheme's value separator, for reading records.
    pub(crate) separator: String,
}

impl Names {
    /// Derives the names, and refuses those that would break a cluster's slots or another lock's names.
    pub(crate) fn derive(scheme: &dyn Scheme, namespace: Option<&str>, key: &Key) -> Result<Self> {
        let separator = scheme.key_separator();
        check_part("prefix", scheme.prefix(), separator)?;
        if let Some(namespace) = namespace {
            check_part("namespace", namespace, separator)?;
        }
        let braces = ['{', '}'];
        if separator.is_empty() || separator.contains(braces) {
            return Err(config(format!(
                "the key separator {separator:?} is empty or contains a brace; use \",\""
            )));
        }
        let value_separator = scheme.value_separator();
        if value_separator.is_empty() || value_separator.contains(['{', '}', '@']) {
            let what = format!(
                "the value separator {value_separator:?} is empty or contains a brace or an @; use \",\""
            );
            return Err(config(what));
        }
        let record = scheme.key(namespace, &scheme.uid(namespace, key));
        if !(scheme as &dyn Any).is::<StandardScheme>() {
            checks::check_tags(scheme)?;
            if let Some(namespace) = namespace {
                checks::check_namespace(scheme, namespace, key, &record)?;
            }
        }
        let slot = match hash_tag(&record) {
            Some(_) => record.clone(),
            None if record.contains(braces) => {
                let what =
                    format!("the scheme's key {record:?} has braces that are no hash tag; leave them out");
                return Err(config(what));
            }
            None => format!("{{{record}}}"),
        };
        Ok(Self { record, slot, separator: value_separator.to_owned() })
    }

    /// The highest fencing token.
    pub(crate) fn fence(&self) -> String {
        self.beside("fence")
    }

    /// What was computed.
    pub(crate) fn value(&self) -> String {
        self.beside("value")
    }

    /// Why a computation failed.
    pub(crate) fn error(&self) -> String {
        self.beside("error")
    }

    /// The mark of the one who computes anew.
    pub(crate) fn refresh(&self) -> String {
        self.beside("refresh")
    }

    /// The processes that wait.
    #[cfg(feature = "redis")]
    pub(crate) fn wait(&self) -> String {
        self.beside("wait")
    }

    /// A key for one value that is sent ahead of the release of its lock.
    #[cfg(feature = "redis")]
    pub(crate) fn ahead(&self) -> String {
        self.beside(&format!("new:{}", uuid::Uuid::new_v4()))
    }

    /// The names of the mark itself, which is held like a lock.
    pub(crate) fn of_the_mark(&self) -> Self {
        Self { record: self.refresh(), ..self.clone() }
    }

    fn beside(&self, what: &str) -> String {
        [&self.slot, ":", what].concat()
    }
}

/// What Redis Cluster hashes of a key: the text between the first `{` and the next `}`, unless it is empty.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

fn check_part(what: &str, part: &str, separator: &str) -> Result<()> {
    if part.is_empty() || part.contains(['{', '}']) || part.contains(separator) {
        return Err(config(format!(
            "the {what} {part:?} can't be used: it must not be empty nor contain `{{`, `}}` or the separator {separator:?}"
        )));
    }
    Ok(())
}

fn config(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(&'static str);

    impl Scheme for Fixed {
        fn key(&self, _: Option<&str>, _: &str) -> String {
            self.0.to_owned()
        }
    }

    fn names(scheme: &dyn Scheme, namespace: Option<&str>) -> Result<Names> {
        Names::derive(scheme, namespace, &Key::new(&7_u8))
    }

    #[test]
    fn all_keys_of_a_lock_share_a_slot() {
        let bare = names(&StandardScheme::default(), None).unwrap();
        assert_eq!(bare.record, "dspinlock,7");
        assert_eq!(bare.fence(), "{dspinlock,7}:fence");
        assert_eq!(hash_tag(&bare.value()), Some(bare.record.as_str()));
        let named = names(&StandardScheme::new("staging"), Some("billing")).unwrap();
        assert_eq!(named.record, "staging,billing,7");
    }

    #[test]
    fn a_scheme_with_its_own_hash_tag_is_suffixed_as_it_is() {
        assert_eq!(names(&Fixed("a:{b}:c"), None).unwrap().fence(), "a:{b}:c:fence");
        assert_eq!(names(&Fixed("a{}b"), None).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn refuses_braces_and_separators() {
        for part in ["", "a{b", "a}b", "a,b"] {
            assert_eq!(names(&StandardScheme::new(part), None).unwrap_err().kind(), ErrorKind::Config);
            assert_eq!(names(&StandardScheme::default(), Some(part)).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}
