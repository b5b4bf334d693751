//! The interface of the code that `#[dspinlock]` generates. It calls one function, such as [`run`] or [`run_async`], with a
//! [`Call`] that says how.
//!
//! The module is hidden, since only the attribute of the same version may use it. It is documented, since people read
//! expansions.

mod call;
mod enclosing;
mod lookup;
mod returns;
pub mod sharing;
mod site;

use crate::engine::attempt::{Door, Outcome};
use crate::engine::fallback::{UnlessLost, cancelled};
use crate::engine::guard::Guard;
use crate::engine::handle::LockHandle;
use crate::engine::scope::within;
use crate::engine::waits::Caller;
use crate::error::{Error, Result};
use crate::value::compute::{Computation, Judgement, inside};
use crate::value::publish::loss;
use std::future::Future;
use std::sync::Arc;

pub use crate::format::envelope::Payload;
pub use crate::options::OnLost;
pub use crate::options::OnOutage;
pub use crate::value::codec::{Codec, Json};
pub use crate::value::sharing::{CachedValue, Cloned, Counted, InOk, Nothing, Sharing, Whole};
pub use call::{Call, Mode};
pub use lookup::{Lookup, Sought};
pub use returns::*;
pub use site::Site;

/// Runs `body` under the lock that `call` describes.
///
/// If the body panics, or `failed` says that its return value is a failure, the lock is abandoned: the key does not become
/// COMPUTED, and the return value is passed on. Otherwise, the lock is released. If it was lost before that, `on_error` makes
/// the return value, unless the call ignores a loss. If the server is out of reach and the call then runs unlocked, there is
/// nothing to give back.
///
/// If the mode turns the call away, `body` gets `None` and says what to return. It is one closure with the user's body,
/// since both may take the arguments.
pub fn run<R>(
    call: Call,
    body: impl FnOnce(Option<LockHandle>) -> R,
    failed: impl FnOnce(&R) -> bool,
    on_error: impl FnOnce(Error) -> R,
) -> R {
    let on_lost = call.lost();
    let (guard, caller) = match enter_blocking(call) {
        Ok(Entered::Locked(guard, caller)) => (guard, caller),
        Ok(Entered::Unlocked(handle)) => return body(Some(handle)),
        Ok(Entered::TurnedAway) => return body(None),
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
/// Dropping the future at any point gives the lock back without blocking, on the library's own thread.
pub async fn run_async<R, F: Future<Output = R>>(
    call: Call,
    body: impl FnOnce(Option<LockHandle>) -> F,
    failed: impl FnOnce(&R) -> bool,
    on_error: impl FnOnce(Error) -> R,
) -> R {
    let on_lost = call.lost();
    let (guard, caller) = match enter(call).await {
        Ok(Entered::Locked(guard, caller)) => (guard, caller),
        Ok(Entered::Unlocked(handle)) => return body(Some(handle)).await,
        Ok(Entered::TurnedAway) => return body(None).await,
        Err(error) => return on_error(error),
    };
    let handle = guard.handle();
    let body = inside(caller.holding(&guard.grant().spec), || body(Some(handle.clone())));
    let Some(returned) = UnlessLost::new(body, &handle, on_lost).await else {
        return on_error(cancelled(&handle));
    };
    // The library's own thread does the rest.
    drop(caller);
    match leave(guard, failed(&returned), on_lost).await {
        Some(loss) => on_error(loss),
        None => returned,
    }
}

/// Returns the value that `body` computes, or has computed before, in this process or another.
///
/// `sharing` says which part of it is stored, `failure` gives the message of a failure, and `keep` says whether a value may
/// be stored. One caller in the fleet runs `body`; the others wait, and get its value or its failure.
pub fn run_cached<S: Sharing>(
    call: Call,
    sharing: S,
    body: impl FnOnce(Option<LockHandle>) -> S::Return,
    failure: impl FnOnce(&S::Return) -> Option<String>,
    keep: impl FnOnce(&S::Value) -> bool,
    on_error: impl FnOnce(Error) -> S::Return,
) -> S::Return {
    match call.request(&sharing) {
        Ok(request) => Computation::new(request, sharing, judge(failure, keep))
            .run_blocking(|handle| body(Some(handle)), on_error),
        Err(error) => on_error(error),
    }
}

/// [`run_cached`] for an async body, which is polled within the returned future.
///
/// Dropping the future at any point gives the lock back without blocking, and another caller computes.
///
/// It is no `async fn`, whose future would have one more copy of the body, with all arguments that this takes.
pub fn run_cached_async<S: Sharing, F: Future<Output = S::Return>>(
    call: Call,
    sharing: S,
    body: impl FnOnce(Option<LockHandle>) -> F,
    failure: impl FnOnce(&S::Return) -> Option<String>,
    keep: impl FnOnce(&S::Value) -> bool,
    on_error: impl FnOnce(Error) -> S::Return,
) -> impl Future<Output = S::Return> {
    let request = call.request(&sharing);
    let computation = request.map(|request| Computation::new(request, sharing, judge(failure, keep)));
    Computation::run(computation, |handle| body(Some(handle)), on_error)
}

/// Judges a return value by the two functions that the attribute generates.
fn judge<S: Sharing>(
    failure: impl FnOnce(&S::Return) -> Option<String>,
    keep: impl FnOnce(&S::Value) -> bool,
) -> impl FnOnce(&S, &S::Return) -> Judgement {
    |sharing, returned| match failure(returned) {
        Some(message) => Judgement::Failed(message),
        None if sharing.value(returned).is_some_and(keep) => Judgement::Keep,
        None => Judgement::DontKeep,
    }
}

// The rest depends on no type of the user's, so it is compiled once and not for each annotated function.

/// How a call enters its body, if it does.
enum Entered {
    Locked(Guard, Arc<Caller>),
    /// The server is out of reach, and the body runs without the lock.
    Unlocked(LockHandle),
    TurnedAway,
}

impl Entered {
    fn new(outcome: Outcome, caller: Arc<Caller>) -> Self {
        match outcome {
            Outcome::Entered(guard) => {
                guard.runs();
                Self::Locked(guard, caller)
            }
            Outcome::TurnedAway(_) | Outcome::Fetched(_) => Self::TurnedAway,
        }
    }

    fn unlocked(handle: LockHandle) -> Self {
        handle.runs();
        Self::Unlocked(handle)
    }
}

async fn enter(call: Call) -> Result<Entered> {
    let (attempt, lock) = call.attempt()?;
    let caller = Caller::awaiting(lock.core.address(), &lock.spec);
    match attempt.called_by(&Arc::downgrade(&caller)).run(Door::Task).await {
        Ok(outcome) => Ok(Entered::new(outcome, caller)),
        Err(error) => lock.unlocked(error).map(Entered::unlocked),
    }
}

fn enter_blocking(call: Call) -> Result<Entered> {
    let (attempt, lock) = call.attempt()?;
    let caller = Caller::blocking(lock.core.address(), &lock.spec);
    match attempt.called_by(&Arc::downgrade(&caller)).run_blocking() {
        Ok(outcome) => Ok(Entered::new(outcome, caller)),
        Err(error) => lock.unlocked(error).map(Entered::unlocked),
    }
}

async fn leave(guard: Guard, failed: bool, on_lost: OnLost) -> Option<Error> {
    let ended = if failed { guard.abandon().await } else { guard.release().await };
    loss(ended, failed, on_lost)
}

fn leave_blocking(guard: Guard, failed: bool, on_lost: OnLost) -> Option<Error> {
    let ended = if failed { guard.abandon_blocking() } else { guard.release_blocking() };
    loss(ended, failed, on_lost)
}
