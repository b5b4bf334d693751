//! Values that callers share, by the code's door.

use dspinlock_core::{Client, Error, ErrorKind};
use dspinlock_testkit::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const S: Duration = Duration::from_secs(1);

fn clients() -> Vec<(Option<Server>, Client)> {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    vec![(None, Client::memory()), (Some(server), client)]
}

#[test]
fn one_computes_and_everybody_gets_the_value() {
    for (_server, client) in clients() {
        let computations = AtomicU32::new(0);
        let barrier = std::sync::Barrier::new(20);
        std::thread::scope(|threads| {
            for _ in 0..20 {
                threads.spawn(|| {
                    barrier.wait();
                    let value = client.lock("sum").get_or_compute_blocking(|| {
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
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    client.ping().await.unwrap();
    let computations = Arc::new(AtomicU32::new(0));
    let before = server.command_stats().get("evalsha").copied().unwrap_or(0);
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let (client, computations) = (client.clone(), computations.clone());
            tokio::spawn(async move {
                let body = || async move {
                    computations.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(S / 2).await;
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
    let after = server.command_stats().get("evalsha").copied().unwrap_or(0);
    assert!(after - before <= 4, "{} commands", after - before);
}

#[test]
fn a_failure_is_given_to_those_who_wait_and_not_to_those_who_come_later() {
    for (server, client) in clients() {
        // A second client has flights of its own, as another process has.
        let other =
            server.as_ref().map_or_else(|| client.clone(), |server| Client::from_url(&server.url()).unwrap());
        let (inside, entered) = std::sync::mpsc::channel();
        let (finish, told) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|threads| {
            let leader = threads.spawn(|| {
                client.lock("sum").get_or_compute_blocking(move || {
                    inside.send(()).unwrap();
                    told.recv().unwrap();
                    Err::<u64, _>(std::io::Error::other("the disk is full"))
                })
            });
            entered.recv().unwrap();
            let waiters: Vec<_> = [&client, &other]
                .map(|client| {
                    threads.spawn(move || {
                        let lock = client.lock("sum").sleep(S / 50);
                        lock.get_or_compute_blocking(|| -> Result<u64, std::io::Error> {
                            panic!("the waiter computes")
                        })
                    })
                })
                .into_iter()
                .collect();
            std::thread::sleep(S / 5);
            finish.send(()).unwrap();
            assert_eq!(leader.join().unwrap().unwrap_err().to_string(), "the disk is full");
            for waiter in waiters {
                let error = waiter.join().unwrap().unwrap_err();
                let lock_error = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
                assert_eq!(lock_error.kind(), ErrorKind::LeaderFailed, "{error}");
                assert!(error.to_string().contains("the disk is full"), "{error}");
            }
        });
        assert_eq!(client.lock("sum").get_or_compute_blocking(|| Ok::<_, Error>(5_u64)).unwrap(), 5);
    }
}

#[test]
fn a_value_of_another_type_is_a_miss() {
    for (_server, client) in clients() {
        let lock = client.lock("sum");
        assert_eq!(lock.get_or_compute_blocking(|| Ok::<_, Error>(5_u64)).unwrap(), 5);
        let text = lock.get_or_compute_blocking(|| Ok::<_, Error>("five".to_owned())).unwrap();
        assert_eq!(text, "five");
        assert_eq!(lock.get_or_compute_blocking(|| Ok::<_, Error>("six".to_owned())).unwrap(), "five");
        assert!(lock.forget_blocking().unwrap());
        assert_eq!(lock.get_or_compute_blocking(|| Ok::<_, Error>("six".to_owned())).unwrap(), "six");
    }
}

#[test]
fn a_hit_is_two_plain_reads_and_no_script() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let get = || client.lock("sum").get_or_compute_blocking(|| Ok::<_, Error>(5_u64)).unwrap();
    get();
    let calls = |name: &str| server.command_stats().get(name).copied().unwrap_or(0);
    let scripts = calls("evalsha");
    let before = calls("getrange");
    for _ in 0..10 {
        get();
    }
    assert_eq!((calls("evalsha") - scripts, calls("getrange") - before), (0, 20));
    // Who knows of no value asks for the lock at once, and is shown the value: the first look of another process.
    let other = Client::from_url(&server.url()).unwrap();
    other.lock("sum").get_or_compute_blocking(|| Ok::<_, Error>(6_u64)).unwrap();
    assert_eq!(calls("evalsha") - scripts, 1);
}

#[test]
fn a_python_neighbour_that_computed_leaves_the_value_to_us() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let lock = client.lock("sum");
    let record = "0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59.000123+00:00,1";
    server.command(&["SET", lock.record_key().unwrap(), record, "EX", "60"]);
    assert_eq!(lock.get_or_compute_blocking(|| Ok::<_, Error>(5_u64)).unwrap(), 5);
    assert_eq!(lock.get_or_compute_blocking(|| Ok::<_, Error>(6_u64)).unwrap(), 5);
}

#[test]
fn a_value_that_does_not_survive_the_codec_is_an_error_to_nobody() {
    for (_server, client) in clients() {
        for round in 0..20 {
            let barrier = std::sync::Barrier::new(8);
            std::thread::scope(|threads| {
                for _ in 0..8 {
                    threads.spawn(|| {
                        barrier.wait();
                        // JSON has no such number.
                        let value =
                            client.lock(round).get_or_compute_blocking(|| Ok::<_, Error>(f64::NAN)).unwrap();
                        assert!(value.is_nan());
                    });
                }
            });
        }
    }
}

#[test]
fn a_leader_that_panics_is_succeeded() {
    for (_server, client) in clients() {
        let (inside, entered) = std::sync::mpsc::channel();
        std::thread::scope(|threads| {
            let leader = threads.spawn(|| {
                let body = move || -> Result<u64, Error> {
                    inside.send(()).unwrap();
                    std::thread::sleep(S / 5);
                    panic!("the leader falls")
                };
                client.lock("sum").get_or_compute_blocking(body)
            });
            entered.recv().unwrap();
            assert_eq!(client.lock("sum").get_or_compute_blocking(|| Ok::<_, Error>(5_u64)).unwrap(), 5);
            assert!(leader.join().is_err());
        });
    }
}
