//! The keys that locks leave on the server, and how long those live.

use crate::{HOUR, fence_key, locks, rigs, turn};
use dspinlock::{DSpinlock, Error, ErrorKind};
use dspinlock_testkit::{Connection, Reply, Server};
use dspinlock_tests::{Rig, await_renewal, eventually, ms};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// What a command may take on a busy machine.
const SLACK: Duration = Duration::from_secs(60);

/// The names of all keys on a server.
fn keys(server: &Server) -> BTreeSet<String> {
    let mut connection = server.connect().unwrap();
    let mut names = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let Reply::List(answer) = connection.command(&["SCAN", &cursor, "COUNT", "1000"]).unwrap() else {
            panic!("SCAN has no list");
        };
        let [next, Reply::List(found)] = &answer[..] else { panic!("{answer:?}") };
        names.extend(found.iter().map(|name| name.text().unwrap().to_owned()));
        next.text().unwrap().clone_into(&mut cursor);
        if cursor == "0" {
            return names;
        }
    }
}

/// The remaining life of a key, or zero if it is gone.
fn life(connection: &mut Connection, name: &str) -> Duration {
    match connection.command(&["PTTL", name]).unwrap().int().unwrap() {
        -1 => panic!("{name} never expires"),
        -2 => Duration::ZERO,
        millis => ms(millis.try_into().unwrap()),
    }
}

fn fence_life(server: &Server, lock: &DSpinlock) -> Duration {
    life(&mut server.connect().unwrap(), &fence_key(lock))
}

/// Uses a lock once, in one of the ways in which a turn can end.
fn use_once(rig: &Rig, lock: &DSpinlock, way: usize) {
    match way {
        0 => rig.release(rig.acquire(lock).unwrap()).unwrap(),
        1 => rig.release(rig.acquire(&lock.clone().expire(None)).unwrap()).unwrap(),
        2 => rig.abandon(rig.acquire(lock).unwrap()).unwrap(),
        3 => drop(rig.acquire(lock).unwrap()),
        4 => {
            let guard = rig.acquire(lock).unwrap();
            assert!(rig.forget(lock).unwrap());
            assert_eq!(rig.release(guard).unwrap_err().kind(), ErrorKind::Lost);
        }
        5 => assert_eq!(lock.get_or_compute_blocking(|| Ok::<_, Error>(5)).unwrap(), 5),
        _ => assert!(lock.get_or_compute_blocking(|| Err::<u32, _>(Failed)).is_err()),
    }
}

/// An error of a body.
#[derive(Debug)]
struct Failed;

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        panic!("{error}")
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed")
    }
}

/// A waiter of another process leaves a key for a second.
#[test]
fn the_note_of_a_waiter_expires() {
    let server = Server::start();
    let mut connection = server.connect().unwrap();
    for (holder, waiter) in rigs(&server).into_iter().zip(rigs(&server)) {
        let [_, lock] = locks(&holder);
        let [_, same] = locks(&waiter);
        let same = same.wait(ms(20)).sleep(ms(5));
        let guard = holder.acquire(&lock).unwrap();
        let note = format!("{{{}}}:wait", guard.record_key());
        eventually("a waiter is noted", || {
            assert_eq!(waiter.acquire(&same).unwrap_err().kind(), ErrorKind::Contended);
            life(&mut connection, &note) > Duration::ZERO
        });
        eventually("and forgotten", || life(&mut connection, &note).is_zero());
        holder.release(guard).unwrap();
    }
}

#[test]
fn every_key_expires() {
    const EACH: usize = 700;
    let server = Server::start();
    for (rig, name) in rigs(&server).iter().zip(["blocking", "async"]) {
        for n in 0..EACH {
            let lock = rig.lock(&format!("{name} {n}"));
            let lock = if n % 2 == 0 { lock } else { lock.namespace("fencing") };
            use_once(rig, &lock, n % 7);
        }
    }

    let keys = keys(&server);
    for suffix in ["}:fence", "}:value", "}:error"] {
        assert!(keys.iter().any(|name| name.ends_with(suffix)), "no key that ends with {suffix}");
    }
    let fences = keys.iter().filter(|name| name.ends_with("}:fence")).count();
    assert_eq!(fences, 2 * EACH, "one for each lock");
    let mut connection = server.connect().unwrap();
    for name in keys {
        let life = life(&mut connection, &name);
        // The longest: the hour of a COMPUTED record, and another hour.
        assert!(life <= 2 * HOUR, "{name} lives for {life:?}");
    }
}

/// A lock leaves one fence, however often and by however many callers it is used. Its records expire.
#[test]
fn there_is_one_fence_for_each_key_in_use() {
    let server = Server::start();
    let [rig, _] = rigs(&server);
    for round in 0..50 {
        for n in 0..10 {
            turn(&rig, &rig.lock(&format!("short {n}")).expire(ms(50 + round)));
        }
    }
    eventually("the records go", || server.command(&["DBSIZE"]).int() == Some(10));
    assert!(keys(&server).iter().all(|name| name.ends_with("}:fence")));
}

#[test]
fn a_fence_lives_an_hour_longer_than_the_lock_can() {
    let server = Server::start();
    let second = Duration::from_secs(1);
    for rig in rigs(&server) {
        let short = rig.lock("short").lease(second).max_block(second);
        let cases = [
            (short.clone().expire(None), second),
            (short.clone().expire(2 * HOUR), 2 * HOUR),
            (short.clone().expire(second).max_block(HOUR / 2), HOUR / 2),
            (rig.lock("leased").namespace("fencing").expire(second).max_block(5 * HOUR), 5 * HOUR),
        ];
        for (lock, longest) in cases {
            let lives = |when: &str| {
                let life = fence_life(&server, &lock);
                assert!(life <= longest + HOUR && life + SLACK > longest + HOUR, "{when}: {life:?}");
            };
            let guard = rig.acquire(&lock).unwrap();
            lives("while it is held");
            rig.release(guard).unwrap();
            lives("after it");
        }
    }
}

/// A holder that holds for longer than the fence's first life still has the fence, and so has the next holder.
#[test]
fn a_renewal_and_a_release_renew_the_fence() {
    let server = Server::start();
    let shorten = |lock: &DSpinlock| {
        assert_eq!(server.command(&["PEXPIRE", &fence_key(lock), "60000"]).int(), Some(1));
    };
    for rig in rigs(&server) {
        for lock in locks(&rig).map(|lock| lock.lease(ms(300))) {
            let guard = rig.acquire(&lock).unwrap();
            shorten(&lock);
            await_renewal(&guard);
            assert!(fence_life(&server, &lock) > HOUR);
            rig.release(guard).unwrap();

            // No renewal happens in between.
            let lock = lock.lease(HOUR);
            let guard = rig.acquire(&lock).unwrap();
            shorten(&lock);
            rig.release(guard).unwrap();
            assert!(fence_life(&server, &lock) > HOUR);
        }
    }
}
