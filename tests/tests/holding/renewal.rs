//! The renewal of leases, and how a holder learns that its lock is lost.

use dspinlock::{Client, ErrorKind, Guard, State};
use dspinlock_testkit::Server;
use dspinlock_tests::{Rig, await_renewal, eventually, ms, on_every_rig, within};
use std::thread;
use std::time::Duration;

on_every_rig!(
    a_guard_outlives_its_lease,
    a_lock_is_held_no_longer_than_max_block,
    a_lock_that_another_caller_removes_is_lost
);

/// The time between renewals, a third of the lease.
const NOTICED_AFTER: Duration = ms(700);

fn a_guard_outlives_its_lease(rig: &Rig) {
    let lock = rig.lock("outlive").lease(ms(900));
    let guard = rig.acquire(&lock).unwrap();
    let turn = || rig.inspect(&lock).unwrap().unwrap().record().clone();
    let first = turn();
    while guard.held_for() < ms(2_000) {
        assert!(guard.is_held(), "lost after {:?}", guard.held_for());
        assert!(rig.try_acquire(&rig.lock("outlive")).unwrap().is_none(), "after {:?}", guard.held_for());
        thread::sleep(ms(20));
    }
    assert_eq!(turn(), first);
    rig.release(guard).unwrap();
}

fn a_lock_is_held_no_longer_than_max_block(rig: &Rig) {
    let lock = rig.lock("max_block").lease(ms(900)).max_block(ms(1_800));
    let guard = rig.acquire(&lock).unwrap();
    while guard.held_for() < ms(1_200) {
        assert!(guard.is_held(), "lost after {:?}", guard.held_for());
        thread::sleep(ms(10));
    }
    eventually("`max_block` ends the holding", || !guard.is_held());
    assert!(guard.held_for() >= ms(1_800), "{:?}", guard.held_for());
    assert_eq!(guard.ensure_held().unwrap_err().kind(), ErrorKind::Lost);
    eventually("the record goes as well", || rig.inspect(&lock).unwrap().is_none());
    assert_eq!(rig.release(guard).unwrap_err().kind(), ErrorKind::Lost);
}

fn a_lock_that_another_caller_removes_is_lost(rig: &Rig) {
    let lock = rig.lock("taken").lease(NOTICED_AFTER * 3);
    let other = rig.lock("taken");
    let guard = rig.acquire(&lock).unwrap();
    rig.forget(&other).unwrap();
    let theirs = rig.acquire(&other).unwrap();
    within(NOTICED_AFTER * 2, "the next renewal tells", || !guard.is_held());
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert!(theirs.is_held());
    let refused = rig.release(guard).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotOwner, "{refused}");
    assert_eq!(rig.inspect(&other).unwrap().unwrap().state(), State::Blocked);
    rig.release(theirs).unwrap();
}

/// A server that only this test uses, and its client.
fn counted() -> (Server, Client) {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    // Makes the connections and loads the scripts.
    let guard = client.lock("first").lease(ms(900)).acquire_blocking().unwrap();
    await_renewal(&guard);
    guard.release_blocking().unwrap();
    (server, client)
}

fn scripts(server: &Server) -> u64 {
    server.calls("evalsha")
}

fn hold(guard: &Guard, time: Duration) {
    thread::sleep(time.saturating_sub(guard.held_for()));
}

#[test]
fn renewals_come_at_a_third_of_the_lease_and_end_with_the_guard() {
    let (server, client) = counted();
    let lock = client.lock("paced").lease(ms(900));
    let guard = lock.acquire_blocking().unwrap();
    let record = server.command(&["GET", guard.record_key()]);
    let before = scripts(&server);
    hold(&guard, ms(4_500));
    let renewals = scripts(&server) - before;
    assert!((8..=16).contains(&renewals), "{renewals} renewals in five leases");
    assert_eq!(server.command(&["GET", guard.record_key()]), record);
    guard.release_blocking().unwrap();

    let before = scripts(&server);
    thread::sleep(ms(1_000));
    assert_eq!(scripts(&server), before, "nothing is held, and nothing is renewed");
}

/// A busy machine delays renewals, and brings none early.
#[test]
fn a_short_lease_is_renewed_at_its_own_pace() {
    let (server, client) = counted();
    let long = client.lock("long").lease(ms(60_000)).acquire_blocking().unwrap();
    let ends = || long.held_for() + long.remaining();
    let (granted, lease) = (ends(), ms(1_500));
    let short = client.lock("short").lease(lease).acquire_blocking().unwrap();
    let before = scripts(&server);
    eventually("seven renewals", || {
        assert!(short.is_held(), "lost after {:?}", short.held_for());
        scripts(&server) >= before + 7
    });
    // A third of the lease each, of which 50 ms may be spared: leases that are due within that time are renewed together.
    let took = short.held_for();
    assert!(took >= ms(450) * 7, "seven renewals within {took:?}");
    assert!(ends() < granted + ms(10_000), "the long lease needs no renewal yet");
}

#[test]
fn many_leases_are_renewed_together() {
    let (server, client) = counted();
    let guards: Vec<Guard> =
        (0..50).map(|n| client.lock(n).lease(ms(900)).acquire_blocking().unwrap()).collect();
    let before = scripts(&server);
    hold(&guards[0], ms(2_800));
    let renewals = scripts(&server) - before;
    assert!(guards.iter().all(Guard::is_held));
    assert!((3..=27).contains(&renewals), "{renewals} commands for 50 leases, nine times");
}

#[test]
fn the_record_that_replaced_a_lost_lock_is_left_alone() {
    let (server, client) = counted();
    let lease = NOTICED_AFTER * 3;
    for foreign in ["hello", "0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2099-01-31T23:59:59.000123+00:00,0"] {
        for dropped in [false, true] {
            let guard = client.lock("overwritten").lease(lease).acquire_blocking().unwrap();
            let name = guard.record_key().to_owned();
            assert!(server.command(&["SET", &name, foreign]).is_ok());
            within(NOTICED_AFTER * 2, "the loss is noticed", || !guard.is_held());
            if dropped {
                drop(guard);
                // The client sends its next command over the same connection, after that of the drop.
                dspinlock_tests::block_on(client.ping()).unwrap();
            } else {
                let kind = guard.release_blocking().unwrap_err().kind();
                assert_eq!(kind, if foreign == "hello" { ErrorKind::Foreign } else { ErrorKind::NotOwner });
            }
            assert_eq!(server.command(&["GET", &name]).text(), Some(foreign));
            server.command(&["DEL", &name]);
        }
    }
}

#[test]
fn a_key_that_is_deleted_by_hand_is_lost() {
    let (server, client) = counted();
    let guard = client.lock("deleted").lease(NOTICED_AFTER * 3).acquire_blocking().unwrap();
    server.command(&["DEL", guard.record_key()]);
    within(NOTICED_AFTER * 2, "the loss is noticed", || !guard.is_held());
    assert_eq!(guard.release_blocking().unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(server.command(&["DBSIZE"]).int(), Some(3), "two fences and one COMPUTED record");
}
