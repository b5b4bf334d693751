//! What a holder has in hand: the guard that gives the lock back, and the handle that only looks at it.

use crate::clock::Tick;
use crate::engine::core::Core;
use crate::engine::grant::Grant;
use crate::engine::hold::{Ending, Hold};
use crate::engine::spec::Spec;
use crate::error::{ErrorKind, Result};
use crate::worker::Attended;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A held lock. While it lives, the lease is renewed, up to `max_block`.
///
/// [`release`](Self::release) says that the work was done: the key is marked COMPUTED for `expire`, as py-dspinlock does
/// when its `with` block ends. *Dropping* the guard only gives the lock back, since nobody knows whether the work was
/// done: the key is free at once, and nothing is remembered. The library's own thread does the work of a drop and of a
/// cancelled `release`. Outside a Tokio runtime a drop waits for the server's answer, for 50 ms at the most, since the
/// process may be about to end; on a thread of a runtime it never does. So a process that ends right after a drop there may
/// leave the key blocked until the lease is over: release it, or call [`shutdown`](crate::shutdown), to be sure.
///
/// A turn may have several guards: see [`nested`](Self::nested).
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
    /// Whether this guard has had its part in the ending.
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
        Self { handle: LockHandle(hold), left: false }
    }

    /// Another guard of the same turn, with the same fencing token: for code that is called while the lock is held, and
    /// would wait for itself if it acquired once more. This is the only way in twice.
    ///
    /// The lock is given back when the last guard goes, in the way in which that one goes. Releasing or dropping an
    /// earlier one marks nothing and gives nothing back.
    ///
    /// ```
    /// # use dspinlock::{Client, Guard};
    /// fn step(guard: Guard) -> dspinlock::Result<()> {
    ///     guard.ensure_held()?;
    ///     guard.release_blocking() // the outer guard goes on holding
    /// }
    ///
    /// # let client = Client::memory();
    /// let guard = client.lock("example").acquire_blocking()?;
    /// step(guard.nested()?)?;
    /// assert!(guard.is_held());
    /// guard.release_blocking()?;
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Lost` if the lock is not known to be held any more: there is nothing to share.
    pub fn nested(&self) -> Result<Self> {
        self.ensure_held()?;
        Ok(Self::of(Arc::clone(&self.handle.0)))
    }

    /// A handle of this lock, to pass to another task or thread. It does not keep the lock held.
    pub fn handle(&self) -> LockHandle {
        self.handle.clone()
    }

    /// The key as text of at most 64 characters.
    pub fn key(&self) -> &str {
        self.handle.key()
    }

    /// The name of the record in Redis.
    pub fn record_key(&self) -> &str {
        self.handle.record_key()
    }

    /// A number that is higher for every later holder of this key. See [`LockHandle::fencing_token`].
    pub fn fencing_token(&self) -> u64 {
        self.handle.fencing_token()
    }

    /// Whether the lock is known to be held. See [`LockHandle::is_held`].
    pub fn is_held(&self) -> bool {
        self.handle.is_held()
    }

    /// How long the lock is known to be held if no renewal succeeds; zero if it is not.
    pub fn remaining(&self) -> Duration {
        self.handle.remaining()
    }

    /// How long ago the lock was granted.
    pub fn held_for(&self) -> Duration {
        self.handle.held_for()
    }

    /// Checks that the lock is known to be held, for a body to call before it does what can't be undone.
    ///
    /// # Errors
    ///
    /// `Lost` if [`is_held`](Self::is_held) is false.
    pub fn ensure_held(&self) -> Result<()> {
        self.handle.ensure_held()
    }

    /// Waits until the lock is not known to be held any more. See [`LockHandle::lost`].
    pub async fn lost(&self) {
        self.handle.lost().await;
    }

    /// [`lost`](Self::lost), blocking the calling thread for at most `limit`. Says whether the lock is lost.
    pub fn lost_blocking(&self, limit: Duration) -> bool {
        self.handle.lost_blocking(limit)
    }

    pub(crate) fn grant(&self) -> &Arc<Grant> {
        &self.handle.0.grant
    }

    /// Marks the work as done and gives the lock back: the key is COMPUTED for `expire`, or free if that is `None`.
    ///
    /// The future may be dropped: once polled, the release goes on without it.
    ///
    /// # Errors
    ///
    /// `Lost` or `NotOwner` if the lock was not held to the end, `Foreign` if something else stands at the key, and
    /// `Backend` if the server did not confirm; then the record expires with its lease. Nothing of others is changed.
    pub async fn release(self) -> Result<()> {
        self.end(Ending::Release).await
    }

    /// [`release`](Self::release), blocking the calling thread for one round trip.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    pub fn release_blocking(self) -> Result<()> {
        self.end_blocking(Ending::Release)
    }

    /// Gives the lock back without marking anything as done, and waits for the server's confirmation.
    ///
    /// The future may be dropped: the lock is given back all the same.
    ///
    /// # Errors
    ///
    /// `Backend` if the server did not confirm; it goes on being tried until the lease is over.
    pub async fn abandon(self) -> Result<()> {
        self.end(Ending::Abandon).await
    }

    /// [`abandon`](Self::abandon), blocking the calling thread for one round trip.
    ///
    /// # Errors
    ///
    /// As [`abandon`](Self::abandon).
    pub fn abandon_blocking(self) -> Result<()> {
        self.end_blocking(Ending::Abandon)
    }

    pub(crate) async fn end(mut self, ending: Ending) -> Result<()> {
        match self.leave(&ending) {
            Some(hold) => hold.give_back(ending).await,
            None => self.left(&ending),
        }
    }

    pub(crate) fn end_blocking(mut self, ending: Ending) -> Result<()> {
        match self.leave(&ending) {
            Some(hold) => hold.give_back_blocking(ending),
            None => self.left(&ending),
        }
    }

    /// What a holder is told that has nothing to give back: others still hold the lock, it was handed on, or it was given
    /// back before.
    fn left(&self, ending: &Ending) -> Result<()> {
        if !matches!(ending, Ending::Release | Ending::Publish { .. }) {
            return Ok(());
        }
        if self.grant().is_revoked() {
            return Err(self.handle.loss("was given back when the client was shut down"));
        }
        // What was given back in the meantime was so by another guard, or went to the next caller.
        if self.grant().is_over() { Ok(()) } else { self.ensure_held() }
    }

    /// Takes this guard's part in the ending; the hold, if it is now to be given back to the store.
    fn leave(&mut self, ending: &Ending) -> Option<Arc<Hold>> {
        let hold = &self.handle.0;
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

/// A view of a lock that is, or was, held: it can be cloned and passed on, and giving it up releases nothing.
///
/// [`Guard::handle`] returns one, and `guard = NAME` in the attribute binds one inside the body.
///
/// ```
/// use dspinlock::Client;
///
/// let guard = Client::memory().lock("example").acquire_blocking()?;
/// let handle = guard.handle();
/// let work = std::thread::spawn(move || {
///     handle.ensure_held()?; // before what can't be undone
///     Ok::<_, dspinlock::Error>(handle.fencing_token()) // for the resource to refuse lower ones
/// });
/// assert_eq!(work.join().unwrap()?, guard.fencing_token());
/// guard.release_blocking()?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone)]
pub struct LockHandle(Arc<Hold>);

