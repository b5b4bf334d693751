//! Futures that are dropped at random moments, with replies on their way.

use dspinlock::{Client, DSpinlock, State};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::{block_on, ms, within};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Builder;

const ROUNDS: usize = 300;
const BATCH: usize = 15;

/// Far longer than the test, so that no lock ends by expiry.
const LEASE: Duration = Duration::from_secs(600);

/// Prints its seed, which `DSPINLOCK_SEED` gives back.
fn randomness() -> fastrand::Rng {
    let seed =
        std::env::var("DSPINLOCK_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("run again with DSPINLOCK_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

fn lock(client: &Client, n: usize) -> DSpinlock {
    client.lock(n).lease(LEASE)
}

/// Whatever a future was doing when it was dropped, its lock is free in a moment, unless it was released before.
#[test]
fn a_dropped_future_leaves_no_lock_behind() {
    let mut random = randomness();
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let client = Client::connect(&proxy.url()).unwrap();
    // From now on the scripts are known, and so is the server's time.
    block_on(async { lock(&client, ROUNDS).acquire().await.unwrap().release().await.unwrap() });
    proxy.delay(Direction::Requests, ms(3));
    proxy.delay(Direction::Replies, ms(3));

    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let entered = Arc::new(AtomicUsize::new(0));
    let finished = Arc::new(AtomicUsize::new(0));
    for batch in 0..ROUNDS / BATCH {
        runtime.block_on(async {
            for n in batch * BATCH..(batch + 1) * BATCH {
                let (client, entered, finished) = (client.clone(), entered.clone(), finished.clone());
                let task = tokio::spawn(async move {
                    let guard = lock(&client, n).acquire().await.unwrap();
                    entered.fetch_add(1, Ordering::Relaxed);
                    guard.release().await.unwrap();
                    finished.fetch_add(1, Ordering::Relaxed);
                });
                // Acquiring takes about 7 ms, and releasing as long.
                let after = Duration::from_micros(random.u64(0..20_000));
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    task.abort();
                });
            }
            tokio::time::sleep(ms(21)).await;
        });
    }
    let (entered, finished) = (entered.load(Ordering::Relaxed), finished.load(Ordering::Relaxed));
    let (acquiring, releasing) = (ROUNDS - entered, entered - finished);
    println!("dropped: {acquiring} while acquiring, {releasing} while releasing; {finished} had ended");
    assert!(acquiring > 30 && releasing > 30, "the drops have missed the interesting moments");

    for n in 0..ROUNDS {
        within(Duration::from_secs(2), "not blocked any more", || {
            let seen = lock(&client, n).inspect_blocking().unwrap();
            seen.is_none_or(|seen| seen.state() == State::Computed)
        });
    }
}
