//! Callers that read a result again, from the server or from a copy in this process.

use super::results::{Sharing, compute, connect, size};
use super::{Answer, Settings, moment, take_orders};
use crate::Fallible;
use crate::contestants::{Door, Engine};
use dspinlock::dspinlock;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Reading the clock each time would cost more than a hit in the process.
const AT_ONCE: u32 = 100;

#[dspinlock(key = name, namespace = "bench-copies", cached(local = "1m", schema = "copy"), expire = "10m")]
async fn copied_for_a_task(name: &str, bytes: u64) -> Result<String, dspinlock::Error> {
    Ok(compute(bytes))
}

#[dspinlock(key = name, namespace = "bench-copies", cached(local = "1m", schema = "copy"), expire = "10m")]
fn copied_for_a_thread(name: &str, bytes: u64) -> Result<String, dspinlock::Error> {
    Ok(compute(bytes))
}

#[cached::macros::cached(max_size = 100, key = "String", convert = r#"{ key.to_owned() }"#)]
fn by_cached(key: &str, bytes: u64) -> String {
    // The key decides nothing here but the place in the cache.
    debug_assert!(!key.is_empty());
    compute(bytes)
}

/// The role: one caller asks for a result that is there, again and again, for as many milliseconds as the order says.
pub(super) fn serve(settings: &Settings) -> Fallible<()> {
    let runtime = settings.runtime.handle();
    if settings.get("local", 0) == 1 {
        return serve_local(settings, runtime);
    }
    let mut sharing = runtime.block_on(Sharing::open(settings))?;
    runtime.block_on(sharing.result("hit", Duration::ZERO))?;
    take_orders(|length| {
        rounds(length, 1, || {
            runtime.block_on(async {
                black_box(sharing.get("hit").await?).ok_or("the result has gone")?;
                Ok(())
            })
        })
    })
}

fn serve_local(settings: &Settings, runtime: &Handle) -> Fallible<()> {
    let bytes = size(settings);
    // The fastest local copy: a map behind a mutex, from which the value is cloned.
    let map = Mutex::new(HashMap::from([("hit".to_owned(), compute(bytes))]));
    let bare = || map.lock().unwrap_or_else(PoisonError::into_inner).get("hit").cloned();
    if settings.engine == Engine::Dspinlock {
        connect(settings)?;
        // The caller that computes has no copy yet. The first hit makes it.
        for _ in 0..2 {
            runtime.block_on(copied_for_a_task("hit", bytes))?;
            copied_for_a_thread("hit", bytes)?;
        }
    }
    let all = |once: &dyn Fn() -> Fallible<String>| {
        (0..AT_ONCE).try_for_each(|_| once().map(|value| drop(black_box(value))))
    };
    take_orders(|length| {
        rounds(length, AT_ONCE, || match (settings.engine, settings.door) {
            (Engine::Bare, _) => all(&|| Ok(bare().ok_or("the result has gone")?)),
            (Engine::Cached, _) => all(&|| Ok(by_cached("hit", bytes))),
            (_, Door::Blocking) => all(&|| Ok(copied_for_a_thread("hit", bytes)?)),
            (_, Door::Async) => runtime.block_on(async {
                for _ in 0..AT_ONCE {
                    black_box(copied_for_a_task("hit", bytes).await?);
                }
                Ok(())
            }),
        })
    })
}

/// Makes hits, `at_once` of them together, for as many milliseconds as the order says.
fn rounds(length: &str, at_once: u32, mut go: impl FnMut() -> Fallible<()>) -> Fallible<Answer> {
    let length = Duration::from_millis(length.parse()?);
    let (start, mut rounds) = (Instant::now(), 0.0);
    while start.elapsed() < length {
        go()?;
        rounds += f64::from(at_once);
    }
    Ok(vec![("rounds", rounds), ("seconds", start.elapsed().as_secs_f64())])
}

/// How often the result below was computed: the number that it is.
static COMPUTED: AtomicU64 = AtomicU64::new(0);

#[dspinlock(key = (), namespace = "bench-watched", cached(local = "1m", schema = "number"), expire = "10m")]
async fn watched_by_a_task() -> Result<u64, dspinlock::Error> {
    Ok(COMPUTED.fetch_add(1, Ordering::Relaxed))
}

#[dspinlock(key = (), namespace = "bench-watched", cached(local = "1m", schema = "number"), expire = "10m")]
fn watched_by_a_thread() -> Result<u64, dspinlock::Error> {
    Ok(COMPUTED.fetch_add(1, Ordering::Relaxed))
}

/// The role of a process that keeps a copy, and of one that has it dropped. The orders:
/// `keep` a copy; `watch` it until it is no longer served; `forget`, for everybody.
pub(super) fn serve_copy(settings: &Settings) -> Fallible<()> {
    connect(settings)?;
    let runtime = settings.runtime.handle();
    let get = || match settings.door {
        Door::Async => runtime.block_on(watched_by_a_task()),
        Door::Blocking => watched_by_a_thread(),
    };
    let mut copy = 0;
    take_orders(|order| match order {
        "keep" => {
            // The caller that computes has no copy yet.
            get()?;
            copy = get()?;
            Ok(Vec::new())
        }
        "watch" => {
            let (mut looks, mut last) = (0.0, moment());
            while get()? == copy {
                (looks, last) = (looks + 1.0, moment());
                // On a small machine the others need this core.
                std::thread::yield_now();
            }
            Ok(vec![("looks", looks), ("last", last)])
        }
        "forget" => {
            dspinlock::current_client()?.lock(()).namespace("bench-watched").forget_blocking()?;
            Ok(vec![("at", moment())])
        }
        other => Err(format!("no order {other:?}").into()),
    })
}
