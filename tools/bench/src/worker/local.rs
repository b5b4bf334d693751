//! Callers that never leave the process: a copy of a result that is read again, and a lock of the store in memory.

use super::results::{compute, connect, size};
use super::{Run, Settings, take_orders};
use crate::Fallible;
use crate::contestants::{Door, Engine};
use dspinlock::dspinlock;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[dspinlock(key = name, namespace = "bench-arcs", cached(local = "1m", schema = "arc"), expire = "10m")]
async fn arc_for_a_task(name: &str, bytes: u64) -> Result<Arc<String>, dspinlock::Error> {
    Ok(Arc::new(compute(bytes)))
}

#[dspinlock(key = name, namespace = "bench-arcs", cached(local = "1m", schema = "arc"), expire = "10m")]
fn arc_for_a_thread(name: &str, bytes: u64) -> Result<Arc<String>, dspinlock::Error> {
    Ok(Arc::new(compute(bytes)))
}

#[dspinlock(key = name, namespace = "bench-copies", cached(local = "1m", schema = "copy"), expire = "10m")]
async fn clone_for_a_task(name: &str, bytes: u64) -> Result<String, dspinlock::Error> {
    Ok(compute(bytes))
}

#[dspinlock(key = name, namespace = "bench-copies", cached(local = "1m", schema = "copy"), expire = "10m")]
fn clone_for_a_thread(name: &str, bytes: u64) -> Result<String, dspinlock::Error> {
    Ok(compute(bytes))
}

/// A result that can't be cloned.
#[derive(Serialize, Deserialize)]
struct Page(String);

#[dspinlock(key = name, namespace = "bench-pages", cached(local = "1m", schema = "page"), expire = "10m")]
async fn page_for_a_task(name: &str, bytes: u64) -> Result<Page, dspinlock::Error> {
    Ok(Page(compute(bytes)))
}

#[dspinlock(key = name, namespace = "bench-pages", cached(local = "1m", schema = "page"), expire = "10m")]
fn page_for_a_thread(name: &str, bytes: u64) -> Result<Page, dspinlock::Error> {
    Ok(Page(compute(bytes)))
}

#[dspinlock(key = name, namespace = "bench-memory")]
async fn locked_for_a_task(name: &str) -> Result<u64, dspinlock::Error> {
    Ok(black_box(1))
}

#[dspinlock(key = name, namespace = "bench-memory")]
fn locked_for_a_thread(name: &str) -> Result<u64, dspinlock::Error> {
    Ok(black_box(1))
}

#[cached::macros::cached(max_size = 100, key = "String", convert = r#"{ key.to_owned() }"#)]
fn arc_by_cached(key: &str, bytes: u64) -> Arc<String> {
    // The key decides nothing here but the place in the cache.
    debug_assert!(!key.is_empty());
    Arc::new(compute(bytes))
}

#[cached::macros::cached(max_size = 100, key = "String", convert = r#"{ key.to_owned() }"#)]
fn clone_by_cached(key: &str, bytes: u64) -> String {
    debug_assert!(!key.is_empty());
    compute(bytes)
}

const KEY: &str = "hit";

/// The role: one caller, again and again, for as many milliseconds as the order says.
pub(super) fn serve(settings: &Settings, kind: u64) -> Fallible<()> {
    let bytes = size(settings);
    match (kind, settings.engine) {
        (1..=3, Engine::Dspinlock) => connect(settings)?,
        (_, Engine::Dspinlock) => dspinlock::init(dspinlock::Client::memory())?,
        _ => {}
    }
    match (kind, settings.engine, settings.door) {
        (1, Engine::Dspinlock, Door::Async) => tasks(settings, move || arc_for_a_task(KEY, bytes)),
        (1, Engine::Dspinlock, Door::Blocking) => calls(|| arc_for_a_thread(KEY, bytes)),
        (1, ..) => serve_kept(settings, &Arc::new(compute(bytes)), || arc_by_cached(KEY, bytes)),
        (2, Engine::Dspinlock, Door::Async) => tasks(settings, move || clone_for_a_task(KEY, bytes)),
        (2, Engine::Dspinlock, Door::Blocking) => calls(|| clone_for_a_thread(KEY, bytes)),
        (2, ..) => serve_kept(settings, &compute(bytes), || clone_by_cached(KEY, bytes)),
        (3, Engine::Dspinlock, Door::Async) => tasks(settings, move || page_for_a_task(KEY, bytes)),
        (3, Engine::Dspinlock, Door::Blocking) => calls(|| page_for_a_thread(KEY, bytes)),
        (3, ..) => {
            let map =
                Mutex::new(HashMap::from([(KEY.to_owned(), serde_json::to_vec(&Page(compute(bytes)))?)]));
            calls(|| -> Fallible<Page> {
                let map = map.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(serde_json::from_slice(map.get(KEY).ok_or("the result has gone")?)?)
            })
        }
        (_, Engine::Dspinlock, Door::Async) => tasks(settings, || locked_for_a_task(KEY)),
        (_, Engine::Dspinlock, Door::Blocking) => calls(|| locked_for_a_thread(KEY)),
        _ => {
            let locks = Arc::new(Locks::default());
            tasks(settings, move || by_hand(Arc::clone(&locks), KEY))
        }
    }
}

