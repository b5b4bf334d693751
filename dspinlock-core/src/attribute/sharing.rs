//! How a cached function's values are shared, and the messages of its failures, both by its return type.
//!
//! The compiler's method lookup finds both, as with [`probe`](super::probe). It sees through aliases, so the user has nothing
//! to declare. The number of references decides the order. The methods have long names because the user's traits are in
//! scope where they are called.

use crate::value::sharing::{Cloned, Counted, InOk, Nothing, Whole};
use std::any::type_name;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;
use std::sync::Arc;

/// Picks the [`Sharing`](super::Sharing) of a function that returns `R` and uses the codec `C`:
/// `(&&&&&pick::<R, C>()).__dspinlock_sharing()`. [`ClonedResult`] and [`ClonedReturn`] are in scope only where the function
/// has local copies.
#[derive(Debug)]
pub struct Pick<R, C>(PhantomData<fn() -> (R, C)>);

/// Makes the [`Pick`] of a type and a codec.
pub fn pick<R, C>() -> Pick<R, C> {
    Pick(PhantomData)
}

/// Units and values behind an `Arc`, alone and in `Ok`.
pub trait KnownReturn {
    /// How they are shared.
    type Sharing;
    /// How they are shared.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

/// References by another name, alone and in `Ok`. The call of the method never compiles: the compiler would only say that an
/// implementation of `Deserialize` is not general enough.
pub trait BorrowedReturn {
    /// The reference, for the compiler's message.
    type Returned;
    /// Stands for the one that there is not.
    type Sharing;
    /// Never called.
    fn __dspinlock_sharing(&self) -> Self::Sharing
    where
        Self::Returned: OwnedValue;
}

/// Not implemented by any type: what is read back from the store is owned.
#[diagnostic::on_unimplemented(
    message = "`cached` cannot store the borrowed value `{Self}`",
    label = "a reference",
    note = "return an owned value, such as a `String` in place of a `&str`, or a `Vec<T>` in place of a `&[T]`"
)]
pub trait OwnedValue {}

impl<'a, T: ?Sized, C> BorrowedReturn for &&&&Pick<&'a T, C> {
    type Returned = &'a T;
    type Sharing = Whole<&'a T, C>;
    fn __dspinlock_sharing(&self) -> Self::Sharing
    where
        &'a T: OwnedValue,
    {
        Whole(PhantomData)
    }
}

impl<'a, T: ?Sized, E, C> BorrowedReturn for &&&&Pick<Result<&'a T, E>, C> {
    type Returned = &'a T;
    type Sharing = InOk<Whole<&'a T, C>, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing
    where
        &'a T: OwnedValue,
    {
        InOk(Whole(PhantomData), PhantomData)
    }
}

impl<C> KnownReturn for &&&&Pick<(), C> {
    type Sharing = Nothing;
    fn __dspinlock_sharing(&self) -> Nothing {
        Nothing
    }
}

impl<E, C> KnownReturn for &&&&Pick<Result<(), E>, C> {
    type Sharing = InOk<Nothing, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        InOk(Nothing, PhantomData)
    }
}

impl<T, C> KnownReturn for &&&&Pick<Arc<T>, C> {
    type Sharing = Counted<T, C>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        Counted(PhantomData)
    }
}

impl<T, E, C> KnownReturn for &&&&Pick<Result<Arc<T>, E>, C> {
    type Sharing = InOk<Counted<T, C>, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        InOk(Counted(PhantomData), PhantomData)
    }
}

/// Other results, of values that can be cloned.
pub trait ClonedResult {
    /// How the value in `Ok` is shared.
    type Sharing;
    /// How the value in `Ok` is shared.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

impl<T: Clone + Send + Sync + 'static, E, C> ClonedResult for &&&Pick<Result<T, E>, C> {
    type Sharing = InOk<Cloned<T, C>, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        InOk(Whole(PhantomData), PhantomData)
    }
}

/// Other results of any name.
pub trait ResultReturn {
    /// How the value in `Ok` is shared.
    type Sharing;
    /// How the value in `Ok` is shared.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

impl<T, E, C> ResultReturn for &&Pick<Result<T, E>, C> {
    type Sharing = InOk<Whole<T, C>, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        InOk(Whole(PhantomData), PhantomData)
    }
}

/// Everything else that can be cloned.
pub trait ClonedReturn {
    /// How the whole value is shared.
    type Sharing;
    /// How the whole value is shared.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

impl<T: Clone + Send + Sync + 'static, C> ClonedReturn for &Pick<T, C> {
    type Sharing = Cloned<T, C>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        Whole(PhantomData)
    }
}

/// Everything else.
pub trait AnyReturn {
    /// How the whole value is shared.
    type Sharing;
    /// How the whole value is shared.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

impl<T, C> AnyReturn for Pick<T, C> {
    type Sharing = Whole<T, C>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        Whole(PhantomData)
    }
}

/// Finds the message of a failure for the callers that waited: `(&&&Told(&returned)).__dspinlock_message()`.
#[derive(Debug)]
pub struct Told<'a, R>(pub &'a R);

/// Errors with `Display`, in the alternate form if they have one.
pub trait DisplayedError {
    /// The message; `None` for a success.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<T, E: Display> DisplayedError for &&&Told<'_, Result<T, E>> {
    fn __dspinlock_message(&self) -> Option<String> {
        self.0.as_ref().err().map(|error| format!("{error:#}"))
    }
}

/// Errors with `Debug` only.
pub trait DebuggedError {
    /// The message; `None` for a success.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<T, E: Debug> DebuggedError for &&Told<'_, Result<T, E>> {
    fn __dspinlock_message(&self) -> Option<String> {
        self.0.as_ref().err().map(|error| format!("{error:?}"))
    }
}

/// Errors with neither.
pub trait SilentError {
    /// A message with the name of the error's type; `None` for a success.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<T, E> SilentError for &Told<'_, Result<T, E>> {
    fn __dspinlock_message(&self) -> Option<String> {
        self.0.as_ref().err().map(|_| format!("an error of the type {}", type_name::<E>()))
    }
}

/// Everything but a result.
pub trait NoError {
    /// Always `None`.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<R> NoError for Told<'_, R> {
    fn __dspinlock_message(&self) -> Option<String> {
        None
    }
}
