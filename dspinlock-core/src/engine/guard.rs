//! The guard: it holds a lock, and gives it back.

use crate::engine::core::Core;
use crate::engine::grant::Grant;
use crate::engine::handle::LockHandle;
use crate::engine::hold::{Ending, Hold};
use crate::engine::spec::Spec;
use crate::error::Result;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A held lock.
///
/// While the guard lives, the library renews the lease, up to `max_block`.
///
/// [`release`](Self::release) marks the work as done: the key is COMPUTED for `expire`, as when the `with` block of
/// py-dspinlock ends. Dropping the guard only gives the lock back, since nobody knows whether the work was done: the
/// key is free at once, and nothing is remembered.
///
/// # Dropping
///
/// A drop never needs a runtime: the library's own thread gives the lock back. Outside a Tokio runtime, the drop waits
/// up to 50 milliseconds for the server's answer, since the process may be about to end. Inside a runtime it does not
/// wait, so a process that ends right after may leave the key blocked until the lease runs out. To be sure, release the
/// guard, or call [`shutdown`](crate::shutdown).
///
/// # Examples
///
/// ```
/// # use dspinlock::Client;
/// let client = Client::memory();
/// let guard = client.lock("example").acquire_blocking()?;
/// assert!(guard.is_held());
/// println!("fencing token {}", guard.fencing_token());
/// guard.release_blocking()?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[must_use = "a guard that is dropped at once gives the lock back at once"]
pub struct Guard {
    handle: LockHandle,
    /// Whether this guard was counted out of the hold.
    left: bool,
}

impl Guard {
    /// The guard of a lock that was just granted.
    pub(crate) fn new(core: &Arc<Core>, grant: Arc<Grant>) -> Self {
        Self::of(Hold::new(Arc::clone(core), grant))
    }

    /// The guard of a body that runs without the lock.
    pub(crate) fn unlocked(core: &Arc<Core>, spec: &Arc<Spec>) -> Self {
        Self::of(Hold::unlocked(Arc::clone(core), Arc::clone(spec)))
    }

    fn of(hold: Arc<Hold>) -> Self {
        hold.enter();
        Self { handle: LockHandle::new(hold), left: false }
    }

    /// Returns another guard of the same turn, with the same fencing token.
    ///
    /// Pass it to code that is called while the lock is held, and that would wait for itself if it acquired the lock
    /// again. There is no other way to enter twice.
    ///
    /// The lock is given back when the last of the guards goes, and that one alone decides how: by a release, or by a
    /// drop.
    ///
    /// # Errors
    ///
    /// `Lost` if the lock is no longer known to be held.
    ///
    /// # Examples
    ///
    /// ```
    /// # use dspinlock::{Client, Guard};
    /// fn step(guard: Guard) -> dspinlock::Result<()> {
    ///     guard.ensure_held()?;
    ///     guard.release_blocking() // the outer guard still holds the lock
    /// }
    ///
    /// # let client = Client::memory();
    /// let guard = client.lock("example").acquire_blocking()?;
    /// step(guard.nested()?)?;
    /// assert!(guard.is_held());
    /// guard.release_blocking()?;
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn nested(&self) -> Result<Self> {
        self.ensure_held()?;
        Ok(Self::of(Arc::clone(self.handle.hold())))
    }

    /// Returns a handle of this lock, to pass to another task or thread. A handle does not keep the lock held.
    pub fn handle(&self) -> LockHandle {
        self.handle.clone()
    }

    /// Returns the key as text of at most 64 characters.
    pub fn key(&self) -> &str {
        self.handle.key()
    }

    /// Returns the name of the record in Redis.
    pub fn record_key(&self) -> &str {
        self.handle.record_key()
    }

    /// Returns the fencing token: a number that is higher for every later holder of this key. See
    /// [`LockHandle::fencing_token`].
    pub fn fencing_token(&self) -> u64 {
        self.handle.fencing_token()
    }

    /// Returns whether the lock is known to be held. See [`LockHandle::is_held`].
    pub fn is_held(&self) -> bool {
        self.handle.is_held()
    }

