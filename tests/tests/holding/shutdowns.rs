//! Shutdown: the client gives back all locks, and takes no more.

use dspinlock::{Client, DSpinlock, ErrorKind, Guard, dspinlock, init, shutdown, shutdown_blocking};
use dspinlock_testkit::Server;
use dspinlock_tests::{Api, Rig, alone, block_on, eventually, ms, on_every_rig, timed, within};
use std::thread;
use std::time::Duration;

on_every_rig!(
    all_held_locks_are_given_back,
    waiters_get_an_error_at_once,
    shutdown_waits_for_requests_on_their_way,
    a_lock_near_max_block_is_given_back
);

const LEASE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

/// Shuts the client of the rig down.
fn end(rig: &Rig) -> dspinlock::Result<()> {
    match rig.api {
        Api::Blocking => rig.client.shutdown_blocking(SOON),
        Api::Async => block_on(rig.client.shutdown(SOON)),
    }
}

fn hold(rig: &Rig, name: &str) -> Guard {
    rig.acquire(&rig.lock(name).lease(LEASE)).unwrap()
}

fn all_held_locks_are_given_back(rig: &Rig) {
    let guards: Vec<Guard> = (0..20).map(|n| hold(rig, &format!("held {n}"))).collect();
    let nested = guards[0].nested().unwrap();
    end(rig).unwrap();
    for (n, guard) in guards.into_iter().enumerate() {
        assert!(!guard.is_held() && guard.remaining().is_zero());
        block_on(guard.lost());
        assert!(rig.inspect(&rig.lock(&format!("held {n}"))).unwrap().is_none(), "given back, not COMPUTED");
        if n == 1 {
            drop(guard);
        } else {
            assert_eq!(rig.release(guard).unwrap_err().kind(), ErrorKind::Lost, "{n}");
        }
    }
    drop(nested);
    let lock = rig.lock("after the end");
    let refused = rig.acquire(&lock).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert!(refused.key().is_some() && !refused.is_retryable(), "{refused:?}");
    assert_eq!(rig.try_acquire(&lock).unwrap_err().kind(), ErrorKind::Closed);
    let computed: Result<u8, dspinlock::Error> = lock.get_or_compute_blocking(|| panic!("the body has run"));
    assert_eq!(computed.unwrap_err().kind(), ErrorKind::Closed);
    end(rig).expect("a second time there is nothing to do");
}

/// Close to `max_block` a lease is not renewed any more. The lock is still held, and given back.
fn a_lock_near_max_block_is_given_back(rig: &Rig) {
    const SECOND: Duration = Duration::from_secs(1);
    let lock = rig.lock("near its cap").lease(3 * SECOND).max_block(5 * SECOND);
    let guard = rig.acquire(&lock).unwrap();
    within(SOON, "the last renewal was long ago", || guard.remaining() < SECOND * 9 / 5);
    assert!(guard.is_held());
    end(rig).unwrap();
    assert!(guard.held_for() < 5 * SECOND, "too late to tell: {:?}", guard.held_for());
    assert!(rig.inspect(&lock).unwrap().is_none());
}

fn waiters_get_an_error_at_once(rig: &Rig) {
    let guard = hold(rig, "waited for");
    let waits = |lock: DSpinlock| rig.acquire(&lock).unwrap_err();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let lock = rig.lock("waited for").sleep(LEASE).wait(LEASE);
                scope.spawn(move || waits(lock))
            })
            .collect();
        // They wait in the line, or are about to.
        thread::sleep(ms(100));
        let (told, took) = timed(|| {
            end(rig).unwrap();
            waiters.into_iter().map(|waiter| waiter.join().unwrap().kind()).collect::<Vec<_>>()
        });
        assert_eq!(told, [ErrorKind::Closed; 3]);
        assert!(took < SOON, "{took:?}");
    });
    assert!(!guard.is_held());
}

fn shutdown_waits_for_requests_on_their_way(rig: &Rig) {
    for n in 0..20 {
        drop(hold(rig, &format!("dropped {n}")));
    }
    end(rig).unwrap();
    for n in 0..20 {
        assert!(rig.inspect(&rig.lock(&format!("dropped {n}"))).unwrap().is_none(), "{n}");
    }
}

#[test]
fn a_server_that_does_not_confirm_is_an_error_in_time() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let guard = client.lock("unconfirmed").lease(LEASE).acquire_blocking().unwrap();
    server.pause();
    let (refused, took) = timed(|| client.shutdown_blocking(ms(300)).unwrap_err());
    assert!(took >= ms(300) && took < LEASE / 2, "{took:?}");
    assert_eq!(refused.kind(), ErrorKind::Backend);
    assert!(refused.to_string().contains("1 lock"), "{refused}");
    server.resume();
    let other = Client::from_url(&server.url()).unwrap();
    eventually("it goes on being tried", || other.lock("unconfirmed").inspect_blocking().unwrap().is_none());
    drop(guard);
}

#[dspinlock(key = (), namespace = "shutdowns", lease = LEASE)]
async fn ended_from_within() -> Result<(), dspinlock::Error> {
    shutdown(SOON).await
}

/// In a process of its own.
#[test]
fn the_global_client_is_shut_down() {
    let server = Server::start();
    let name = "shutdowns::the_global_client_is_shut_down";
    if alone(name, "DSPINLOCK_URL", Some(server.url().into())).is_none() {
        shutdown_blocking(SOON).expect("without a client there is nothing to do");
        init(Client::from_env().unwrap()).unwrap();
        assert_eq!(block_on(ended_from_within()).unwrap_err().kind(), ErrorKind::Lost);
        assert_eq!(block_on(ended_from_within()).unwrap_err().kind(), ErrorKind::Closed);
        shutdown_blocking(SOON).unwrap();
    } else {
        assert_eq!(server.command(&["DBSIZE"]).int(), Some(1), "the fence");
    }
}
