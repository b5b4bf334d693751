//! What the code that `#[dspinlock]` generates calls: one function, [`run`] or [`run_async`], with a [`Call`] that says how.
//!
//! It is hidden, since only the attribute of the same version may use it, and documented, since people read expansions.

mod call;
mod returns;
pub mod sharing;
mod site;

use crate::attempt::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Guard, LockHandle};
use crate::scope::{Scope, Within, within};
use crate::value::Terms;
use std::future::Future;

pub use crate::value::{CachedValue, Codec, Counted, InOk, Json, Nothing, Payload, Sharing, Whole};
pub use call::{Call, Mode, OnLost};
pub use returns::*;
pub use site::Site;

/// Runs `body` under the lock that `call` describes.
///
/// A body that panics, or whose return value `failed` calls a failure, abandons the lock: nothing is remembered, and what
/// the body returned is returned. After any other the lock is released; if it turns out to have been lost, and the call
/// minds that, `on_error` makes the return value. A call whose mode turns it away gives `None` to `body`, which then
/// says what to return: in one place with the user's body, since both may take the arguments.
pub fn run<R>(
    call: Call,
    body: impl FnOnce(Option<LockHandle>) -> R,
    failed: impl FnOnce(&R) -> bool,
    on_error: impl FnOnce(Error) -> R,
) -> R {
    let on_lost = call.lost();
    let guard = match enter_blocking(call) {
        Ok(Some(guard)) => guard,
        Ok(None) => return body(None),
        Err(error) => return on_error(error),
    };
    let handle = LockHandle::clone(&guard);
    let returned = within(holding(&guard), || body(Some(handle)));
    match leave_blocking(guard, failed(&returned), on_lost) {
        Some(loss) => on_error(loss),
        None => returned,
    }
}

/// [`run`] for an async body, which is polled within the returned future.
///
/// Dropping the future at any point gives the lock back without blocking, by the library's own thread.
pub async fn run_async<R, F: Future<Output = R>>(
    call: Call,
    body: impl FnOnce(Option<LockHandle>) -> F,
    failed: impl FnOnce(&R) -> bool,
    on_error: impl FnOnce(Error) -> R,
) -> R {
    let on_lost = call.lost();
    let guard = match enter(call).await {
        Ok(Some(guard)) => guard,
        Ok(None) => return body(None).await,
        Err(error) => return on_error(error),
    };
    let handle = LockHandle::clone(&guard);
    // Made in scope as well: an argument's default may lock before the first await.
    let future = within(holding(&guard), || body(Some(handle)));
    let returned = Within::new(holding(&guard), future).await;
    match leave(guard, failed(&returned), on_lost).await {
        Some(loss) => on_error(loss),
        None => returned,
    }
}

/// Hands out the value that `body` computes, or has computed before, in this process or another.
///
/// `sharing` says what of it is stored, `failure` gives the message of a failure, and `keep` says whether a value may be
/// stored. One caller in the fleet runs `body`; the others wait, and are given what came of it.
pub fn run_cached<S: Sharing>(
    call: Call,
    sharing: S,
    body: impl FnOnce(Option<LockHandle>) -> S::Return,
    failure: impl FnOnce(&S::Return) -> Option<String>,
    keep: impl FnOnce(&S::Value) -> bool,
    on_error: impl FnOnce(Error) -> S::Return,
) -> S::Return {
    match call.wish(&sharing) {
        Ok(wish) => {
            Terms { sharing, failure, keep }.compute_blocking(wish, |handle| body(Some(handle)), on_error)
        }
        Err(error) => on_error(error),
    }
}

/// [`run_cached`] for an async body, which is polled within the returned future.
///
/// Dropping the future at any point gives the lock back without blocking, and another caller takes over.
pub async fn run_cached_async<S: Sharing, F: Future<Output = S::Return>>(
    call: Call,
    sharing: S,
    body: impl FnOnce(Option<LockHandle>) -> F,
    failure: impl FnOnce(&S::Return) -> Option<String>,
    keep: impl FnOnce(&S::Value) -> bool,
    on_error: impl FnOnce(Error) -> S::Return,
) -> S::Return {
    match call.wish(&sharing) {
        Ok(wish) => {
            Terms { sharing, failure, keep }.compute(wish, |handle| body(Some(handle)), on_error).await
        }
        Err(error) => on_error(error),
    }
}

// What follows depends on no type of the user's, so that it is compiled once and not for each annotated function.

/// The way in; nothing if the call is turned away.
async fn enter(call: Call) -> Result<Option<Guard>> {
    let (worker, attempt) = call.attempt()?;
    worker.attend(attempt.run()).await.map(granted)
}

fn enter_blocking(call: Call) -> Result<Option<Guard>> {
    let (_, attempt) = call.attempt()?;
    attempt.run_blocking().map(granted)
}

fn granted(outcome: Outcome) -> Option<Guard> {
    match outcome {
        Outcome::Entered(guard) => Some(guard),
        Outcome::TurnedAway(_) | Outcome::Fetched(_) => None,
    }
}

/// The way out, with the error that the caller gets in place of what the body returned.
async fn leave(guard: Guard, failed: bool, on_lost: OnLost) -> Option<Error> {
    if failed { after_failure(guard.abandon().await) } else { after_success(guard.release().await, on_lost) }
}

fn leave_blocking(guard: Guard, failed: bool, on_lost: OnLost) -> Option<Error> {
    if failed {
        after_failure(guard.abandon_blocking())
    } else {
        after_success(guard.release_blocking(), on_lost)
    }
}

fn holding(guard: &Guard) -> Scope {
    let hold = guard.hold();
    Scope::Holding { core: hold.core.clone(), lock: hold.spec.clone() }
}

/// The body's own error is what the caller gets; one of the lock is only logged.
fn after_failure(ending: Result<()>) -> Option<Error> {
    if let Err(error) = ending {
        tracing::warn!(target: "dspinlock", %error, "the body failed, and giving the lock back failed as well");
    }
    None
}

/// The error that the caller gets though the body has succeeded: none but a loss that the call minds.
fn after_success(ending: Result<()>, on_lost: OnLost) -> Option<Error> {
    let error = ending.err()?;
    let lost = matches!(error.kind(), ErrorKind::Lost | ErrorKind::NotOwner | ErrorKind::Foreign);
    if lost && on_lost == OnLost::Error {
        return Some(error);
    }
    tracing::warn!(target: "dspinlock", %error, "the body has succeeded, and releasing the lock failed");
    None
}
