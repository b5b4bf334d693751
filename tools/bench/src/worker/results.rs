//! Callers that want a result which is expensive to compute.

use super::plain::{AsyncPlain, PlainCommands};
use super::{Answer, Settings, moment, take_orders};
use crate::Fallible;
use crate::contestants::Engine;
use cached::{AsyncRedisCache, ConcurrentCachedAsync};
use dspinlock::{Client, Config, dspinlock};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A reply of 32 MB takes long on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A result of this length.
pub(super) fn compute(bytes: u64) -> String {
    "a result, ".repeat(usize::try_from(bytes / 10).unwrap_or_default())
}

/// The size of results: that of a small page by default.
pub(super) fn size(settings: &Settings) -> u64 {
    settings.get("bytes", 1_000)
}

/// The client of `dspinlock`'s annotated functions.
pub(super) fn connect(settings: &Settings) -> Fallible<()> {
    let config = Config::from_url(&settings.url)?.with_response_timeout(ANSWER_WITHIN);
    Ok(dspinlock::init(Client::from_config(&config)?)?)
}

/// `dspinlock`'s result, with the time at which it was computed.
#[dspinlock(key = name, namespace = "bench-results", cached, expire = "10m")]
async fn by_dspinlock(
    name: &str,
    bytes: u64,
    computing: Duration,
    computed: &OnceLock<f64>,
) -> Result<String, dspinlock::Error> {
    tokio::time::sleep(computing).await;
    let _ = computed.set(moment());
    Ok(compute(bytes))
}

/// How a caller gets the result. Says when it was computed, if it was computed here.
#[derive(Clone)]
pub(super) struct Sharing {
    by: By,
    bytes: u64,
}

#[derive(Clone)]
enum By {
    Plain(MultiplexedConnection),
    Cached(Arc<AsyncRedisCache<String, String>>),
    /// Within the process only.
    Moka(moka::future::Cache<String, String>),
    Dspinlock,
}

impl Sharing {
    /// With the results of this engine, for the settings of a worker.
    pub(super) async fn open(settings: &Settings, engine: Engine) -> Fallible<Self> {
        let by = match engine {
            Engine::Plain => {
                let client = redis::Client::open(&*settings.url)?;
                let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_WITHIN));
                By::Plain(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Engine::Cached => {
                let cache = AsyncRedisCache::builder("bench")
                    .connection_string(&settings.url)
                    .ttl(Duration::from_secs(600))
                    .build()
                    .await?;
                By::Cached(Arc::new(cache))
            }
            Engine::Moka => By::Moka(moka::future::Cache::new(10_000)),
            Engine::Dspinlock => {
                connect(settings)?;
                return Ok(Self::of_dspinlock(settings));
            }
            other => return Err(format!("{} shares no results", other.name()).into()),
        };
        Ok(Self { by, bytes: size(settings) })
    }

    /// By the global client of `dspinlock`.
    pub(super) fn of_dspinlock(settings: &Settings) -> Self {
        Self { by: By::Dspinlock, bytes: size(settings) }
    }

    pub(super) async fn get(&mut self, key: &str) -> Fallible<Option<String>> {
        match &mut self.by {
            By::Plain(connection) => {
                Ok(redis::cmd("GET").arg(format!("bench:{key}")).query_async(connection).await?)
            }
            By::Cached(cache) => Ok(cache.async_cache_get(&key.to_owned()).await?),
            By::Moka(cache) => Ok(cache.get(key).await),
            By::Dspinlock => Ok(Some(by_dspinlock(key, self.bytes, Duration::ZERO, &OnceLock::new()).await?)),
        }
    }

    async fn set(&mut self, key: &str, value: String) -> Fallible<()> {
        match &mut self.by {
            By::Plain(connection) => {
                let mut set = redis::cmd("SET");
                set.arg(format!("bench:{key}")).arg(value).arg("EX").arg(600);
                Ok(set.exec_async(connection).await?)
            }
            By::Cached(cache) => {
                drop(cache.async_cache_set(key.to_owned(), value).await?);
                Ok(())
            }
            By::Moka(_) | By::Dspinlock => Err("who computes sets its results".into()),
        }
    }

    /// The result; and the moment at which it was computed, if it was done here.
    pub(super) async fn result(&mut self, key: &str, computing: Duration) -> Fallible<(String, Option<f64>)> {
        let mut leader = match &self.by {
            By::Plain(connection) => {
                Some(AsyncPlain::new(connection.clone(), PlainCommands::new(key, 10_000, Duration::ZERO)))
            }
            // Without a lock, each caller that finds nothing computes.
            By::Cached(_) => None,
            By::Moka(cache) => {
                let (bytes, mut computed) = (self.bytes, None);
                let computing = async {
                    tokio::time::sleep(computing).await;
                    computed = Some(moment());
                    compute(bytes)
                };
                let value = cache.get_with_by_ref(key, computing).await;
                return Ok((value, computed));
            }
            By::Dspinlock => {
                let computed = OnceLock::new();
                let value = by_dspinlock(key, self.bytes, computing, &computed).await?;
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
                let (value, at) = (compute(self.bytes), moment());
                self.set(key, value.clone()).await?;
                return Ok((value, Some(at)));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// As [`result`](Self::result), for callers that know each other: one of them asks for all.
    async fn result_for_all(
        &mut self,
        key: &str,
        computing: Duration,
        flight: &OnceCell<String>,
    ) -> Fallible<(String, Option<f64>)> {
        let mut computed = None;
        let ask = async || {
            let (value, at) = self.result(key, computing).await?;
            computed = at;
            Fallible::Ok(value)
        };
        let value = flight.get_or_try_init(ask).await?.clone();
        Ok((value, computed))
    }
}

/// The role: `callers` ask at once for the result that the order names, which takes `compute` milliseconds; with `once`
/// by a flight of their own, where the engine has none.
pub(super) fn serve(settings: &Settings) -> Fallible<()> {
    let sharing = settings.runtime.block_on(Sharing::open(settings, settings.engine))?;
    let callers = settings.get("callers", 1);
    let once = settings.get("once", 0) == 1 && settings.engine == Engine::Plain;
    let computing = Duration::from_millis(settings.get("compute", 0));
    settings.runtime.block_on(async { sharing.clone().result("warm-up", Duration::ZERO).await })?;
    take_orders(|key| settings.runtime.block_on(ask(&sharing, key, callers, computing, once)))
}

async fn ask(
    sharing: &Sharing,
    key: &str,
    callers: u64,
    computing: Duration,
    once: bool,
) -> Fallible<Answer> {
    let (started, flight) = (moment(), once.then(Arc::default));
    let running: Vec<_> = (0..callers)
        .map(|_| {
            let (mut sharing, key, flight) = (sharing.clone(), key.to_owned(), flight.clone());
            tokio::spawn(async move {
                let (_, computed) = match &flight {
                    Some(flight) => sharing.result_for_all(&key, computing, flight).await?,
                    None => sharing.result(&key, computing).await?,
                };
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