/// The peers, and by hand a map behind a mutex, from which the value is cloned.
fn serve_kept<T: Clone + Send + Sync + 'static>(
    settings: &Settings,
    value: &T,
    by_cached: impl Fn() -> T,
) -> Fallible<()> {
    match settings.engine {
        Engine::Cached => calls(|| Fallible::Ok(by_cached())),
        Engine::Moka => {
            let kept = moka::sync::Cache::new(100);
            kept.insert(KEY.to_owned(), value.clone());
            calls(|| kept.get(KEY).ok_or("the result has gone"))
        }
        _ => {
            let map = Mutex::new(HashMap::from([(KEY.to_owned(), value.clone())]));
            let get = || map.lock().unwrap_or_else(PoisonError::into_inner).get(KEY).cloned();
            calls(|| get().ok_or("the result has gone"))
        }
    }
}

/// Locks by key within a process, as they are written by hand: the last caller removes its lock from the map.
#[derive(Default)]
struct Locks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

async fn by_hand(locks: Arc<Locks>, key: &str) -> Fallible<u64> {
    let map = || locks.0.lock().unwrap_or_else(PoisonError::into_inner);
    let lock = Arc::clone(map().entry(key.to_owned()).or_default());
    let value = {
        let _held = lock.lock().await;
        black_box(1)
    };
    let mut map = map();
    drop(lock);
    if map.get(key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
        map.remove(key);
    }
    Ok(value)
}

/// Reading the clock each time would cost more than a hit in the process.
const AT_ONCE: u32 = 100;

/// How often each call is made before the measurement: the caller that computes has no copy yet, the first hit makes it.
const WARM_UP: u32 = 20;

/// Does the orders with a blocking call.
fn calls<T, E: Into<Failure>>(call: impl Fn() -> Result<T, E>) -> Fallible<()> {
    let many = |number: u32| {
        (0..number).try_for_each(|_| call().map(|value| drop(black_box(value)))).map_err(Into::into)
    };
    many(WARM_UP)?;
    take_orders(|order| {
        let mut run = Run::start(order)?;
        while run.goes_on(AT_ONCE) {
            many(AT_ONCE)?;
        }
        Ok(run.answer())
    })
}

/// Does the orders in a task, with an async call.
fn tasks<T, E, F>(settings: &Settings, call: impl Fn() -> F + Clone + Send + 'static) -> Fallible<()>
where
    T: Send,
    E: Into<Failure> + Send,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let runtime = &settings.runtime;
    runtime.block_on(many(call.clone(), WARM_UP))?;
    take_orders(|order| {
        let (call, mut run) = (call.clone(), Run::start(order)?);
        let task = async move {
            while run.goes_on(AT_ONCE) {
                many(call.clone(), AT_ONCE).await?;
            }
            Ok(run.answer())
        };
        runtime.block_on(async { tokio::spawn(task).await? })
    })
}

async fn many<T, E: Into<Failure>, F: Future<Output = Result<T, E>>>(
    call: impl Fn() -> F,
    number: u32,
) -> Fallible<()> {
    for _ in 0..number {
        drop(black_box(call().await.map_err(Into::into)?));
    }
    Ok(())
}
