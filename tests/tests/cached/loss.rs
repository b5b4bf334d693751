//! With `on_lost`, a leader that loses its lock gets the error, and no other caller gets what it computed.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use dspinlock::{Client, ErrorKind, dspinlock};
use dspinlock_tests::block_on;

use crate::support::{AppError, Body, Rig, Runs, rigs, signals};

#[dspinlock(client = client, key = (), cached(entry = minding_entry), on_lost = "error")]
fn minding(client: &Client, body: &Body, runs: &Runs) -> Result<u32, AppError> {
    let run = runs.run();
    body.wait();
    run
}

#[dspinlock(client = client, key = (), cached(entry = minding_later_entry), on_lost = "error")]
async fn minding_later(client: &Client, body: &Body, runs: &Runs) -> Result<u32, AppError> {
    let run = runs.run();
    body.wait();
    run
}

type Call = fn(&Client, &Body, &Runs) -> Result<u32, AppError>;

fn nothing_is_handed_on(rig: &Rig, call: Call, forget: fn(&Client, &Body, &Runs) -> bool) {
    let (runs, (body, test), started) = (Runs::default(), signals(), Barrier::new(2));
    let (runs, body) = (&runs, &body);
    thread::scope(|scope| {
        let leader = scope.spawn(|| call(&rig.ours, body, runs));
        test.entered();
        let follower = scope.spawn(|| {
            started.wait();
            call(&rig.ours, body, runs)
        });
        started.wait();
        // It is about to join. If it came too late, it would compute, as it must in any case.
        thread::sleep(Duration::from_millis(200));
        assert!(forget(&rig.theirs, body, runs), "the lock was there");
        test.finish();
        let Err(AppError::Lock(error)) = leader.join().unwrap() else { panic!("the loss was not minded") };
        assert_eq!(error.kind(), ErrorKind::Lost, "{error}");
        test.entered();
        test.finish();
        assert_eq!(follower.join().unwrap().unwrap(), 2, "it computed a value of its own");
    });
    assert_eq!(call(&rig.theirs, body, runs).unwrap(), 2, "that is the one that was stored");
    assert_eq!(runs.count(), 2);
}

#[test]
fn a_blocking_leader_that_lost_its_lock_shares_no_value() {
    for rig in rigs() {
        let forget = |client: &Client, body: &Body, runs: &Runs| {
            minding_entry(client, body, runs).unwrap().forget_blocking().unwrap()
        };
        nothing_is_handed_on(&rig, minding, forget);
    }
}

#[test]
fn an_async_leader_that_lost_its_lock_shares_no_value() {
    for rig in rigs() {
        let call = |client: &Client, body: &Body, runs: &Runs| block_on(minding_later(client, body, runs));
        let forget = |client: &Client, body: &Body, runs: &Runs| {
            block_on(minding_later_entry(client, body, runs).unwrap().forget()).unwrap()
        };
        nothing_is_handed_on(&rig, call, forget);
    }
}
