//! The two doors to a shared value, async and blocking: wait for it, or compute it and hand it on.

use crate::engine::fallback::{UnlessLost, cancelled};
use crate::engine::flight::Landing;
use crate::engine::guard::LockHandle;
use crate::engine::scope::{Within, within};
use crate::engine::spin::Distrust;
use crate::engine::waits::{Caller, Run};
use crate::error::{Error, ErrorKind};
use crate::format::envelope::Payload;
use crate::format::note::Failure;
use crate::options::OnLost;
use crate::value::request::{Leader, Start, Verdict, Wish};
use crate::value::sharing::{Sharing, Unwritable};
use std::future::Future;
use std::sync::{Arc, OnceLock};

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
        let caller = OnceLock::new();
        let mut round = 0;
        let leader = loop {
            let start = match wish.at_hand() {
                Some(landing) if round == 0 => Ok(Start::Landed(landing)),
                _ => {
                    let caller = caller.get_or_init(|| Caller::awaiting(wish.core.address(), &wish.spec));
                    worker.attend(wish.clone().start(Arc::downgrade(caller))).await
                }
            };
            match start {
                Err(error) => match wish.fallback().unlocked(error) {
                    Ok(handle) => break Err(handle),
                    Err(error) => return on_error(error),
                },
                Ok(Start::Lead(leader)) => break Ok(leader),
                Ok(Start::Landed(landing)) => match self.receive(&wish, landing, round) {
                    Given::Return(returned) => return returned,
                    Given::Unlocked(handle) => break Err(handle),
                    Given::Error(error) => return on_error(error),
                    Given::Another(distrust) => wish.distrust = distrust,
                },
            }
            round += 1;
        };
        let caller = caller.into_inner().unwrap_or_else(|| Caller::awaiting(wish.core.address(), &wish.spec));
        let leader = match leader {
            Ok(leader) => leader,
            Err(handle) => return inside(caller.unlocked(), handle, body).await,
        };
        let handle = leader.guard().handle();
        // What is not locked is not lost.
        let on_lost = if handle.is_unlocked() { OnLost::Continue } else { wish.on_lost };
        let future = inside(scope_of(&caller, &leader), handle, body);
        let Some(returned) = UnlessLost::new(future, &leader.guard().handle(), on_lost).await else {
            return on_error(cancelled(&leader.guard().handle()));
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
            let start = match wish.at_hand() {
                Some(landing) if round == 0 => Ok(Start::Landed(landing)),
                _ => {
                    let caller = caller.get_or_init(|| Caller::blocking(wish.core.address(), &wish.spec));
                    worker.block_on(wish.clone().start(Arc::downgrade(caller)))
                }
            };
            match start {
                Err(error) => match wish.fallback().unlocked(error) {
                    Ok(handle) => break Err(handle),
                    Err(error) => return on_error(error),
                },
                Ok(Start::Lead(leader)) => break Ok(leader),
                Ok(Start::Landed(landing)) => match self.receive(&wish, landing, round) {
                    Given::Return(returned) => return returned,
                    Given::Unlocked(handle) => break Err(handle),
                    Given::Error(error) => return on_error(error),
                    Given::Another(distrust) => wish.distrust = distrust,
                },
            }
            round += 1;
        };
        let caller = caller.into_inner().unwrap_or_else(|| Caller::blocking(wish.core.address(), &wish.spec));
        let leader = match leader {
            Ok(leader) => leader,
            Err(handle) => return within(caller.unlocked(), || body(handle)),
        };
        let handle = leader.guard().handle();
        let returned = within(scope_of(&caller, &leader), || body(handle));
        drop(caller);
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
        let fresh = payload.decoded().is_none();
        match self.sharing.decode(&payload) {
            Ok(returned) => {
                if fresh && payload.decoded().is_some() && wish.caching.local.is_some() {
                    wish.core.store.wakeups().weigh_copy(&wish.spec.names.record, &payload);
                }
                Given::Return(returned)
            }
            Err(why) => {
                wish.cannot_read(&why, self.sharing.kind());
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
                // The next one may be kept.
                Some(encoded) if !sharing.value(returned).is_some_and(keep) => {
                    let payload = encoded.map_or_else(|unwritable| unwritable.shared, Some);
                    Verdict::Unstored { payload, lasts: false }
                }
                Some(Ok(payload)) => wish.fits(payload),
                Some(Err(unwritable)) => wish.cannot_write(unwritable, sharing.kind()),
            },
        };
        (verdict, sharing)
    }
}

