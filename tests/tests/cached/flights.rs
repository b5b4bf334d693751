//! Single flight: one caller computes, all get the result.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, ErrorKind, dspinlock};

use crate::support::{AppError, Body, Runs, Usage, redis, rigs, signals};
use dspinlock_tests::{block_on, eventually};

#[dspinlock(client = client, key = day, cached, expire = "10m")]
fn usage(client: &Client, day: &str, runs: &Runs) -> Result<Usage, AppError> {
    // Long enough for the others to come while it runs. Those that come later have a hit.
    thread::sleep(Duration::from_millis(50));
    Ok(Usage { day: day.to_owned(), run: runs.run()? })
}

#[dspinlock(client = client, key = day, namespace = "later", cached, expire = "10m")]
async fn usage_later(client: &Client, day: &str, runs: &Runs) -> Result<Usage, AppError> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(Usage { day: day.to_owned(), run: runs.run()? })
}

#[dspinlock(client = client, key = (), cached, on_error = |error| panic!("{error}"))]
fn shared(client: &Client, body: &Body) -> Arc<Vec<u32>> {
    body.wait();
    Arc::new(vec![1, 2, 3])
}

#[dspinlock(client = client, key = (), cached(entry = read_entry))]
fn read(client: &Client, database: &AtomicU32, body: &Body) -> Result<u32, AppError> {
    let read = database.load(Ordering::SeqCst);
    body.wait();
    Ok(read)
}

#[dspinlock(client = client, key = (), cached, wait = wait)]
fn patient(client: &Client, wait: Duration, body: &Body) -> Result<u32, AppError> {
    body.wait();
    Ok(1)
}

