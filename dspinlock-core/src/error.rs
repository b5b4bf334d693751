//! The error type, and the kinds that callers tell apart.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A [`Result`](std::result::Result) whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Each kind calls for a different reaction; [`Error`] has an example.
///
/// # As a status of HTTP
///
/// | kind | status | why |
/// | --- | --- | --- |
/// | [`Contended`](Self::Contended) | 409, or 429 or 503 with `Retry-After` | somebody else works on it; the same request may succeed later |
/// | [`KeyExists`](Self::KeyExists) | 409 | it is under way, or was done: a webhook that comes twice may get 200 |
/// | [`Lost`](Self::Lost) | 500 | the work was done in part, perhaps beside another holder |
/// | [`NotOwner`](Self::NotOwner) | 500 | somebody else holds the lock that was to be released |
/// | [`LeaderFailed`](Self::LeaderFailed) | 502 | the computation failed in another request |
/// | [`Backend`](Self::Backend) | 503 with `Retry-After`; 500 if it is not [retryable](Error::is_retryable) | the server is out of reach, or refuses this process |
/// | [`Closed`](Self::Closed) | 503 | this process is about to end; another instance takes the next request |
/// | [`Foreign`](Self::Foreign), [`Config`](Self::Config), [`Misuse`](Self::Misuse) | 500 | the program or its configuration has to change |
///
/// An error's text names keys, hosts and functions, so it is for the log and not for the body of a reply.
///
/// ```
/// use dspinlock::{Error, ErrorKind};
///
/// fn status(error: &Error) -> u16 {
///     match error.kind() {
///         ErrorKind::Contended | ErrorKind::KeyExists => 409,
///         ErrorKind::LeaderFailed => 502,
///         ErrorKind::Backend if error.is_retryable() => 503,
///         ErrorKind::Closed => 503,
///         _ => 500,
///     }
/// }
///
/// # use dspinlock::{Client, Config};
/// # use std::time::Duration;
/// let client = Client::memory();
/// let _held = client.lock("report").acquire_blocking()?;
/// let error = client.lock("report").wait(Duration::ZERO).acquire_blocking().unwrap_err();
/// assert_eq!(status(&error), 409);
/// # let error = client.lock("report").fail_if_key_exists(true).acquire_blocking().unwrap_err();
/// # assert_eq!(status(&error), 409);
/// assert_eq!(status(&Client::connect("http://localhost").unwrap_err()), 500);
/// client.shutdown_blocking(Duration::from_secs(1))?;
/// assert_eq!(status(&client.lock("report").acquire_blocking().unwrap_err()), 503);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else held the lock for as long as the caller was ready to wait.
    Contended,
    /// The key is held or COMPUTED, and the lock was told to fail then (`fail_if_key_exists`).
    KeyExists,
    /// The lock was held and is no longer: its lease ran out, or its key was removed.
    Lost,
    /// Somebody else holds the lock that was to be released.
    NotOwner,
    /// The key holds something that is not a lock of this library. Nothing was overwritten.
    Foreign,
    /// The caller that computed the value failed, and this one waited for it.
    LeaderFailed,
    /// The server could not be reached, did not answer in time, or refused the command.
    Backend,
    /// The client was [shut down](crate::Client::shutdown) and takes no more locks.
    Closed,
    /// A URL, an option or a name can't be used. The configuration has to change.
    Config,
    /// The library was used in a way that can't work, for example by a recursive call with the same key.
    Misuse,
}

