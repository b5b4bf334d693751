//! The handle of a lock: it shows the lock, and does not hold it.

use crate::clock::Tick;
use crate::engine::core::Core;
use crate::engine::hold::Hold;
use crate::engine::spec::Spec;
use crate::error::{Error, ErrorKind, Result};
use crate::worker::Attended;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A view of a lock that is or was held.
///
/// A handle can be cloned and passed on. Dropping it gives nothing back. [`Guard::handle`](crate::Guard::handle)
/// returns one, and `guard = NAME` in the attribute binds one inside the body.
///
/// # Examples
///
/// ```
/// use dspinlock::Client;
///
/// let guard = Client::memory().lock("example").acquire_blocking()?;
/// let handle = guard.handle();
/// let work = std::thread::spawn(move || {
///     handle.ensure_held()?; // before a step that can't be undone
///     Ok::<_, dspinlock::Error>(handle.fencing_token()) // for the resource, which refuses lower ones
/// });
/// assert_eq!(work.join().unwrap()?, guard.fencing_token());
/// guard.release_blocking()?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone)]
pub struct LockHandle(Arc<Hold>);

impl LockHandle {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self(hold)
    }

    /// The handle of a body that runs without the lock.
    pub(crate) fn unlocked(core: Arc<Core>, spec: Arc<Spec>) -> Self {
        Self(Hold::unlocked(core, spec))
    }

    pub(crate) fn hold(&self) -> &Arc<Hold> {
        &self.0
    }

    /// Returns whether it was made for a body that runs without the lock.
    pub(crate) fn is_unlocked(&self) -> bool {
        self.0.grant.tag.is_none()
    }

    /// Returns the key as text of at most 64 characters.
    pub fn key(&self) -> &str {
        self.0.grant.spec.text()
    }

    /// Returns the name of the record in Redis.
    pub fn record_key(&self) -> &str {
        &self.0.grant.spec.names.record
    }

    /// Returns the fencing token: a number that is higher for every later holder of this key.
    ///
    /// Pass it to the resource that the lock protects, and let the resource refuse lower ones. The token is the
    /// server's time of the grant in microseconds since 1970, or one more than the last token if that is higher. It is
    /// zero in a body that runs without the lock (`on_outage = "run_unlocked"`, or `cached` if the value can't be
    /// shared).
    pub fn fencing_token(&self) -> u64 {
        self.0.grant.fence
    }

    /// Returns whether the lock is known to be held: not given back, not seen to be lost, and within its lease.
    ///
    /// The lease counts from before the request was sent, and includes the time for which the machine was suspended. In
    /// a fork of the process that took the lock, this is `false`.
    pub fn is_held(&self) -> bool {
        self.0.grant.is_held()
    }

    /// Returns how long the lock is known to be held if no renewal succeeds; zero if it is not held.
    pub fn remaining(&self) -> Duration {
        if self.is_held() { self.0.grant.lease().remaining(Tick::now()) } else { Duration::ZERO }
    }

    /// Returns the time since the lock was granted.
    pub fn held_for(&self) -> Duration {
        self.0.grant.held_for()
    }

    /// Checks that the lock is known to be held. Call it before a step that can't be undone.
    ///
    /// # Errors
    ///
    /// `Lost` if [`is_held`](Self::is_held) is false.
    pub fn ensure_held(&self) -> Result<()> {
        if self.is_held() {
            return Ok(());
        }
        let what = "is not held: the body runs without the lock";
        Err(self.loss(if self.is_unlocked() { what } else { "not held any more" }))
    }

    /// Waits until the lock is no longer known to be held.
    ///
    /// That is so when its lease has run out or `max_block` has passed, when the record is gone or another holder's,
    /// and when the lock was given back. [`ensure_held`](Self::ensure_held) then returns an error.
    ///
    /// The wait ends when the lease runs out by the local clock, even if the server can't be reached. Where the machine
    /// was suspended, it may end up to 500 milliseconds later. The future needs no Tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use dspinlock::{Client, ErrorKind};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let client = Client::memory();
    /// let guard = client.lock("example").acquire().await?;
    /// let handle = guard.handle(); // for another task, which stops when the lock is gone
    /// guard.release().await?;
    /// handle.lost().await;
    /// assert_eq!(handle.ensure_held().unwrap_err().kind(), ErrorKind::Lost);
    /// # Ok::<(), dspinlock::Error>(()) }).unwrap();
    /// ```
    pub async fn lost(&self) {
        // An error means that the library's thread is not there. Then no lock is held.
        let _ = self.watch().await;
    }

    /// [`lost`](Self::lost), blocking the calling thread for at most `limit`. Returns whether the lock is lost.
    pub fn lost_blocking(&self, limit: Duration) -> bool {
        let hold = Arc::clone(&self.0);
        let worker = hold.core.worker.clone();
        let waiting = async move { Ok(tokio::time::timeout(limit, hold.grant.until_lost()).await.is_ok()) };
        worker.block_on(waiting).unwrap_or(true)
    }

    /// Ends when the lock is lost. Dropped, it leaves nothing behind.
    pub(crate) fn watch(&self) -> Attended<()> {
        let hold = Arc::clone(&self.0);
        let worker = hold.core.worker.clone();
        worker.attend(async move {
            hold.grant.until_lost().await;
            Ok(())
        })
    }

    pub(crate) fn loss(&self, what: &str) -> Error {
        self.0.grant.spec.error(ErrorKind::Lost, what).with_effort(self.held_for(), 0)
    }
}

impl fmt::Debug for LockHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockHandle")
            .field("key", &self.key())
            .field("fencing_token", &self.fencing_token())
            .field("is_held", &self.is_held())
            .finish()
    }
}