#[test]
fn a_leader_that_times_out_does_not_end_its_followers() {
    let (rig, (body, test)) = (redis(), signals());
    let (body, started) = (&body, Barrier::new(2));
    thread::scope(|scope| {
        let computing = scope.spawn(|| patient(&rig.theirs, Duration::from_secs(20), body));
        test.entered();
        let leader = scope.spawn(|| patient(&rig.ours, Duration::from_millis(300), body));
        let follower = scope.spawn(|| {
            started.wait();
            patient(&rig.ours, Duration::from_secs(20), body)
        });
        // It joins while the leader waits. If it came too late, it would lead, and get the value all the same.
        started.wait();
        let AppError::Lock(error) = leader.join().unwrap().unwrap_err() else { panic!("not the lock's") };
        assert_eq!(error.kind(), ErrorKind::Contended);
        test.finish();
        assert_eq!(computing.join().unwrap().unwrap(), 1);
        assert_eq!(follower.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn threads_of_two_processes_get_one_value() {
    for rig in rigs() {
        let (runs, start) = (Runs::default(), Barrier::new(40));
        thread::scope(|scope| {
            for number in 0..40 {
                let client = if number % 2 == 0 { &rig.ours } else { &rig.theirs };
                let (runs, start) = (&runs, &start);
                scope.spawn(move || {
                    start.wait();
                    let expected = Usage { day: "monday".into(), run: 1 };
                    assert_eq!(usage(client, "monday", runs).unwrap(), expected);
                });
            }
        });
        assert_eq!(runs.count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_two_processes_get_one_value() {
    for rig in rigs() {
        let runs = Arc::new(Runs::default());
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let client = if number % 2 == 0 { rig.ours.clone() } else { rig.theirs.clone() };
                let runs = Arc::clone(&runs);
                tokio::spawn(async move { usage_later(&client, "monday", &runs).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), Usage { day: "monday".into(), run: 1 });
        }
        assert_eq!(runs.count(), 1);
    }
}

#[test]
fn the_callers_of_a_flight_share_one_value_in_memory() {
    for rig in rigs() {
        let (body, test) = signals();
        let (client, body) = (&rig.ours, &body);
        let started = Barrier::new(3);
        thread::scope(|scope| {
            let leader = scope.spawn(|| shared(client, body));
            test.entered();
            let followers = [(); 2].map(|()| {
                scope.spawn(|| {
                    started.wait();
                    shared(client, body)
                })
            });
            started.wait();
            // They are about to join. One that came too late would get another value, and the test would fail.
            thread::sleep(Duration::from_millis(200));
            test.finish();
            let value = leader.join().unwrap();
            assert_eq!(*value, [1, 2, 3]);
            for follower in followers {
                assert!(Arc::ptr_eq(&value, &follower.join().unwrap()));
            }
        });
        // Another process decodes its own.
        assert_eq!(*shared(&rig.theirs, body), [1, 2, 3]);
    }
}

#[test]
fn a_hit_is_one_plain_read_and_no_script() {
    let rig = redis();
    let (server, runs) = (rig.server.as_ref().unwrap(), Runs::default());
    for day in ["monday", "tuesday", "wednesday"] {
        usage(&rig.ours, day, &runs).unwrap();
    }
    let sent = |calls: &dyn Fn()| {
        let before = server.command_stats();
        calls();
        let mut after = server.command_stats();
        after.retain(|command, calls| {
            *calls -= before.get(command).unwrap_or(&0);
            *calls > 0 && !dspinlock_testkit::is_for_connecting(command)
        });
        after
    };
    let get = |day| drop(usage(&rig.theirs, day, &runs).unwrap());
    // A client that has seen no value of the function asks for the server's time and for the lock, and the answer is the value.
    let first = sent(&|| get("monday"));
    assert!(first["evalsha"] == 2 && !first.contains_key("mget"), "{first:?}");
    // After that it expects one, also beside records that it has not seen.
    let hits = sent(&|| ["monday", "tuesday", "wednesday", "monday"].into_iter().for_each(get));
    assert_eq!(hits.into_iter().collect::<Vec<_>>(), [("mget".to_owned(), 4)]);
    assert_eq!(runs.count(), 3);
    // Where it finds none, the lock comes next.
    let miss = sent(&|| get("thursday"));
    assert_eq!(miss["mget"], 1);
    assert_eq!(runs.count(), 4);
    let next = sent(&|| get("friday"));
    assert!(!next.contains_key("mget"), "{next:?}");
}

#[test]
fn a_call_after_a_forget_does_not_join_an_older_flight() {
    for rig in rigs() {
        let (database, (body, test)) = (AtomicU32::new(1), signals());
        let call = || read(&rig.ours, &database, &body).unwrap();
        thread::scope(|scope| {
            let before = scope.spawn(call);
            test.entered();
            database.store(2, Ordering::SeqCst);
            let entry = read_entry(&rig.ours, &database, &body).unwrap();
            assert!(entry.forget_blocking().unwrap());
            let after = scope.spawn(call);
            test.entered();
            test.finish();
            test.finish();
            assert_eq!((before.join().unwrap(), after.join().unwrap()), (1, 2));
            assert_eq!(
                entry.get_ok_blocking().unwrap(),
                Some(2),
                "and the later value is the one that is stored"
            );
        });
    }
}

#[dspinlock(client = client, key = (), cached(entry = endless_entry))]
async fn endless_at_first(client: &Client, runs: &Runs) -> Result<u32, AppError> {
    let run = runs.run()?;
    if run == 1 {
        std::future::pending::<()>().await;
    }
    Ok(run)
}

/// A call on a runtime of its own that leads and never ends.
fn endless(client: &Client, runs: &Arc<Runs>) -> (tokio::runtime::Runtime, tokio::task::JoinHandle<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let leader = runtime.spawn({
        let (client, runs) = (client.clone(), Arc::clone(runs));
        async move { drop(endless_at_first(&client, &runs).await) }
    });
    eventually("the leader computes", || runs.count() == 1);
    (runtime, leader)
}

#[test]
fn another_caller_succeeds_a_leader_that_is_dropped_or_whose_runtime_ends() {
    for rig in rigs() {
        for only_the_call in [true, false] {
            let runs = Arc::new(Runs::default());
            let (runtime, leader) = endless(&rig.ours, &runs);
            let follower = thread::spawn({
                let (client, runs) = (rig.ours.clone(), Arc::clone(&runs));
                move || block_on(endless_at_first(&client, &runs)).unwrap()
            });
            // It is about to join. If it came too late, it would lead, and compute all the same.
            thread::sleep(Duration::from_millis(50));
            if only_the_call {
                leader.abort();
            } else {
                drop(runtime);
            }
            assert_eq!(follower.join().unwrap(), 2);
            assert!(endless_entry(&rig.ours, &runs).unwrap().forget_blocking().unwrap());
        }
    }
}

#[dspinlock(client = client, key = number, cached, on_error = |error| panic!("{error}"))]
fn numbered(client: &Client, number: u32, body: Option<&Body>) -> u32 {
    if let Some(body) = body {
        body.wait();
    }
    number
}

/// A caller reads plainly where it expects a value. One that it had to wait for gives no reason to expect others.
#[test]
fn a_value_that_was_waited_for_makes_no_caller_read_plainly_beside_other_records() {
    let rig = redis();
    let server = rig.server.as_ref().unwrap();
    let (body, test) = signals();
    thread::scope(|scope| {
        scope.spawn(|| numbered(&rig.ours, 1, Some(&body)));
        test.entered();
        let before = server.calls("evalsha");
        let waiter = scope.spawn(|| numbered(&rig.theirs, 1, None));
        // It asks for the server's time, and for the lock.
        eventually("the other process waits", || server.calls("evalsha") >= before + 2);
        test.finish();
        assert_eq!(waiter.join().unwrap(), 1);
    });
    assert_eq!(numbered(&rig.theirs, 2, None), 2);
    assert_eq!(server.calls("mget"), 0);
    // Beside its own record it is expected.
    assert_eq!(numbered(&rig.theirs, 1, None), 1);
    assert_eq!(server.calls("mget"), 1);
}
