//! The resources of this process, sampled regularly: a leak shows as a rise.

use std::fs;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::clock::{ms, now};
use crate::history::{Log, What};

/// Writes the samples until the work is over.
pub(super) fn start(log: Arc<Log>, until: u64) -> JoinHandle<()> {
    thread::spawn(move || {
        while now() < until {
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            let figure = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                line.split_whitespace().next()?.parse().ok()
            };
            let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            log.write(
                "",
                0,
                What::Gauge {
                    threads: figure("Threads:").unwrap_or_default(),
                    files: u64::try_from(files).unwrap_or_default(),
                    memory_kb: figure("VmRSS:").unwrap_or_default(),
                },
            );
            thread::sleep(ms(250));
        }
    })
}
