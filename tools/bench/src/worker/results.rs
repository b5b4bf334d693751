//! Callers that want a result which is expensive to compute, and callers that want it again.

use super::bare::{AsyncBare, BareCommands};
use super::{Answer, Settings, moment, take_orders};
use crate::Fallible;
use crate::contestants::Engine;
use cached::{AsyncRedisCache, ConcurrentCachedAsync};
use dspinlock::dspinlock;
use redis::aio::MultiplexedConnection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A result as large as a small page.
fn compute() -> String {
    "a result, ".repeat(100)
}

/// `dspinlock`'s: who computes says when it was done.
#[dspinlock(key = name, namespace = "bench-results", cached, expire = "10m")]
async fn by_dspinlock(
    name: &str,
    computing: Duration,
    computed: &OnceLock<f64>,
) -> Result<String, dspinlock::Error> {
    tokio::time::sleep(computing).await;
    let _ = computed.set(moment());
    Ok(compute())
}

/// A caller's way to the result: computes it, or gets it from somebody who has. Says when it was computed here.
enum Sharing {
    Bare(MultiplexedConnection),
    Cached(Arc<AsyncRedisCache<String, String>>),
    Dspinlock,
}

impl Sharing {
    async fn open(settings: &Settings) -> Fallible<Self> {
        match settings.engine {
            Engine::Bare => {
                Ok(Self::Bare(redis::Client::open(&*settings.url)?.get_multiplexed_async_connection().await?))
            }
            Engine::Cached => {
                let cache = AsyncRedisCache::builder("bench")
                    .connection_string(&settings.url)
                    .ttl(Duration::from_secs(600))
                    .build()
                    .await?;
                Ok(Self::Cached(Arc::new(cache)))
            }
            Engine::Dspinlock => {
                dspinlock::init(dspinlock::Client::connect(&settings.url)?)?;
                Ok(Self::Dspinlock)
            }
            other => Err(format!("{} shares no results", other.name()).into()),
        }
    }

    fn clone(&self) -> Self {
        match self {
            Self::Bare(connection) => Self::Bare(connection.clone()),
            Self::Cached(cache) => Self::Cached(Arc::clone(cache)),
            Self::Dspinlock => Self::Dspinlock,
        }
    }

    async fn get(&mut self, key: &str) -> Fallible<Option<String>> {
        match self {
            Self::Bare(connection) => {
                Ok(redis::cmd("GET").arg(format!("bench:{key}")).query_async(connection).await?)
            }
            Self::Cached(cache) => Ok(cache.async_cache_get(&key.to_owned()).await?),
            Self::Dspinlock => Ok(Some(by_dspinlock(key, Duration::ZERO, &OnceLock::new()).await?)),
        }
    }

    async fn set(&mut self, key: &str, value: String) -> Fallible<()> {
        match self {
            Self::Bare(connection) => {
                let mut set = redis::cmd("SET");
                set.arg(format!("bench:{key}")).arg(value).arg("EX").arg(600);
                Ok(set.exec_async(connection).await?)
            }
            Self::Cached(cache) => {
                drop(cache.async_cache_set(key.to_owned(), value).await?);
                Ok(())
            }
            Self::Dspinlock => Err("its results are set by who computes them".into()),
        }
    }