impl Wish {
    fn cannot_write(&self, unwritable: Unwritable, kind: Option<(&str, &str)>) -> Verdict {
        let Unwritable { why, shared } = unwritable;
        if self.is_news("can't be stored") {
            let (key, function, kind) = (&self.spec.key, self.spec.function, kind.map(|(_, kind)| kind));
            tracing::warn!(
                target: "dspinlock", %key, function, kind, %why,
                "the value can't be stored: its callers compute it without waiting for each other (said once)"
            );
        }
        Verdict::Unstored { payload: shared, lasts: true }
    }

    fn cannot_read(&self, why: &str, kind: Option<(&str, &str)>) {
        if self.is_news("can't be decoded") {
            let (key, function, kind) = (&self.spec.key, self.spec.function, kind.map(|(_, kind)| kind));
            tracing::warn!(
                target: "dspinlock", %key, function, kind, %why,
                "what is stored can't be decoded, and is computed again: give a new form of the value another `schema` \
                 (said once)"
            );
        }
    }

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

/// What surrounds the leader's body: the lock, where it has one.
fn scope_of(caller: &Caller, leader: &Leader) -> Arc<Run> {
    if leader.guard().handle().is_unlocked() {
        caller.unlocked()
    } else {
        caller.holding(&leader.guard().grant().spec)
    }
}

/// Runs a body that knows what surrounds it.
fn inside<B: Future>(
    scope: Arc<Run>,
    handle: LockHandle,
    body: impl FnOnce(LockHandle) -> B,
) -> Within<Arc<Run>, B> {
    Within::new(scope.clone(), within(scope, || body(handle)))
}

/// A value that stands in for a failure, if there is one.
fn bridge<S: Sharing>(sharing: &S, payload: Option<Payload>, returned: S::Return) -> S::Return {
    payload.and_then(|payload| sharing.decode(&payload).ok()).unwrap_or(returned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::client::Client;
    use crate::clock::Tick;
    use crate::engine::unshared::RETRY;
    use crate::format::envelope::Label;
    use crate::format::key::LockKey;
    use crate::format::note::Reach;
    use crate::options::Caching;
    use crate::value::codec::Json;
    use crate::value::sharing::{Counted, InOk, Whole};
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Poll;

    fn wish(client: &Client, key: &(impl LockKey + ?Sized)) -> Wish {
        let lock = client.lock(key).resolved().unwrap();
        let label = Label::new("json", "f64", &lock.spec.key);
        Wish::new(lock, Some(label), Caching::new(), OnLost::Continue)
    }

    fn callers(wish: &Wish) -> [Arc<Caller>; 2] {
        [(); 2].map(|()| Caller::awaiting(wish.core.address(), &wish.spec))
    }

    #[expect(clippy::type_complexity, reason = "two plain functions")]
    fn terms<S: Sharing>() -> Terms<S, fn(&S::Return) -> Option<String>, fn(&S::Value) -> bool> {
        Terms { sharing: S::new(), failure: |_| None, keep: |_| true }
    }

    #[test]
    fn a_caller_that_again_and_again_reads_what_it_cannot_decode_waits_for_nobody() {
        let wish = wish(&Client::memory(), "k");
        let terms = terms::<Whole<f64, Json>>();
        let given = |round| {
            let payload = Payload::new(b"null".to_vec());
            terms.receive(&wish, Landing::Value { payload, record: Some([7].into()) }, round)
        };
        for round in 0..ROUNDS - 1 {
            let Given::Another(distrust) = given(round) else { panic!("round {round}") };
            assert_eq!(distrust, Distrust::Record(vec![7]));
        }
        let Given::Unlocked(handle) = given(ROUNDS - 1) else { panic!("not on its own") };
        assert!(handle.is_unlocked());
    }

    #[tokio::test]
    async fn a_value_that_can_only_be_shared_in_memory_is_shared_in_memory() {
        let (wish, value) = (wish(&Client::memory(), "k"), Arc::new(f64::NAN));
        // The second time it is known, and nobody takes the lock.
        for known in [false, true] {
            let terms = terms::<Counted<f64, Json>>();
            let [first, second] = callers(&wish);
            let Ok(Start::Lead(leader)) = wish.clone().start(Arc::downgrade(&first)).await else {
                panic!("nobody else is there")
            };
            assert_eq!(leader.guard().handle().is_unlocked(), known);
            let mut follower = pin!(wish.clone().start(Arc::downgrade(&second)));
            assert!(poll_fn(|context| Poll::Ready(follower.as_mut().poll(context).is_pending())).await);
            let (verdict, sharing) = terms.judge(&wish, &value);
            leader.finish(wish.clone(), verdict).await.unwrap();
            let Ok(Start::Landed(Landing::Value { payload, .. })) = follower.await else {
                panic!("no value")
            };
            assert!(Arc::ptr_eq(&sharing.decode(&payload).unwrap(), &value));
            // To those who share no memory it is none.
            assert!(Whole::<f64, Json>::new().decode(&payload).is_err());
        }
    }

    #[tokio::test]
    async fn what_can_not_be_shared_at_all_has_no_followers_the_next_time() {
        let wish = wish(&Client::memory(), "k");
        let terms = terms::<InOk<Whole<f64, Json>, Error>>();
        let [first, second] = callers(&wish);
        let Ok(Start::Lead(leader)) = wish.clone().start(Arc::downgrade(&first)).await else {
            panic!("nobody else is there")
        };
        let mut follower = pin!(wish.clone().start(Arc::downgrade(&second)));
        assert!(poll_fn(|context| Poll::Ready(follower.as_mut().poll(context).is_pending())).await);
        assert!(wish.at_hand().is_none());
        let (verdict, _) = terms.judge(&wish, &Ok(f64::NAN));
        leader.finish(wish.clone(), verdict).await.unwrap();
        assert!(matches!(follower.await, Ok(Start::Landed(Landing::Unshared))));
        assert!(matches!(wish.at_hand(), Some(Landing::Unshared)));
    }

    /// A server had no room for a value, and has some now.
    #[tokio::test]
    async fn a_value_that_is_stored_at_last_is_stored_from_then_on() {
        let (wish, value) = (wish(&Client::memory(), "k"), 0.5);
        let (record, label) = (&wish.spec.names.record, wish.label.as_ref().unwrap());
        wish.core.unshared.add(record, label, Reach::Process, true, Tick::now().before(RETRY));
        let [caller, _] = callers(&wish);
        let Ok(Start::Lead(leader)) = wish.clone().start(Arc::downgrade(&caller)).await else {
            panic!("nobody else is there")
        };
        assert!(!leader.guard().handle().is_unlocked(), "it is time to try again");
        let (verdict, _) = terms::<Whole<f64, Json>>().judge(&wish, &value);
        leader.finish(wish.clone(), verdict).await.unwrap();
        assert!(!wish.core.unshared.is_known(record, label, Reach::Process, Tick::now()));
    }

    #[test]
    fn what_is_refused_is_not_complained_of() {
        let wish = wish(&Client::memory(), "k");
        let terms = Terms {
            sharing: Whole::<f64, Json>::new(),
            failure: |_: &_| None,
            keep: |v: &f64| v.is_finite(),
        };
        let (verdict, _) = terms.judge(&wish, &f64::NAN);
        assert!(matches!(verdict, Verdict::Unstored { payload: None, lasts: false }));
        assert!(wish.is_news("can't be stored"));
    }
}
