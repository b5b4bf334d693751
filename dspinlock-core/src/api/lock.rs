//! A lock in code: a key, its options, and where it stands.

use crate::api::client::Client;
use crate::api::global;
use crate::api::inspect::{Inspection, RecordRef};
use crate::engine::fallback::Resolved;
use crate::engine::spec::Spec;
use crate::error::Result;
use crate::format::key::{Key, LockKey};
use crate::format::scheme::Scheme;
use crate::observe::Subject;
use crate::options::Options;
use once_cell::sync::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A lock that is not held yet: a key, its options, and the client that it is on.
///
/// [`Client::lock`] makes one, or [`DSpinlock::new`] on the client in force. Making one sends nothing. Then:
///
/// | to | call |
/// | --- | --- |
/// | wait for the lock, and hold it | [`acquire`](Self::acquire) |
/// | hold it only if it is free | [`try_acquire`](Self::try_acquire) |
/// | hold it, or learn that the work is done | [`enter`](Self::enter) |
/// | compute a value once for all callers | [`get_or_compute`](Self::get_or_compute) |
/// | look at the key, or remove it | [`inspect`](Self::inspect), [`forget`](Self::forget) |
///
/// Each has a `_blocking` twin. A blocking method may be called from async code: it blocks the executor's thread, but
/// neither panics nor needs a runtime.
///
/// A lock without a [`namespace`](Self::namespace) is *bare*: it and Python's `HashDSpinlock` of the same value exclude
/// each other.
///
/// Acquiring a lock that is held waits, whoever holds it, even if that is this instance on this thread. Code that runs
/// while the lock is held shares the turn by [`Guard::nested`](crate::Guard::nested).
///
/// The setters are those of [`Options`], and [`options`](Self::options) sets all of them.
///
/// ```
/// use dspinlock::{Client, Entry};
/// use std::time::Duration;
///
/// let client = Client::memory();
/// let lock = client.lock("example").sleep(Duration::from_millis(100)).tries(20).cached_if_computed(true);
/// match lock.enter_blocking()? {
///     Entry::Locked(guard) => {
///         println!("computing, with fencing token {}", guard.fencing_token());
///         guard.release_blocking()?;
///     }
///     Entry::Computed(record) => println!("computed by {}", record.holder()),
///     _ => {}
/// }
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a lock is not held until it is acquired"]
pub struct DSpinlock {
    client: Option<Client>,
    pub(super) key: Key,
    namespace: Option<String>,
    scheme: Option<Arc<dyn Scheme>>,
    pub(super) options: Options,
    expire_from_grant: bool,
    function: Option<&'static str>,
    spec: OnceCell<Arc<Spec>>,
}

impl Client {
    /// Makes a [`DSpinlock`] of `key`, which does not lock yet: [`acquire`](DSpinlock::acquire) does.
    ///
    /// It is bare, and has this client's default options.
    pub fn lock(&self, key: impl LockKey) -> DSpinlock {
        DSpinlock::on(Some(self.clone()), &key)
    }
}

/// Setters that forward to those of [`Options`], where their documentation is.
macro_rules! options {
    ($($name:ident => $set:ident($($value:ident: $type:ty),+);)+) => {$(
        #[doc = concat!("See [`Options::", stringify!($set), "`].")]
        pub fn $name(self, $($value: $type),+) -> Self {
            self.change(|lock| lock.options = std::mem::take(&mut lock.options).$set($($value),+))
        }
    )+};
}

impl DSpinlock {
    options! {
        sleep => with_sleep(sleep: Duration);
        wait => with_wait(wait: Duration);
        tries => with_tries(tries: u32);
        expire => with_expire(expire: impl Into<Option<Duration>>);
        max_block => with_max_block(max_block: Duration);
        lease => with_lease(lease: Duration);
        fail_if_key_exists => with_fail_if_key_exists(fail: bool);
        cached_if_computed => with_cached_if_computed(cached: bool);
        local_handoffs => with_local_handoffs(local_handoffs: u32);
        replicas => with_replicas(count: u32, within: Duration);
    }
}

impl DSpinlock {
    /// Makes a bare lock of `key` on the client in force, [`current_client`](crate::current_client), with its default
    /// options.
    ///
    /// If there is no client yet and the environment's URL is wrong, using the lock returns that error.
    pub fn new(key: impl LockKey) -> Self {
        Self::on(global::current_client().ok(), &key)
    }

    pub(crate) fn on(client: Option<Client>, key: &(impl LockKey + ?Sized)) -> Self {
        Self {
            key: Key::new(key),
            namespace: None,
            scheme: None,
            options: client.as_ref().map_or_else(Options::new, |client| client.defaults().clone()),
            client,
            expire_from_grant: false,
            function: None,
            spec: OnceCell::new(),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        self.spec = OnceCell::new();
        change(&mut self);
        self
    }

    /// Sets the namespace, which keeps this key apart from the same key in other namespaces. `""` makes the lock bare.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.change(|lock| lock.namespace = Some(namespace.into()).filter(|namespace| !namespace.is_empty()))
    }

