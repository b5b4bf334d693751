//! Callers that wait in one queue.

use super::*;
use crate::engine::guard::Guard;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const TURN: Duration = Duration::from_millis(1);

fn read(waiter: &Queued) -> Option<QueueMessage> {
    match pin!(waiter.message()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => Some(message),
        Poll::Pending => None,
    }
}

fn is_woken(waiter: &Queued) -> bool {
    matches!(read(waiter), Some(QueueMessage::Look))
}

fn a_guard() -> Guard {
    crate::Client::memory().lock("handed over").acquire_blocking().unwrap()
}

fn handoff(guard: Guard) -> Handoff {
    Handoff::new(Arc::clone(guard.grant()), move |_| drop(guard))
}

/// Joins the queue for the lock itself.
fn join(queues: &Queues) -> Queued {
    let spec = Arc::clone(&a_guard().grant().spec);
    queues.join("r", Some(spec))
}

#[test]
fn only_the_first_is_woken_and_the_next_moves_up() {
    let queues = Queues::default();
    let (first, second) = (join(&queues), join(&queues));
    assert!(is_woken(&first) && read(&second).is_none());
    queues.wake_first("r", 1, TURN);
    assert!(is_woken(&first) && read(&second).is_none());
    drop(first);
    assert!(is_woken(&second));
    drop(second);
    assert!(!queues.has_waiters("r") && queues.is_empty());
}

#[test]
fn a_lock_is_left_to_others_once_they_are_known_to_wait_and_until_that_is_known() {
    let queues = Queues::default();
    let left = |queues: &Queues| queues.left_to_others("r", Tick::now()).is_some();
    queues.pause_first("r");
    assert!(!left(&queues), "nobody waits whom the server could wake");
    let first = join(&queues);
    queues.pause_first("r");
    assert!(left(&queues));
    queues.wake_first("r", 0, TURN);
    assert!(!left(&queues));
    drop(first);
    queues.wake_first("r", 1, TURN);
    assert!(queues.left_to_others("r", Tick::now()).is_some_and(|until| until <= Tick::now() + 2 * TURN));
    assert!(queues.left_to_others("other", Tick::now()).is_none());
}

#[test]
fn the_lock_is_handed_off_in_order() {
    let queues = Queues::default();
    let waiters = [join(&queues), join(&queues)];
    assert!(is_woken(&waiters[0]));
    for waiter in &waiters {
        assert!(queues.hand_off("r", |_| Some(handoff(a_guard()))));
        assert!(matches!(read(waiter), Some(QueueMessage::Granted(_))));
    }
    assert!(!queues.hand_off("r", |_| Some(handoff(a_guard()))) && queues.is_empty());
}

#[test]
fn a_wake_up_during_a_hand_off_does_not_replace_the_lock() {
    for _ in 0..200 {
        let (queues, done) = (Queues::default(), AtomicUsize::new(0));
        let waiters = [join(&queues), join(&queues)];
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while done.load(Ordering::SeqCst) == 0 {
                    queues.wake_first("r", 0, TURN);
                    queues.wake_each_first();
                }
            });
            assert!(queues.hand_off("r", |_| Some(handoff(a_guard()))));
            done.store(1, Ordering::SeqCst);
        });
        assert!(matches!(read(&waiters[0]), Some(QueueMessage::Granted(_))));
    }
}

#[test]
fn a_caller_that_wants_a_value_is_not_handed_the_lock() {
    let queues = Queues::default();
    let _place = queues.join("r", None);
    assert!(!queues.hand_off("r", |_| unreachable!("this caller does not take it")));
}

#[test]
fn leaving_from_anywhere_keeps_the_order() {
    let queues = Queues::default();
    let (first, second, third) = (join(&queues), join(&queues), join(&queues));
    assert!(is_woken(&first));
    drop(second);
    assert!(read(&third).is_none(), "the first is still there");
    first.leave_with_lock();
    assert!(read(&third).is_none(), "the lock is held");
    queues.wake_first("r", 0, TURN);
    assert!(is_woken(&third));
}

#[test]
fn a_lock_handed_to_a_caller_that_has_gone_is_given_back() {
    let client = crate::Client::memory();
    let queues = Queues::default();
    let waiter = join(&queues);
    assert!(queues.hand_off("r", |_| client.lock("k").acquire_blocking().ok().map(handoff)));
    drop(waiter);
    client.lock("k").acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_lock_handed_to_a_caller_that_leaves_at_the_same_moment_is_given_back() {
    let client = crate::Client::memory();
    for _ in 0..200 {
        let queues = Queues::default();
        let waiter = join(&queues);
        let guard = client.lock("k").try_acquire_blocking().unwrap().expect("the last one was given back");
        std::thread::scope(|threads| {
            threads.spawn(|| drop(waiter));
            queues.hand_off("r", |_| Some(handoff(guard)));
        });
    }
}
