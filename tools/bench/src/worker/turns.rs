//! Callers that hold a lock until they are told to give it back, and callers that wait for it meanwhile.

use super::bare::{BareCommands, BlockingBare};
use super::callers::{Blocking, Tasked, blocking, tasked};
use super::{Answer, Settings, moment, processor, take_orders};
use crate::Fallible;
use crate::contestants::Door;
use std::time::Duration;

/// The role of holders and waiters of one key, `callers` of them. The orders:
/// `take` and `give`, of the first caller; `turn`, everybody once, each giving it back at once; `time`, the processor's.
pub(crate) fn serve(settings: &Settings) -> Fallible<()> {
    let count = usize::try_from(settings.get("callers", 1))?;
    let keys = vec![settings.shared_key(); count];
    match settings.door {
        Door::Blocking => {
            let mut callers = blocking(settings, &keys)?;
            // Connects, and loads the scripts, on an unused key.
            for caller in &mut blocking(settings, &["warm-up".to_owned()])? {
                caller.acquire()?;
                caller.release()?;
            }
            take_orders(|order| match order {
                "take" => taken(|| callers[0].acquire()),
                "give" => given(|| callers[0].release()),
                "turn" => turn_of_threads(&mut callers),
                other => time(other),
            })
        }
        Door::Async => {
            let runtime = settings.runtime.handle().clone();
            let mut callers = runtime.block_on(tasked(settings, &keys))?;
            take_orders(|order| match order {
                "take" => taken(|| runtime.block_on(callers[0].acquire())),
                "give" => given(|| runtime.block_on(callers[0].release())),
                "turn" => {
                    let (back, answer) = runtime.block_on(turn_of_tasks(std::mem::take(&mut callers)))?;
                    callers = back;
                    Ok(answer)
                }
                other => time(other),
            })
        }
    }
}

fn taken(acquire: impl FnOnce() -> Fallible<()>) -> Fallible<Answer> {
    acquire()?;
    Ok(vec![("at", moment())])
}

/// The moment is that before the release: from then on another caller could have the lock.
fn given(release: impl FnOnce() -> Fallible<()>) -> Fallible<Answer> {
    let at = moment();
    release()?;
    Ok(vec![("at", at)])
}

fn time(order: &str) -> Fallible<Answer> {
    if order == "time" { Ok(vec![("cpu", processor())]) } else { Err(format!("no order {order:?}").into()) }
}

fn answer(moments: &[f64]) -> Answer {
    let first = moments.iter().copied().fold(f64::INFINITY, f64::min);
    vec![("first", first), ("last", moments.iter().copied().fold(0.0, f64::max))]
}

fn turn_of_threads(callers: &mut [Box<dyn Blocking>]) -> Fallible<Answer> {
    let turn = |caller: &mut Box<dyn Blocking>| {
        caller.acquire()?;
        let at = moment();
        caller.release()?;
        Ok(at)
    };
    let moments = std::thread::scope(|scope| {
        let running: Vec<_> = callers.iter_mut().map(|caller| scope.spawn(move || turn(caller))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a caller panicked")?)
            .collect::<Fallible<Vec<_>>>()
    })?;
    Ok(answer(&moments))
}

async fn turn_of_tasks(callers: Vec<Box<dyn Tasked>>) -> Fallible<(Vec<Box<dyn Tasked>>, Answer)> {
    let turn = async |mut caller: Box<dyn Tasked>| {
        caller.acquire().await?;
        let at = moment();
        caller.release().await?;
        Fallible::Ok((caller, at))
    };
    let running: Vec<_> = callers.into_iter().map(|caller| tokio::spawn(turn(caller))).collect();
    let (mut callers, mut moments) = (Vec::new(), Vec::new());
    for task in running {
        let (caller, at) = task.await??;
        callers.push(caller);
        moments.push(at);
    }
    Ok((callers, answer(&moments)))
}

/// The role of the bare commands in a hand-over: one round trip after a pause of so many milliseconds.
pub(crate) fn serve_pause(settings: &Settings) -> Fallible<()> {
    let client = redis::Client::open(settings.url.as_str())?;
    let mut bare = BlockingBare::new(&client, BareCommands::scripts("pause", 10_000, Duration::ZERO))?;
    bare.round_trip()?;
    take_orders(|pause| {
        std::thread::sleep(Duration::from_millis(pause.parse()?));
        let start = moment();
        bare.round_trip()?;
        Ok(vec![("took", moment() - start)])
    })
}
