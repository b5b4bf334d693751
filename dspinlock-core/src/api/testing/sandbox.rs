//! A store for one test, whose clock the test moves, and which fails as the test asks.

use super::history::{History, Names};
use super::opened;
use crate::api::client::Client;
use crate::clock::ServerTime;
use crate::engine::core::Core;
use crate::engine::probe::{Event, Probe};
use crate::engine::spec::Spec;
use crate::format::record::{State, Tag};
use crate::format::scheme::Turn;
use crate::store::World;
use crate::sync::lock;
use crate::worker::Worker;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// A store for one test: its clock can be moved, it fails on demand, and it tells how often a body ran.
///
/// Nothing is shared between sandboxes, so tests run beside each other. Clones are the same sandbox.
///
/// # Names
///
/// Some methods take the name of what they concern. That is one of:
///
/// | name | example |
/// | --- | --- |
/// | an annotated function, or the end of its path | `"nightly"`, `"jobs::nightly"` |
/// | a namespace | `"billing"` |
/// | a record, as [`record_key`](crate::DSpinlock::record_key) returns it | `"dspinlock,billing,17"` |
///
/// # Examples
///
/// Two instances of a service call the same function, and one runs:
///
/// ```
/// use dspinlock::testing::{Sandbox, scope};
/// use dspinlock::dspinlock;
/// use std::time::Duration;
///
/// #[dspinlock(key = tenant, once, expire = "20h")]
/// fn nightly(tenant: &str) -> Result<(), dspinlock::Error> {
///     Ok(())
/// }
///
/// let sandbox = Sandbox::new();
/// let other = sandbox.instance();
/// scope(sandbox.client(), || nightly("acme"))?;
/// scope(&other, || nightly("acme"))?;
/// sandbox.assert_ran_once("nightly");
///
/// sandbox.advance(Duration::from_secs(24 * 60 * 60));
/// scope(&other, || nightly("acme"))?;
/// assert_eq!(sandbox.runs("nightly"), 2);
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone)]
pub struct Sandbox {
    client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    world: Arc<World>,
    history: History,
    /// What other processes do, as the test has asked.
    elsewhere: Mutex<Vec<Elsewhere>>,
    instances: Mutex<Vec<Weak<Core>>>,
}

/// What another process does with the keys of a name, as soon as a caller asks for one.
struct Elsewhere {
    name: String,
    /// When it has done the work; `None` while it holds the lock.
    done: Option<ServerTime>,
    /// The records that it has written, each with its tag.
    written: Vec<(String, Tag)>,
}

/// Sees the calls of one instance.
struct Witness {
    shared: Arc<Shared>,
    instance: usize,
}

/// A fault that lasts until it is dropped.
#[must_use = "the fault ends at once if this is dropped"]
pub struct Fault {
    shared: Arc<Shared>,
    /// The name whose keys are held elsewhere; `None` for an outage.
    held: Option<String>,
}

impl Sandbox {
    /// Makes an empty store, and a client of it.
    ///
    /// # Panics
    ///
    /// If the system refuses the library's thread, as [`Client::memory`].
    pub fn new() -> Self {
        opened::note();
        let shared = Arc::new(Shared {
            world: World::new(),
            history: History::default(),
            elsewhere: Mutex::default(),
            instances: Mutex::default(),
        });
        Self { client: shared.instance(), shared }
    }

