//! The one error type, and the kinds that a caller tells apart.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A [`Result`](std::result::Result) whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the few kinds that call for different answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else held the lock for the whole time that the caller was ready to wait.
    Contended,
    /// The key is held or was computed, and the lock was asked to fail then (`fail_if_key_exists`).
    KeyExists,
    /// The lock was held and is not any more: its lease ran out, or its key was removed.
    Lost,
    /// The lock that was to be released is held by somebody else.
    NotOwner,
    /// The key holds something that is not a lock of ours. Nothing was overwritten.
    Foreign,
    /// Another caller computed the value that this one waited for, and failed.
    LeaderFailed,
    /// The server could not be reached, did not answer in time, or refused the command.
    Backend,
    /// The client was [shut down](crate::Client::shutdown), and takes no locks any more.
    Closed,
    /// A URL, an option or a name that can't be used; changing the configuration is the answer.
    Config,
    /// The library was used in a way that can't work, for example a recursive call with the same key.
    Misuse,
}

impl ErrorKind {
    /// The kind in a word or two, as error messages and logs show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contended => "contended",
            Self::KeyExists => "key exists",
            Self::Lost => "lost",
            Self::NotOwner => "not owner",
            Self::Foreign => "foreign",
            Self::LeaderFailed => "leader failed",
            Self::Backend => "backend",
            Self::Closed => "closed",
            Self::Config => "config",
            Self::Misuse => "misuse",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error of the lock. It is one pointer wide; [`kind`](Self::kind) says what to do about it.
///
/// It names the key (64 characters of it at most) and the cause, and never holds a password. Where the system or the server
/// gave an error of its own, that is its [`source`](std::error::Error::source), a [`std::io::Error`] where a connection
/// failed; the message has its text already.
///
/// ```
/// use dspinlock::{Client, ErrorKind};
/// use std::time::Duration;
///
/// let client = Client::memory();
/// let _held = client.lock("example").acquire_blocking()?;
/// let error = client.lock("example").wait(Duration::ZERO).acquire_blocking().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Contended);
/// assert_eq!(error.key(), Some("\"example\""));
/// assert!(error.is_retryable());
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    key: Option<String>,
    record_key: Option<String>,
    holder: Option<String>,
    waited: Duration,
    attempts: u32,
    /// Whether the same call fails until somebody changes something, though its kind is one that passes.
    lasts: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            key: None,
            record_key: None,
            holder: None,
            waited: Duration::ZERO,
            attempts: 0,
            lasts: false,
            source: None,
        }))
    }

    /// The same for another caller, without the first one's key and effort.
    pub(crate) fn again(&self) -> Self {
        let mut again = Self::new(self.kind(), &*self.0.message);
        again.0.lasts = self.0.lasts;
        again.0.source.clone_from(&self.0.source);
        again
    }

    /// The same, with what is at fault named first.
    pub(crate) fn of(mut self, what: &str) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// The same, which lasts until somebody changes something, such as this.
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn lasting(mut self, change: Option<String>) -> Self {
        self.0.lasts = true;
        if let Some(change) = change {
            self.0.message = format!("{}; {change}", self.0.message.trim_end_matches('.'));
        }
        self
    }

    /// The same, with the error behind it. Its text is shown to whoever asks: it must not hold a password.
    pub(crate) fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_key(mut self, key: impl fmt::Display) -> Self {
        self.0.key = Some(key.to_string());
        self
    }

    pub(crate) fn with_record_key(mut self, record_key: &str) -> Self {
        self.0.record_key = Some(record_key.to_owned());
        self
    }

    pub(crate) fn with_holder(mut self, holder: Option<String>) -> Self {
        self.0.holder = holder;
        self
    }

    pub(crate) fn with_effort(mut self, waited: Duration, attempts: u32) -> Self {
        self.0.waited = waited;
        self.0.attempts = attempts;
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The key that the caller locked, as text of at most 64 characters; `None` where no key was involved.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// The name of the record in Redis, for looking at it with `redis-cli`; `None` where no key was involved.
    pub fn record_key(&self) -> Option<&str> {
        self.0.record_key.as_deref()
    }

    /// Who held the lock when it was last seen: host, process and function where they are known.
    pub fn holder(&self) -> Option<&str> {
        self.0.holder.as_deref()
    }

    /// How long the caller waited before this error.
    pub fn waited(&self) -> Duration {
        self.0.waited
    }

    /// How often the lock was tried before this error.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call may well succeed a moment later: the lock was held, or the server out of reach. A server that
    /// refuses the password, or a command or key that its access list does not allow, refuses it until that is changed.
    pub fn is_retryable(&self) -> bool {
        let passes = matches!(
            self.0.kind,
            ErrorKind::Contended | ErrorKind::Backend | ErrorKind::Lost | ErrorKind::LeaderFailed
        );
        passes && !self.0.lasts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.key {
            Some(key) => write!(f, "lock {key}: {}", self.0.message)?,
            None => f.write_str(&self.0.message)?,
        }
        if let Some(holder) = &self.0.holder {
            write!(f, " (holder: {holder})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("key", &self.0.key)
            .field("record_key", &self.0.record_key)
            .field("holder", &self.0.holder)
            .field("waited", &self.0.waited)
            .field("attempts", &self.0.attempts)
            .field("retryable", &self.is_retryable())
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

impl From<Error> for std::io::Error {
    /// Wraps the lock's error, so that functions returning [`std::io::Result`] can be annotated as they are.
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            ErrorKind::Contended => Io::WouldBlock,
            ErrorKind::KeyExists => Io::AlreadyExists,
            ErrorKind::Foreign => Io::InvalidData,
            ErrorKind::Config | ErrorKind::Misuse => Io::InvalidInput,
            _ => Io::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_pointer_that_goes_anywhere() {
        fn goes_anywhere<T: Clone + Send + Sync + 'static>() {}
        goes_anywhere::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn keeps_its_source_and_whether_it_lasts_for_every_caller() {
        let cause = std::io::Error::other("the cable");
        let error = Error::new(ErrorKind::Backend, "unplugged").caused_by(cause).lasting(None).with_key("k");
        for error in [error.again(), error.clone(), error] {
            let source = error.source().expect("a source").downcast_ref::<std::io::Error>();
            assert_eq!(source.map(ToString::to_string).as_deref(), Some("the cable"));
            assert!(!error.is_retryable());
        }
        let plain = Error::new(ErrorKind::Backend, "gone");
        assert!(plain.source().is_none() && plain.is_retryable());
    }
}
