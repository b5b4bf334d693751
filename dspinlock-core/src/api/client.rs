//! The client: where locks stand, and the defaults of the locks made on it.

use crate::api::config::{Config, Origin};
use crate::api::server;
use crate::engine::core::Core;
use crate::error::{ErrorKind, Result};
use crate::format::scheme::{Scheme, StandardScheme};
use crate::options::{OnOutage, Options};
use crate::store::{Ping, Store};
use crate::worker::Worker;
use std::sync::Arc;

/// A server that locks stand on, Redis or Valkey, or the embedded store of this process; and the defaults of its locks.
///
/// Making a client connects to nothing, so it succeeds without a server: the first lock or [`ping`](Self::ping) connects. A program
/// that is to fail at its start, and not at its first lock, [pings](Self::ping_blocking) after it has made the client.
///
/// | to | write |
/// | --- | --- |
/// | connect to a server | `Client::connect("redis://host:6379/0")`; `rediss://` for TLS |
/// | connect over a unix socket | `Client::connect("redis+unix:///run/redis.sock")` |
/// | connect to sentinels or a cluster | `redis-sentinel://host,host/NAME`, `redis-cluster://host,host`; see [`Config::from_url`] |
/// | take the address from the environment | [`Client::from_env`] |
/// | do without a server | [`Client::memory`] |
/// | fail early if the server is not there | [`ping`](Self::ping), [`ping_blocking`](Self::ping_blocking) |
/// | give back all locks when the process ends | [`shutdown`](Self::shutdown), [`shutdown_blocking`](Self::shutdown_blocking) |
///
/// Cloning is cheap, and clones share their connections.
///
/// Async callers send their requests themselves, over connections that their own Tokio runtime drives and takes with it
/// when it ends. Blocking callers use pooled connections. Whatever outlives a caller has connections on the library's own
/// thread, which also serves callers outside of a Tokio runtime, and runtimes without I/O. So a client works from plain
/// threads, from any number of runtimes, and with any executor. Values never share a connection with locks.
///
/// A runtime without I/O (`enable_io`) shows as a panic message of one of its tasks, once, and does no harm. In a
/// program that aborts on panics, turn I/O on in every runtime that locks.
///
/// Every call ends within its time limits. A connection that does not answer in time is replaced.
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

    /// Makes a client of the server at `url`, and connects to nothing yet: the first use connects. To fail early, ask for a
    /// sign of life by [`ping`](Self::ping) or [`ping_blocking`](Self::ping_blocking):
    ///
    /// ```no_run
    /// # fn main() -> Result<(), dspinlock::Error> {
    /// use dspinlock::Client;
    ///
    /// let client = Client::connect("redis://redis.internal:6379/0")?;
    /// client.ping_blocking()?; // in an async program: `client.ping().await?`
    /// dspinlock::init(client)?;
    /// # Ok(()) }
    /// ```
    ///
    /// The URL is `redis://[user[:password]@]host[:port][/db]`, `rediss://…` for TLS, `redis+unix:///path` for a unix socket,
    /// `memory://`, or another one of [`Config::from_url`].
    ///
    /// With TLS, the certificates of CAs, those of the system or the file of `tls_ca`, and the process's own certificate and key are
    /// read here, on the calling thread: some milliseconds of blocking work. In an async program, make the client before the
    /// requests come, or within `spawn_blocking`. Without TLS no file is read.
    ///
    /// # Errors
    ///
    /// `Config` for a URL that can't be used, and for certificates that can't be read; `Backend` if the system refuses a thread. A
    /// server that is not there, or that refuses the password, is an error of the first use, not of this call.
    ///
    /// ```
    /// # use dspinlock::{Client, ErrorKind};
    /// assert!(Client::connect("memory://")?.is_memory());
    /// assert_eq!(Client::connect("http://localhost").unwrap_err().kind(), ErrorKind::Config);
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn connect(url: &str) -> Result<Self> {
        Self::from_config(&Config::from_url(url)?.coming_from(Origin::Connect))
    }

    /// Makes a client of the environment: the URL in `DSPINLOCK_URL`, without it `redis://127.0.0.1:6379/0`, and the variables
    /// that [`Config::from_env`] lists. As [`connect`](Self::connect), it connects to nothing yet.
    ///
    /// # Errors
    ///
    /// As [`Config::from_env`] and [`connect`](Self::connect). An error about a variable's value names the variable.
    pub fn from_env() -> Result<Self> {
        Self::from_config(&Config::from_env()?).map_err(|error| match error.kind() {
            ErrorKind::Config => error.of("the environment variables DSPINLOCK_…"),
            _ => error,
        })
    }

    /// Makes a client of the server that `config` describes, and connects to nothing yet: the first use connects. To fail early, use
    /// [`ping`](Self::ping) or [`ping_blocking`](Self::ping_blocking):
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dspinlock::Error> {
    /// use dspinlock::{Client, Config};
    ///
    /// let client = Client::from_config(&Config::new().with_host("redis.internal").with_db(2))?;
    /// client.ping().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// With TLS, files are read here, on the calling thread; see [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn from_config(config: &Config) -> Result<Self> {
        let worker = Worker::get()?;
        Ok(Self::on(server::store(config, &worker)?, worker))
    }

    /// Makes a client of a new embedded store, for tests and for single processes. Only its clones share its locks.
    ///
    /// # Panics
    ///
    /// If the system refuses the library's thread, as [`std::thread::spawn`] does. [`connect`](Self::connect) with
    /// `"memory://"` returns an error instead.
    pub fn memory() -> Self {
        match Worker::get() {
            Ok(worker) => Self::on(Store::memory(), worker),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sets the default options of the locks made on this client. Annotated functions have defaults of their own, and
    /// take only [`replicas`](Options::with_replicas) from here.
    ///
    /// ```
    /// # use dspinlock::{Client, Options};
    /// # use std::time::Duration;
    /// let client = Client::memory().with_defaults(Options::new().with_lease(Duration::from_secs(30)));
    /// assert_eq!(client.defaults().lease(), Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn with_defaults(mut self, defaults: Options) -> Self {
        self.defaults = defaults;
        self
    }

    /// Sets what annotated functions do while the server can't be asked for the lock, unless their attribute says
    /// otherwise. Applies only to annotated functions and to
    /// [`get_or_compute`](crate::DSpinlock::get_or_compute).
    #[must_use]
    pub fn with_on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// Bounds the copies that `cached(local = …)` keeps in this process: about `number` at most, and `bytes` in all.
    /// The defaults are 10,000 and 64 MiB. Clones of the client share the copies and their bounds. Copies made before
    /// are dropped.
    ///
    /// A copy weighs what it occupies in memory: the key, the name of the record, the encoded value, and the decoded `T`, if the
    /// function returns an `Arc<T>`, which all hits share, or a `T` that hits can clone. The library sees only the encoding
    /// of a `T`, so it assumes that length again plus the size of a `T`; [`with_weight`](Self::with_weight) replaces this
    /// estimate. A single copy of more than a sixteenth of `bytes` may not be kept.
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

    /// Sets how many bytes of memory a `T` occupies, itself included, where copies for `cached(local = …)` keep a decoded
    /// one: for functions that return an `Arc<T>`, or a `T` that can be cloned. For values with much in memory that is not
    /// stored, such as an index, or fields with `#[serde(skip)]`. Clones of the client share it.
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

    /// Sets the first part of all keys, `dspinlock` by default, so that environments can share a server. Python
    /// processes have to set the same `_key_prefix`.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        self.with_scheme(StandardScheme::new(prefix))
    }

    /// Sets the scheme, which names keys and turns.
    #[must_use]
    pub fn with_scheme(mut self, scheme: impl Scheme) -> Self {
        self.scheme = Arc::new(scheme);
        self
    }

    /// Returns the default options of the locks made on this client.
    pub fn defaults(&self) -> &Options {
        &self.defaults
    }

    /// Returns what annotated functions do while the server can't be asked for the lock.
    pub fn on_outage(&self) -> OnOutage {
        self.on_outage
    }

    /// Returns whether the store is the embedded one of this process.
    pub fn is_memory(&self) -> bool {
        self.core.store.is_memory()
    }

    /// Asks the server for a reply: at the start of a program, to fail early, and in a readiness probe. Dropping the future leaves
    /// nothing behind.
    ///
    /// It shows that the server is there and takes the credentials. Whether the user may run the scripts of locks, the first lock
    /// shows.
    ///
    /// # Errors
    ///
    /// `Backend`, with the cause, if there is no reply in time, or if the server refuses the password or the database; `Config` for a
    /// port that is no server's, or certificates that do not match.
    ///
    /// ```
    /// # async fn example() -> Result<(), dspinlock::Error> {
    /// # let client = dspinlock::Client::memory();
    /// if let Err(error) = client.ping().await {
    ///     eprintln!("no locks: {error}");
    ///     std::process::exit(1);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn ping(&self) -> Result<()> {
        let core = Arc::clone(&self.core);
        self.core.worker.attend(async move { core.store.call(&Ping).await }).await
    }

    /// [`ping`](Self::ping), blocking the calling thread.
    ///
    /// ```
    /// # let client = dspinlock::Client::memory();
    /// client.ping_blocking()?;
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
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

    /// The state that all clones share, by reference.
    pub(crate) fn shared(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn scheme(&self) -> Arc<dyn Scheme> {
        Arc::clone(&self.scheme)
    }

    /// Tells schemes apart. Only unique while the scheme lives.
    pub(crate) fn scheme_address(&self) -> usize {
        Arc::as_ptr(&self.scheme).addr()
    }
}
