//! One turn after the other: acquire, release, abandon, inspect, forget.

use dspinlock::{Client, DSpinlock, ErrorKind, State};
use dspinlock_testkit::Server;
use dspinlock_tests::{Rig, eventually, ms, on_every_rig};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

on_every_rig!(
    a_release_marks_the_key_computed,
    without_expire_a_release_removes_the_record,
    an_abandoned_lock_leaves_the_key_free,
    a_release_of_a_lost_lock_is_an_error_and_changes_nothing,
    forget_removes_the_record_whoever_holds_it,
    try_acquire_takes_what_is_free_or_computed,
    fencing_tokens_rise_however_turns_end,
    two_instances_exclude_each_other,
    a_guard_names_its_lock_and_its_lease,
);

const HOUR: Duration = Duration::from_secs(60 * 60);

fn a_release_marks_the_key_computed(rig: &Rig) {
    let lock = rig.lock("release");
    assert_eq!(rig.inspect(&lock).unwrap(), None);

    // The server's clock is estimated from round trips, which take long on a busy machine.
    let before = SystemTime::now() - ms(1_000);
    let guard = rig.acquire(&lock).unwrap();
    let seen = rig.inspect(&lock).unwrap().expect("the lock is held");
    assert_eq!(seen.state(), State::Blocked);
    assert!(seen.holder().ends_with(&format!("/{}", std::process::id())), "{}", seen.holder());
    let lease = seen.remaining().expect("a lease ends");
    assert!(lease > Duration::from_secs(9) && lease <= Duration::from_secs(10), "{lease:?}");
    assert!(seen.since() >= before && seen.since() <= SystemTime::now() + ms(1_000));

    rig.release(guard).unwrap();
    let seen = rig.inspect(&lock).unwrap().expect("COMPUTED is remembered");
    assert_eq!(seen.state(), State::Computed);
    let rest = seen.remaining().expect("it expires");
    assert!(rest > HOUR * 59 / 60 && rest <= HOUR, "{rest:?}");

    let again = rig.acquire(&lock).expect("a COMPUTED key can be locked again");
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Blocked);
    rig.release(again).unwrap();
}

fn without_expire_a_release_removes_the_record(rig: &Rig) {
    let lock = rig.lock("no expire").expire(None);
    rig.release(rig.acquire(&lock).unwrap()).unwrap();
    assert_eq!(rig.inspect(&lock).unwrap(), None);

    let lock = lock.expire(ms(60));
    rig.release(rig.acquire(&lock).unwrap()).unwrap();
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Computed);
    eventually("COMPUTED is forgotten", || rig.inspect(&lock).unwrap().is_none());
}

fn an_abandoned_lock_leaves_the_key_free(rig: &Rig) {
    let lock = rig.lock("give up");
    rig.abandon(rig.acquire(&lock).unwrap()).unwrap();
    assert_eq!(rig.inspect(&lock).unwrap(), None);

    drop(rig.acquire(&lock).unwrap());
    eventually("a dropped guard frees the key", || rig.inspect(&lock).unwrap().is_none());

    let holder = rig.clone();
    let instance = rig.lock("give up");
    let panicked = thread::spawn(move || {
        let _guard = holder.acquire(&instance).unwrap();
        panic!("the work went wrong, on purpose");
    });
    panicked.join().unwrap_err();
    eventually("a panic frees the key", || rig.inspect(&lock).unwrap().is_none());
}

fn a_release_of_a_lost_lock_is_an_error_and_changes_nothing(rig: &Rig) {
    let (lock, other) = (rig.lock("lost"), rig.lock("lost"));
    let guard = rig.acquire(&lock).unwrap();
    assert!(rig.forget(&other).unwrap());
    let lost = rig.release(guard).unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Lost, "{lost}");
    assert_eq!(rig.inspect(&lock).unwrap(), None);

    let guard = rig.acquire(&lock).unwrap();
    rig.forget(&other).unwrap();
    let theirs = rig.acquire(&other).unwrap();
    let not_ours = rig.release(guard).unwrap_err();
    assert_eq!(not_ours.kind(), ErrorKind::NotOwner, "{not_ours}");
    assert!(not_ours.holder().is_some() && not_ours.key().is_some());
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Blocked);

    let guard = rig.lock("lost, then computed");
    let guard = rig.acquire(&guard).unwrap();
    let other_turn = rig.lock("lost, then computed");
    rig.forget(&other_turn).unwrap();
    rig.release(rig.acquire(&other_turn).unwrap()).unwrap();
    assert_eq!(rig.release(guard).unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(rig.inspect(&other_turn).unwrap().unwrap().state(), State::Computed);
    rig.release(theirs).expect("the other one's turn was left alone");
}