    /// Returns how long the lock is known to be held if no renewal succeeds; zero if it is not held.
    pub fn remaining(&self) -> Duration {
        self.handle.remaining()
    }

    /// Returns the time since the lock was granted.
    pub fn held_for(&self) -> Duration {
        self.handle.held_for()
    }

    /// Checks that the lock is known to be held. Call it before a step that can't be undone.
    ///
    /// # Errors
    ///
    /// `Lost` if [`is_held`](Self::is_held) is false.
    pub fn ensure_held(&self) -> Result<()> {
        self.handle.ensure_held()
    }

    /// Waits until the lock is no longer known to be held. See [`LockHandle::lost`].
    pub async fn lost(&self) {
        self.handle.lost().await;
    }

    /// [`lost`](Self::lost), blocking the calling thread for at most `limit`. Returns whether the lock is lost.
    pub fn lost_blocking(&self, limit: Duration) -> bool {
        self.handle.lost_blocking(limit)
    }

    pub(crate) fn grant(&self) -> &Arc<Grant> {
        &self.handle.hold().grant
    }

    /// Marks the work as done and gives the lock back.
    ///
    /// The key is COMPUTED for `expire`, or free if `expire` is `None`.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the release goes on when the future is dropped. A future that is dropped before its first poll only
    /// gives the lock back.
    ///
    /// # Errors
    ///
    /// - `Lost` or `NotOwner` if the lock was not held until now.
    /// - `Foreign` if something else stands at the key.
    /// - `Backend` if the server did not confirm. The library tries again until the lease has run out.
    ///
    /// In no case is the record of another holder changed.
    pub async fn release(self) -> Result<()> {
        self.end(Ending::Release).await
    }

    /// [`release`](Self::release), blocking the calling thread for one round trip.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    pub fn release_blocking(self) -> Result<()> {
        self.end_blocking(&Ending::Release)
    }

    /// Gives the lock back without marking the work as done, and waits for the server's confirmation.
    ///
    /// # Cancel safety
    ///
    /// The lock is given back in any case.
    ///
    /// # Errors
    ///
    /// `Backend` if the server did not confirm. The library tries again until the lease has run out.
    pub async fn abandon(self) -> Result<()> {
        self.end(Ending::Abandon).await
    }

    /// [`abandon`](Self::abandon), blocking the calling thread for one round trip.
    ///
    /// # Errors
    ///
    /// As [`abandon`](Self::abandon).
    pub fn abandon_blocking(self) -> Result<()> {
        self.end_blocking(&Ending::Abandon)
    }

    pub(crate) async fn end(mut self, ending: Ending) -> Result<()> {
        match self.leave(&ending) {
            Some(hold) => hold.give_back(ending).await,
            None => self.ended_before(&ending),
        }
    }

    pub(crate) fn end_blocking(mut self, ending: &Ending) -> Result<()> {
        match self.leave(ending) {
            Some(hold) => hold.give_back_blocking(ending),
            None => self.ended_before(ending),
        }
    }

    /// The result of an ending with nothing to give back: there are other guards, the lock was handed off, or it was
    /// given back before.
    fn ended_before(&self, ending: &Ending) -> Result<()> {
        if !matches!(ending, Ending::Release | Ending::Publish { .. }) {
            return Ok(());
        }
        if self.grant().is_revoked() {
            return Err(self.handle.loss("given back when the client was shut down"));
        }
        // If it is over, another guard has given it back, or it went to the next caller.
        if self.grant().is_over() { Ok(()) } else { self.ensure_held() }
    }

    /// Counts this guard out. Returns the hold if it now has to be given back to the store.
    fn leave(&mut self, ending: &Ending) -> Option<Arc<Hold>> {
        let hold = self.handle.hold();
        (!std::mem::replace(&mut self.left, true) && hold.leave(ending)).then(|| Arc::clone(hold))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(hold) = self.leave(&Ending::Abandon) {
            hold.give_back_dropped();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
