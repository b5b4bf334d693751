//! No client that waits for a key starves, whether it learns of a release by push or by polling.
//!
//! The tests count turns, not time, so the speed of the machine does not matter.

use dspinlock::{Client, Config, Wakeup};
use dspinlock_testkit::Server;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const CLIENTS: usize = 4;

/// How many of `turns` each client gets. Each of its callers is a thread; the first `pollers` clients have no tracking.
fn shares(turns: usize, section: Duration, callers: usize, pollers: usize) -> [usize; CLIENTS] {
    let server = Server::start();
    let taken = AtomicUsize::new(0);
    let counts = [const { AtomicUsize::new(0) }; CLIENTS];
    thread::scope(|threads| {
        for (at, count) in counts.iter().enumerate() {
            let wakeup = if at < pollers { Wakeup::Poll } else { Wakeup::Tracking };
            let client =
                Client::from_config(&Config::new().with_port(server.port()).with_wakeup(wakeup)).unwrap();
            let lock = client.lock("example").namespace("shared").expire(None);
            let lock = lock.sleep(Duration::from_millis(500)).wait(Duration::from_secs(300));
            for _ in 0..callers {
                let (lock, taken) = (lock.clone(), &taken);
                threads.spawn(move || {
                    while taken.load(Ordering::SeqCst) < turns {
                        let guard = lock.acquire_blocking().unwrap();
                        if taken.fetch_add(1, Ordering::SeqCst) < turns {
                            count.fetch_add(1, Ordering::SeqCst);
                            thread::sleep(section);
                        }
                        guard.release_blocking().unwrap();
                    }
                });
            }
        }
    });
    counts.map(AtomicUsize::into_inner)
}

/// Each client has at least a quarter of an even share.
fn assert_nobody_starves(shares: [usize; CLIENTS], turns: usize) {
    assert_eq!(shares.iter().sum::<usize>(), turns);
    assert!(shares.iter().all(|share| *share >= turns / CLIENTS / 4), "{shares:?} of {turns}");
}

#[test]
fn a_client_that_polls_beside_clients_with_tracking() {
    assert_nobody_starves(shares(1_000, Duration::from_millis(1), 1, 1), 1_000);
}

/// The server notifies its clients in a fixed order, so the last one would be late each time.
#[test]
fn clients_with_tracking() {
    assert_nobody_starves(shares(400, Duration::from_millis(5), 1, 0), 400);
}

#[test]
fn clients_with_many_callers_each() {
    assert_nobody_starves(shares(8_000, Duration::ZERO, 8, 1), 8_000);
}
