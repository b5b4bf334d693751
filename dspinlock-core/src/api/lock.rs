//! The lock in code: a key with its options, and the doors to it.

use crate::api::client::Client;
use crate::api::global;
use crate::api::inspect::{Inspection, RecordInfo, forgotten, inspected};
use crate::engine::attempt::{Attempt, Outcome};
use crate::engine::fallback::Resolved;
use crate::engine::guard::Guard;
use crate::engine::spec::Spec;
use crate::engine::spin::Policy;
use crate::engine::waits::{Caller, check_recursion};
use crate::error::{ErrorKind, Result};
use crate::format::key::{Key, LockKey};
use crate::format::scheme::Scheme;
use crate::options::Options;
use crate::store::{Forget, Read};
use once_cell::sync::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A lock: a key, how to lock it, and where.
///
/// Made by [`Client::lock`], or by [`DSpinlock::new`] on the global client. Nothing is sent before it is acquired; each
/// method that does has a blocking twin. One made without a [`namespace`](Self::namespace) is *bare*: it and Python's
/// `HashDSpinlock` of the same value exclude each other.
///
/// One that is acquired while it is held waits, whoever the holder is: also if that is this very instance in this very
/// thread. Code that holds it already shares the turn by [`Guard::nested`].
///
/// A blocking method may be called from async code, where it blocks the executor's thread for as long as it takes; it
/// neither panics nor needs a runtime.
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
/// }
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone)]
pub struct DSpinlock {
    client: Option<Client>,
    key: Key,
    namespace: Option<String>,
    scheme: Option<Arc<dyn Scheme>>,
    options: Options,
    spec: OnceCell<Arc<Spec>>,
}

impl Client {
    /// A bare lock of `key`, with this client's defaults.
    pub fn lock(&self, key: impl LockKey) -> DSpinlock {
        DSpinlock::on(Some(self.clone()), &key)
    }
}

impl DSpinlock {
    /// A bare lock on the client in force here: that of the [testing scope](crate::testing::scope), or the global one.
    ///
    /// If there is none yet and the environment's URL is wrong, using the lock says so.
    pub fn new(key: impl LockKey) -> Self {
        Self::on(global::client().ok(), &key)
    }

    pub(crate) fn on(client: Option<Client>, key: &(impl LockKey + ?Sized)) -> Self {
        Self {
            key: Key::new(key),
            namespace: None,
            scheme: None,
            options: client.as_ref().map_or_else(Options::new, |client| client.defaults().clone()),
            client,
            spec: OnceCell::new(),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        self.spec = OnceCell::new();
        change(&mut self);
        self
    }

    fn option(self, change: impl FnOnce(Options) -> Options) -> Self {
        self.change(|lock| lock.options = change(std::mem::take(&mut lock.options)))
    }

    /// Keeps this key apart from the same key of other namespaces; `""` is bare again.
    #[must_use]
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.change(|lock| lock.namespace = Some(namespace.into()).filter(|namespace| !namespace.is_empty()))
    }

    /// Names keys and turns in another way than py-dspinlock.
    #[must_use]
    pub fn scheme(self, scheme: impl Scheme) -> Self {
        self.change(|lock| lock.scheme = Some(Arc::new(scheme)))
    }

    /// Replaces all options at once.
    #[must_use]
    pub fn options(self, options: Options) -> Self {
        self.option(|_| options)
    }

    /// See [`Options::sleep`].
    #[must_use]
    pub fn sleep(self, sleep: Duration) -> Self {
        self.option(|options| options.sleep(sleep))
    }

