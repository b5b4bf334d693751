//! Who waits for whom, from a holder on. Without I/O.

use crate::lock::{Lock, Process};
use schemars::JsonSchema;
use serde::Serialize;

/// Who waits for whom, from the holder on.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Chain {
    pub(crate) waits: Vec<Wait>,
    /// Whether it comes back to a process that is in it already.
    pub(crate) is_cycle: bool,
    /// Other locks that the holder holds.
    pub(crate) holder_also_holds: Vec<String>,
    /// Whether all locks were looked at.
    pub(crate) complete: bool,
}

/// A process that is noted as waiting for a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Wait {
    /// `host/pid`.
    pub(crate) process: String,
    pub(crate) key: String,
    pub(crate) holder: Option<Process>,
}

/// A held lock, and the processes that are noted as waiting for it.
pub(crate) struct Waited {
    pub(crate) lock: Lock,
    pub(crate) waiters: Vec<Process>,
}

/// Follows the holder of `key` from lock to lock.
pub(crate) fn chain(key: &str, holder: &Process, held: &[Waited], complete: bool) -> Chain {
    let mut chain = Chain { complete, ..Chain::default() };
    let holds =
        |it: &&Waited, process: &Process| it.lock.holder.as_ref().is_some_and(|by| by.is_same(process));
    let others = held.iter().filter(|it| it.lock.key != key && holds(it, holder));
    chain.holder_also_holds = others.map(|it| it.lock.key.clone()).collect();
    let mut process = holder.clone();
    let mut seen = vec![holder.place()];
    // A process may wait for several locks, one of each thread. Each is listed, and the first one is followed.
    loop {
        let waits: Vec<_> =
            held.iter().filter(|it| it.waiters.iter().any(|waiter| waiter.is_same(&process))).collect();
        chain.waits.extend(waits.iter().map(|it| Wait {
            process: process.place(),
            key: it.lock.key.clone(),
            holder: it.lock.holder.clone(),
        }));
        let Some(next) = waits.first().and_then(|it| it.lock.holder.clone()) else { return chain };
        if seen.contains(&next.place()) {
            chain.is_cycle = true;
            return chain;
        }
        seen.push(next.place());
        process = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::held as held_lock;
    use crate::why::words::chained;

    fn waited(key: &str, by: &str, waiters: &[&str]) -> Waited {
        let waiters: Vec<_> = waiters.iter().map(|place| Process::of(place)).collect();
        Waited { lock: held_lock(key, by, 1), waiters }
    }

    #[test]
    fn follows_who_waits_for_whom() {
        let held = [
            waited("a", "web-1/1/f", &["web-9/9"]),
            waited("b", "web-2/2/g", &["web-1/1"]),
            waited("c", "web-3/3", &["web-2/2"]),
            waited("d", "web-1/1", &[]),
        ];
        let found = chain("a", &Process::of("web-1/1/f"), &held, true);
        let steps: Vec<_> = found.waits.iter().map(|wait| (&*wait.process, &*wait.key)).collect();
        assert_eq!(steps, [("web-1/1", "b"), ("web-2/2", "c")]);
        assert!(!found.is_cycle);
        assert_eq!(found.holder_also_holds, ["d"]);
        let all = chained(&found, &held[0].lock).join("\n");
        assert!(all.contains("web-1/1 is noted as waiting for b, which web-2/2/g holds."), "{all}");
        assert!(all.ends_with("So a may be free only after c."), "{all}");
    }

    #[test]
    fn sees_a_circle() {
        let held = [waited("a", "web-1/1", &["web-2/2"]), waited("b", "web-2/2", &["web-1/1"])];
        let found = chain("a", &Process::of("web-1/1"), &held, false);
        assert!(found.is_cycle && found.waits.len() == 2);
        let all = chained(&found, &held[0].lock).join("\n");
        assert!(all.contains("circle") && all.ends_with("there may be more."), "{all}");
    }
}