    /// Sets the scheme, which names keys and turns, in place of the client's.
    pub fn scheme(self, scheme: impl Scheme) -> Self {
        self.change(|lock| lock.scheme = Some(Arc::new(scheme)))
    }

    /// Sets all options at once.
    pub fn options(self, options: Options) -> Self {
        self.change(|lock| lock.options = options)
    }

    /// Counts `expire` from the grant, as `#[dspinlock(mode = "once")]` does: for `dspinlock run --once-per`.
    #[doc(hidden)]
    pub fn expire_from_grant(self) -> Self {
        self.change(|lock| lock.expire_from_grant = true)
    }

    /// Names what runs under the lock, behind host and process in the record: for `dspinlock run`.
    #[doc(hidden)]
    pub fn function(self, function: &'static str) -> Self {
        self.change(|lock| lock.function = Some(function))
    }

    /// Returns the name of the record in Redis.
    ///
    /// # Errors
    ///
    /// `Config` if an option, the namespace or the scheme can't be used.
    pub fn record_key(&self) -> Result<&str> {
        Ok(&self.spec()?.names.record)
    }

    /// Looks at the key: who holds it, since when, and for how long; `None` if it is free.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, `Backend` without a reply, `Config` for options that can't be used.
    pub async fn inspect(&self) -> Result<Option<Inspection>> {
        self.record()?.inspect().await
    }

    /// [`inspect`](Self::inspect), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`inspect`](Self::inspect).
    pub fn inspect_blocking(&self) -> Result<Option<Inspection>> {
        self.record()?.inspect_blocking()
    }

    /// Removes the key and its value, whoever holds it, and says whether it was there (py-dspinlock's
    /// `delete_atomic_query_mutex_state`). Fencing tokens go on rising.
    ///
    /// If the future is dropped, the key may or may not be removed.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, which stays; `Backend` without a reply; `Config` for options that
    /// can't be used.
    ///
    /// ```
    /// # use dspinlock::Client;
    /// let lock = Client::memory().lock("example");
    /// lock.acquire_blocking()?.release_blocking()?; // COMPUTED for an hour
    /// assert!(lock.forget_blocking()?);
    /// assert!(lock.inspect_blocking()?.is_none());
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub async fn forget(&self) -> Result<bool> {
        self.record()?.forget().await
    }

    /// [`forget`](Self::forget), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`forget`](Self::forget).
    pub fn forget_blocking(&self) -> Result<bool> {
        self.record()?.forget_blocking()
    }

    pub(super) fn client(&self) -> Result<Client> {
        self.client.clone().map_or_else(global::current_client, Ok).map_err(|error| error.with_key(&self.key))
    }

    pub(super) fn spec(&self) -> Result<&Arc<Spec>> {
        self.spec.get_or_try_init(|| {
            let scheme = match &self.scheme {
                Some(scheme) => Arc::clone(scheme),
                None => self.client()?.scheme(),
            };
            let namespace = self.namespace.as_deref();
            let mut spec = Spec::resolve(scheme, namespace, &self.key, self.options.clone())?;
            (spec.expire_from_grant, spec.function) = (self.expire_from_grant, self.function);
            spec.subject = Subject::namespace(namespace);
            Ok(Arc::new(spec))
        })
    }

    fn record(&self) -> Result<RecordRef> {
        Ok(RecordRef { core: self.client()?.core(), spec: Arc::clone(self.spec()?) })
    }

    /// The lock with everything derived.
    pub(crate) fn resolved(&self) -> Result<Resolved> {
        let client = self.client()?;
        Ok(Resolved { core: client.core(), spec: Arc::clone(self.spec()?), on_outage: client.on_outage() })
    }
}

impl fmt::Debug for DSpinlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DSpinlock")
            .field("key", &self.key)
            .field("namespace", &self.namespace)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setter_sets_its_own_option() {
        const SECOND: Duration = Duration::from_secs(1);
        let lock = Client::memory()
            .lock("key")
            .sleep(SECOND)
            .wait(2 * SECOND)
            .expire(3 * SECOND)
            .max_block(4 * SECOND)
            .lease(5 * SECOND)
            .fail_if_key_exists(true)
            .cached_if_computed(true)
            .local_handoffs(6)
            .replicas(7, 8 * SECOND);
        let set = &lock.options;
        assert_eq!((set.sleep(), set.wait(), set.tries()), (SECOND, 2 * SECOND, None));
        assert_eq!((set.expire(), set.max_block(), set.lease()), (Some(3 * SECOND), 4 * SECOND, 5 * SECOND));
        assert!(set.fail_if_key_exists() && set.cached_if_computed());
        assert_eq!((set.local_handoffs(), set.replicas()), (6, Some((7, 8 * SECOND))));
        assert_eq!(lock.tries(9).options.tries(), Some(9));
    }
}