    /// The result; and the moment at which it was computed, if it was done here.
    async fn result(&mut self, key: &str, computing: Duration) -> Fallible<(String, Option<f64>)> {
        let mut leader = match self {
            Self::Bare(connection) => {
                Some(AsyncBare::new(connection.clone(), BareCommands::textbook(key, 10_000, Duration::ZERO)))
            }
            // It has no lock: everybody who finds nothing computes.
            Self::Cached(_) => None,
            Self::Dspinlock => {
                let computed = OnceLock::new();
                let value = by_dspinlock(key, computing, &computed).await?;
                return Ok((value, computed.into_inner()));
            }
        };
        loop {
            if let Some(found) = self.get(key).await? {
                return Ok((found, None));
            }
            let leads = match &mut leader {
                Some(leader) => leader.try_acquire().await?,
                None => true,
            };
            if leads {
                tokio::time::sleep(computing).await;
                let (value, at) = (compute(), moment());
                self.set(key, value.clone()).await?;
                return Ok((value, Some(at)));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The role: `callers` ask at once for the result that the order names, which takes `compute` milliseconds.
pub(super) fn serve(settings: &Settings) -> Fallible<()> {
    let sharing = settings.runtime.block_on(Sharing::open(settings))?;
    let callers = settings.get("callers", 1);
    let computing = Duration::from_millis(settings.get("compute", 0));
    settings.runtime.block_on(async { sharing.clone().result("warm-up", Duration::ZERO).await })?;
    take_orders(|key| settings.runtime.block_on(ask(&sharing, key, callers, computing)))
}

async fn ask(sharing: &Sharing, key: &str, callers: u64, computing: Duration) -> Fallible<Answer> {
    let started = moment();
    let running: Vec<_> = (0..callers)
        .map(|_| {
            let (mut sharing, key) = (sharing.clone(), key.to_owned());
            tokio::spawn(async move {
                let (_, computed) = sharing.result(&key, computing).await?;
                Fallible::Ok((moment(), computed))
            })
        })
        .collect();
    let (mut last, mut computations, mut first) = (0.0_f64, 0.0, f64::INFINITY);
    for task in running {
        let (at, computed) = task.await??;
        last = last.max(at);
        if let Some(computed) = computed {
            computations += 1.0;
            first = first.min(computed);
        }
    }
    Ok(vec![("started", started), ("computed", first), ("computations", computations), ("last", last)])
}

/// The role: one caller asks for a result that is there, again and again, for as many milliseconds as the order says.
pub(super) fn serve_hits(settings: &Settings) -> Fallible<()> {
    if settings.get("local", 0) == 1 {
        return serve_local(settings.engine);
    }
    let mut sharing = settings.runtime.block_on(Sharing::open(settings))?;
    settings.runtime.block_on(sharing.result("hit", Duration::ZERO))?;
    take_orders(|length| {
        let length = Duration::from_millis(length.parse()?);
        settings.runtime.block_on(async {
            let (start, mut rounds) = (Instant::now(), 0.0);
            while start.elapsed() < length {
                sharing.get("hit").await?.ok_or("the result has gone")?;
                rounds += 1.0;
            }
            Ok(vec![("rounds", rounds), ("seconds", start.elapsed().as_secs_f64())])
        })
    })
}

fn serve_local(engine: Engine) -> Fallible<()> {
    // What the fastest local copy would be: a map under a mutex, and the value cloned out of it.
    let map = Mutex::new(HashMap::from([("hit".to_owned(), compute())]));
    let bare = || map.lock().unwrap_or_else(PoisonError::into_inner).get("hit").cloned();
    let cached = || Some(by_cached("hit"));
    let get: &dyn Fn() -> Option<String> = match engine {
        Engine::Bare => &bare,
        Engine::Cached => &cached,
        other => return Err(format!("{} has no local copies", other.name()).into()),
    };
    take_orders(|length| {
        let length = Duration::from_millis(length.parse()?);
        let (start, mut rounds) = (Instant::now(), 0.0);
        while start.elapsed() < length {
            // Looking at the clock each time would cost more than the hit.
            for _ in 0..100 {
                std::hint::black_box(get()).ok_or("the result has gone")?;
            }
            rounds += 100.0;
        }
        Ok(vec![("rounds", rounds), ("seconds", start.elapsed().as_secs_f64())])
    })
}

#[cached::macros::cached(max_size = 100, key = "String", convert = r#"{ key.to_owned() }"#)]
fn by_cached(key: &str) -> String {
    // The key decides nothing here but the place in the cache.
    debug_assert!(!key.is_empty());
    compute()
}