impl ErrorKind {
    /// Returns the kind in a word or two, as logs show it.
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

/// An error of the lock. [`kind`](Self::kind) says how to react.
///
/// Its text is one line: the annotated function and the key, in at most 64 characters; the server, and where its address came from;
/// the cause, and what to change. It never holds a password. An error of the system or the
/// server is its [`source`](std::error::Error::source), for a failed connection a [`std::io::Error`]; the message
/// already has its text. An `Error` is one pointer wide.
///
/// | text | what it is |
/// | --- | --- |
/// | `shop::report::rebuild (key 17): …` | a call of an annotated function |
/// | `lock "example": …` | a lock in code, as by [`Client::lock`](crate::Client::lock) |
/// | `redis at 127.0.0.1:6379/0 (from DSPINLOCK_URL): …` | the server, without a key: as by [`Client::ping`](crate::Client::ping) |
///
/// [`ErrorKind`] has a table of HTTP statuses.
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
    function: Option<&'static str>,
    key: Option<String>,
    record_key: Option<String>,
    holder: Option<String>,
    waited: Duration,
    attempts: u32,
    /// Whether the call goes on failing until somebody changes something, although its kind usually passes.
    lasts: bool,
    /// Whether the cause passes by itself, within moments as a rule.
    passes: bool,
    /// Whether the request that failed is certain to have changed nothing, and to change nothing later.
    untouched: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: in_one_line(message.into()),
            function: None,
            key: None,
            record_key: None,
            holder: None,
            waited: Duration::ZERO,
            attempts: 0,
            lasts: false,
            passes: false,
            untouched: false,
            source: None,
        }))
    }

    /// The same error for another caller, without the first one's function, key and effort.
    pub(crate) fn again(&self) -> Self {
        let mut again = Self::new(self.kind(), &*self.0.message);
        (again.0.lasts, again.0.passes) = (self.0.lasts, self.0.passes);
        again.0.source.clone_from(&self.0.source);
        again
    }

    /// Puts what is at fault first in the message.
    pub(crate) fn of(mut self, what: &str) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Marks the error as one that lasts until somebody changes something, for example `change`.
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn lasting(mut self, change: Option<String>) -> Self {
        self.0.lasts = true;
        match change {
            Some(change) => self.and(&change),
            None => self,
        }
    }

    /// Marks the error as one whose cause passes by itself: the same request is worth repeating while its caller waits.
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn passing(mut self) -> Self {
        self.0.passes = true;
        self
    }

    pub(crate) fn passes(&self) -> bool {
        self.0.passes
    }

    /// Marks the error as that of a request which certainly changed nothing, and can't do so later.
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn untouched(mut self) -> Self {
        self.0.untouched = true;
        self
    }

    pub(crate) fn is_untouched(&self) -> bool {
        self.0.untouched
    }

    /// Adds to the message.
    pub(crate) fn and(mut self, what: &str) -> Self {
        self.0.message = format!("{}; {what}", self.0.message.trim_end_matches('.'));
        self
    }

    /// Sets the source. Its text may be shown anywhere, so it must not hold a password.
    pub(crate) fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_function(mut self, function: Option<&'static str>) -> Self {
        self.0.function = function;
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

    /// Returns the kind of error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the annotated function that was called, by its module path and name, such as `shop::report::rebuild`; `None` for
    /// a lock in code. It is fit for the label of a metric: there are only as many as there are functions.
    ///
    /// ```
    /// use dspinlock::{Client, Error, ErrorKind, dspinlock};
    ///
    /// mod report {
    ///     # use dspinlock::{Client, Error, dspinlock};
    ///     #[dspinlock(key = number, client = client, skip)]
    ///     pub fn rebuild(client: &Client, number: u64) -> Result<(), Error> {
    ///         println!("rebuilding report {number}");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let client = Client::memory();
    /// client.shutdown_blocking(std::time::Duration::from_secs(1))?;
    /// let error = report::rebuild(&client, 17).unwrap_err();
    /// assert!(error.function().is_some_and(|function| function.ends_with("report::rebuild")));
    /// assert!(error.to_string().contains("report::rebuild (key 17): the client was shut down"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn function(&self) -> Option<&'static str> {
        self.0.function
    }

    /// Returns the key that the caller locked, as text of at most 64 characters; `None` if no key was involved.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Returns the name of the record in Redis, to look at with `redis-cli`; `None` if no key was involved.
    pub fn record_key(&self) -> Option<&str> {
        self.0.record_key.as_deref()
    }

    /// Returns the holder of the lock when it was last seen: host, process and function, as far as they are known.
    pub fn holder(&self) -> Option<&str> {
        self.0.holder.as_deref()
    }

    /// Returns how long the caller waited before this error.
    pub fn waited(&self) -> Duration {
        self.0.waited
    }

    /// Returns how often the lock was tried before this error.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns whether the same call may succeed a moment later, because the lock was held or the server out of reach.
    ///
    /// False for a server that refuses the password, or a command or key that its access list does not allow: that does
    /// not pass by itself.
    pub fn is_retryable(&self) -> bool {
        let passes = matches!(
            self.0.kind,
            ErrorKind::Contended | ErrorKind::Backend | ErrorKind::Lost | ErrorKind::LeaderFailed
        );
        passes && !self.0.lasts
    }
}

/// The text without line breaks, and without whatever else would spoil a line of a log.
pub(crate) fn in_one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let words = text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.function, &self.0.key) {
            (Some(function), Some(key)) => write!(f, "{function} (key {key}): ")?,
            (Some(function), None) => write!(f, "{function}: ")?,
            (None, Some(key)) => write!(f, "lock {key}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.0.message)?;
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
            .field("function", &self.0.function)
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
    /// Wraps the error, so that functions that return [`std::io::Result`] can be annotated.
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
    fn the_text_is_one_line_that_names_function_and_key() {
        let error =
            || Error::new(ErrorKind::Backend, "Parse error at 1\nUnexpected `84`\r\n\n  Unexpected `72`\n");
        let what = "Parse error at 1 Unexpected `84` Unexpected `72`";
        assert_eq!(error().to_string(), what);
        assert_eq!(error().with_key(17).to_string(), format!("lock 17: {what}"));
        let called = error().with_function(Some("report::rebuild"));
        assert_eq!(called.to_string(), format!("report::rebuild: {what}"));
        let called = called.with_key(17);
        assert_eq!(called.to_string(), format!("report::rebuild (key 17): {what}"));
        assert_eq!(called.function(), Some("report::rebuild"));
        assert!(format!("{called:?}").contains("function: Some(\"report::rebuild\")"));
        let of_another = called.again();
        assert_eq!((of_another.function(), of_another.key()), (None, None));
        assert_eq!(Error::new(ErrorKind::Backend, "two  blanks").to_string(), "two  blanks");
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
