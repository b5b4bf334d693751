//! The two doors to a shared value, async and blocking: wait for it, or compute it and hand it on.

use super::sharing::Unwritable;
use super::{Failure, Landing, Payload, Sharing, Start, Verdict, Wish};
use crate::error::{Error, ErrorKind};
use crate::guard::LockHandle;
use crate::loss::{OnLost, UnlessLost};
use crate::scope::{Scope, Within, within};
use crate::spin::Distrust;
use std::future::Future;

/// So often a caller that can't decode a value looks for another one, before it computes its own and waits for nobody.
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
    /// The body is to run without the lock: the server can't be asked, or nobody will be given the value.
    Unlocked(LockHandle),
    Error(Error),
    /// The value can't be decoded: wish for another one.
    Another(Distrust),
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
        let mut round = 0;
        let leader = loop {
            let start = match wish.at_hand() {
                Some(landing) if round == 0 => Ok(Start::Landed(landing)),
                _ => worker.attend(wish.clone().start()).await,
            };
            match start {
                Err(error) => match wish.fallback().unlocked(error) {
                    Ok(handle) => return inside(&wish, handle, body).await,
                    Err(error) => return on_error(error),
                },
                Ok(Start::Lead(leader)) => break leader,
                Ok(Start::Landed(landing)) => match self.receive(&wish, landing, round) {
                    Given::Return(returned) => return returned,
                    Given::Unlocked(handle) => return inside(&wish, handle, body).await,
                    Given::Error(error) => return on_error(error),
                    Given::Another(distrust) => wish.distrust = distrust,
                },
            }
            round += 1;
        };
        let handle = LockHandle::clone(leader.guard());
        // What is not locked is not lost.
        let on_lost = if handle.is_unlocked() { OnLost::Continue } else { wish.on_lost };
        let future = inside(&wish, handle, body);
        let Some(returned) = UnlessLost::new(future, leader.guard(), on_lost).await else {
            return on_error(UnlessLost::<B>::error(leader.guard()));
        };
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
        let mut round = 0;
        let leader = loop {
            let start = match wish.at_hand() {
                Some(landing) if round == 0 => Ok(Start::Landed(landing)),
                _ => worker.block_on(wish.clone().start()),
            };
            match start {
                Err(error) => match wish.fallback().unlocked(error) {
                    Ok(handle) => return within(holding(&wish), || body(handle)),
                    Err(error) => return on_error(error),
                },
                Ok(Start::Lead(leader)) => break leader,
                Ok(Start::Landed(landing)) => match self.receive(&wish, landing, round) {
                    Given::Return(returned) => return returned,
                    Given::Unlocked(handle) => return within(holding(&wish), || body(handle)),
                    Given::Error(error) => return on_error(error),
                    Given::Another(distrust) => wish.distrust = distrust,
                },
            }
            round += 1;
        };
        let handle = LockHandle::clone(leader.guard());
        let returned = within(holding(&wish), || body(handle));
        let (verdict, sharing) = self.judge(&wish, &returned);
        match worker.block_on(leader.finish(wish, verdict)) {
            Ok(bridged) => bridge(&sharing, bridged, returned),
            Err(loss) => on_error(loss),
        }
    }

    fn receive(&self, wish: &Wish, landing: Landing, round: u32) -> Given<S::Return> {
        let (payload, record) = match landing {
            Landing::Value { payload, record } => (payload, record),
            Landing::Failed(failure) => return Given::Error(wish.leader_failed(&failure)),
            Landing::Unshared => return Given::Unlocked(wish.unlocked()),
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
                if wish.is_news("can't be decoded") {
                    let (key, function, kind) =
                        (&wish.spec.key, wish.spec.function, self.sharing.kind().map(|(_, kind)| kind));
                    tracing::warn!(
                        target: "dspinlock", %key, function, kind, %why,
                        "what is stored can't be decoded, and is computed again; give the new form of the value another \
                         `schema` (said once)"
                    );
                }
                if round + 1 >= ROUNDS {
                    return Given::Unlocked(wish.unlocked());
                }
                let of_record = record.map(|record| Distrust::Record(record.to_vec()));
                Given::Another(of_record.unwrap_or_else(|| wish.distrust.clone()))
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
                // The next one may be kept.
                Some(Ok(payload)) => Verdict::Unstored { payload: Some(payload), lasts: false },
                Some(Err(Unwritable { why, shared })) => {
                    if wish.is_news("can't be stored") {
                        let (key, function, kind) =
                            (&wish.spec.key, wish.spec.function, sharing.kind().map(|(_, kind)| kind));
                        tracing::warn!(
                            target: "dspinlock", %key, function, kind, %why,
                            "the value can't be stored, so that its callers compute it without waiting for each other (said \
                             once)"
                        );
                    }
                    Verdict::Unstored { payload: shared, lasts: true }
                }
            },
        };
        (verdict, sharing)
    }
}

impl Wish {
    /// A value that is too large is shared, and not stored.
    fn fits(&self, payload: Payload) -> Verdict {
        let (bytes, limit) = (payload.len(), self.caching.max_value);
        if bytes <= limit {
            return Verdict::Store(payload);
        }
        if self.is_news("is too large") {
            let (key, function) = (&self.spec.key, self.spec.function);
            tracing::warn!(
                target: "dspinlock", %key, function, bytes, limit,
                "the value is above `max_value` and is not stored: each process computes its own (said once)"
            );
        }
        Verdict::Unstored { payload: Some(payload), lasts: true }
    }
}

/// Runs a body that knows what is held for it, whether it is or not.
fn inside<B: Future>(wish: &Wish, handle: LockHandle, body: impl FnOnce(LockHandle) -> B) -> Within<B> {
    Within::new(holding(wish), within(holding(wish), || body(handle)))
}

fn holding(wish: &Wish) -> Scope {
    Scope::Holding { core: wish.core.clone(), lock: wish.spec.clone() }
}

/// A value that stands in for a failure, if there is one.
fn bridge<S: Sharing>(sharing: &S, payload: Option<Payload>, returned: S::Return) -> S::Return {
    payload.and_then(|payload| sharing.decode(&payload).ok()).unwrap_or(returned)
}
