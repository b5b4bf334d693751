//! `DSpinlock::get_or_compute`: values that are shared without the attribute.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{io, thread};

use dspinlock::{Error, ErrorKind};

use crate::support::{redis, rigs, signals};

#[test]
fn one_caller_computes_and_all_get_the_value() {
    for rig in rigs() {
        let (computations, start) = (AtomicU32::new(0), Barrier::new(20));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    start.wait();
                    let value = rig.ours.lock("sum").get_or_compute_blocking(|| {
                        computations.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, Error>(vec![1, 2, 3])
                    });
                    assert_eq!(value.unwrap(), [1, 2, 3]);
                });
            }
        });
        assert_eq!(computations.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn ten_thousand_tasks_cost_one_attempt() {
    let rig = redis();
    let server = rig.server.as_ref().unwrap();
    rig.ours.ping().await.unwrap();
    let computations = Arc::new(AtomicU32::new(0));
    let before = server.calls("evalsha");
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let (client, computations) = (rig.ours.clone(), computations.clone());
            tokio::spawn(async move {
                let body = || async move {
                    computations.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    Ok::<_, Error>(7_u64)
                };
                client.lock("sum").get_or_compute(body).await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 7);
    }
    assert_eq!(computations.load(Ordering::SeqCst), 1);
    let commands = server.calls("evalsha") - before;
    assert!(commands <= 4, "{commands} commands");
}

#[test]
fn waiters_get_the_failure_and_later_callers_compute() {
    for rig in rigs() {
        let (body, test) = signals();
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                rig.ours.lock("sum").get_or_compute_blocking(|| {
                    body.wait();
                    Err::<u64, _>(io::Error::other("the disk is full"))
                })
            });
            test.entered();
            let waiters = [&rig.ours, &rig.theirs].map(|client| {
                scope.spawn(|| {
                    let lock = client.lock("sum").sleep(Duration::from_millis(20));
                    lock.get_or_compute_blocking(|| -> io::Result<u64> { panic!("the waiter computes") })
                })
            });
            // They are about to wait. One that came too late would compute, and the test would fail.
            thread::sleep(Duration::from_millis(200));
            test.finish();
            assert_eq!(leader.join().unwrap().unwrap_err().to_string(), "the disk is full");
            for waiter in waiters {
                let error = waiter.join().unwrap().unwrap_err();
                let lock_error = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
                assert_eq!(lock_error.kind(), ErrorKind::LeaderFailed, "{error}");
                assert!(error.to_string().contains("the disk is full"), "{error}");
            }
        });
        let later = rig.ours.lock("sum").get_or_compute_blocking(|| Ok::<_, Error>(5_u64));
        assert_eq!(later.unwrap(), 5);
    }
}

#[test]
fn a_value_of_another_type_is_a_miss() {
    for rig in rigs() {
        let lock = rig.ours.lock("sum");
        assert_eq!(lock.get_or_compute_blocking(|| Ok::<_, Error>(5_u64)).unwrap(), 5);
        let text = |value: &str| lock.get_or_compute_blocking(|| Ok::<_, Error>(value.to_owned())).unwrap();
        assert_eq!([text("five"), text("six")], ["five", "five"]);
        assert!(lock.forget_blocking().unwrap());
        assert_eq!(text("six"), "six");
    }
}

#[test]
fn a_value_that_the_codec_can_not_hold_is_no_error() {
    for rig in rigs() {
        for round in 0..20 {
            let start = Barrier::new(8);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        start.wait();
                        // JSON has no such number.
                        let value = rig.ours.lock(round).get_or_compute_blocking(|| Ok::<_, Error>(f64::NAN));
                        assert!(value.unwrap().is_nan());
                    });
                }
            });
        }
    }
}

#[test]
fn another_caller_computes_after_a_leader_panics() {
    for rig in rigs() {
        let (body, test) = signals();
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                rig.ours.lock("sum").get_or_compute_blocking(|| -> Result<u64, Error> {
                    body.wait();
                    panic!("the leader panics, on purpose")
                })
            });
            test.entered();
            let waiter =
                scope.spawn(|| rig.ours.lock("sum").get_or_compute_blocking(|| Ok::<_, Error>(5_u64)));
            // It is about to wait. If it came too late, it would lead, and compute all the same.
            thread::sleep(Duration::from_millis(200));
            test.finish();
            assert_eq!(waiter.join().unwrap().unwrap(), 5);
            assert!(leader.join().is_err());
        });
    }
}
