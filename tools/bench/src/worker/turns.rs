//! Callers that hold a lock until they are told to give it back, and callers that wait for it meanwhile.

use super::callers::{Blocking, Tasked, blocking, tasked};
use super::plain::{BlockingPlain, PlainCommands};
use super::{Answer, Settings, moment, take_orders};
use crate::Fallible;
use crate::contestants::Door;
use std::time::Duration;

/// The role of holders and waiters of one key, `callers` of them. The orders:
/// `take` and `give`, of the first caller; `turn`, each caller once, which gives it back at once.
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
                "take" | "give" => {
                    let (take, start) = (order == "take", moment());
                    if take { callers[0].acquire() } else { callers[0].release() }?;
                    Ok(times(take, start, moment()))
                }
                "turn" => turn_of_threads(&mut callers),
                other => Err(format!("no order {other:?}").into()),
            })
        }
        Door::Async => {
            let runtime = &settings.runtime;
            let mut callers = runtime.block_on(tasked(settings, &keys))?;
            take_orders(|order| match order {
                "take" | "give" => {
                    let task = take_or_give(callers.remove(0), order == "take");
                    let (caller, answer) = runtime.block_on(async { tokio::spawn(task).await? })?;
                    callers.insert(0, caller);
                    Ok(answer)
                }
                "turn" => {
                    let (back, answer) = runtime.block_on(turn_of_tasks(std::mem::take(&mut callers)))?;
                    callers = back;
                    Ok(answer)
                }
                other => Err(format!("no order {other:?}").into()),
            })
        }
    }
}

/// The moment is that after an acquisition, and before a release: from then on another caller could have the lock.
async fn take_or_give(mut caller: Box<dyn Tasked>, take: bool) -> Fallible<(Box<dyn Tasked>, Answer)> {
    let start = moment();
    if take {
        caller.acquire().await?;
    } else {
        caller.release().await?;
    }
    let end = moment();
    Ok((caller, times(take, start, end)))
}

fn times(take: bool, start: f64, end: f64) -> Answer {
    vec![("at", if take { end } else { start }), ("took", end - start)]
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

/// The role of the round trip beside hand-overs: one after a pause of so many milliseconds.
pub(crate) fn serve_pause(settings: &Settings) -> Fallible<()> {
    let client = redis::Client::open(settings.url.as_str())?;
    let mut plain = BlockingPlain::new(&client, PlainCommands::new("pause", 10_000, Duration::ZERO))?;
    plain.round_trip()?;
    take_orders(|pause| {
        std::thread::sleep(Duration::from_millis(pause.parse()?));
        let start = moment();
        plain.round_trip()?;
        Ok(vec![("took", moment() - start)])
    })
}
