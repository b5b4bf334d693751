//! The keys that locks leave on the server, and how long those live.

use crate::{HOUR, fence_key, locks, put_an_hour_ahead, rigs, turn};
use dspinlock::{DSpinlock, Error, ErrorKind, Scheme};
use dspinlock_testkit::{Connection, Reply, Server};
use dspinlock_tests::{Rig, eventually, ms};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

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
fn every_key_expires_but_the_fences() {
    const EACH: usize = 700;
    let server = Server::start();
    let mut fences = BTreeSet::new();
    for (rig, name) in rigs(&server).iter().zip(["blocking", "async"]) {
        for n in 0..EACH {
            let lock = rig.lock(&format!("{name} {n}"));
            let lock = if n % 2 == 0 { lock } else { lock.namespace("fencing") };
            use_once(rig, &lock, n % 7);
            fences.insert(fence_key(&lock));
        }
    }

    let (kept, others): (BTreeSet<_>, BTreeSet<_>) =
        keys(&server).into_iter().partition(|name| name.starts_with("dspinlock:fence:{"));
    assert_eq!(kept, fences, "one for each slot");
    for suffix in ["}:value", "}:error"] {
        assert!(others.iter().any(|name| name.ends_with(suffix)), "no key that ends with {suffix}");
    }
    let mut connection = server.connect().unwrap();
    for name in kept {
        assert_eq!(connection.command(&["PTTL", &name]).unwrap().int(), Some(-1), "{name}");
    }
    for name in others {
        let life = life(&mut connection, &name);
        assert!(life <= HOUR, "{name} lives for {life:?}");
    }
}

/// However often and by however many callers a lock is used, and whatever ends its turns. Its records expire.
#[test]
fn a_slot_has_one_fence() {
    let server = Server::start();
    let [rig, _] = rigs(&server);
    let lock = |n: usize| rig.lock(&format!("short {n}"));
    for round in 0..50 {
        for n in 0..10 {
            turn(&rig, &lock(n).expire(ms(50 + round)));
        }
    }
    let fences: BTreeSet<_> = (0..10).map(|n| fence_key(&lock(n))).collect();
    eventually("the records go", || keys(&server) == fences);
}

/// The locks of one slot, here by a hash tag of their own, have one sequence of tokens.
#[test]
fn the_locks_of_a_slot_have_one_sequence() {
    #[derive(Debug)]
    struct Tagged;

    impl Scheme for Tagged {
        fn key(&self, namespace: Option<&str>, uid: &str) -> String {
            format!("{{tagged}}:{}:{uid}", namespace.unwrap_or_default())
        }
    }

    let server = Server::start();
    for rig in rigs(&server) {
        let locks = ["one", "two", "three"].map(|name| rig.lock(name).scheme(Tagged));
        let mut last = put_an_hour_ahead(&server, &locks[0]);
        for lock in locks.iter().cycle().take(9) {
            assert_eq!(fence_key(lock), fence_key(&locks[0]));
            let token = turn(&rig, lock);
            assert_eq!(token, last + 1);
            last = token;
        }
        assert!(turn(&rig, &rig.lock("apart")) < last, "another slot");
    }
}
