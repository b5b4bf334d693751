//! A lock that is lost while its holder works: how and when the holder learns of it, and what happens to the body.

use dspinlock::{Client, Error, ErrorKind, dspinlock};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::{Rig, block_on, ms, on_every_rig, timed, within};
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

on_every_rig!(
    a_removed_lock_resolves_lost,
    the_end_at_max_block_resolves_lost,
    a_released_lock_is_no_longer_held,
    lost_is_pending_while_the_lock_is_held,
);

/// This lease is renewed every 200 ms.
const LEASE: Duration = ms(600);

const LONG: Duration = Duration::from_secs(20);

fn a_removed_lock_resolves_lost(rig: &Rig) {
    let lock = rig.lock("removed").lease(LEASE);
    let guard = rig.acquire(&lock).unwrap();
    rig.forget(&lock).unwrap();
    thread::scope(|scope| {
        let blocking = guard.handle();
        scope.spawn(move || assert!(blocking.lost_blocking(LONG)));
        block_on(guard.lost());
    });
    assert_eq!(guard.ensure_held().unwrap_err().kind(), ErrorKind::Lost);
}

fn the_end_at_max_block_resolves_lost(rig: &Rig) {
    let guard = rig.acquire(&rig.lock("cap").lease(LEASE).max_block(ms(700))).unwrap();
    assert!(!guard.lost_blocking(ms(300)), "it is held");
    block_on(guard.lost());
    assert!(guard.held_for() >= ms(700), "{:?}", guard.held_for());
    assert!(guard.lost_blocking(Duration::ZERO));
}

fn a_released_lock_is_no_longer_held(rig: &Rig) {
    let guard = rig.acquire(&rig.lock("given back")).unwrap();
    let handle = guard.handle();
    thread::scope(|scope| {
        let waits = scope.spawn(|| handle.lost_blocking(LONG));
        rig.release(guard).unwrap();
        assert!(waits.join().unwrap());
    });
}

fn lost_is_pending_while_the_lock_is_held(rig: &Rig) {
    let guard = rig.acquire(&rig.lock("kept").lease(LEASE)).unwrap();
    assert!(!guard.lost_blocking(LEASE * 2), "it was renewed");
    rig.release(guard).unwrap();
}

/// A silent server does not report the loss, and the holder learns of it by its own clock.
#[test]
fn without_a_server_the_holder_knows_by_its_deadline() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let guard = client.lock("silence").lease(LEASE).acquire_blocking().unwrap();
    server.pause();
    let ends = guard.held_for() + guard.remaining();
    block_on(guard.lost());
    let after = guard.held_for();
    server.resume();
    assert!(after >= ends, "{after:?} of {ends:?}");
    assert!(after < ends + LONG, "{after:?} of {ends:?}");
}

/// A renewal that fails loses no lock: the connection is replaced within the lease.
#[test]
fn the_renewer_replaces_a_dead_connection() {
    const LIMIT: Duration = ms(400);
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let config = dspinlock::Config::from_url(&proxy.url()).unwrap();
    let config = config.with_connect_timeout(LIMIT).with_response_timeout(LIMIT).with_pool_size(1);
    let client = Client::from_config(&config).unwrap();
    let guard = client.lock("half-open").lease(ms(6_000)).acquire_blocking().unwrap();
    dspinlock_tests::await_renewal(&guard);
    for direction in [Direction::Requests, Direction::Replies] {
        let before = proxy.accepted();
        proxy.blackhole(direction, true);
        within(LONG, "a new connection", || proxy.accepted() > before);
        proxy.blackhole(direction, false);
        dspinlock_tests::await_renewal(&guard);
        assert!(guard.is_held());
    }
    guard.release_blocking().unwrap();
}

/// Records whether it is dropped before its end.
struct Cancelled<'a>(&'a AtomicBool);

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[dspinlock(key = key, namespace = "losing", client = client, lease = LEASE, on_lost = "cancel")]
async fn cancelled(client: &Client, key: &str, dropped: &AtomicBool) -> Result<(), Error> {
    let _cancelled = Cancelled(dropped);
    client.lock(key).namespace("losing").forget().await?;
    pending().await
}

#[dspinlock(key = key, namespace = "losing", client = client, lease = LEASE, cached, on_lost = "cancel")]
async fn cancelled_cached(client: &Client, key: &str, dropped: &AtomicBool) -> Result<u32, Error> {
    let _cancelled = Cancelled(dropped);
    client.lock(key).namespace("losing").forget().await?;
    pending().await
}

fn rigs() -> [Client; 2] {
    static SERVER: std::sync::LazyLock<Server> = std::sync::LazyLock::new(Server::start);
    [Client::memory(), Client::from_url(&SERVER.url()).unwrap()]
}

#[test]
fn a_body_whose_lock_is_lost_is_cancelled() {
    for client in rigs() {
        for cached in [false, true] {
            let dropped = AtomicBool::new(false);
            let (error, took) = timed(|| {
                block_on(async {
                    if cached {
                        cancelled_cached(&client, "cached", &dropped).await.unwrap_err()
                    } else {
                        cancelled(&client, "plain", &dropped).await.unwrap_err()
                    }
                })
            });
            assert_eq!(error.kind(), ErrorKind::Lost, "{error}");
            assert!(error.to_string().contains("cancelled"), "{error}");
            assert!(dropped.load(Ordering::SeqCst));
            assert!(took < LONG, "{took:?}");
        }
    }
}

#[dspinlock(key = key, namespace = "losing", client = client, on_lost = "cancel")]
async fn in_time(client: &Client, key: &str) -> Result<u32, Error> {
    client.lock("something else").acquire().await?.release().await?;
    Ok(7)
}

#[dspinlock(key = key, namespace = "losing", client = client, on_lost = "continue")]
fn continues(client: &Client, key: &str) -> Result<u32, Error> {
    client.lock(key).namespace("losing").forget_blocking()?;
    Ok(7)
}

#[dspinlock(key = key, namespace = "losing", client = client)]
fn minds(client: &Client, key: &str) -> Result<u32, Error> {
    client.lock(key).namespace("losing").forget_blocking()?;
    Ok(7)
}

#[test]
fn a_body_that_keeps_its_lock_or_ignores_the_loss_returns_its_value() {
    for client in rigs() {
        assert_eq!(block_on(in_time(&client, "in time")).unwrap(), 7);
        assert_eq!(continues(&client, "continues").unwrap(), 7);
        assert_eq!(minds(&client, "minds").unwrap_err().kind(), ErrorKind::Lost);
    }
}
