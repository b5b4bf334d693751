//! Small locks alone, beside busy processors, and beside large hits of the same client: how many were refused, and how long
//! they took. The second phase shows how much of the third is due to the scheduler.
//!
//! ```sh
//! scripts/soak 600
//! ```
//!
//! Fails if a lock was refused or lost, or if the slowest beside hits took more than three times the 99th percentile alone.
//! If even alone the slowest took longer than that, the machine was busy: then the result proves nothing, and the exit status
//! is 2.

use dspinlock::{Client, Error, dspinlock};
use dspinlock_testkit::Server;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const HELP: &str = "soak [SECONDS [CALLERS [MEGABYTES]]]: 60 s, 64 callers and 4 MB if nothing is said\n";

/// How many callers of each API take small locks, each its own, with pauses.
const SMALL: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

/// How many times the 99th percentile alone the slowest may take beside hits.
const TIMES: f64 = 3.0;

#[dspinlock(client = client, key = name, cached(codec = dspinlock::MessagePack))]
async fn large(client: &Client, name: usize, bytes: usize) -> Result<String, Error> {
    Ok("x".repeat(bytes))
}

/// The results of small locks.
#[derive(Default)]
struct Small {
    took: Vec<Duration>,
    failed: u64,
}

impl Small {
    fn add(&mut self, started: Instant, done: Result<(), Error>) {
        match done {
            Ok(()) => self.took.push(started.elapsed()),
            Err(error) => {
                if self.failed == 0 {
                    eprintln!("{error}");
                }
                self.failed += 1;
            }
        }
    }

    /// Of a thousand, so many are at most this slow.
    fn at_most(&self, of_a_thousand: usize) -> Duration {
        let last = self.took.len().saturating_sub(1);
        self.took.get(last * of_a_thousand / 1_000).copied().unwrap_or_default()
    }

    fn print(&self, what: &str) {
        let [half, most, max] = [500, 990, 1_000].map(|part| self.at_most(part).as_secs_f64() * 1e3);
        println!(
            "{what:<22} {:>8} locks  {:>4} refused or lost  p50 {half:>7.3} ms  p99 {most:>7.3} ms  max {max:>7.3} ms",
            self.took.len(),
            self.failed,
        );
    }
}

async fn pair(client: &Client, key: &str) -> Result<(), Error> {
    let guard = client.lock(key).lease(Duration::from_secs(1)).acquire().await?;
    guard.ensure_held()?;
    guard.release().await
}

fn pair_blocking(client: &Client, key: &str) -> Result<(), Error> {
    let guard = client.lock(key).lease(Duration::from_secs(1)).acquire_blocking()?;
    guard.ensure_held()?;
    guard.release_blocking()
}

/// Takes small locks through both APIs for some time. The async results come first.
async fn small_locks(client: &Client, time: Duration) -> [Small; 2] {
    let end = Instant::now() + time;
    let (mut by_async, mut blocking) = (JoinSet::new(), Vec::new());
    for caller in 0..SMALL {
        let (client, key) = (client.clone(), format!("small {caller}"));
        by_async.spawn(async move {
            let mut small = Small::default();
            while Instant::now() < end {
                let started = Instant::now();
                small.add(started, pair(&client, &key).await);
                tokio::time::sleep(PAUSE).await;
            }
            small
        });
    }
    for caller in 0..SMALL {
        let (client, key) = (client.clone(), format!("small and blocking {caller}"));
        blocking.push(tokio::task::spawn_blocking(move || {
            let mut small = Small::default();
            while Instant::now() < end {
                let started = Instant::now();
                small.add(started, pair_blocking(&client, &key));
                std::thread::sleep(PAUSE);
            }
            small
        }));
    }
    let by_async = by_async.join_all().await;
    let mut joined = Vec::new();
    for caller in blocking {
        joined.push(caller.await.expect("a caller of small locks does not panic"));
    }
    [by_async, joined].map(|callers| {
        let mut all = Small::default();
        for small in callers {
            all.failed += small.failed;
            all.took.extend(small.took);
        }
        all.took.sort_unstable();
        all
    })
}

/// The results of the soak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Passed,
    Inconclusive,
    Failed,
}

fn verdict(alone: &Small, beside: &Small, door: &str) -> Verdict {
    let usual = alone.at_most(990).as_secs_f64();
    let [before, times] = [alone, beside].map(|small| small.at_most(1_000).as_secs_f64() / usual);
    println!("{door}: the slowest beside hits took {times:.1} times the 99th percentile alone");
    if alone.failed + beside.failed > 0 {
        Verdict::Failed
    } else if times <= TIMES {
        Verdict::Passed
    } else if before > TIMES {
        println!("{door}: so did the slowest alone ({before:.1} times): the machine is too busy to tell");
        Verdict::Inconclusive
    } else {
        Verdict::Failed
    }
}

/// Takes small locks while each processor has a thread that copies memory, and the server nothing else to do.
async fn beside_busy_processors(client: &Client, time: Duration, bytes: usize) -> [Small; 2] {
    let over = Arc::new(AtomicBool::new(false));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let copying = (0..processors).map(|_| {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            let text = "x".repeat(bytes);
            while !over.load(Ordering::Relaxed) {
                std::hint::black_box(text.clone());
            }
        })
    });
    let copying: Vec<_> = copying.collect();
    let small = small_locks(client, time).await;
    over.store(true, Ordering::Relaxed);
    for thread in copying {
        thread.join().expect("copying does not panic");
    }
    small
}

async fn soak(seconds: u64, callers: usize, megabytes: usize) -> Result<Verdict, Error> {
    let server = Server::start();
    let client = Client::connect(&server.url())?;
    let bytes = megabytes * 1_000_000;
    for name in 0..callers {
        large(&client, name, bytes).await?;
    }
    let part = Duration::from_secs(seconds.div_ceil(3));
    // All callers are connected, and have had a first turn.
    small_locks(&client, Duration::from_secs(1)).await;
    let alone = small_locks(&client, part).await;
    let busy = beside_busy_processors(&client, part, bytes).await;
    let (over, hits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for name in 0..callers {
        let (client, over, hits) = (client.clone(), Arc::clone(&over), Arc::clone(&hits));
        tasks.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(large(&client, name, bytes).await?.len(), bytes);
                hits.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Error>(())
        });
    }
    let beside = small_locks(&client, part).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Verdict::Passed;
    for hit in tasks.join_all().await {
        if let Err(error) = hit {
            eprintln!("a hit: {error}");
            all = Verdict::Failed;
        }
    }
    let hits = hits.load(Ordering::Relaxed);
    println!(
        "{callers} callers of {megabytes} MB: {hits} hits, {} MB/s",
        hits * megabytes as u64 / part.as_secs().max(1)
    );
    for (((alone, busy), beside), door) in alone.iter().zip(&busy).zip(&beside).zip(["async", "blocking"]) {
        alone.print(&format!("{door}, alone"));
        busy.print(&format!("{door}, busy machine"));
        beside.print(&format!("{door}, beside hits"));
        all = all.max(verdict(alone, beside, door));
    }
    Ok(all)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let mut next = |default| arguments.next().unwrap_or(Ok(default));
    let (Ok(seconds), Ok(callers), Ok(megabytes)) = (next(60), next(64), next(4)) else {
        print!("{HELP}");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(soak(seconds as u64, callers, megabytes)) {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Inconclusive) => ExitCode::from(2),
        Ok(Verdict::Failed) => {
            println!("NOT passed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
