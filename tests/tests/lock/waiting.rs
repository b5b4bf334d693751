//! How long a caller waits, and the error when its budget is used up.

use dspinlock::ErrorKind;
use dspinlock_tests::{Rig, ms, on_every_rig, timed};
use std::thread;
use std::time::Duration;

on_every_rig!(
    a_zero_budget_makes_one_attempt,
    tries_times_sleep_is_the_budget,
    the_deadline_ends_a_longer_sleep,
    the_error_says_who_holds_the_key,
    a_waiter_gets_in_within_one_sleep_of_a_release,
    a_crashed_holder_blocks_no_longer_than_its_lease,
);

/// A busy machine may be late by this much. The times that these tests tell apart differ by more.
const SLACK: Duration = ms(4_000);

fn a_zero_budget_makes_one_attempt(rig: &Rig) {
    let _held = rig.acquire(&rig.lock("wait 0")).unwrap();
    let (refused, took) = timed(|| rig.acquire(&rig.lock("wait 0").wait(Duration::ZERO)).unwrap_err());
    assert_eq!((refused.kind(), refused.attempts()), (ErrorKind::Contended, 1));
    assert!(took < SLACK, "{took:?}");
}

fn tries_times_sleep_is_the_budget(rig: &Rig) {
    let _held = rig.acquire(&rig.lock("tries")).unwrap();
    let lock = rig.lock("tries").sleep(ms(40)).tries(4);
    let (refused, took) = timed(|| rig.acquire(&lock).unwrap_err());
    assert_eq!(refused.kind(), ErrorKind::Contended);
    assert!(took >= ms(160) && took < ms(160) + SLACK, "{took:?}");
    assert!(refused.waited() >= ms(160) && refused.waited() <= took, "{:?}", refused.waited());
    assert!((2..=5).contains(&refused.attempts()), "{}", refused.attempts());
}

fn the_deadline_ends_a_longer_sleep(rig: &Rig) {
    let _held = rig.acquire(&rig.lock("deadline")).unwrap();
    let lock = rig.lock("deadline").sleep(Duration::from_secs(60)).wait(ms(400));
    let (refused, took) = timed(|| rig.acquire(&lock).unwrap_err());
    // One attempt, one with tracking unless the first took too long, and a last one at the deadline.
    assert_eq!(refused.kind(), ErrorKind::Contended);
    assert!((2..=3).contains(&refused.attempts()), "{}", refused.attempts());
    assert!(took >= ms(400) && took < ms(400) + SLACK, "{took:?}");
}

fn the_error_says_who_holds_the_key(rig: &Rig) {
    let _held = rig.acquire(&rig.lock("who")).unwrap();
    let lock = rig.lock("who").sleep(ms(10)).wait(ms(30));
    let refused = rig.acquire(&lock).unwrap_err();
    let key = format!("{:?}", rig.key("who"));
    assert_eq!(refused.key(), Some(key.as_str()));
    assert_eq!(refused.record_key(), Some(lock.record_key().unwrap()));
    let holder = refused.holder().expect("it is held").to_owned();
    assert!(holder.ends_with(&format!("/{}", std::process::id())), "{holder}");
    assert!(refused.is_retryable());
    let text = refused.to_string();
    assert!(text.contains(&key) && text.contains(&holder), "{text}");
    assert!(text.contains(&format!("{} attempt", refused.attempts())), "{text}");
}

fn a_waiter_gets_in_within_one_sleep_of_a_release(rig: &Rig) {
    let guard = rig.acquire(&rig.lock("release soon")).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let lock = rig.lock("release soon").sleep(ms(20)).wait(Duration::from_secs(10));
            rig.acquire(&lock).unwrap()
        });
        thread::sleep(ms(50));
        let ((), took) = timed(|| {
            rig.release(guard).unwrap();
            rig.release(waiter.join().unwrap()).unwrap();
        });
        assert!(took < ms(20) + SLACK, "{took:?}");
    });
}

/// Nothing announces an expiry, and the waiter's own sleep is too long: the record's remaining life has to wake it.
fn a_crashed_holder_blocks_no_longer_than_its_lease(rig: &Rig) {
    let crash = rig.lock("crash").lease(ms(200)).max_block(ms(200));
    // As after a crash, the guard is never dropped and no longer renewed.
    std::mem::forget(rig.acquire(&crash).unwrap());
    let lock = rig.lock("crash").sleep(Duration::from_secs(60)).wait(Duration::from_secs(60));
    let (guard, took) = timed(|| rig.acquire(&lock).unwrap());
    assert!(took >= ms(150) && took < ms(200) + SLACK, "{took:?}");
    rig.release(guard).unwrap();
}
