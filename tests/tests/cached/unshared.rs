//! Calls whose value can't be shared are no slower than without the attribute: no caller waits for a value that it won't get.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dspinlock::{Client, LockHandle, dspinlock};
use dspinlock_testkit::{Reply, Server};
use dspinlock_tests::{Log, eventually};

use crate::support::{AppError, Meeting, Rig, Runs, redis, rigs, signals};

/// How many callers must be inside at once.
const MANY: u32 = 6;

type Work<'a> = &'a (dyn Fn() + Sync);

#[dspinlock(client = client, key = (), cached(entry = nan_entry), guard = lock, on_error = |error| panic!("{error}"))]
fn not_a_number(client: &Client, work: &(dyn Fn(&LockHandle) + Sync)) -> f64 {
    work(&lock);
    f64::NAN
}

#[dspinlock(client = client, key = (), cached, on_error = |error| panic!("{error}"))]
async fn not_a_number_later(client: &Client, barrier: Option<&tokio::sync::Barrier>) -> f64 {
    if let Some(barrier) = barrier {
        tokio::time::timeout(Duration::from_secs(20), barrier.wait()).await.unwrap();
    }
    f64::NAN
}

#[dspinlock(client = client, key = (), cached, on_error = |error| panic!("{error}"))]
fn nan_in_memory(client: &Client, work: Work<'_>) -> Arc<f64> {
    work();
    Arc::new(f64::NAN)
}

#[dspinlock(client = client, key = (), cached(max_value = "8B"), on_error = |error| panic!("{error}"))]
fn too_large(client: &Client, work: Work<'_>) -> String {
    work();
    "more than eight bytes".to_owned()
}

#[dspinlock(client = client, key = (), cached(if = |_| false, entry = refused_entry))]
fn refused(client: &Client, work: Work<'_>) -> Result<u32, AppError> {
    work();
    Ok(1)
}

#[dspinlock(client = client, key = (), cached(entry = sometimes_entry))]
fn sometimes(client: &Client, value: f64, runs: &Runs) -> Result<f64, AppError> {
    runs.run()?;
    Ok(value)
}

#[dspinlock(client = client, key = n, cached)]
fn logged(client: &Client, n: u32) -> Result<Vec<f64>, AppError> {
    Ok(vec![f64::from(n), f64::INFINITY])
}

/// Callers of this process and of another that must all be inside at once.
fn meet(rig: &Rig, number: u32, call: impl Fn(&Client, Work<'_>) + Sync) {
    let meeting = Meeting::of(number);
    thread::scope(|scope| {
        for caller in 0..number {
            let client = if caller % 2 == 0 { &rig.ours } else { &rig.theirs };
            let (call, meeting) = (&call, &meeting);
            scope.spawn(move || call(client, &|| meeting.attend()));
        }
    });
}

#[test]
fn waiters_and_later_callers_run_at_once() {
    for rig in rigs() {
        let (body, test) = signals();
        thread::scope(|scope| {
            let leader = scope.spawn(|| {
                let waits = |lock: &LockHandle| {
                    assert!(lock.is_held());
                    body.wait();
                };
                assert!(not_a_number(&rig.ours, &waits).is_nan());
            });
            test.entered();
            let waiters = scope.spawn(|| {
                meet(&rig, MANY, |client, work| {
                    let value = not_a_number(client, &|lock| {
                        // Nothing is held, so deleting the record loses nothing.
                        assert!(!lock.is_held() && lock.fencing_token() == 0);
                        assert!(lock.ensure_held().unwrap_err().to_string().contains("without the lock"));
                        work();
                    });
                    assert!(value.is_nan());
                });
            });
            test.finish();
            leader.join().unwrap();
            waiters.join().unwrap();
        });
        assert_eq!(nan_entry(&rig.ours, &|_| {}).unwrap().get_blocking().unwrap(), None, "nothing is stored");
        meet(&rig, MANY, |client, work| assert!(not_a_number(client, &|_| work()).is_nan()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_at_once_as_well() {
    for rig in rigs() {
        assert!(not_a_number_later(&rig.ours, None).await.is_nan());
        let barrier = Arc::new(tokio::sync::Barrier::new(MANY as usize));
        let tasks: Vec<_> = (0..MANY)
            .map(|caller| {
                let client = if caller % 2 == 0 { rig.ours.clone() } else { rig.theirs.clone() };
                let barrier = Arc::clone(&barrier);
                tokio::spawn(async move { not_a_number_later(&client, Some(&barrier)).await })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap().is_nan());
        }
    }
}

#[test]
fn a_value_that_only_one_process_can_share_is_computed_in_each_at_once() {
    let rig = redis();
    drop(nan_in_memory(&rig.ours, &|| {}));
    meet(&rig, 2, |client, work| assert!(nan_in_memory(client, work).is_nan()));
    too_large(&rig.ours, &|| {});
    meet(&rig, 2, |client, work| assert_eq!(too_large(client, work), "more than eight bytes"));
}

#[test]
fn waiters_of_another_process_run_at_once_if_the_value_is_not_kept() {
    let server = Server::start();
    let client = || Client::from_url(&server.url()).unwrap();
    let (ours, waiting) = (client(), [client(), client(), client()]);
    let ((body, test), meeting) = (signals(), Meeting::of(3));
    let queue = format!("{{{}}}:wait", refused_entry(&ours, &|| {}).unwrap().record_key());
    thread::scope(|scope| {
        let leader = scope.spawn(|| refused(&ours, &|| body.wait()));
        test.entered();
        let waiters = waiting.each_ref().map(|client| {
            let meeting = &meeting;
            scope.spawn(move || refused(client, &|| meeting.attend()))
        });
        eventually("all of them wait", || server.command(&["SCARD", &queue]) == Reply::Int(3));
        test.finish();
        assert_eq!(leader.join().unwrap().unwrap(), 1);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().unwrap(), 1);
        }
    });
}

#[test]
fn a_later_value_is_shared_again() {
    for rig in rigs() {
        let runs = Runs::default();
        assert!(sometimes(&rig.ours, f64::NAN, &runs).unwrap().is_nan());
        // After a forget, the next value may be one that can be shared.
        sometimes_entry(&rig.ours, 0.0, &runs).unwrap().forget_blocking().unwrap();
        for client in [&rig.ours, &rig.theirs, &rig.ours] {
            assert_eq!(sometimes(client, 0.5, &runs).unwrap().to_bits(), 0.5_f64.to_bits());
        }
        assert_eq!(runs.count(), 2);
    }
}

#[test]
fn the_log_says_once_what_to_write() {
    let log = Log::of_this_process();
    let client = Client::memory();
    for n in 0..10 {
        logged(&client, n % 3).unwrap();
    }
    let parts = ["logged", "can't be stored", "Vec<f64>", "codec = dspinlock::MessagePack"];
    assert_eq!(log.count(&parts), 1, "{:#?}", log.all());
}