fn forget_removes_the_record_whoever_holds_it(rig: &Rig) {
    let lock = rig.lock("forget");
    assert!(!rig.forget(&lock).unwrap());
    rig.release(rig.acquire(&lock).unwrap()).unwrap();
    assert!(rig.forget(&lock).unwrap());
    assert_eq!(rig.inspect(&lock).unwrap(), None);
    let _held = rig.acquire(&lock).unwrap();
    assert!(rig.forget(&rig.lock("forget")).unwrap());
    assert!(!rig.forget(&lock).unwrap());
}

fn try_acquire_takes_what_is_free_or_computed(rig: &Rig) {
    let (lock, other) = (rig.lock("try"), rig.lock("try"));
    let guard = rig.try_acquire(&lock).unwrap().expect("it is free");
    assert!(rig.try_acquire(&other).unwrap().is_none());
    rig.release(guard).unwrap();
    let guard = rig.try_acquire(&other).unwrap().expect("COMPUTED is not held");
    rig.abandon(guard).unwrap();
}

fn fencing_tokens_rise_however_turns_end(rig: &Rig) {
    let lock = rig.lock("fence").lease(ms(100));
    let mut last = 0;
    for turn in 0..20 {
        let guard = rig.acquire(&lock).unwrap();
        assert!(guard.fencing_token() > last, "turn {turn}: {} after {last}", guard.fencing_token());
        last = guard.fencing_token();
        match turn % 4 {
            0 => rig.release(guard).unwrap(),
            1 => rig.abandon(guard).unwrap(),
            2 => drop(guard),
            _ => assert!(rig.forget(&lock).unwrap()),
        }
    }
}

fn two_instances_exclude_each_other(rig: &Rig) {
    const CALLERS: usize = 8;
    const TURNS: usize = 5;
    let (inside, entered) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..TURNS {
                    let lock = rig.lock("exclude").sleep(ms(2)).wait(Duration::from_secs(20));
                    let guard = rig.acquire(&lock).unwrap();
                    assert!(!inside.swap(true, Ordering::SeqCst), "two are inside at once");
                    entered.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    inside.store(false, Ordering::SeqCst);
                    rig.release(guard).unwrap();
                }
            });
        }
    });
    assert_eq!(entered.load(Ordering::SeqCst) as usize, CALLERS * TURNS);
}

fn a_guard_names_its_lock_and_its_lease(rig: &Rig) {
    let lock = rig.lock("handle").lease(Duration::from_secs(4));
    let guard = rig.acquire(&lock).unwrap();
    assert_eq!(guard.key(), format!("{:?}", rig.key("handle")));
    assert_eq!(guard.record_key(), lock.record_key().unwrap());
    assert!(guard.is_held() && guard.ensure_held().is_ok());
    assert!(guard.remaining() <= Duration::from_secs(4) && guard.remaining() > Duration::from_secs(3));

    let handle = guard.handle();
    rig.release(guard).unwrap();
    assert!(!handle.is_held());
    assert_eq!(handle.remaining(), Duration::ZERO);
    let over = handle.ensure_held().unwrap_err();
    assert_eq!(over.kind(), ErrorKind::Lost);
    assert!(over.key().is_some());
}

/// Only this test uses the server, so its counters count this client. The first turn also asks for the time and loads the
/// scripts.
#[test]
fn a_turn_is_two_commands() {
    let server = Server::start();
    // Valkey 9.1 counts some of its own.
    let at_first = server.calls("config|get");
    let client = Client::connect(&server.url()).unwrap();
    // The first removes its record, and the other one leaves COMPUTED, which the next turn locks again.
    let locks = [client.lock("removed").expire(None), client.lock("computed")];
    let turns = |lock: &DSpinlock| {
        for _ in 0..10 {
            lock.acquire_blocking().unwrap().release_blocking().unwrap();
        }
    };
    locks.iter().for_each(turns);
    // After the first reply the client reads the server's settings in the background.
    eventually("it has read the settings", || server.calls("config|get") > at_first);
    // The scripts and the commands that they call.
    let again = [("evalsha", 20), ("getrange", 20), ("getset", 10), ("scard", 10), ("set", 30), ("time", 10)];
    let free = [
        ("del", 10),
        ("evalsha", 20),
        ("getrange", 10),
        ("getset", 10),
        ("scard", 10),
        ("set", 10),
        ("time", 10),
    ];
    for (lock, expected) in locks.iter().zip([&free[..], &again]) {
        let before = server.command_stats();
        turns(lock);
        let mut calls = server.command_stats();
        for (command, calls) in &mut calls {
            *calls -= before.get(command).copied().unwrap_or(0);
        }
        // The client may still be reading the settings.
        calls.retain(|command, calls| *calls > 0 && !dspinlock_testkit::is_for_connecting(command));
        let seen: Vec<_> = calls.iter().map(|(command, calls)| (command.as_str(), *calls)).collect();
        assert_eq!(seen, expected);
    }

    assert!(server.command(&["SCRIPT", "FLUSH"]).is_ok());
    let [lock, _] = locks;
    lock.acquire_blocking().unwrap().release_blocking().expect("unknown scripts are loaded again");
}