impl LockHandle {
    /// What a body has in hand that runs without the lock.
    pub(crate) fn unlocked(core: Arc<Core>, spec: Arc<Spec>) -> Self {
        Self(Hold::unlocked(core, spec))
    }

    /// Whether it was made for a body that runs without the lock.
    pub(crate) fn is_unlocked(&self) -> bool {
        self.0.grant.fence == 0
    }

    /// The key as text of at most 64 characters.
    pub fn key(&self) -> &str {
        self.0.grant.spec.text()
    }

    /// The name of the record in Redis.
    pub fn record_key(&self) -> &str {
        &self.0.grant.spec.names.record
    }

    /// A number that is higher for every later holder of this key: give it to the resource that the lock protects, and
    /// let that refuse lower ones. The server's time in microseconds where no higher one was given before; zero in a body
    /// that runs without the lock (`on_outage = "run_unlocked"`, or `cached` where its value can't be shared).
    pub fn fencing_token(&self) -> u64 {
        self.0.grant.fence
    }

    /// Whether the lock is known to be held: not given back, not seen to be lost, and within its lease, which counts from
    /// before the request for it was sent, and goes on while the machine is suspended. In a fork of the process that took
    /// it, it is not.
    pub fn is_held(&self) -> bool {
        self.0.grant.is_held()
    }

    /// How long the lock is known to be held if no renewal succeeds; zero if it is not.
    pub fn remaining(&self) -> Duration {
        if self.is_held() { self.0.grant.lease().remaining(Tick::now()) } else { Duration::ZERO }
    }

    /// How long ago the lock was granted.
    pub fn held_for(&self) -> Duration {
        self.0.grant.held_for()
    }

    /// Checks that the lock is known to be held, for a body to call before it does what can't be undone.
    ///
    /// # Errors
    ///
    /// `Lost` where [`is_held`](Self::is_held) is false.
    pub fn ensure_held(&self) -> Result<()> {
        if self.is_held() {
            return Ok(());
        }
        let what = "is not held: the body runs without the lock";
        Err(self.loss(if self.is_unlocked() { what } else { "is not held any more" }))
    }

    /// Waits until the lock is not known to be held any more: its lease ran out or was not renewed, `max_block` has
    /// passed, its record is gone or another's, or it was given back. [`ensure_held`](Self::ensure_held) then says so as an
    /// error.
    ///
    /// Comes true by the local deadline at the latest, without the server's part in it; where the machine was suspended,
    /// within half a second after that. Needs no runtime of its own. The future may be dropped at any point.
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
        // It has no error of its own; without the library's thread nothing is held.
        let _ = self.watch().await;
    }

    /// [`lost`](Self::lost), blocking the calling thread for `limit` at the most; whether the lock is lost.
    pub fn lost_blocking(&self, limit: Duration) -> bool {
        let hold = Arc::clone(&self.0);
        let worker = hold.core.worker.clone();
        let waiting = async move { Ok(tokio::time::timeout(limit, hold.grant.until_lost()).await.is_ok()) };
        worker.block_on(waiting).unwrap_or(true)
    }

    /// Comes true with the loss. Dropped, it leaves nothing behind.
    pub(crate) fn watch(&self) -> Attended<()> {
        let hold = Arc::clone(&self.0);
        let worker = hold.core.worker.clone();
        worker.attend(async move {
            hold.grant.until_lost().await;
            Ok(())
        })
    }

    pub(crate) fn loss(&self, what: &str) -> crate::Error {
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
