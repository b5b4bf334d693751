//! A process that holds many locks at once.

use super::peers::Rslock;
use super::{Answer, Settings, moment, processor, take_orders};
use crate::Fallible;
use crate::contestants::Engine;
use dspinlock::{Client, Guard};
use std::sync::Arc;
use std::time::Duration;

/// How many tasks acquire.
const TASKS: u64 = 64;

/// A lock that is held, in the form in which its library has it.
enum Held {
    Ours(Guard),
    Rslock(#[expect(dead_code, reason = "it is only kept")] rslock::Lock),
}

enum By {
    /// Several clients stand for several processes.
    Ours(Vec<Client>),
    Rslock(rslock::LockManager),
}

impl By {
    async fn acquire(&self, number: u64, key: &str, lease: Duration) -> Fallible<Held> {
        Ok(match self {
            Self::Ours(clients) => {
                let client = &clients[usize::try_from(number)? % clients.len()];
                let lock = client.lock(key).namespace("bench").expire(None).lease(lease);
                Held::Ours(lock.acquire().await?)
            }
            Self::Rslock(manager) => Held::Rslock(manager.acquire_no_guard(key, lease).await?),
        })
    }

    /// `number` locks, acquired by several tasks, and how many of them were refused.
    async fn acquire_all(
        self: &Arc<Self>,
        kind: &str,
        number: u64,
        lease: Duration,
    ) -> Fallible<(Vec<Held>, f64)> {
        let task = |task| {
            let (by, kind) = (Arc::clone(self), kind.to_owned());
            tokio::spawn(async move {
                let (mut held, mut refused) = (Vec::new(), 0.0);
                for key in (task..number).step_by(usize::try_from(TASKS)?) {
                    match by.acquire(key, &format!("{kind}-{key}"), lease).await {
                        Ok(lock) => held.push(lock),
                        Err(error) => {
                            eprintln!("{error}");
                            refused += 1.0;
                        }
                    }
                }
                Fallible::Ok((held, refused))
            })
        };
        let (mut all, mut all_refused) = (Vec::with_capacity(usize::try_from(number)?), 0.0);
        for task in (0..TASKS).map(task).collect::<Vec<_>>() {
            let (held, refused) = task.await??;
            all.extend(held);
            all_refused += refused;
        }
        Ok((all, all_refused))
    }
}

/// The role of a process that holds `locks` locks. The orders: `take` all; `look`, how many are held, and the processor's time.
pub(super) fn serve(settings: &Settings) -> Fallible<()> {
    let (number, lease) = (settings.get("locks", 0), Duration::from_millis(settings.get("lease", 10_000)));
    let runtime = &settings.runtime;
    let by = Arc::new(match settings.engine {
        Engine::Dspinlock => {
            let clients = (0..settings.get("clients", 1)).map(|_| Client::connect(&settings.url));
            By::Ours(clients.collect::<Result<_, _>>()?)
        }
        Engine::Rslock => By::Rslock(Rslock::manager(&settings.url, settings.sleep_ms())),
        other => return Err(format!("{} holds nothing here", other.name()).into()),
    });
    // Connects; and what the allocator keeps for the tasks is there before the measurement.
    drop(runtime.block_on(by.acquire_all("warm-up", 10 * TASKS, lease))?);
    let mut all = Vec::new();
    take_orders(|order| match order {
        "take" => {
            let (memory, start) = (resident()?, moment());
            let (held, refused) = runtime.block_on(by.acquire_all("held", number, lease))?;
            all = held;
            let bytes = resident()? - memory;
            Ok(vec![("bytes", bytes), ("seconds", (moment() - start) / 1e6), ("refused", refused)])
        }
        "look" => Ok(looks(&all)),
        other => Err(format!("no order {other:?}").into()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "these are far fewer than 2^53 locks")]
fn looks(all: &[Held]) -> Answer {
    let is_held = |held: &&Held| if let Held::Ours(guard) = held { guard.is_held() } else { true };
    vec![("held", all.iter().filter(is_held).count() as f64), ("cpu", processor())]
}

/// The memory of this process that is in use, in bytes.
fn resident() -> Fallible<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}
