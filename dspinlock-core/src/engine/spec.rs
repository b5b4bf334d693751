//! A lock with its options checked and its names derived.

use crate::error::{Error, ErrorKind, Result};
use crate::format::key::Key;
use crate::format::record::{Record, describe};
use crate::format::scheme::{Names, Scheme};
use crate::observe::Subject;
use crate::options::Options;
use crate::store::Found;
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::time::Duration;

/// A lock with its options checked and its names derived: all that an attempt, a guard and the renewer need to know of
/// it.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) key: Key,
    /// The key as text, made when it is first asked for.
    text: OnceCell<String>,
    pub(crate) names: Names,
    pub(crate) scheme: Arc<dyn Scheme>,
    pub(crate) options: Options,
    /// Whether `expire` counts from the grant, not from the release.
    pub(crate) expire_from_grant: bool,
    /// Whether the key has no namespace, so that Python may share it.
    pub(crate) bare: bool,
    /// The annotated function, for the owner part of the record.
    pub(crate) function: Option<&'static str>,
    /// What measurements name.
    pub(crate) subject: Subject,
}

/// A record that stands at a key.
pub(crate) struct Seen {
    pub(crate) record: Record,
    pub(crate) remaining: Option<Duration>,
}

impl Spec {
    /// Checks the options and derives the names.
    pub(crate) fn resolve(
        scheme: Arc<dyn Scheme>,
        namespace: Option<&str>,
        key: &Key,
        options: Options,
    ) -> Result<Self> {
        let names = (options.validate(namespace.is_none()))
            .and_then(|()| Names::derive(&*scheme, namespace, key))
            .map_err(|error| error.with_key(key))?;
        Ok(Self {
            key: key.clone(),
            text: OnceCell::new(),
            names,
            scheme,
            options,
            expire_from_grant: false,
            bare: namespace.is_none(),
            function: None,
            subject: Subject::default(),
        })
    }

    /// The lock at the key `:refresh`. The caller that refreshes ahead holds it, while the old value is served.
    pub(crate) fn of_the_mark(&self) -> Self {
        let names = self.names.of_the_mark();
        let options = self.options.clone().with_local_handoffs(0);
        Self {
            key: self.key.clone(),
            text: OnceCell::new(),
            names,
            scheme: Arc::clone(&self.scheme),
            options,
            // The library holds it, and no caller of it.
            subject: Subject::unobserved(),
            ..*self
        }
    }

    /// Whether it is the lock at the key `:refresh`.
    pub(crate) fn is_mark(&self) -> bool {
        self.names.record.ends_with(":refresh")
    }

    /// The key as text of at most 64 characters.
    pub(crate) fn text(&self) -> &str {
        self.text.get_or_init(|| self.key.to_string())
    }

    /// Returns how many callers of this process may have the lock in one turn, after the first.
    pub(crate) fn handoffs(&self) -> u32 {
        if self.bare { 0 } else { self.options.local_handoffs }
    }

    pub(crate) fn error(&self, kind: ErrorKind, message: &str) -> Error {
        self.name(Error::new(kind, message))
    }

    pub(crate) fn foreign(&self, found: &str) -> Error {
        self.foreign_at(&self.names.record, found)
    }

    /// The error for a value of this Redis type that stands in place of the last fencing token.
    pub(crate) fn strange_fence(&self, kind: &str) -> Error {
        self.foreign_at(&self.names.fence, &format!("a {kind}"))
    }

    fn foreign_at(&self, name: &str, found: &str) -> Error {
        self.error(ErrorKind::Foreign, &format!("the key {name:?} holds {found}; nothing was changed"))
    }

    /// Reads the reply to a look at the key.
    ///
    /// # Errors
    ///
    /// The store's error, or `Foreign` if something else stands at the key.
    pub(crate) fn found(&self, reply: Result<Found>) -> Result<Option<Seen>> {
        match reply.map_err(|error| self.name(error))? {
            Found::Free => Ok(None),
            Found::WrongType(kind) => Err(self.foreign(&format!("a {kind}"))),
            Found::Held { raw, remaining } => match Record::parse(&raw, &self.names.separator) {
                Ok(record) => Ok(Some(Seen { record, remaining })),
                Err(why) => Err(self.foreign(&describe(&raw, &why))),
            },
        }
    }

    /// Adds the function and the key to an error of the store, which does not know them.
    pub(crate) fn name(&self, error: Error) -> Error {
        error.with_function(self.function).with_key(&self.key).with_record_key(&self.names.record)
    }
}
