//! The number of connections, and that no caller waits for one.

use dspinlock::{Client, Config, Guard};
use dspinlock_testkit::{Proxy, Server};
use dspinlock_tests::{block_on, ms};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

const THREADS: usize = 32;
const TURNS: usize = 5;

fn client(url: &str, pool_size: usize) -> Client {
    Client::from_config(&Config::from_url(url).unwrap().with_pool_size(pool_size)).unwrap()
}

/// All threads at once, each on its own key, and all of them on one.
fn work(client: &Client) {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for n in 0..THREADS {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for _ in 0..TURNS {
                    client.lock(n).acquire_blocking().unwrap().release_blocking().unwrap();
                }
                let one = client.lock("one").sleep(ms(2)).wait(Duration::from_secs(20));
                one.acquire_blocking().unwrap().release_blocking().unwrap();
            });
        }
    });
}

#[test]
fn blocking_callers_use_the_whole_pool_and_then_share_a_connection() {
    for pool_size in [0, 1, 4] {
        let server = Server::start();
        let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
        let client = client(&proxy.url(), pool_size);
        work(&client);
        block_on(client.ping()).unwrap();
        assert_eq!(proxy.accepted(), pool_size as u64 + 1, "with a pool of {pool_size}");

        // All connections break at once.
        proxy.cut_all();
        work(&client);
    }
}

/// A guard keeps no connection: a caller that holds many locks would use them up.
#[test]
fn a_held_lock_needs_no_connection() {
    let server = Server::start();
    let client = client(&server.url(), 1);
    let guards: Vec<Guard> = (0..100).map(|n| client.lock(n).acquire_blocking().unwrap()).collect();
    for guard in guards {
        guard.release_blocking().unwrap();
    }
}
