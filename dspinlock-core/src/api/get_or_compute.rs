//! Values of a lock in code.

use crate::api::lock::DSpinlock;
use crate::clock::Tick;
use crate::engine::waits::check_recursion;
use crate::error::{Error, Result};
use crate::format::envelope::Label;
use crate::options::{Caching, OnLost};
use crate::value::codec::Json;
use crate::value::compute::{Computation, Judgement};
use crate::value::request::CacheRequest;
use crate::value::sharing::{InOk, Sharing, Whole};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;

impl DSpinlock {
    /// Returns the value that `body` computes, or that a caller in this or another process has computed before.
    ///
    /// One caller in the fleet runs `body`. The others wait while it works, for at most `max_block`, and get its value;
    /// later callers get it until `expire` has passed. If `body` fails, those who wait get an error of kind
    /// `LeaderFailed`, and nothing is remembered. (py-dspinlock has no values: it knows only *that* something was
    /// computed.)
    ///
    /// Values are stored as JSON; the attribute can use other [codecs](crate::Codec). A value that would not read back
    /// as it was, such as a NaN, is returned and not shared: then callers run `body` at once, beside each other.
    ///
    /// Dropping the future gives the lock back as dropping a [`Guard`](crate::Guard) does, and another caller takes
    /// over.
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
        Computation::run(self.computation::<T, E>(), |_| body(), |error| Err(error.into())).await
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
        match self.computation::<T, E>() {
            Ok(computation) => computation.run_blocking(|_| body(), |error| Err(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores the value in `Ok` as JSON.
    fn computation<T: Serialize + DeserializeOwned, E: fmt::Display>(
        &self,
    ) -> Result<Computation<AsJson<T, E>, Judge<T, E>>> {
        let lock = self.resolved()?;
        check_recursion(lock.core.address(), &lock.spec)?;
        let sharing = AsJson::<T, E>::new();
        let label = sharing.kind().map(|(codec, kind)| Label::new(codec, kind, &lock.spec.key));
        let deadline = Tick::now() + lock.spec.options.max_block;
        let request = CacheRequest::new(lock, label, Caching::new(), OnLost::Continue);
        Ok(Computation::new(CacheRequest { deadline, ..request }, sharing, judge))
    }
}

type AsJson<T, E> = InOk<Whole<T, Json>, E>;

type Judge<T, E> = fn(&AsJson<T, E>, &Result<T, E>) -> Judgement;

fn judge<S, T, E: fmt::Display>(_: &S, returned: &Result<T, E>) -> Judgement {
    returned.as_ref().err().map_or(Judgement::Keep, |error| Judgement::Failed(error.to_string()))
}
