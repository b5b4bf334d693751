//! One log for all processes of a round: a line an event, by one clock.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Microseconds of the one clock of this machine, which is never set.
#[cfg(target_os = "linux")]
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1_000
}

/// Microseconds of the one clock that all processes share everywhere, as long as nobody sets it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn now() -> u64 {
    micros(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// This process's end of the log.
pub(crate) struct Log {
    file: File,
    ids: AtomicU64,
}

impl Log {
    pub(crate) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Self { file, ids: AtomicU64::new(1) }
    }

    /// A name that nothing else in the round has.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", process::id(), self.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn write(&self, what: impl Display) {
        let line = format!("{} {} {what}\n", now(), process::id());
        // One write a line: the system puts it whole behind all others.
        (&self.file).write_all(line.as_bytes()).unwrap();
    }
}

/// One event.
pub(crate) struct Line<'a> {
    pub(crate) at: u64,
    pub(crate) process: u32,
    pub(crate) words: Vec<&'a str>,
}

pub(crate) fn read(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().map(|line| {
        let mut words = line.split(' ');
        let at = words.next().and_then(|word| word.parse().ok());
        let process = words.next().and_then(|word| word.parse().ok());
        let (Some(at), Some(process)) = (at, process) else { panic!("a torn line in the log: {line:?}") };
        Line { at, process, words: words.collect() }
    })
}