    /// Returns the client of the first instance, for [`scope`](super::scope) and [`scope_async`](super::scope_async).
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes the client of one more instance of the service: another process on the same store, which shares nothing else. It
    /// has local copies, a queue and flights of its own.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn instance(&self) -> Client {
        self.shared.instance()
    }

    /// Moves the clock of the store ahead, as if all instances had been suspended meanwhile.
    ///
    /// | follows at once | does not follow |
    /// | --- | --- |
    /// | `expire`, stored values and failures, `refresh_ahead`, `stale_if_error` | `wait`, `tries` and `sleep` |
    /// | leases and `max_block`: a lock whose lease ends meanwhile is lost, since nobody renewed it | sleeps and timeouts in the body, and the clocks of the operating system and of Tokio |
    /// | local copies: all are dropped, and the store is asked | how long a value counts as one that can't be stored (10 s) |
    /// | [`held_for`](crate::LockHandle::held_for), [`remaining`](crate::LockHandle::remaining), the times in records, fencing tokens | the pauses before a release that failed is tried again |
    /// | waiters: they look again, and enter if the key is free by now | |
    ///
    /// To a request that is under way in another thread, the clock moves before it or after it. A lock that is granted at this
    /// very moment may learn only at its next renewal that its lease has passed.
    ///
    /// ```
    /// # use dspinlock::testing::Sandbox;
    /// # use std::time::Duration;
    /// let sandbox = Sandbox::new();
    /// let guard = sandbox.client().lock("example").lease(Duration::from_secs(10)).acquire_blocking()?;
    /// sandbox.advance(Duration::from_secs(9));
    /// assert!(guard.is_held());
    /// sandbox.advance(Duration::from_secs(11));
    /// assert!(!guard.is_held());
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        self.shared.history.note(format!("the clock moves by {}", humantime::format_duration(by)));
        self.shared.world.advance(by);
        for core in self.shared.cores() {
            core.renewer.pass(by);
        }
    }

    /// Makes every request of every instance fail with the kind [`Backend`](crate::ErrorKind::Backend), until the returned
    /// value is dropped. A lock that is held meanwhile lives until its lease is over.
    ///
    /// ```
    /// # use dspinlock::ErrorKind;
    /// # use dspinlock::testing::Sandbox;
    /// let sandbox = Sandbox::new();
    /// let lock = sandbox.client().lock("example");
    /// let outage = sandbox.outage();
    /// assert_eq!(lock.acquire_blocking().unwrap_err().kind(), ErrorKind::Backend);
    /// drop(outage);
    /// lock.acquire_blocking()?.release_blocking()?;
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn outage(&self) -> Fault {
        self.shared.history.note("an outage begins".to_owned());
        self.shared.world.begin_outage();
        Fault { shared: Arc::clone(&self.shared), held: None }
    }

    /// Makes the next `requests` fail with the kind [`Backend`](crate::ErrorKind::Backend). An uncontended call makes two: it
    /// asks for the lock, and gives it back. A later call replaces the number.
    ///
    /// ```
    /// # use dspinlock::ErrorKind;
    /// # use dspinlock::testing::Sandbox;
    /// let sandbox = Sandbox::new();
    /// let guard = sandbox.client().lock("example").acquire_blocking()?;
    /// sandbox.fail_next(1);
    /// assert_eq!(guard.release_blocking().unwrap_err().kind(), ErrorKind::Backend);
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn fail_next(&self, requests: u32) {
        self.shared.history.note(format!("the next {requests} request(s) fail"));
        self.shared.world.fail_next(requests);
    }

    /// Takes the locks of this [name](#names) from their holders, which learn of it at once: as if the server had lost the
    /// records.
    ///
    /// ```
    /// # use dspinlock::ErrorKind;
    /// # use dspinlock::testing::Sandbox;
    /// let sandbox = Sandbox::new();
    /// let lock = sandbox.client().lock("example");
    /// let guard = lock.acquire_blocking()?;
    /// sandbox.lose(lock.record_key()?);
    /// assert_eq!(guard.ensure_held().unwrap_err().kind(), ErrorKind::Lost);
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If no lock of this name is held.
    #[track_caller]
    pub fn lose(&self, name: &str) {
        let mut lost = 0;
        for core in self.shared.cores() {
            for grant in core.renewer.held() {
                let Some(tag) = &grant.tag else { continue };
                if Names::of(&grant.spec).include(name) {
                    lost += 1;
                    core.renewer.lose(&grant, "the test took it away");
                    self.shared.world.remove_record(&grant.spec.names.record, tag.as_str());
                }
            }
        }
        self.shared.history.note(format!("{lost} lock(s) of `{name}` are lost"));
        assert!(lost > 0, "no lock of `{name}` is held in this sandbox; {}", self.history());
    }

    /// Has another process hold the locks of this [name](#names), each from when a caller asks for it, until the returned value
    /// is dropped. A lock that is held already is its holder's until it is given back.
    ///
    /// ```
    /// # use dspinlock::testing::{Sandbox, scope};
    /// # use dspinlock::dspinlock;
    /// #[dspinlock(key = (), skip)]
    /// fn sweep() -> Result<Option<u32>, dspinlock::Error> {
    ///     Ok(Some(7))
    /// }
    ///
    /// let sandbox = Sandbox::new();
    /// let held = sandbox.held_elsewhere("sweep");
    /// assert_eq!(scope(sandbox.client(), sweep)?, None);
    /// drop(held);
    /// assert_eq!(scope(sandbox.client(), sweep)?, Some(7));
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn held_elsewhere(&self, name: &str) -> Fault {
        self.shared.elsewhere(name, None);
        Fault { shared: Arc::clone(&self.shared), held: Some(name.to_owned()) }
    }

    /// Has another process finish the work of this [name](#names) at this moment: each free key counts as computed until its
    /// `expire` has passed from now on. There is no value, so a function with `cached` that returns one computes its own.
    ///
    /// ```
    /// # use dspinlock::testing::{Sandbox, scope};
    /// # use dspinlock::dspinlock;
    /// #[dspinlock(key = (), once, expire = "20h")]
    /// fn nightly() -> Result<Option<u32>, dspinlock::Error> {
    ///     Ok(Some(7))
    /// }
    ///
    /// let sandbox = Sandbox::new();
    /// sandbox.done_elsewhere("nightly");
    /// assert_eq!(scope(sandbox.client(), nightly)?, None);
    /// sandbox.advance(std::time::Duration::from_secs(20 * 60 * 60));
    /// assert_eq!(scope(sandbox.client(), nightly)?, Some(7));
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn done_elsewhere(&self, name: &str) {
        self.shared.elsewhere(name, Some(self.shared.world.time().now().server));
    }

    /// Returns how often bodies of this [name](#names) ran, in all instances, with the lock or without it.
    pub fn runs(&self, name: &str) -> usize {
        self.shared.history.runs(name)
    }

    /// Checks that one body of this [name](#names) ran, once.
    ///
    /// # Panics
    ///
    /// If it ran more often, or not at all. The message has the [`history`](Self::history).
    #[track_caller]
    pub fn assert_ran_once(&self, name: &str) {
        let runs = self.runs(name);
        assert!(runs == 1, "`{name}` ran {runs} times, and not once; {}", self.history());
    }

    /// Returns what happened so far, a line for each event: which instance got which lock, ran, was turned away, got a value or
    /// an error, and what the test did. Hits on local copies are not in it. The wording may change.
    ///
    /// ```
    /// # use dspinlock::testing::Sandbox;
    /// let sandbox = Sandbox::new();
    /// sandbox.client().lock("example").acquire_blocking()?.release_blocking()?;
    /// assert!(sandbox.history().contains("instance 1: \"example\" has the lock"));
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn history(&self) -> String {
        format!("what happened in this sandbox:\n{}", self.shared.history)
    }
}

