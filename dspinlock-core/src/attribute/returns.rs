//! The return types of annotated functions: what each can express, and the compiler's message if it can't.
//!
//! The generated code uses these at the position of the user's return type, so the compiler's message points there.

use std::future::Future;

use crate::{Error, KeyEncoder, LockKey};

/// A return type that can carry an error of the lock: every `Result` whose error type is `From<Error>`.
#[diagnostic::on_unimplemented(
    message = "the lock may fail, and `{Self}` cannot carry its error",
    label = "cannot carry an error of the lock",
    note = "return a `Result<_, E>` with `E: From<dspinlock::Error>`, or write `on_error = |error| …`"
)]
pub trait CarriesLockError {
    /// The error as a return value.
    fn from_lock_error(error: Error) -> Self;
}

impl<T, E: FromLockError> CarriesLockError for Result<T, E> {
    fn from_lock_error(error: Error) -> Self {
        Err(E::from_lock_error(error))
    }
}

/// `From<Error>` under a name of its own, so that the compiler says what to write where it is missing.
#[diagnostic::on_unimplemented(
    message = "the lock may fail, and `{Self}` cannot be made from its error",
    label = "needs `{Self}: From<dspinlock::Error>`, or `on_error`",
    note = "write `on_error = |error| Err(…)` in the attribute, such as `on_error = |error| Err(error.to_string())` for a \
            `Result<_, String>`",
    note = "or, if the type is your own, write `impl From<dspinlock::Error> for {Self} {{ fn from(error: dspinlock::Error) \
            -> Self {{ … }} }}`; with `thiserror`, that is a variant `Lock(#[from] dspinlock::Error)`"
)]
pub trait FromLockError {
    /// The error as one of this type.
    fn from_lock_error(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromLockError for E {
    fn from_lock_error(error: Error) -> Self {
        Self::from(error)
    }
}

/// A return type of calls that `skip` or `once` turns away.
#[diagnostic::on_unimplemented(
    message = "a call that is turned away has no `{Self}` to return",
    label = "neither `()` nor an `Option`, nor a `Result` of one",
    note = "write `otherwise = EXPR` to say what a call returns that `skip` or `once` turned away"
)]
pub trait TurnedAway {
    /// The value that means that the body did not run.
    fn turned_away() -> Self;
}

impl TurnedAway for () {
    fn turned_away() -> Self {}
}

impl<T> TurnedAway for Option<T> {
    fn turned_away() -> Self {
        None
    }
}

impl<T: TurnedAway, E> TurnedAway for Result<T, E> {
    fn turned_away() -> Self {
        Ok(T::turned_away())
    }
}

/// Stands for a value of a known type in code that never runs.
///
/// # Panics
///
/// Always.
pub fn never<R>() -> R {
    unreachable!("the attribute generates this call only where it is never reached")
}

/// Wraps one part of a key. If the part is not a key, the compiler reports that where the user wrote it, and only there: a
/// [`KeyPart`] of any type is a key.
pub fn key_part<K: LockKey + ?Sized>(part: &K) -> KeyPart<'_, K> {
    KeyPart { part, encode: K::encode }
}

/// A borrowed part of a key.
#[derive(Debug)]
pub struct KeyPart<'a, K: ?Sized> {
    part: &'a K,
    encode: fn(&K, &mut KeyEncoder),
}

impl<K: ?Sized> LockKey for KeyPart<'_, K> {
    fn encode(&self, encoder: &mut KeyEncoder) {
        (self.encode)(self.part, encoder);
    }
}

/// Finds out whether a body failed, even if its `Result` goes by another name.
///
/// `(&&&&Probe(&returned)).__dspinlock_failed()` uses the first trait that fits the type. Futures, also those in a result or
/// an option, come first and are refused, then results, then everything else. The number of references decides the order.
/// The method has a long name because the user's traits are in scope where it is called.
pub mod probe {
    use super::Future;

    /// The return value of the body.
    #[derive(Debug)]
    pub struct Probe<'a, R>(pub &'a R);

    /// Not implemented by any type: a returned future would run after the lock is given back.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is a future: the lock is given back before it runs",
        label = "a future",
        note = "write an `async fn`, await the future in it, and return what it gives"
    )]
    pub trait RunsUnderTheLock {}

    /// Futures. The call of the method never compiles.
    pub trait FutureReturn {
        /// The future, for the compiler's message.
        type Returned;
        /// Never called.
        fn __dspinlock_failed(&self) -> bool
        where
            Self::Returned: RunsUnderTheLock;
    }

    impl<F: Future, E> FutureReturn for &&&Probe<'_, Result<F, E>> {
        type Returned = F;
        fn __dspinlock_failed(&self) -> bool
        where
            F: RunsUnderTheLock,
        {
            false
        }
    }

    impl<F: Future> FutureReturn for &&&Probe<'_, Option<F>> {
        type Returned = F;
        fn __dspinlock_failed(&self) -> bool
        where
            F: RunsUnderTheLock,
        {
            false
        }
    }

    impl<R: Future> FutureReturn for &&Probe<'_, R> {
        type Returned = R;
        fn __dspinlock_failed(&self) -> bool
        where
            R: RunsUnderTheLock,
        {
            false
        }
    }

    /// Results, by any name.
    pub trait ResultReturn {
        /// Whether it is an `Err`.
        fn __dspinlock_failed(&self) -> bool;
    }

    impl<T, E> ResultReturn for &Probe<'_, Result<T, E>> {
        fn __dspinlock_failed(&self) -> bool {
            self.0.is_err()
        }
    }

    /// Everything else.
    pub trait AnyReturn {
        /// Never.
        fn __dspinlock_failed(&self) -> bool;
    }

    impl<R> AnyReturn for Probe<'_, R> {
        fn __dspinlock_failed(&self) -> bool {
            false
        }
    }
}
