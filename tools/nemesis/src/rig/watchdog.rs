//! Notices when the machine keeps threads from running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::clock::{ms, now};
use crate::faults::{Entry, FaultLog};

/// A thread that logs when the machine keeps threads waiting.
pub(super) struct Watchdog {
    thread: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Watchdog {
    /// A thread on a busy machine may be this late.
    const LATE: u64 = 150_000;

    pub(super) fn start(log: FaultLog) -> Self {
        let over = Arc::<AtomicBool>::default();
        let watching = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !watching.load(Ordering::Relaxed) {
                let from = now();
                thread::sleep(ms(10));
                let to = now();
                if to > from + Self::LATE {
                    log.write(&Entry::Stall { from, to });
                }
            }
        });
        Self { thread: Some(thread), over }
    }

    /// Waits until everything is written down.
    pub(super) fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It only ever sleeps and writes.
            let _ = thread.join();
        }
    }
}