impl Default for Sandbox {
    /// As [`Sandbox::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn instance(self: &Arc<Self>) -> Client {
        let mut instances = lock(&self.instances);
        let witness = Witness { shared: Arc::clone(self), instance: instances.len() + 1 };
        let worker = Worker::get().unwrap_or_else(|error| panic!("{error}"));
        let core = Core::new(self.world.join(), worker, Some(Arc::new(witness)));
        instances.push(Arc::downgrade(&core));
        Client::of(core)
    }

    fn cores(&self) -> Vec<Arc<Core>> {
        lock(&self.instances).iter().filter_map(Weak::upgrade).collect()
    }

    fn elsewhere(&self, name: &str, done: Option<ServerTime>) {
        let what = if done.is_some() { "has done the work of" } else { "holds the locks of" };
        self.history.note(format!("another process {what} `{name}`"));
        let elsewhere = Elsewhere { name: name.to_owned(), done, written: Vec::new() };
        lock(&self.elsewhere).push(elsewhere);
    }

    /// Writes what other processes have at this key, before a caller asks for it.
    fn before_asking(&self, spec: &Spec) {
        let mut elsewhere = lock(&self.elsewhere);
        if elsewhere.is_empty() {
            return;
        }
        let (names, now) = (Names::of(spec), self.world.time().now().server);
        for other in elsewhere.iter_mut().filter(|other| names.include(&other.name)) {
            let (since, state) = match other.done {
                Some(done) => (done, State::Computed),
                None => (now, State::Blocked),
            };
            let is_done = state == State::Computed;
            let record = &spec.names.record;
            let life = spec.options.expire.map(|expire| expire.saturating_sub(since.until(now)));
            if is_done
                && (life.is_none_or(|life| life.is_zero())
                    || other.written.iter().any(|(at, _)| at == record))
            {
                continue;
            }
            let id = uuid::Uuid::new_v4().to_string();
            let turn = Turn { id, owner: "another-process".to_owned(), timestamp: since.isoformat() };
            let tag = Tag::new(spec.scheme.tag(&turn), &spec.names.separator);
            let life = life.filter(|_| is_done);
            if self.world.put_record(&spec.names, &tag.record(state), life, is_done) {
                other.written.push((record.clone(), tag));
            }
        }
    }
}

impl Probe for Witness {
    fn saw(&self, spec: &Spec, event: Event<'_>) {
        if matches!(event, Event::Asks) {
            self.shared.before_asking(spec);
        } else {
            self.shared.history.saw(self.instance, spec, event);
        }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let Some(name) = &self.held else {
            self.shared.history.note("the outage is over".to_owned());
            self.shared.world.end_outage();
            return;
        };
        self.shared.history.note(format!("the other process gives back the locks of `{name}`"));
        let mut elsewhere = lock(&self.shared.elsewhere);
        let mine = elsewhere.iter().position(|other| other.done.is_none() && other.name == *name);
        let written = mine.map(|at| elsewhere.remove(at).written).unwrap_or_default();
        drop(elsewhere);
        for (record, tag) in written {
            self.shared.world.remove_record(&record, tag.as_str());
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("history", &self.shared.history).finish_non_exhaustive()
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault").field("held", &self.held).finish_non_exhaustive()
    }
}
