//! The stored value of one call of a cached function: to read, and to forget.

use crate::api::inspect::{Inspection, RecordRef};
use crate::engine::core::Core;
use crate::engine::spec::Spec;
use crate::engine::trouble::persist;
use crate::error::Result;
use crate::format::envelope::{Label, Payload};
use crate::format::record::State;
use crate::store::{Excerpt, Found, Peek};
use crate::value::sharing::Sharing;
use std::fmt;
use std::sync::Arc;

/// The stored value of one call of a cached function that returns `R`.
///
/// The companion that `#[dspinlock(cached(entry = NAME), …)]` makes returns one, for the same arguments as the
/// function. It never computes, and neither takes the lock nor waits for it.
///
/// | to | call |
/// | --- | --- |
/// | read the value as the function returns it | [`get`](Self::get) |
/// | read the value in `Ok`, if the function returns a `Result` | [`get_ok`](Self::get_ok) |
/// | look at the record: holder, state, time | [`inspect`](Self::inspect) |
/// | remove the value and the record | [`forget`](Self::forget) |
///
/// ```
/// use dspinlock::{Client, State, dspinlock, testing};
///
/// #[dspinlock(key = n, expire = "10m", cached(entry = square_entry))]
/// fn square(n: u64) -> Result<u64, dspinlock::Error> {
///     Ok(n * n)
/// }
///
/// testing::scope(&Client::memory(), || {
///     let entry = square_entry(5)?;
///     assert_eq!(entry.get_ok_blocking()?, None);
///     square(5)?;
///     assert_eq!(entry.get_ok_blocking()?, Some(25));
///     assert!(matches!(entry.get_blocking()?, Some(Ok(25))));
///     assert_eq!(entry.inspect_blocking()?.map(|seen| seen.state()), Some(State::Computed));
///     assert!(entry.forget_blocking()?);
///     assert_eq!(entry.get_ok_blocking()?, None);
///     Ok(())
/// })
/// # .map_err(|error: dspinlock::Error| error.to_string()).unwrap();
/// ```
pub struct CachedEntry<R> {
    record: RecordRef,
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
        Self { record: RecordRef { core, spec }, label, decode, done: || S::new().done() }
    }

    /// Returns the key as text of at most 64 characters.
    pub fn key(&self) -> &str {
        self.record.spec.text()
    }

    /// Returns the name of the record in Redis. The value is beside it, at `{<this>}:value`.
    pub fn record_key(&self) -> &str {
        &self.record.spec.names.record
    }

    /// Reads the value that a call would be served now, as the function returns it; `None` if there is none.
    ///
    /// If the function returns a `Result`, the value is always an `Ok`, and [`get_ok`](Self::get_ok) is simpler. One
    /// round trip, and more for a large value. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, `Backend` without a reply.
    pub async fn get(&self) -> Result<Option<R>> {
        let looked = self.record.core.worker.attend(look(self.record.clone(), self.label.clone())).await;
        self.read(looked)
    }

    /// [`get`](Self::get), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_blocking(&self) -> Result<Option<R>> {
        self.read(self.record.core.worker.block_on(look(self.record.clone(), self.label.clone())))
    }

    /// Looks at the record: who computes or has computed the value, since when, and for how long; `None` if there is
    /// none.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, `Backend` without a reply.
    pub async fn inspect(&self) -> Result<Option<Inspection>> {
        self.record.clone().inspect().await
    }

    /// [`inspect`](Self::inspect), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`inspect`](Self::inspect).
    pub fn inspect_blocking(&self) -> Result<Option<Inspection>> {
        self.record.inspect_blocking()
    }

    /// Removes the value and the record, and says whether there was a record. The next caller computes.
    ///
    /// A caller that is computing at the moment loses its lock, and its value is not stored.
    ///
    /// In this process, calls that begin after this one has ended are served nothing older. In other processes that
    /// holds from the moment at which the server's notification reaches them: until then they serve their `local`
    /// copies, and a caller there may join one that read or began to compute the old value. If the future is dropped,
    /// the value may or may not be removed.
    ///
    /// # Errors
    ///
    /// `Foreign` if the key holds something else, which stays; `Backend` without a reply.
    pub async fn forget(&self) -> Result<bool> {
        self.record.clone().forget().await
    }

    /// [`forget`](Self::forget), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`forget`](Self::forget).
    pub fn forget_blocking(&self) -> Result<bool> {
        self.record.forget_blocking()
    }

    fn read(&self, looked: Result<(Found, Option<Excerpt>)>) -> Result<Option<R>> {
        let spec = &self.record.spec;
        let (found, part) = looked.map_err(|error| spec.name(error))?;
        let raw = if let Found::Held { raw, .. } = &found { raw.clone() } else { Vec::new() };
        if spec.found(Ok(found))?.is_none_or(|seen| seen.record.state != State::Computed) {
            return Ok(None);
        }
        let Some(label) = &self.label else { return Ok((self.done)()) };
        let opened = part.and_then(|part| label.open(part.bytes, &raw, &spec.names.separator).ok());
        // A value that can't be decoded is a miss here, as it is to a caller of the function.
        Ok(opened.and_then(|payload| (self.decode)(&payload).ok()))
    }
}

impl<T, E> CachedEntry<std::result::Result<T, E>> {
    /// Reads the value that a call would be served now in `Ok`; `None` if there is none. Otherwise as
    /// [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_ok(&self) -> Result<Option<T>> {
        Ok(self.get().await?.and_then(std::result::Result::ok))
    }

    /// [`get_ok`](Self::get_ok), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_ok_blocking(&self) -> Result<Option<T>> {
        Ok(self.get_blocking()?.and_then(std::result::Result::ok))
    }
}

/// Reads the record and the whole value, when the server can.
async fn look(record: RecordRef, label: Option<Label>) -> Result<(Found, Option<Excerpt>)> {
    persist(&record.core.worker, &record.spec.options, || look_once(&record, label.as_ref())).await
}

async fn look_once(
    RecordRef { core, spec }: &RecordRef,
    label: Option<&Label>,
) -> Result<(Found, Option<Excerpt>)> {
    let (found, part) = core.store.call(&Peek(&spec.names)).await?;
    let (Found::Held { raw, .. }, Some(part), Some(label)) = (&found, part, label) else {
        return Ok((found, None));
    };
    let part = core.store.complete(&spec.names, label, (part, raw), usize::MAX).await?;
    Ok((found, part.filter(|part| part.whole)))
}

// Derived, it would ask for `R: Clone`.
impl<R> Clone for CachedEntry<R> {
    fn clone(&self) -> Self {
        Self { record: self.record.clone(), label: self.label.clone(), decode: self.decode, done: self.done }
    }
}

impl<R> fmt::Debug for CachedEntry<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedEntry").field("key", &self.key()).finish_non_exhaustive()
    }
}
