use super::*;
use crate::api::client::Client;
use crate::clock::Tick;
use crate::engine::unshared::RETRY;
use crate::format::envelope::{Label, Stored};
use crate::format::key::LockKey;
use crate::format::note::Reach;
use crate::options::Caching;
use crate::value::codec::Json;
use crate::value::sharing::{Counted, InOk, Whole};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

fn request(client: &Client, key: &(impl LockKey + ?Sized)) -> CacheRequest {
    let lock = client.lock(key).resolved().unwrap();
    let label = Label::new("json", "f64", &lock.spec.key);
    CacheRequest::new(lock, Some(label), Caching::new(), OnLost::Continue)
}

fn callers(request: &CacheRequest) -> [Arc<Caller>; 2] {
    [(); 2].map(|()| Caller::awaiting(request.core.address(), &request.spec))
}

async fn lead(request: &CacheRequest, caller: &Arc<Caller>) -> Leader {
    match request.start(caller).await {
        Ok(Assignment::Compute(leader)) => leader,
        Ok(Assignment::Use(..)) | Err(_) => panic!("no other caller is there"),
    }
}

type Keep<S> = fn(&S, &<S as Sharing>::Return) -> Judgement;

fn computation<S: Sharing>(request: &CacheRequest) -> Computation<S, Keep<S>> {
    Computation::new(request.clone(), S::new(), |_, _| Judgement::Keep)
}

#[test]
fn a_caller_that_keeps_reading_undecodable_values_computes_its_own() {
    let request = request(&Client::memory(), "k");
    let mut computation = computation::<Whole<f64, Json>>(&request);
    let mut decide = || {
        let payload = Payload::new(b"null".to_vec());
        let stored = Stored { payload, record: Some([7].into()), until: None };
        let decision = computation.receive(FlightResult::Value(stored));
        (decision, computation.request.distrust.clone())
    };
    for round in 1..MAX_UNREADABLE {
        let (Decision::Ask, distrust) = decide() else { panic!("round {round}") };
        assert_eq!(distrust, Distrust::Record(vec![7]));
    }
    let (Decision::RunUnlocked(handle), _) = decide() else { panic!("it still waits for others") };
    assert!(handle.is_unlocked());
}

#[tokio::test]
async fn a_value_that_can_only_be_shared_in_memory_is_shared_in_memory() {
    let (request, value) = (request(&Client::memory(), "k"), Arc::new(f64::NAN));
    // The second time this is known, and no caller takes the lock.
    for known in [false, true] {
        let [first, second] = callers(&request);
        let leader = lead(&request, &first).await;
        assert_eq!(leader.guard().handle().is_unlocked(), known);
        let mut follower = pin!(request.start(&second));
        assert!(poll_fn(|context| Poll::Ready(follower.as_mut().poll(context).is_pending())).await);
        let (_, sharing, computed) =
            computation::<Counted<f64, Json>>(&request).compute_result(&value, Computing::begin());
        request.clone().finish(leader, computed).await.unwrap();
        let Ok(Assignment::Use(FlightResult::Value(Stored { payload, .. }), _)) = follower.await else {
            panic!("no value")
        };
        assert!(Arc::ptr_eq(&sharing.decode(&payload).unwrap(), &value));
        // There is nothing to read for callers that share no memory.
        assert!(Whole::<f64, Json>::new().decode(&payload).is_err());
    }
}

#[tokio::test]
async fn a_value_that_can_not_be_shared_at_all_has_no_followers_the_next_time() {
    let request = request(&Client::memory(), "k");
    let [first, second] = callers(&request);
    let leader = lead(&request, &first).await;
    let mut follower = pin!(request.start(&second));
    assert!(poll_fn(|context| Poll::Ready(follower.as_mut().poll(context).is_pending())).await);
    assert!(request.at_hand().is_none());
    let computation = computation::<InOk<Whole<f64, Json>, Error>>(&request);
    let (_, _, computed) = computation.compute_result(&Ok(f64::NAN), Computing::begin());
    request.clone().finish(leader, computed).await.unwrap();
    assert!(matches!(follower.await, Ok(Assignment::Use(FlightResult::Unshared, _))));
    assert!(matches!(request.at_hand(), Some(FlightResult::Unshared)));
}

/// A server had no room for a value, and has some now.
#[tokio::test]
async fn a_value_that_is_stored_at_last_is_stored_from_then_on() {
    let request = request(&Client::memory(), "k");
    let (record, label) = (&request.spec.names.record, request.label.as_ref().unwrap());
    request.core.unshared.add(record, label, Reach::Process, true, Tick::now().before(RETRY));
    let [caller, _] = callers(&request);
    let leader = lead(&request, &caller).await;
    assert!(!leader.guard().handle().is_unlocked(), "it is time to try again");
    let (_, _, computed) = computation::<Whole<f64, Json>>(&request).compute_result(&0.5, Computing::begin());
    request.clone().finish(leader, computed).await.unwrap();
    assert!(!request.core.unshared.is_known(record, label, Reach::Process, Tick::now()));
}

/// Under a lock, the failure goes through a note to other processes. Its message must be the same on both ways.
#[tokio::test]
async fn a_failure_of_several_lines_reaches_the_followers_whole_with_and_without_the_lock() {
    for unlocked in [false, true] {
        let request = request(&Client::memory(), "k");
        if unlocked {
            let (record, label) = (&request.spec.names.record, request.label.as_ref().unwrap());
            request.core.unshared.add(record, label, Reach::Process, true, Tick::now());
        }
        let [first, second] = callers(&request);
        let leader = lead(&request, &first).await;
        assert_eq!(leader.guard().handle().is_unlocked(), unlocked);
        let mut follower = pin!(request.start(&second));
        assert!(poll_fn(|context| Poll::Ready(follower.as_mut().poll(context).is_pending())).await);
        let failure = Failure::new("no luck:\n\nunshared\n", None);
        request.clone().finish(leader, ComputeResult::Failed(failure.clone())).await.unwrap();
        let Ok(Assignment::Use(FlightResult::Failed(read), _)) = follower.await else { panic!("no failure") };
        assert_eq!(read.message, failure.message);
        assert_eq!(read.holder.is_none(), unlocked);
    }
}

#[test]
fn a_value_that_the_function_rejects_is_not_warned_of() {
    let request = request(&Client::memory(), "k");
    let judge = |_: &_, value: &f64| if value.is_finite() { Judgement::Keep } else { Judgement::DontKeep };
    let computation = Computation::new(request.clone(), Whole::<f64, Json>::new(), judge);
    let (_, _, computed) = computation.compute_result(&f64::NAN, Computing::begin());
    assert!(matches!(computed, ComputeResult::Unstored { payload: None, lasts: false }));
    assert!(request.is_news("can't be stored"));
}
