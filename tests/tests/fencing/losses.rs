//! The keys of a lock are lost on one server by a restart, a flush or a deletion.

use crate::{fence_key, locks, put_an_hour_ahead, rigs, turn};
use dspinlock::{DSpinlock, Options};
use dspinlock_testkit::Server;
use dspinlock_tests::{Rig, eventually};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Has `lose` lose keys while the lock is free and while it is held, and checks that the next holder has a higher token than
/// all before, including a holder that still believes in its lock.
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

/// The record stays, so a holder keeps the lock and releases it as usual.
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

/// The tokens of consecutive turns in this process, and whether any two are consecutive, as after a hand-off.
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

/// The server does not see tokens that are handed on, and must give none of them again.
#[test]
fn over_a_flush_after_hand_offs() {
    let server = Server::start();
    for rig in rigs(&server) {
        let lock = rig.lock("handed").namespace("fencing").wait(Duration::from_secs(20));
        let (mut last, mut handed_on) = (0, false);
        // It depends on timing whether callers wait in the line at a release.
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

/// Setting the clock back does no harm while the fence key exists, even over a restart with persistence.
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

/// The documented limit of the claim: the keys are lost, *and* the clock is behind the last token.
#[test]
fn the_claim_ends_if_keys_are_lost_and_the_clock_is_behind() {
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
    rig.lock("skipping").namespace("fencing").options(Options::new().with_local_handoffs(MINUTE))
}

/// Without waiters no tokens are reserved, and no token is ahead of the clock.
#[test]
fn without_waiters_no_token_is_skipped() {
    let server = Server::start();
    for rig in rigs(&server) {
        let first = turn(&rig, &skipping(&rig));
        for _ in 0..20 {
            turn(&rig, &skipping(&rig));
        }
        assert!(turn(&rig, &skipping(&rig)) < first + u64::from(MINUTE));
    }
}

/// Another way to the same limit: unused reserved tokens are skipped. If more are skipped than microseconds pass, the tokens
/// are ahead of a correct clock.
#[test]
fn the_claim_ends_if_more_tokens_are_reserved_than_microseconds_pass() {
    let server = Server::start();
    for rig in rigs(&server) {
        let held = rig.acquire(&skipping(&rig)).unwrap();
        let first = held.fencing_token();
        let looks = || server.calls("evalsha");
        let before = looks();
        // A caller that waits in the line reserves tokens for those behind it.
        let last = thread::scope(|scope| {
            let waits = scope.spawn(|| turn(&rig, &skipping(&rig)));
            // Its first attempt, and the one that it makes from the line.
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
