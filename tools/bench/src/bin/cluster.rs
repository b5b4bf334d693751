//! What a cluster costs: pairs beside a plain server, wake-ups, a slot that moves, and a primary that dies.
//!
//! ```sh
//! cargo run --release -p dspinlock-bench --bin cluster
//! ```
//!
//! Prints the smallest, the median and the largest of ten.

use dspinlock::{Client, Error};
use dspinlock_testkit::{Cluster, Server};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const TIMES: usize = 10;
const ROUND: Duration = Duration::from_millis(700);
const MINUTE: Duration = Duration::from_secs(60);

/// A way to count pairs of acquire and release for the time of a round.
type Pairs = fn(&Runtime, &Client) -> u32;

/// Pairs a second, and the processor time of this process for each in µs, which other load on the machine affects less.
type Figures = [f64; 2];

fn main() -> Result<(), Error> {
    pairs()?;
    let cluster = Cluster::start_with(3, 1, Duration::from_secs(2));
    wakeups(&cluster)?;
    moves(&cluster)?;
    failovers(&cluster)
}

/// A plain server, a node of a cluster by a plain client, and the same node by a client of clusters.
fn pairs() -> Result<(), Error> {
    let (server, cluster) = (Server::start(), Cluster::start(1, 0));
    let runtime = Runtime::new().expect("a runtime");
    let urls = [server.url(), cluster.nodes()[0].url(), cluster.url()];
    let clients = urls.iter().map(|url| Client::connect(url)).collect::<Result<Vec<_>, _>>()?;
    let kinds: [(&str, Pairs); 3] =
        [("one task", tasks::<1>), ("64 tasks, 64 keys", tasks::<64>), ("one thread", one_thread)];
    for (kind, count) in kinds {
        // The first round opens the connections.
        let round = || clients.iter().map(|client| measure(|| count(&runtime, client))).collect::<Vec<_>>();
        round();
        let rounds: Vec<Vec<Figures>> = (0..TIMES).map(|_| round()).collect();
        let each =
            |figure: &dyn Fn(&[Figures]) -> f64| rounds.iter().map(|round| figure(round)).collect::<Vec<_>>();
        for (unit, what) in ["pairs a second", "µs of the client's processor"].into_iter().enumerate() {
            for (at, place) in ["server", "node", "cluster"].into_iter().enumerate() {
                print(&format!("{kind}: {what}, {place}"), each(&|round| round[at][unit]));
            }
            print(
                &format!("{kind}: {what}, cluster to server"),
                each(&|round| round[2][unit] / round[0][unit]),
            );
            print(
                &format!("{kind}: {what}, cluster to node"),
                each(&|round| round[2][unit] / round[1][unit]),
            );
        }
    }
    Ok(())
}

fn measure(count: impl FnOnce() -> u32) -> Figures {
    let used = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
    };
    let (started, before) = (Instant::now(), used());
    let pairs = f64::from(count());
    [pairs / started.elapsed().as_secs_f64(), used().saturating_sub(before).as_secs_f64() * 1e6 / pairs]
}

fn tasks<const TASKS: usize>(runtime: &Runtime, client: &Client) -> u32 {
    let started = Instant::now();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let lock = client.lock(format!("task {task}"));
            tasks.spawn(async move {
                let mut pairs = 0_u32;
                while started.elapsed() < ROUND {
                    lock.acquire().await.expect("the lock").release().await.expect("held");
                    pairs += 1;
                }
                pairs
            });
        }
        tasks.join_all().await.iter().sum()
    })
}

fn one_thread(_: &Runtime, client: &Client) -> u32 {
    let (started, lock, mut pairs) = (Instant::now(), client.lock("thread"), 0_u32);
    while started.elapsed() < ROUND {
        lock.acquire_blocking().expect("the lock").release_blocking().expect("held");
        pairs += 1;
    }
    pairs
}

/// From a release to the grant of a waiter in another client.
fn wakeups(cluster: &Cluster) -> Result<(), Error> {
    let (holder, waiting) = (Client::connect(&cluster.url())?, Client::connect(&cluster.url())?);
    let mut took = Vec::new();
    for round in 0..TIMES {
        let key = format!("waited for {round}");
        let guard = holder.lock(&*key).acquire_blocking()?;
        let lock = waiting.lock(&*key).sleep(MINUTE).wait(MINUTE);
        let waiter = thread::spawn(move || lock.acquire_blocking().map(|_guard| Instant::now()));
        // Until it sleeps.
        thread::sleep(Duration::from_millis(200));
        let released = Instant::now();
        guard.release_blocking()?;
        took.push((waiter.join().expect("no panic")? - released).as_secs_f64() * 1e3);
    }
    print("ms from a release to the grant of a waiter in another client", took);
    Ok(())
}

/// The longest pair of a caller that goes on while the slot of its key moves.
fn moves(cluster: &Cluster) -> Result<(), Error> {
    let client = Client::connect(&cluster.url())?;
    let lock = client.lock("moves").wait(MINUTE);
    let slot = cluster.slot(lock.record_key()?);
    let (mut longest, mut moved) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let to = cluster.primaries().into_iter().find(|&node| node != cluster.owner(slot)).expect("another");
        let over = Arc::new(AtomicBool::new(false));
        let caller = thread::spawn({
            let (over, lock) = (Arc::clone(&over), client.lock("moves").wait(MINUTE));
            move || {
                let mut longest = Duration::ZERO;
                while !over.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    lock.acquire_blocking()?.release_blocking()?;
                    longest = longest.max(started.elapsed());
                }
                Ok::<_, Error>(longest.as_secs_f64() * 1e3)
            }
        });
        thread::sleep(Duration::from_millis(50));
        let started = Instant::now();
        cluster.migrate([slot], to);
        moved.push(started.elapsed().as_secs_f64() * 1e3);
        thread::sleep(Duration::from_millis(50));
        over.store(true, Ordering::Relaxed);
        longest.push(caller.join().expect("no panic")?);
    }
    print("ms that a slot was on its way", moved);
    print("ms of the longest pair meanwhile", longest);
    Ok(())
}

/// From the death of a primary to the next grant of a lock that it had.
fn failovers(cluster: &Cluster) -> Result<(), Error> {
    let client = Client::connect(&cluster.url())?;
    let lock = client.lock("outlives").wait(MINUTE);
    let slot = cluster.slot(lock.record_key()?);
    let mut took = Vec::new();
    for _ in 0..TIMES {
        lock.acquire_blocking()?.release_blocking()?;
        let primary = cluster.owner(slot);
        let is_followed = || {
            let info = cluster.nodes()[primary].info("replication");
            info.get("slave0").is_some_and(|replica| replica.contains("state=online"))
        };
        while !is_followed() {
            thread::sleep(Duration::from_millis(50));
        }
        let started = Instant::now();
        cluster.nodes()[primary].kill();
        lock.acquire_blocking()?.release_blocking()?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        while cluster.owner(slot) == primary {
            thread::sleep(Duration::from_millis(50));
        }
        cluster.nodes()[primary].restart();
    }
    print("ms from the death of a primary to the next grant (2 s until it counts as dead)", took);
    Ok(())
}

fn print(what: &str, mut all: Vec<f64>) {
    all.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (all.first(), all.last()) {
        println!("{what}: {least:.2} / {:.2} / {most:.2}", all[all.len() / 2]);
    }
}
