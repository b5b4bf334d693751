//! The client: a place where locks stand, with the defaults of the locks made on it.

use crate::api::config::Config;
use crate::engine::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::scheme::{Scheme, StandardScheme};
use crate::options::{OnOutage, Options};
use crate::store::{Ping, Store};
use crate::worker::Worker;
use std::sync::Arc;

/// A place where locks stand: a Redis or Valkey server, or the embedded store of this process.
///
/// Cloning is cheap, and clones share their connections. Making a client connects to nothing: the first lock or
/// [`ping`](Self::ping) does. One connection serves all async callers, and others
/// renewals and the values of cached functions; blocking callers have up to `pool_size` more.
/// Both are used from the library's own thread or from the caller's, so that a client works from plain threads and from
/// any number of runtimes, also when the one in which it was first used has gone.
///
/// Every call ends within its time limits. A connection that did not answer in time is replaced.
///
/// ```
/// use dspinlock::Client;
///
/// let client = Client::memory();
/// client.ping_blocking()?;
/// client.lock(("report", 17)).acquire_blocking()?.release_blocking()?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    core: Arc<Core>,
    scheme: Arc<dyn Scheme>,
    defaults: Options,
    on_outage: OnOutage,
}

impl Client {
    pub(crate) fn on(store: Store, worker: Worker) -> Self {
        Self {
            core: Core::new(store, worker),
            scheme: Arc::new(StandardScheme::default()),
            defaults: Options::new(),
            on_outage: OnOutage::Fail,
        }
    }

    /// A client of the server at `url`: `redis://[user[:password]@]host[:port][/db]`, `redis+unix:///path` or `memory://`.
    ///
    /// # Errors
    ///
    /// `Config` for a URL that can't be used; `Backend` if the system refuses a thread. Whether the server is there is
    /// found out by the first use.
    pub fn connect(url: &str) -> Result<Self> {
        if url == "memory://" {
            return Ok(Self::on(Store::memory(), Worker::get()?));
        }
        Self::from_config(&Config::from_url(url)?)
    }

    /// A client as the environment wants it: of the URL in `DSPINLOCK_URL`, or of `redis://127.0.0.1:6379/0`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); what is wrong with the variable names it.
    pub fn from_env() -> Result<Self> {
        match std::env::var("DSPINLOCK_URL") {
            Ok(url) => Self::connect(&url).map_err(|error| match error.kind() {
                ErrorKind::Config => error.of("the environment variable DSPINLOCK_URL"),
                _ => error,
            }),
            Err(std::env::VarError::NotPresent) => Self::from_config(&Config::default()),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Error::new(ErrorKind::Config, "the environment variable DSPINLOCK_URL is not UTF-8"))
            }
        }
    }

    /// A client of the server that `config` describes.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn from_config(config: &Config) -> Result<Self> {
        let worker = Worker::get()?;
        Ok(Self::on(config.store(&worker)?, worker))
    }

    /// A client of an embedded store of its own, for tests and for a process that has no one to share with: its locks
    /// are known to its clones and to nobody else.
    ///
    /// # Panics
    ///
    /// If the system refuses the library's thread, as [`std::thread::spawn`] does. [`connect`](Self::connect) with
    /// `"memory://"` returns an error instead.
    pub fn memory() -> Self {
        match Self::connect("memory://") {
            Ok(client) => client,
            Err(error) => panic!("{error}"),
        }
    }

    /// The same client with other defaults for the locks made on it. Annotated functions have defaults of their own, and
    /// take none but [`replicas`](Options::replicas) from here.
    #[must_use]
    pub fn with_defaults(mut self, defaults: Options) -> Self {
        self.defaults = defaults;
        self
    }

    /// The same client, whose annotated functions do this while the server can't be asked for the lock, unless their
    /// attribute says otherwise. Locks in code are not concerned, but for
    /// [`get_or_compute`](DSpinlock::get_or_compute).
    #[must_use]
    pub fn with_on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// The same client, whose copies for `cached(local = …)` are at the most about `number`, and `bytes` together: 10,000
    /// and 64 MiB if nothing is said. Its clones share the copies and their bounds; those that are there are dropped.
    ///
    /// A copy weighs what it has in memory: the name of its record, the encoded value, and where a function returns an
    /// `Arc<T>` the decoded `T`, which all hits share. Of that, serde shows only what is encoded, so that it is taken to be
    /// as much again and the size of a `T`; [`with_weight`](Self::with_weight) says it better. A copy that alone
    /// weighs more than a sixteenth of `bytes` may not be kept.
    ///
    /// ```
    /// # use dspinlock::Client;
    /// let client = Client::memory().with_local_copies(50_000, 256 << 20);
    /// # drop(client);
    /// ```
    #[must_use]
    pub fn with_local_copies(self, number: usize, bytes: usize) -> Self {
        self.core.store.wakeups().copies().bound(number, bytes);
        self
    }

    /// The same client, which takes `weigh` for the bytes of memory that a `T` has, itself included, where copies for
    /// `cached(local = …)` keep an `Arc<T>`: for values with much in memory that is not stored, as an index has or what
    /// `#[serde(skip)]` leaves out. Its clones do so too.
    ///
    /// ```
    /// # use dspinlock::Client;
    /// struct Table {
    ///     rows: Vec<[f64; 3]>,
    /// }
    /// let weigh = |table: &Table| size_of::<Table>() + table.rows.capacity() * size_of::<[f64; 3]>();
    /// let client = Client::memory().with_weight(weigh);
    /// # drop(client);
    /// ```
    #[must_use]
    pub fn with_weight<T>(self, weigh: impl Fn(&T) -> usize + Send + Sync + 'static) -> Self
    where
        T: Send + Sync + 'static,
    {
        self.core.store.wakeups().copies().weigh_by(weigh);
        self
    }

    /// The same client with another first part of all keys than `dspinlock`, so that environments can share a server.
    /// Python processes have to set the same `_key_prefix`.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        self.with_scheme(StandardScheme::new(prefix))
    }

    /// The same client with another way to name keys and turns.
    #[must_use]
    pub fn with_scheme(mut self, scheme: impl Scheme) -> Self {
        self.scheme = Arc::new(scheme);
        self
    }

    /// Whether the store is the embedded one of this process.
    pub fn is_memory(&self) -> bool {
        self.core.store.is_memory()
    }

    /// Asks the server for a sign of life, for a readiness probe. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `Backend` with the cause if there is none in time.
    pub async fn ping(&self) -> Result<()> {
        let core = Arc::clone(&self.core);
        self.core.worker.attend(async move { core.store.call(&Ping).await }).await
    }

    /// [`ping`](Self::ping), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub fn ping_blocking(&self) -> Result<()> {
        self.core.store.call_blocking(&Ping)
    }

    pub(crate) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    pub(crate) fn scheme(&self) -> Arc<dyn Scheme> {
        Arc::clone(&self.scheme)
    }

    pub(crate) fn on_outage(&self) -> OnOutage {
        self.on_outage
    }

    pub(crate) fn defaults(&self) -> &Options {
        &self.defaults
    }
}
