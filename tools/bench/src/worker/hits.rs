//! Callers that read a result again from the server; and a copy in this process that another one has dropped.

use super::results::{Sharing, connect};
use super::{Run, Settings, moment, take_orders};
use crate::Fallible;
use crate::contestants::Door;
use dspinlock::dspinlock;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The role: one task asks for a result that is there, again and again.
pub(super) fn serve(settings: &Settings) -> Fallible<()> {
    let local = settings.get("local", 0);
    if local > 0 {
        return super::local::serve(settings, local);
    }
    let runtime = &settings.runtime;
    let mut sharing = runtime.block_on(Sharing::open(settings, settings.engine))?;
    runtime.block_on(sharing.result("hit", Duration::ZERO))?;
    take_orders(|order| {
        let (mut sharing, mut run) = (sharing.clone(), Run::start(order)?);
        let task = async move {
            while run.goes_on(1) {
                black_box(sharing.get("hit").await?).ok_or("the result has gone")?;
            }
            Ok(run.answer())
        };
        runtime.block_on(async { tokio::spawn(task).await? })
    })
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
/// `keep` a copy; `watch` it until it is no longer served; `forget` the key.
pub(super) fn serve_copy(settings: &Settings) -> Fallible<()> {
    connect(settings)?;
    let runtime = &settings.runtime;
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
