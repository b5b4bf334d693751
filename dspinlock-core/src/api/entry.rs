//! What is stored for one call of a cached function: to look at, and to forget.

use crate::api::inspect::{forgotten, inspected};
use crate::engine::core::Core;
use crate::engine::spec::Spec;
use crate::error::Result;
use crate::format::envelope::{Label, Payload};
use crate::format::record::State;
use crate::store::{Excerpt, Forget, Found, Peek};
use crate::value::sharing::Sharing;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// What `#[dspinlock(cached(entry = NAME), …)]` stores for one call of a function that returns `R`. The companion `NAME`
/// gives it, for the same arguments.
///
/// What [`StoredEntry`] can do, this can. Where the function returns a `Result`, its `peek` gives the value in `Ok`.
pub struct CachedEntry<R>(StoredEntry<R>);

/// See [`CachedEntry`].
pub struct StoredEntry<R> {
    core: Arc<Core>,
    spec: Arc<Spec>,
    label: Option<Label>,
    decode: fn(&Payload) -> std::result::Result<R, String>,
    done: fn() -> Option<R>,
}

impl<R> CachedEntry<R> {
    pub(crate) fn new<S: Sharing<Return = R>>(
        core: Arc<Core>,
        spec: Arc<Spec>,
        label: Option<Label>,
        _: S,
    ) -> Self {
        let decode = |payload: &Payload| S::new().decode(payload);
        Self(StoredEntry { core, spec, label, decode, done: || S::new().done() })
    }
}

impl<T, E> CachedEntry<std::result::Result<T, E>> {
    /// The value, if there is one now. One round trip, and more for a large value: it never computes, and neither locks nor
    /// waits.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, `Backend` without a reply.
    pub async fn peek(&self) -> Result<Option<T>> {
        Ok(self.0.peek().await?.and_then(std::result::Result::ok))
    }

    /// [`peek`](Self::peek), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    pub fn peek_blocking(&self) -> Result<Option<T>> {
        Ok(self.0.peek_blocking()?.and_then(std::result::Result::ok))
    }
}

impl<R> StoredEntry<R> {
    /// The key as text, for people.
    pub fn key(&self) -> &str {
        self.spec.text()
    }

    /// The name of the record in Redis; the value stands beside it, at `{<this>}:value`.
    pub fn record_key(&self) -> &str {
        &self.spec.names.record
    }

    /// The value, if there is one now. One round trip, and more for a large value: it never computes, and neither locks nor
    /// waits.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, `Backend` without a reply.
    pub async fn peek(&self) -> Result<Option<R>> {
        self.peeked(
            self.core
                .worker
                .attend(look(Arc::clone(&self.core), Arc::clone(&self.spec), self.label.clone()))
                .await,
        )
    }

    /// [`peek`](Self::peek), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    pub fn peek_blocking(&self) -> Result<Option<R>> {
        self.peeked(self.core.worker.block_on(look(
            Arc::clone(&self.core),
            Arc::clone(&self.spec),
            self.label.clone(),
        )))
    }

    /// Removes what is stored, and the lock of whoever is computing at the moment, whose value then is not stored; says
    /// whether there was something. The next caller computes.
    ///
    /// In this process that holds for every call that begins after this one has ended. In others it does from the moment
    /// at which the server's word reaches them: until then they serve their `local` copies, and a caller there may join
    /// one that read or began to compute the old value. Dropping the future leaves it open whether it is removed.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, which stays; `Backend` without a reply.
    pub async fn forget(&self) -> Result<bool> {
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
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
        forgotten(&self.core, &self.spec, self.core.store.call_blocking(&Forget(&self.spec.names)))
    }

    fn peeked(&self, reply: Result<(Found, Option<Excerpt>)>) -> Result<Option<R>> {
        let (found, part) = reply.map_err(|error| self.spec.name(error))?;
        let raw = if let Found::Held { raw, .. } = &found { raw.clone() } else { Vec::new() };
        let inspection = inspected(&self.spec, Ok(found))?;
        if inspection.is_none_or(|inspection| inspection.state() != State::Computed) {
            return Ok(None);
        }
        let Some(label) = &self.label else { return Ok((self.done)()) };
        let opened = part.and_then(|part| label.open(part.bytes, &raw, &self.spec.names.separator).ok());
        // To a caller of the function too, a value that can't be read is none.
        Ok(opened.and_then(|payload| (self.decode)(&payload).ok()))
    }
}

/// What stands there, and all of its value.
async fn look(core: Arc<Core>, spec: Arc<Spec>, label: Option<Label>) -> Result<(Found, Option<Excerpt>)> {
    let (found, part) = core.store.call(&Peek(&spec.names)).await?;
    let (Found::Held { raw, .. }, Some(part), Some(label)) = (&found, part, label) else {
        return Ok((found, None));
    };
    let part = core.store.complete(&spec.names, &label, (part, Some(raw)), usize::MAX).await?;
    Ok((found, part.filter(|part| part.whole)))
}

impl<R> Deref for CachedEntry<R> {
    type Target = StoredEntry<R>;

    fn deref(&self) -> &StoredEntry<R> {
        &self.0
    }
}

impl<R> fmt::Debug for CachedEntry<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<R> fmt::Debug for StoredEntry<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedEntry").field("key", &self.key()).finish_non_exhaustive()
    }
}
