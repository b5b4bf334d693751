//! The two doors to a shared value, async and blocking: wait for it, or compute it and hand it on.

use super::{Failure, Landing, Payload, Sharing, Start, Verdict, Wish};
use crate::error::{Error, ErrorKind};
use crate::guard::LockHandle;
use crate::loss::UnlessLost;
use crate::scope::{Within, within};
use crate::spin::Distrust;
use crate::waits::Caller;
use std::future::Future;
use std::sync::{Arc, OnceLock};

/// So often a caller that can't decode a value looks for another one, before it computes its own.
const ROUNDS: u32 = 3;

/// What a caller brings to the value it wants: how to share it, what of it is a failure, and what of it may be stored.
pub(crate) struct Terms<S, F, K> {
    pub(crate) sharing: S,
    /// The message of a failure; `None` for a success.
    pub(crate) failure: F,
    pub(crate) keep: K,
}

/// What a caller is given in place of computing.
enum Given<R> {
    Return(R),
    /// The server can't be asked, and the body is to run all the same.
    Unlocked(LockHandle),
    Error(Error),
    /// The value can't be decoded: wish again.
    Again(Wish),
}

impl<S, F, K> Terms<S, F, K>
where
    S: Sharing,
    F: FnOnce(&S::Return) -> Option<String>,
    K: FnOnce(&S::Value) -> bool,
{
    /// The value, computed by `body` where nobody else has computed it or is about to.
    pub(crate) async fn compute<B: Future<Output = S::Return>>(
        self,
        mut wish: Wish,
        body: impl FnOnce(LockHandle) -> B,
        on_error: impl FnOnce(Error) -> S::Return,
    ) -> S::Return {
        let worker = wish.core.worker.clone();
        let caller = OnceLock::new();
        let mut round = 0;
        let leader = loop {
            let start = match wish.local() {
                Some(landing) if round == 0 => Ok(Start::Landed(landing)),
                _ => {
                    let caller = caller.get_or_init(|| Caller::awaiting(&wish.core, &wish.spec));
                    worker.attend(wish.clone().start(Arc::downgrade(caller))).await
                }
            };
            match start {
                Err(error) => match wish.fallback().unlocked(error) {
                    Ok(handle) => return body(handle).await,
                    Err(error) => return on_error(error),
                },
                Ok(Start::Lead(leader)) => break leader,
                Ok(Start::Landed(landing)) => match self.receive(wish, landing, round) {
                    Given::Return(returned) => return returned,
                    Given::Unlocked(handle) => return body(handle).await,
                    Given::Error(error) => return on_error(error),
                    Given::Again(again) => wish = again,
                },
            }
            round += 1;
        };
        let handle = LockHandle::clone(leader.guard());
        let caller = caller.into_inner().unwrap_or_else(|| Caller::awaiting(&wish.core, &wish.spec));
        let scope = caller.holding(&leader.guard().hold().spec);
        let future = Within::new(scope.clone(), within(scope, || body(handle)));
        let Some(returned) = UnlessLost::new(future, leader.guard(), wish.on_lost).await else {
            return on_error(UnlessLost::<B>::error(leader.guard()));
        };
        // What is left is done by the library's own thread.
        drop(caller);
        let (verdict, sharing) = self.judge(&wish, &returned);
        match worker.finish(leader.finish(wish, verdict)).await {
            Ok(bridged) => bridge(&sharing, bridged, returned),
            Err(loss) => on_error(loss),
        }
    }

    /// [`compute`](Self::compute), blocking the calling thread.
    pub(crate) fn compute_blocking(
        self,
        mut wish: Wish,
        body: impl FnOnce(LockHandle) -> S::Return,
        on_error: impl FnOnce(Error) -> S::Return,
    ) -> S::Return {
        let worker = wish.core.worker.clone();
        let caller = OnceLock::new();
        let mut round = 0;
        let leader = loop {
            let start = match wish.local() {
                Some(landing) if round == 0 => Ok(Start::Landed(landing)),
                _ => {
                    let caller = caller.get_or_init(|| Caller::blocking(&wish.core, &wish.spec));
                    worker.block_on(wish.clone().start(Arc::downgrade(caller)))
                }
            };
            match start {
                Err(error) => match wish.fallback().unlocked(error) {
                    Ok(handle) => return body(handle),
                    Err(error) => return on_error(error),
                },
                Ok(Start::Lead(leader)) => break leader,
                Ok(Start::Landed(landing)) => match self.receive(wish, landing, round) {
                    Given::Return(returned) => return returned,
                    Given::Unlocked(handle) => return body(handle),
                    Given::Error(error) => return on_error(error),
                    Given::Again(again) => wish = again,
                },
            }
            round += 1;
        };
        let handle = LockHandle::clone(leader.guard());
        let caller = caller.into_inner().unwrap_or_else(|| Caller::blocking(&wish.core, &wish.spec));
        let returned = within(caller.holding(&leader.guard().hold().spec), || body(handle));
        drop(caller);
        let (verdict, sharing) = self.judge(&wish, &returned);
        match worker.block_on(leader.finish(wish, verdict)) {
            Ok(bridged) => bridge(&sharing, bridged, returned),
            Err(loss) => on_error(loss),
        }
    }

    fn receive(&self, wish: Wish, landing: Landing, round: u32) -> Given<S::Return> {
        let (payload, record) = match landing {
            Landing::Value { payload, record } => (payload, record),
            Landing::Failed(failure) => return Given::Error(wish.leader_failed(&failure)),
            Landing::Error(error) => {
                return wish.fallback().unlocked(error).map_or_else(Given::Error, Given::Unlocked);
            }
            Landing::Done => match self.sharing.done() {
                Some(returned) => return Given::Return(returned),
                None => {
                    return Given::Error(
                        wish.spec.error(ErrorKind::Misuse, "the key is COMPUTED without a value"),
                    );
                }
            },
        };
        match self.sharing.decode(&payload) {
            Ok(returned) => Given::Return(returned),
            Err(why) => {
                let key = &wish.spec.key;
                tracing::warn!(target: "dspinlock", %key, %why, "the stored value can't be decoded; computing it anew");
                let distrust = match record {
                    // It takes no value of others any more, so that this comes to an end.
                    _ if round + 1 >= ROUNDS => Distrust::All,
                    Some(record) => Distrust::Record(record.to_vec()),
                    None => wish.distrust,
                };
                Given::Again(Wish { distrust, ..wish })
            }
        }
    }

    /// What is to become of what the body returned.
    fn judge(self, wish: &Wish, returned: &S::Return) -> (Verdict, S) {
        let Self { sharing, failure, keep } = self;
        let verdict = match failure(returned) {
            Some(message) => Verdict::Failed(Failure::new(&message, wish.spec.function)),
            None => match sharing.encode(returned) {
                None => Verdict::Done,
                Some(Ok(payload)) if sharing.value(returned).is_some_and(keep) => wish.fits(payload),
                Some(Ok(payload)) => Verdict::Share(payload),
                Some(Err(why)) => {
                    let key = &wish.spec.key;
                    tracing::warn!(target: "dspinlock", %key, %why, "the value can't be encoded and is not shared");
                    Verdict::Keep
                }
            },
        };
        (verdict, sharing)
    }
}

impl Wish {
    /// A value that is too large is shared, and not stored.
    fn fits(&self, payload: Payload) -> Verdict {
        let (bytes, limit) = (payload.bytes().len(), self.caching.max_value);
        if bytes <= limit {
            return Verdict::Store(payload);
        }
        tracing::warn!(target: "dspinlock", key = %self.spec.key, bytes, limit, "the value is above `max_value`: not stored");
        Verdict::Share(payload)
    }
}

/// A value that stands in for a failure, if there is one.
fn bridge<S: Sharing>(sharing: &S, payload: Option<Payload>, returned: S::Return) -> S::Return {
    payload.and_then(|payload| sharing.decode(&payload).ok()).unwrap_or(returned)
}
