//! The ways to acquire a lock in code.

use crate::api::inspect::RecordInfo;
use crate::api::lock::DSpinlock;
use crate::engine::attempt::{Attempt, Door, Outcome};
use crate::engine::guard::Guard;
use crate::engine::spin::Policy;
use crate::engine::waits::{Caller, check_recursion};
use crate::error::{ErrorKind, Result};
use std::sync::Arc;

/// What [`DSpinlock::enter`] found.
///
/// ```
/// use dspinlock::{Client, Entry};
///
/// let lock = Client::memory().lock("example").cached_if_computed(true);
/// if let Entry::Locked(guard) = lock.enter_blocking()? {
///     guard.release_blocking()?; // the work is done
/// }
/// assert!(matches!(lock.enter_blocking()?, Entry::Computed(_)));
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a guard that is dropped at once gives the lock back at once, and so does `let _ = …`: keep it, as in `let _guard = …`"]
pub enum Entry {
    /// The lock is held.
    Locked(Guard),
    /// The key is COMPUTED, and nothing is held.
    Computed(RecordInfo),
}

impl DSpinlock {
    /// Waits for the lock and takes it, also if the key is COMPUTED.
    ///
    /// Keep the guard in a variable: `let _ = lock.acquire().await?;` gives the lock back at once, see [`Guard`](Guard#keep-it).
    ///
    /// Dropping the future gives back what it may have taken, without blocking.
    ///
    /// # Errors
    ///
    /// `Contended` after the time of [`wait`](Self::wait) or [`tries`](Self::tries), `KeyExists` with
    /// [`fail_if_key_exists`](Self::fail_if_key_exists), `Foreign` if the key holds something else, `Backend` without a
    /// reply, `Config` for options that can't be used, `Misuse` inside an annotated function that holds this key,
    /// `Closed` once the client is shut down.
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

    /// Takes the lock in one attempt; `None` if it is held. A server that can't answer at present, as one that loads its data, is
    /// asked again for the time of [`wait`](Self::wait).
    ///
    /// Dropping the future gives back what it may have taken, without blocking.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), without `Contended`.
    ///
    /// ```
    /// # use dspinlock::Client;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let client = Client::memory();
    /// let guard = client.lock("example").try_acquire().await?.expect("it is free");
    /// assert!(client.lock("example").try_acquire().await?.is_none());
    /// guard.release().await
    /// # }).unwrap();
    /// ```
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

    /// Waits for the lock and takes it. With [`cached_if_computed`](Self::cached_if_computed), it returns without the
    /// lock if the key is COMPUTED or becomes COMPUTED meanwhile.
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

    /// The policy to follow: `fail_if_key_exists` overrides that of the method.
    fn policy(&self, of_method: Policy) -> Policy {
        if self.options.fail_if_key_exists { Policy::FAIL } else { of_method }
    }

    fn enter_policy(&self) -> Policy {
        self.policy(if self.options.cached_if_computed { Policy::CACHED } else { Policy::WAIT })
    }

    fn attempt(&self, policy: Policy) -> Result<Attempt> {
        let (core, spec) = (self.client()?.core(), self.spec()?);
        check_recursion(core.address(), spec)?;
        Ok(Attempt::new(core, Arc::clone(spec), policy, spec.options.wait()))
    }

    async fn attend(&self, policy: Policy) -> Result<Outcome> {
        let attempt = self.attempt(policy)?;
        let core = self.client()?.core();
        let caller = Caller::awaiting(core.address(), self.spec()?);
        attempt.called_by(&Arc::downgrade(&caller)).run(Door::Task).await
    }

    fn attend_blocking(&self, policy: Policy) -> Result<Outcome> {
        let caller = Caller::blocking(self.client()?.core().address(), self.spec()?);
        self.attempt(policy)?.called_by(&Arc::downgrade(&caller)).run_blocking()
    }

    /// The guard, from a method that always locks.
    fn guard(&self, outcome: Outcome) -> Result<Guard> {
        match self.entry(outcome)? {
            Entry::Locked(guard) => Ok(guard),
            // No policy of such a method turns a caller away.
            Entry::Computed(record) => Err((self.spec()?)
                .error(ErrorKind::Contended, "held by somebody else")
                .with_holder(Some(record.holder().to_owned()))),
        }
    }

    fn entry(&self, outcome: Outcome) -> Result<Entry> {
        match outcome {
            Outcome::Entered(guard) => Ok(Entry::Locked(guard)),
            Outcome::TurnedAway(record) => Ok(Entry::Computed(RecordInfo::of(&record))),
            // Only an attempt that fetches a value gets one.
            Outcome::Fetched(_) => {
                Err(self.spec()?.error(ErrorKind::Misuse, "a value came that nobody asked for"))
            }
        }
    }
}

fn entered(outcome: Outcome) -> Option<Guard> {
    match outcome {
        Outcome::Entered(guard) => Some(guard),
        Outcome::TurnedAway(_) | Outcome::Fetched(_) => None,
    }
}