    /// See [`Options::wait`].
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        self.option(|options| options.wait(wait))
    }

    /// See [`Options::tries`].
    #[must_use]
    pub fn tries(self, tries: u32) -> Self {
        self.option(|options| options.tries(tries))
    }

    /// See [`Options::expire`].
    #[must_use]
    pub fn expire(self, expire: impl Into<Option<Duration>>) -> Self {
        self.option(|options| options.expire(expire))
    }

    /// See [`Options::max_block`].
    #[must_use]
    pub fn max_block(self, max_block: Duration) -> Self {
        self.option(|options| options.max_block(max_block))
    }

    /// See [`Options::lease`].
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.option(|options| options.lease(lease))
    }

    /// See [`Options::replicas`].
    #[must_use]
    pub fn replicas(self, count: u32, within: Duration) -> Self {
        self.option(|options| options.replicas(count, within))
    }

    /// See [`Options::fail_if_key_exists`].
    #[must_use]
    pub fn fail_if_key_exists(self, fail: bool) -> Self {
        self.option(|options| options.fail_if_key_exists(fail))
    }

    /// See [`Options::cached_if_computed`].
    #[must_use]
    pub fn cached_if_computed(self, cached: bool) -> Self {
        self.option(|options| options.cached_if_computed(cached))
    }

    /// The name of the record in Redis.
    ///
    /// # Errors
    ///
    /// `Config` if an option, the namespace or the scheme can't be used.
    pub fn record_key(&self) -> Result<&str> {
        Ok(&self.spec()?.names.record)
    }

    fn client(&self) -> Result<Client> {
        self.client.clone().map_or_else(global::client, Ok).map_err(|error| error.with_key(&self.key))
    }

    fn spec(&self) -> Result<&Arc<Spec>> {
        self.spec.get_or_try_init(|| {
            let scheme = match &self.scheme {
                Some(scheme) => Arc::clone(scheme),
                None => self.client()?.scheme(),
            };
            let namespace = self.namespace.as_deref();
            Ok(Arc::new(Spec::resolve(scheme, namespace, &self.key, self.options.clone())?))
        })
    }

    /// Where this lock is, and what.
    pub(crate) fn resolved(&self) -> Result<Resolved> {
        let client = self.client()?;
        Ok(Resolved { core: client.core(), spec: Arc::clone(self.spec()?), on_outage: client.on_outage() })
    }

    fn attempt(&self, policy: Policy) -> Result<Attempt> {
        let (core, spec) = (self.client()?.core(), self.spec()?);
        check_recursion(core.address(), spec)?;
        Ok(Attempt::new(core, Arc::clone(spec), policy, spec.options.wait_budget()))
    }

    /// The policy of a door, which `fail_if_key_exists` overrides.
    fn policy(&self, door: Policy) -> Policy {
        if self.options.fail_if_key_exists { Policy::FAIL } else { door }
    }

    fn enter_policy(&self) -> Policy {
        self.policy(if self.options.cached_if_computed { Policy::CACHED } else { Policy::WAIT })
    }

    async fn attend(&self, policy: Policy) -> Result<Outcome> {
        let attempt = self.attempt(policy)?;
        let core = self.client()?.core();
        let caller = Caller::awaiting(core.address(), self.spec()?);
        core.worker.attend(attempt.called_by(&Arc::downgrade(&caller)).run()).await
    }

    fn attend_blocking(&self, policy: Policy) -> Result<Outcome> {
        let caller = Caller::blocking(self.client()?.core().address(), self.spec()?);
        self.attempt(policy)?.called_by(&Arc::downgrade(&caller)).run_blocking()
    }

    /// Waits for the lock and takes it, whether or not the key is COMPUTED.
    ///
    /// Dropping the future gives back what it may have taken, without blocking.
    ///
    /// # Errors
    ///
    /// `Contended` after the budget of [`wait`](Self::wait) or [`tries`](Self::tries), `KeyExists` with
    /// [`fail_if_key_exists`](Self::fail_if_key_exists), `Foreign` if the key holds something else, `Backend` without a
    /// reply, `Config` for options that can't be used, `Misuse` inside an annotated function that holds this key.
    pub async fn acquire(&self) -> Result<Guard> {
        self.guard(self.attend(self.policy(Policy::WAIT)).await?)
    }

    /// [`acquire`](Self::acquire), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_blocking(&self) -> Result<Guard> {
        self.guard(self.attend_blocking(self.policy(Policy::WAIT))?)
    }

    /// Takes the lock if nobody holds it, in one attempt.
    ///
    /// Dropping the future gives back what it may have taken, without blocking.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), except that a lock that is held is `None`, whoever holds it.
    pub async fn try_acquire(&self) -> Result<Option<Guard>> {
        Ok(entered(self.attend(self.policy(Policy::TRY)).await?))
    }

    /// [`try_acquire`](Self::try_acquire), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_blocking(&self) -> Result<Option<Guard>> {
        Ok(entered(self.attend_blocking(self.policy(Policy::TRY))?))
    }

    /// Waits for the lock and takes it; with [`cached_if_computed`](Self::cached_if_computed), a key that is COMPUTED, or
    /// becomes so while waiting, is entered without the lock.
    ///
    /// Dropping the future gives back what it may have taken, without blocking.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn enter(&self) -> Result<Entry> {
        self.entry(self.attend(self.enter_policy()).await?)
    }

    /// [`enter`](Self::enter), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn enter_blocking(&self) -> Result<Entry> {
        self.entry(self.attend_blocking(self.enter_policy())?)
    }

    /// Looks at the key: who holds it, since when, and for how long; `None` if it is free.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, `Backend` without a reply, `Config` for options that can't be used.
    pub async fn inspect(&self) -> Result<Option<Inspection>> {
        let Resolved { core, spec, .. } = self.resolved()?;
        let worker = core.worker.clone();
        worker.attend(async move { inspected(&spec, core.store.call(&Read(&spec.names)).await) }).await
    }

    /// [`inspect`](Self::inspect), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`inspect`](Self::inspect).
    pub fn inspect_blocking(&self) -> Result<Option<Inspection>> {
        let spec = self.spec()?;
        inspected(spec, self.client()?.core().store.call_blocking(&Read(&spec.names)))
    }

    /// Removes the key, whoever holds it, and its value (py-dspinlock's `delete_atomic_query_mutex_state`); says whether
    /// it was there. The fencing token goes on counting.
    ///
    /// Dropping the future leaves it open whether the key is removed.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, which stays; `Backend` without a reply; `Config` for options that can't
    /// be used.
    pub async fn forget(&self) -> Result<bool> {
        let Resolved { core, spec, .. } = self.resolved()?;
        let worker = core.worker.clone();
        worker
            .attend(async move { forgotten(&core, &spec, core.store.call(&Forget(&spec.names)).await) })
            .await
    }

    /// [`forget`](Self::forget), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`forget`](Self::forget).
    pub fn forget_blocking(&self) -> Result<bool> {
        let (core, spec) = (self.client()?.core(), self.spec()?);
        forgotten(&core, spec, core.store.call_blocking(&Forget(&spec.names)))
    }

    /// The guard of a door that only ever locks.
    fn guard(&self, outcome: Outcome) -> Result<Guard> {
        match self.entry(outcome)? {
            Entry::Locked(guard) => Ok(guard),
            // No policy of such a door turns away.
            Entry::Computed(record) => Err((self.spec()?)
                .error(ErrorKind::Contended, "held by somebody else")
                .with_holder(Some(record.holder().to_owned()))),
        }
    }

    fn entry(&self, outcome: Outcome) -> Result<Entry> {
        match outcome {
            Outcome::Entered(guard) => Ok(Entry::Locked(guard)),
            Outcome::TurnedAway(record) => Ok(Entry::Computed(record.into())),
            // Only an attempt that fetches is given a value.
            Outcome::Fetched(_) => {
                Err(self.spec()?.error(ErrorKind::Misuse, "a value came that nobody asked for"))
            }
        }
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

/// How [`DSpinlock::enter`] got in.
#[derive(Debug)]
pub enum Entry {
    /// The lock is held.
    Locked(Guard),
    /// The key is COMPUTED and nothing is held.
    Computed(RecordInfo),
}

fn entered(outcome: Outcome) -> Option<Guard> {
    match outcome {
        Outcome::Entered(guard) => Some(guard),
        Outcome::TurnedAway(_) | Outcome::Fetched(_) => None,
    }
}
