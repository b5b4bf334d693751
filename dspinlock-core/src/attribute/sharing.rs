//! How a cached function's values are shared, picked by its return type, and what its failures say.
//!
//! Both are found by the compiler's own method lookup, as [`probe`](super::probe) is: it sees through any alias, so that
//! no name of a type has to be guessed, and there is nothing for the user to say. The number of references decides the
//! order, and the methods have long names because traits of the user are in scope where they are called.

use crate::value::sharing::{Counted, InOk, Nothing, Whole};
use std::any::type_name;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;
use std::sync::Arc;

/// Asks how values of a function that returns `R` are shared by the codec `C`: `(&&&pick::<R, C>()).__dspinlock_sharing()`.
#[derive(Debug)]
pub struct Pick<R, C>(PhantomData<fn() -> (R, C)>);

/// The question for a type and a codec.
pub fn pick<R, C>() -> Pick<R, C> {
    Pick(PhantomData)
}

/// Units and counted values, alone and in `Ok`.
pub trait KnownReturn {
    /// The way to share them.
    type Sharing;
    /// The way to share them.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

impl<C> KnownReturn for &&Pick<(), C> {
    type Sharing = Nothing;
    fn __dspinlock_sharing(&self) -> Nothing {
        Nothing
    }
}

impl<E, C> KnownReturn for &&Pick<Result<(), E>, C> {
    type Sharing = InOk<Nothing, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        InOk(Nothing, PhantomData)
    }
}

impl<T, C> KnownReturn for &&Pick<Arc<T>, C> {
    type Sharing = Counted<T, C>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        Counted(PhantomData)
    }
}

impl<T, E, C> KnownReturn for &&Pick<Result<Arc<T>, E>, C> {
    type Sharing = InOk<Counted<T, C>, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        InOk(Counted(PhantomData), PhantomData)
    }
}

/// Other results of any name.
pub trait ResultReturn {
    /// The way to share what is in `Ok`.
    type Sharing;
    /// The way to share what is in `Ok`.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

impl<T, E, C> ResultReturn for &Pick<Result<T, E>, C> {
    type Sharing = InOk<Whole<T, C>, E>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        InOk(Whole(PhantomData), PhantomData)
    }
}

/// Everything else.
pub trait AnyReturn {
    /// The way to share the whole of it.
    type Sharing;
    /// The way to share the whole of it.
    fn __dspinlock_sharing(&self) -> Self::Sharing;
}

impl<T, C> AnyReturn for Pick<T, C> {
    type Sharing = Whole<T, C>;
    fn __dspinlock_sharing(&self) -> Self::Sharing {
        Whole(PhantomData)
    }
}

/// Asks what the callers that waited are told of a failure: `(&&&Told(&returned)).__dspinlock_message()`.
#[derive(Debug)]
pub struct Told<'a, R>(pub &'a R);

/// Errors that say what they are, in their longer form where they have one.
pub trait DisplayedError {
    /// The message; `None` for a success.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<T, E: Display> DisplayedError for &&&Told<'_, Result<T, E>> {
    fn __dspinlock_message(&self) -> Option<String> {
        self.0.as_ref().err().map(|error| format!("{error:#}"))
    }
}

/// Errors that are only to be debugged.
pub trait DebuggedError {
    /// The debug text; `None` for a success.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<T, E: Debug> DebuggedError for &&Told<'_, Result<T, E>> {
    fn __dspinlock_message(&self) -> Option<String> {
        self.0.as_ref().err().map(|error| format!("{error:?}"))
    }
}

/// Errors of which only the type is known.
pub trait SilentError {
    /// The name of the type; `None` for a success.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<T, E> SilentError for &Told<'_, Result<T, E>> {
    fn __dspinlock_message(&self) -> Option<String> {
        self.0.as_ref().err().map(|_| format!("an error of the type {}", type_name::<E>()))
    }
}

/// What is no result.
pub trait NoError {
    /// Always `None`.
    fn __dspinlock_message(&self) -> Option<String>;
}

impl<R> NoError for Told<'_, R> {
    fn __dspinlock_message(&self) -> Option<String> {
        None
    }
}
