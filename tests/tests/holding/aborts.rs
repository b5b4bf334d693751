//! Futures that are dropped at random moments, while replies are on their way.

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

/// Prints its seed. `DSPINLOCK_SEED` sets it.
fn randomness() -> fastrand::Rng {
    let seed =
        std::env::var("DSPINLOCK_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("run again with DSPINLOCK_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

fn lock(client: &Client, n: usize) -> DSpinlock {
    client.lock(n).lease(LEASE)
}

/// Whatever a future did when it was dropped, its lock is free soon.
#[test]
fn a_dropped_future_leaves_no_lock_behind() {
    let mut random = randomness();
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let client = Client::from_url(&proxy.url()).unwrap();
    // Afterwards the server knows the scripts, and the client the server's time.
    block_on(async { lock(&client, usize::MAX).acquire().await.unwrap().release().await.unwrap() });
    proxy.delay(Direction::Requests, ms(3));
    proxy.delay(Direction::Replies, ms(3));

    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let entered = Arc::new(AtomicUsize::new(0));
    let finished = Arc::new(AtomicUsize::new(0));
    // Acquiring and releasing take about 7 ms each, and far longer on a busy machine.
    let mut span = ms(20);
    let mut rounds = 0;
    loop {
        runtime.block_on(async {
            for n in rounds..rounds + BATCH {
                let (client, entered, finished) = (client.clone(), entered.clone(), finished.clone());
                let task = tokio::spawn(async move {
                    let guard = lock(&client, n).acquire().await.unwrap();
                    entered.fetch_add(1, Ordering::Relaxed);
                    guard.release().await.unwrap();
                    finished.fetch_add(1, Ordering::Relaxed);
                });
                let after = span.mul_f64(random.f64());
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    task.abort();
                });
            }
            tokio::time::sleep(span + ms(1)).await;
        });
        rounds += BATCH;
        let (entered, finished) = (entered.load(Ordering::Relaxed), finished.load(Ordering::Relaxed));
        let (acquiring, releasing) = (rounds - entered, entered - finished);
        if rounds >= ROUNDS && acquiring > 30 && releasing > 30 {
            println!(
                "dropped: {acquiring} while acquiring, {releasing} while releasing; {finished} had ended"
            );
            break;
        }
        assert!(rounds < 20 * ROUNDS, "the drops miss the interesting moments: {acquiring}, {releasing}");
        if entered < rounds / 3 {
            span = (span * 5 / 4).min(ms(1_000));
        }
    }

    for n in 0..rounds {
        within(Duration::from_secs(20), "not blocked any more", || {
            let seen = lock(&client, n).inspect_blocking().unwrap();
            seen.is_none_or(|seen| seen.state() == State::Computed)
        });
    }
}
