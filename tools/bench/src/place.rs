//! The place of a row: a server of its own, perhaps with a delay, perhaps all on one core.

use crate::Fallible;
use crate::contestants::Engine;
use crate::options::Options;
use dspinlock_testkit::{Direction, Proxy, Server};
use std::net::SocketAddr;

/// A server, and the way to it.
pub(crate) struct Place {
    pub(crate) server: Server,
    proxy: Option<Proxy>,
    _pinned: Option<Pinned>,
}

impl Place {
    /// Starts a server. `software` says that the row is about the cost of the software, for `--pin`.
    pub(crate) fn new(options: &Options, software: bool) -> Fallible<Self> {
        // Processes and threads inherit the core from the thread that starts them.
        let pinned = if options.pin && software { Some(Pinned::new()?) } else { None };
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

    /// How many commands clients of this engine have sent so far, besides connecting.
    pub(crate) fn commands(&self, engine: Engine) -> u64 {
        engine.sent(&self.server.command_stats())
    }
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
        Err("--pin is for Linux".into())
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        // If this fails, the rest of the run stays on one core.
        let _ = rustix::thread::sched_setaffinity(None, &self.before);
    }
}
