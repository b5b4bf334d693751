//! What the code that `#[dspinlock]` generates calls: one function, [`run`] or [`run_async`], with a [`Call`] that says how.
//!
//! It is hidden, since only the attribute of the same version may use it, and documented, since people read expansions.

mod call;
mod place;
mod returns;
pub mod sharing;
mod site;

use crate::engine::attempt::Outcome;
use crate::engine::fallback::{UnlessLost, cancelled};
use crate::engine::guard::{Guard, LockHandle};
use crate::engine::scope::{Within, within};
use crate::engine::waits::Caller;
use crate::error::{Error, Result};
use crate::value::compute::Terms;
use std::future::Future;
use std::sync::Arc;

pub use crate::format::envelope::Payload;
pub use crate::options::OnLost;
pub use crate::options::OnOutage;
pub use crate::value::codec::{Codec, Json};
pub use crate::value::sharing::{CachedValue, Counted, InOk, Nothing, Sharing, Whole};
pub use call::{Call, Mode};
pub use returns::*;
pub use site::Site;

/// Runs `body` under the lock that `call` describes.
///
/// A body that panics, or whose return value `failed` calls a failure, abandons the lock: nothing is remembered, and what
/// the body returned is returned. After any other the lock is released; if it turns out to have been lost, and the call
/// minds that, `on_error` makes the return value. Where the server can't be asked and the call runs unlocked then, there is
/// nothing to give back. A call whose mode turns it away gives `None` to `body`, which then
/// says what to return: in one place with the user's body, since both may take the arguments.
pub fn run<R>(
    call: Call,
    body: impl FnOnce(Option<LockHandle>) -> R,
    failed: impl FnOnce(&R) -> bool,
    on_error: impl FnOnce(Error) -> R,
) -> R {
    let on_lost = call.lost();
    let (guard, caller) = match enter_blocking(call) {
        Ok(Way::Locked(guard, caller)) => (guard, caller),
        Ok(Way::Unlocked(handle)) => return body(Some(handle)),
        Ok(Way::TurnedAway) => return body(None),
        Err(error) => return on_error(error),
    };
    let handle = guard.handle();
    let returned = within(caller.holding(&guard.grant().spec), || body(Some(handle)));
    drop(caller);
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
    let (guard, caller) = match enter(call).await {
        Ok(Way::Locked(guard, caller)) => (guard, caller),
        Ok(Way::Unlocked(handle)) => return body(Some(handle)).await,
        Ok(Way::TurnedAway) => return body(None).await,
        Err(error) => return on_error(error),
    };
    let handle = guard.handle();
    // Made in scope as well: an argument's default may lock before the first await.
    let scope = caller.holding(&guard.grant().spec);
    let future = within(scope.clone(), || body(Some(handle)));
    let future = Within::new(scope, future);
    let Some(returned) = UnlessLost::new(future, &guard.handle(), on_lost).await else {
        return on_error(cancelled(&guard.handle()));
    };
    // What is left is done by the library's own thread.
    drop(caller);
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

/// How a call gets to its body, or not.
enum Way {
    Locked(Guard, Arc<Caller>),
    /// The server can't be asked, and the call runs all the same.
    Unlocked(LockHandle),
    TurnedAway,
}

async fn enter(call: Call) -> Result<Way> {
    let (attempt, fallback) = call.attempt()?;
    let worker = fallback.core.worker.clone();
    let caller = Caller::awaiting(fallback.core.address(), &fallback.spec);
    match worker.attend(attempt.called_by(&Arc::downgrade(&caller)).run()).await {
        Ok(outcome) => Ok(way(outcome, caller)),
        Err(error) => fallback.unlocked(error).map(Way::Unlocked),
    }
}

fn enter_blocking(call: Call) -> Result<Way> {
    let (attempt, fallback) = call.attempt()?;
    let caller = Caller::blocking(fallback.core.address(), &fallback.spec);
    match attempt.called_by(&Arc::downgrade(&caller)).run_blocking() {
        Ok(outcome) => Ok(way(outcome, caller)),
        Err(error) => fallback.unlocked(error).map(Way::Unlocked),
    }
}

fn way(outcome: Outcome, caller: Arc<Caller>) -> Way {
    match outcome {
        Outcome::Entered(guard) => Way::Locked(guard, caller),
        Outcome::TurnedAway(_) | Outcome::Fetched(_) => Way::TurnedAway,
    }
}

/// The way out, with the error that the caller gets in place of what the body returned.
async fn leave(guard: Guard, failed: bool, on_lost: OnLost) -> Option<Error> {
    if failed { after_failure(guard.abandon().await) } else { on_lost.minds(guard.release().await) }
}

fn leave_blocking(guard: Guard, failed: bool, on_lost: OnLost) -> Option<Error> {
    if failed { after_failure(guard.abandon_blocking()) } else { on_lost.minds(guard.release_blocking()) }
}

/// The body's own error is what the caller gets; one of the lock is only logged.
fn after_failure(ending: Result<()>) -> Option<Error> {
    if let Err(error) = ending {
        tracing::warn!(target: "dspinlock", %error, "the body failed, and giving the lock back failed as well");
    }
    None
}
