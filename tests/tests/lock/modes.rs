//! `enter` and `fail_if_key_exists`: calls for a key that is COMPUTED.

use dspinlock::{DSpinlock, Entry, ErrorKind, Guard, State};
use dspinlock_tests::{Rig, ms, on_every_rig};
use std::thread;
use std::time::Duration;

on_every_rig!(
    a_computed_key_is_entered_without_the_lock,
    a_waiter_returns_when_another_caller_computes,
    a_waiter_takes_over_when_the_holder_fails,
    without_the_option_entering_locks,
    fail_if_key_exists_fails_while_the_key_is_there,
);

fn locked(entry: Entry) -> Guard {
    match entry {
        Entry::Locked(guard) => guard,
        other => panic!("not locked: {other:?}"),
    }
}

fn cached(rig: &Rig, name: &str) -> DSpinlock {
    rig.lock(name).cached_if_computed(true).sleep(ms(5)).wait(Duration::from_secs(10))
}

fn a_computed_key_is_entered_without_the_lock(rig: &Rig) {
    let lock = cached(rig, "cached");
    rig.release(locked(rig.enter(&lock).unwrap())).unwrap();
    let Entry::Computed(record) = rig.enter(&lock).unwrap() else { panic!("locked again") };
    assert_eq!(record.state(), State::Computed);
    assert!(record.holder().contains(&std::process::id().to_string()), "{}", record.holder());
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().record(), &record);

    // Nothing is held, so a caller that needs the lock itself gets it, through this instance too.
    rig.abandon(rig.acquire(&lock).unwrap()).unwrap();
}

fn a_waiter_returns_when_another_caller_computes(rig: &Rig) {
    let holder = rig.lock("cached later");
    let guard = rig.acquire(&holder).unwrap();
    thread::scope(|scope| {
        let waiters: Vec<_> =
            (0..4).map(|_| scope.spawn(|| rig.enter(&cached(rig, "cached later")).unwrap())).collect();
        rig.release(guard).unwrap();
        for waiter in waiters {
            assert!(matches!(waiter.join().unwrap(), Entry::Computed(_)));
        }
    });
}

fn a_waiter_takes_over_when_the_holder_fails(rig: &Rig) {
    let guard = rig.acquire(&rig.lock("cached never")).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.enter(&cached(rig, "cached never")).unwrap());
        rig.abandon(guard).unwrap();
        rig.release(locked(waiter.join().unwrap())).unwrap();
    });
}

fn without_the_option_entering_locks(rig: &Rig) {
    let lock = rig.lock("enter");
    rig.release(locked(rig.enter(&lock).unwrap())).unwrap();
    rig.release(locked(rig.enter(&lock).unwrap())).unwrap();
}

fn fail_if_key_exists_fails_while_the_key_is_there(rig: &Rig) {
    let lock = rig.lock("exists").fail_if_key_exists(true);
    let refused = || {
        let errors = [
            rig.acquire(&lock.clone()).unwrap_err(),
            rig.try_acquire(&lock.clone()).unwrap_err(),
            rig.enter(&lock.clone()).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::KeyExists, "{error}");
            assert!(error.key().is_some() && error.holder().is_some());
            assert_eq!(error.attempts(), 1, "there is nothing to wait for");
        }
    };
    let guard = rig.acquire(&lock).unwrap();
    refused();
    rig.abandon(guard).unwrap();
    let guard = rig.acquire(&lock).expect("a failure frees the key");
    rig.release(guard).unwrap();
    refused();
    assert!(rig.forget(&lock).unwrap());
    rig.release(rig.acquire(&lock).unwrap()).unwrap();
}
