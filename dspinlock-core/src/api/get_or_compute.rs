//! Values of a lock in code.

use crate::api::lock::DSpinlock;
use crate::clock::Tick;
use crate::engine::waits::check_recursion;
use crate::error::{Error, Result};
use crate::format::envelope::Label;
use crate::options::{Caching, OnLost};
use crate::value::codec::Json;
use crate::value::compute::Terms;
use crate::value::request::Wish;
use crate::value::sharing::{InOk, Sharing, Whole};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;

impl DSpinlock {
    /// Returns the value that `body` computes, or that a caller in this or another process has computed before.
    ///
    /// One caller in the fleet runs `body`. The others wait while it works, for at most `max_block`, and get its value; later
    /// callers get it until `expire` has passed. If `body` fails, those who wait get an error of kind `LeaderFailed`, and
    /// nothing is remembered. (py-dspinlock has no values: it knows only *that* something was computed.)
    ///
    /// Values are stored as JSON; the attribute can use other [codecs](crate::Codec). A value that would not read back
    /// as it was, such as a NaN, is returned and not shared: then callers run `body` at once, beside each other.
    ///
    /// Dropping the future gives the lock back as dropping a [`Guard`](crate::Guard) does, and another caller takes over.
    ///
    /// # Errors
    ///
    /// Those of `body`, and those of [`acquire`](Self::acquire).
    ///
    /// ```
    /// # use dspinlock::{Client, Error};
    /// let client = Client::memory();
    /// let sum = || client.lock("sum").get_or_compute_blocking(|| Ok::<u64, Error>((1..=1_000).sum()));
    /// assert_eq!(sum()?, 500_500);
    /// assert_eq!(client.lock("sum").get_or_compute_blocking(|| -> Result<u64, Error> { unreachable!() })?, 500_500);
    /// # Ok::<(), Error>(())
    /// ```
    pub async fn get_or_compute<T, E, B>(&self, body: impl FnOnce() -> B) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<Error> + fmt::Display,
        B: Future<Output = Result<T, E>>,
    {
        let terms = terms::<T, E>();
        match self.wish(&terms.sharing) {
            Ok(wish) => terms.compute(wish, |_| body(), |error| Err(error.into())).await,
            Err(error) => Err(error.into()),
        }
    }

    /// [`get_or_compute`](Self::get_or_compute), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`get_or_compute`](Self::get_or_compute).
    pub fn get_or_compute_blocking<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<Error> + fmt::Display,
    {
        let terms = terms::<T, E>();
        match self.wish(&terms.sharing) {
            Ok(wish) => terms.compute_blocking(wish, |_| body(), |error| Err(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    fn wish(&self, sharing: &impl Sharing) -> Result<Wish> {
        let lock = self.resolved()?;
        check_recursion(lock.core.address(), &lock.spec)?;
        let label = sharing.kind().map(|(codec, kind)| Label::new(codec, kind, &lock.spec.key));
        let deadline = Tick::now() + lock.spec.options.max_block;
        Ok(Wish { deadline, ..Wish::new(lock, label, Caching::new(), OnLost::Continue) })
    }
}

/// Stores what is in `Ok`, as JSON.
#[expect(clippy::type_complexity, reason = "two plain functions")]
fn terms<T, E: fmt::Display>()
-> Terms<InOk<Whole<T, Json>, E>, fn(&Result<T, E>) -> Option<String>, fn(&T) -> bool>
where
    T: Serialize + DeserializeOwned,
{
    Terms {
        sharing: InOk::new(),
        failure: |returned| returned.as_ref().err().map(ToString::to_string),
        keep: |_| true,
    }
}
