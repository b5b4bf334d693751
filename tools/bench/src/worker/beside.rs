//! Small locks alone, and beside large hits of the same process.

use super::callers::{Blocking, Tasked, blocking, tasked};
use super::peers::{AsyncDspinlock, BlockingDspinlock};
use super::results::Sharing;
use super::{Answer, Settings, moment, take_orders};
use crate::Fallible;
use crate::contestants::{Door, Engine};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Between two locks.
const PAUSE: Duration = Duration::from_millis(2);

/// The caller of small locks.
enum Small {
    Thread(Box<dyn Blocking>),
    Task(Box<dyn Tasked>),
}

impl Small {
    /// `dspinlock` has one client for locks and hits, with its defaults. The others have a connection for each.
    async fn open(settings: &Settings) -> Fallible<(Self, Sharing)> {
        let keys = ["small".to_owned()];
        if settings.engine == Engine::Dspinlock {
            let client = dspinlock::Client::connect(&settings.url)?;
            dspinlock::init(client.clone())?;
            let small = match settings.door {
                Door::Blocking => Self::Thread(Box::new(BlockingDspinlock::new(&client, &keys[0], settings))),
                Door::Async => Self::Task(Box::new(AsyncDspinlock::new(&client, &keys[0], settings))),
            };
            return Ok((small, Sharing::of_dspinlock(settings)));
        }
        let hits = if settings.engine == Engine::Rslock { Engine::Cached } else { settings.engine };
        let first = "there is a caller for the key";
        let small = match settings.door {
            Door::Blocking => Self::Thread(blocking(settings, &keys)?.pop().ok_or(first)?),
            Door::Async => Self::Task(tasked(settings, &keys).await?.pop().ok_or(first)?),
        };
        Ok((small, Sharing::open(settings, hits).await?))
    }

    /// Takes the lock and gives it back again and again, with pauses.
    async fn go_round(&mut self, length: Duration) -> Locks {
        let (end, mut locks) = (Instant::now() + length, Locks::default());
        while Instant::now() < end {
            let start = moment();
            let done = match self {
                Self::Thread(caller) => tokio::task::block_in_place(|| {
                    caller.acquire()?;
                    caller.release()
                }),
                Self::Task(caller) => match caller.acquire().await {
                    Ok(()) => caller.release().await,
                    refused => refused,
                },
            };
            locks.millis.push((moment() - start) / 1e3);
            if let Err(error) = done {
                if locks.refused == 0 {
                    eprintln!("a lock beside hits: {error}");
                }
                locks.refused += 1;
            }
            tokio::time::sleep(PAUSE).await;
        }
        locks.millis.sort_by(f64::total_cmp);
        locks
    }
}

/// How long each lock took, refused ones included.
#[derive(Default)]
struct Locks {
    millis: Vec<f64>,
    refused: u32,
}

impl Locks {
    fn answer(&self) -> Answer {
        let at = |percent: usize| {
            let last = self.millis.len().saturating_sub(1);
            self.millis.get(last * percent / 100).copied().unwrap_or_default()
        };
        let locks = f64::from(u32::try_from(self.millis.len()).unwrap_or(u32::MAX));
        vec![
            ("locks", locks),
            ("refused", self.refused.into()),
            ("p50", at(50)),
            ("p99", at(99)),
            ("slowest", at(100)),
        ]
    }
}

/// The role: a caller of small locks, and `callers` that read values of `bytes`. The orders, for so many milliseconds:
/// `alone 500`, and `beside 500`, in which the others read.
pub(super) fn serve(settings: &Settings) -> Fallible<()> {
    let (runtime, callers) = (&settings.runtime, settings.get("callers", 64));
    let (small, sharing) = runtime.block_on(async {
        let (small, mut sharing) = Small::open(settings).await?;
        for caller in 0..callers {
            sharing.result(&format!("large-{caller}"), Duration::ZERO).await?;
        }
        Fallible::Ok((small, sharing))
    })?;
    let mut small = Some(small);
    take_orders(|order| {
        let (order, length) = order.split_once(' ').ok_or("an order without a length")?;
        let length = Duration::from_millis(length.parse()?);
        let readers = if order == "beside" { callers } else { 0 };
        let mut caller = small.take().ok_or("the caller has failed")?;
        runtime.block_on(async {
            let readers = Readers::start(&sharing, readers);
            let task = tokio::spawn(async move {
                let locks = caller.go_round(length).await;
                (caller, locks)
            });
            let (caller, locks) = task.await?;
            small = Some(caller);
            let mut answer = locks.answer();
            let [hits, failed] = readers.stop().await;
            answer.extend([("hits", hits / length.as_secs_f64()), ("failed_hits", failed)]);
            Ok(answer)
        })
    })
}

/// The callers that read.
struct Readers {
    tasks: JoinSet<()>,
    over: Arc<AtomicBool>,
    hits: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Readers {
    fn start(sharing: &Sharing, callers: u64) -> Self {
        let mut readers = Self {
            tasks: JoinSet::new(),
            over: Arc::default(),
            hits: Arc::default(),
            failed: Arc::default(),
        };
        for caller in 0..callers {
            let (mut sharing, name) = (sharing.clone(), format!("large-{caller}"));
            let over = Arc::clone(&readers.over);
            let (hits, failed) = (Arc::clone(&readers.hits), Arc::clone(&readers.failed));
            readers.tasks.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let done = if let Ok(Some(_)) = sharing.get(&name).await { &hits } else { &failed };
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        readers
    }

    /// Returns how many hits they had until now, and how many failed.
    #[expect(clippy::cast_precision_loss, reason = "these are far fewer than 2^53 hits")]
    async fn stop(self) -> [f64; 2] {
        let counts = [&self.hits, &self.failed].map(|count| count.load(Ordering::Relaxed) as f64);
        self.over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        counts
    }
}
