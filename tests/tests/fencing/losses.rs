//! The keys of a lock are lost on one server: by a restart, a flush, or a deletion.

use crate::{fence_key, locks, put_an_hour_ahead, rigs, turn};
use dspinlock::{DSpinlock, Options};
use dspinlock_testkit::Server;
use dspinlock_tests::{Rig, eventually};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Loses what `lose` loses, while nobody holds the lock and while somebody does, and checks that whoever is granted it
/// next has a higher token than everybody before, those included who still believe that they hold it.
fn rises_over(lose: impl Fn(&Server, &DSpinlock)) {
    let server = Server::start();
    for (rig, other) in rigs(&server).into_iter().zip(rigs(&server)) {
        for (lock, same) in locks(&rig).iter().zip(locks(&other)) {
            let mut last = 0;
            for held in [false, true, false, true] {
                let guard = rig.acquire(lock).unwrap();
                let token = guard.fencing_token();
                assert!(token > last, "{token} after {last}");
                let stale = if held { Some(guard) } else { rig.release(guard).map(|()| None).unwrap() };
                lose(&server, lock);
                last = turn(&other, &same);
                assert!(last > token, "{last} after {token}, held: {held}");
                drop(stale);
            }
        }
    }
}

#[test]
fn over_a_restart_without_persistence() {
    rises_over(|server, _| {
        server.restart();
        assert_eq!(server.command(&["DBSIZE"]).int(), Some(0));
    });
}

#[test]
fn over_a_flush() {
    rises_over(|server, _| assert!(server.command(&["FLUSHALL"]).is_ok()));
}

#[test]
fn over_a_deletion_of_both_keys() {
    rises_over(|server, lock| {
        let gone = server.command(&["DEL", lock.record_key().unwrap(), &fence_key(lock)]);
        assert_eq!(gone.int(), Some(2));
    });
}

#[test]
fn over_a_deletion_of_the_record_alone() {
    rises_over(|server, lock| {
        assert_eq!(server.command(&["DEL", lock.record_key().unwrap()]).int(), Some(1));
        assert_eq!(server.command(&["EXISTS", &fence_key(lock)]).int(), Some(1));
    });
}

/// The record stays, so that a holder goes on holding, and gives the lock back as ever.
#[test]
fn over_a_deletion_of_the_fence_alone() {
    let server = Server::start();
    for (rig, other) in rigs(&server).into_iter().zip(rigs(&server)) {
        for (lock, same) in locks(&rig).iter().zip(locks(&other)) {
            let mut last = 0;
            for _ in 0..3 {
                let guard = rig.acquire(lock).unwrap();
                assert!(guard.fencing_token() > last);
                last = guard.fencing_token();
                assert_eq!(server.command(&["DEL", &fence_key(lock)]).int(), Some(1));
                assert!(other.try_acquire(&same).unwrap().is_none(), "it is held");
                rig.release(guard).unwrap();
                let next = turn(&other, &same);
                assert!(next > last, "{next} after {last}");
                last = next;
            }
        }
    }
}

/// Tokens of one turn after the other in this process, with whether any two follow each other as in a hand-over.
fn contend(rig: &Rig, lock: &DSpinlock) -> (Vec<u64>, bool) {
    let tokens = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let guard = rig.acquire(lock).unwrap();
                    tokens.lock().unwrap().push(guard.fencing_token());
                    rig.abandon(guard).unwrap();
                }
            });
        }
    });
    let tokens = tokens.into_inner().unwrap();
    let handed_on = tokens.windows(2).any(|pair| pair[1] == pair[0] + 1);
    (tokens, handed_on)
}

/// The server knows nothing of the tokens that are given from hand to hand, and gives none of them again.
#[test]
fn over_a_flush_after_the_lock_has_gone_from_hand_to_hand() {
    let server = Server::start();
    for rig in rigs(&server) {
        let lock = rig.lock("handed").namespace("fencing").wait(Duration::from_secs(20));
        let (mut last, mut handed_on) = (0, false);
        // Whether callers are in line when the lock is given back is a matter of time.
        eventually("a hand-over", || {
            let (tokens, some) = contend(&rig, &lock);
            assert!(tokens.iter().is_sorted_by(|before, after| before < after), "{tokens:?}");
            assert!(tokens[0] > last, "{tokens:?} after {last}");
            last = tokens[tokens.len() - 1];
            handed_on |= some;
            assert!(server.command(&["FLUSHALL"]).is_ok());
            handed_on
        });
        assert!(turn(&rig, &lock) > last);
    }
}

/// A clock that is put back costs nothing while the fence key is there, be it over a restart with persistence.
#[test]
fn over_a_clock_that_is_put_back_while_the_fence_is_kept() {
    let server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    for rig in rigs(&server) {
        for lock in locks(&rig) {
            let mut last = put_an_hour_ahead(&server, &lock);
            for step in 0..6 {
                let token = turn(&rig, &lock);
                assert!(token > last, "{token} after {last}");
                last = token;
                match step % 3 {
                    0 => server.restart(),
                    1 => assert!(rig.forget(&lock).unwrap()),
                    _ => {}
                }
            }
        }
    }
}

/// The end of the claim, as the documentation tells it: the keys are lost, *and* the clock is behind the last token.
#[test]
fn the_claim_ends_where_keys_are_lost_and_the_clock_is_behind() {
    let server = Server::start();
    for rig in rigs(&server) {
        for lock in locks(&rig) {
            let last = put_an_hour_ahead(&server, &lock);
            assert!(turn(&rig, &lock) > last);
            assert!(server.command(&["FLUSHALL"]).is_ok());
            assert!(turn(&rig, &lock) < last);
        }
    }
}

const MINUTE: u32 = 60_000_000;

fn skipping(rig: &Rig) -> DSpinlock {
    rig.lock("skipping").namespace("fencing").options(Options::new().local_handoffs(MINUTE))
}

/// Where nobody waits, nothing is reserved, and no token runs ahead of the clock.
#[test]
fn without_a_line_no_token_is_skipped() {
    let server = Server::start();
    for rig in rigs(&server) {
        let first = turn(&rig, &skipping(&rig));
        for _ in 0..20 {
            turn(&rig, &skipping(&rig));
        }
        assert!(turn(&rig, &skipping(&rig)) < first + u64::from(MINUTE));
    }
}

/// The other way to the same end: reserved tokens that nobody needs are skipped, and where more are skipped than
/// microseconds pass, the tokens run ahead of a clock that is right.
#[test]
fn the_claim_ends_where_more_tokens_are_reserved_than_microseconds_pass() {
    let server = Server::start();
    for rig in rigs(&server) {
        let held = rig.acquire(&skipping(&rig)).unwrap();
        let first = held.fencing_token();
        let looks = || server.calls("evalsha");
        let before = looks();
        // Who has to stand in line for the lock has some reserved for those behind.
        let last = thread::scope(|scope| {
            let waits = scope.spawn(|| turn(&rig, &skipping(&rig)));
            // Its first look, and the one for which it stands in line.
            eventually("it stands in line", || looks() >= before + 2);
            rig.release(held).unwrap();
            waits.join().unwrap();
            turn(&rig, &skipping(&rig))
        });
        assert!(last > first + u64::from(MINUTE), "{last} after {first}");
        assert!(server.command(&["FLUSHALL"]).is_ok());
        assert!(turn(&rig, &skipping(&rig)) < last);
    }
}
