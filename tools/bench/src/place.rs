//! The place of a row: a server of its own, perhaps with a delay, perhaps all on one core.

use crate::Fallible;
use crate::contestants::{Calls, Engine};
use crate::options::Options;
use dspinlock_testkit::{Direction, Proxy, Server};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A server, and the way to it.
pub(crate) struct Place {
    pub(crate) server: Server,
    proxy: Option<Proxy>,
    _pinned: Option<Pinned>,
}

impl Place {
    /// Starts a server; if `pinned`, on the core that its clients will be on.
    pub(crate) fn new(options: &Options, pinned: bool) -> Fallible<Self> {
        // Processes and threads inherit the core from the thread that starts them.
        let pinned = if pinned { Some(Pinned::new()?) } else { None };
        let server = Server::try_start()?;
        let proxy = options.rtt.map(|rtt| {
            let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
            proxy.delay(Direction::Requests, rtt / 2);
            proxy.delay(Direction::Replies, rtt / 2);
            proxy
        });
        Ok(Self { server, proxy, _pinned: pinned })
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        self.proxy.as_ref().map_or_else(|| self.server.url(), Proxy::url)
    }

    /// What the server has done so far.
    pub(crate) fn work(&self) -> Work {
        Work { calls: calls(&self.server.info("commandstats")), cpu_us: cpu_us(&self.server.info("cpu")) }
    }

    /// What the server has done for clients of this engine since `before`, besides connecting.
    pub(crate) fn since(&self, before: &Work, engine: Engine) -> Served {
        let now = self.work();
        let mut calls = now.calls;
        for (name, before) in &before.calls {
            if let Some(now) = calls.get_mut(name) {
                now.calls -= before.calls;
                now.micros -= before.micros;
            }
        }
        let scripts = calls.get("evalsha").map_or(0, |script| script.calls);
        let sent = engine.sent(calls);
        Served {
            commands: count(sent.values().map(|command| command.calls).sum()),
            micros: count(sent.values().map(|command| command.micros).sum()),
            scripts: count(scripts),
            cpu_us: now.cpu_us - before.cpu_us,
        }
    }
}

/// A reading of the server's own counters.
pub(crate) struct Work {
    calls: BTreeMap<String, Calls>,
    cpu_us: f64,
}

/// The difference between two readings.
#[derive(Clone, Copy)]
pub(crate) struct Served {
    /// How many commands came from clients.
    pub(crate) commands: f64,
    /// How long the server took to run them, in microseconds, without reading and writing.
    pub(crate) micros: f64,
    /// How many of the commands ran a script.
    pub(crate) scripts: f64,
    /// The processor time of the whole server, in microseconds.
    pub(crate) cpu_us: f64,
}

/// The fields of `INFO commandstats`: `cmdstat_get:calls=12,usec=34,…`.
fn calls(fields: &BTreeMap<String, String>) -> BTreeMap<String, Calls> {
    let entry = |(name, value): (&String, &String)| {
        let command = name.strip_prefix("cmdstat_")?;
        let part =
            |name: &str| value.split(',').find_map(|part| part.strip_prefix(name))?.parse::<u64>().ok();
        Some((command.to_owned(), Calls { calls: part("calls=")?, micros: part("usec=")? }))
    };
    fields.iter().filter_map(entry).collect()
}

/// The fields of `INFO cpu`, of its main thread and the others together.
fn cpu_us(fields: &BTreeMap<String, String>) -> f64 {
    let seconds = |name: &str| fields.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a sample has far fewer than 2^53 commands or microseconds")]
fn count(number: u64) -> f64 {
    number as f64
}

/// Keeps the calling thread, and what it starts, on one core until this is dropped.
struct Pinned {
    #[cfg(target_os = "linux")]
    before: rustix::thread::CpuSet,
}

impl Pinned {
    #[cfg(target_os = "linux")]
    fn new() -> Fallible<Self> {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let before = sched_getaffinity(None)?;
        // The last core: interrupts tend to go to the first.
        let core = (0..CpuSet::MAX_CPU).rev().find(|&core| before.is_set(core)).ok_or("no core to run on")?;
        let mut one = CpuSet::new();
        one.set(core);
        sched_setaffinity(None, &one)?;
        Ok(Self { before })
    }

    #[cfg(not(target_os = "linux"))]
    fn new() -> Fallible<Self> {
        Err("pinning is for Linux".into())
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        // If this fails, the rest of the run stays on one core.
        let _ = rustix::thread::sched_setaffinity(None, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calls_and_processor_time() {
        let fields = |fields: &[(&str, &str)]| {
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let stats = fields(&[("cmdstat_get", "calls=12,usec=34,usec_per_call=2.83"), ("other", "1")]);
        assert_eq!(calls(&stats), BTreeMap::from([("get".to_owned(), Calls { calls: 12, micros: 34 })]));
        let cpu =
            fields(&[("used_cpu_sys", "0.25"), ("used_cpu_user", "1.5"), ("used_cpu_sys_children", "7")]);
        assert!((cpu_us(&cpu) - 1.75e6).abs() < 1.0);
    }
}
