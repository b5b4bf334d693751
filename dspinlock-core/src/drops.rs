//! The work that drops leave to the library's own thread, and how long the dropping thread waits for it.
//!
//! A process that ends right after a drop would lose the request. So a drop outside a Tokio runtime waits until the
//! server has answered. On a thread of a runtime nothing may block. There the wait is made up for when the thread
//! itself ends, which on Linux includes the main thread of `#[tokio::main]`.

use crate::sync::lock;
use crate::worker::check_process;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// The longest wait of a thread. Enough for a server that answers, and short where none does.
const MAX_WAIT: Duration = Duration::from_millis(50);

thread_local! {
    static LEFT: OfThread = OfThread::default();
}

/// The leftovers of this thread.
#[derive(Default)]
struct OfThread(RefCell<Arc<Leftovers>>);

impl OfThread {
    /// The leftovers of this process. A fork starts with none: its copy of the parent's may be locked, and never
    /// becomes fewer.
    fn leftovers(&self) -> Arc<Leftovers> {
        let mut left = self.0.borrow_mut();
        if !left.is_here() {
            *left = Arc::default();
        }
        Arc::clone(&left)
    }
}

impl Drop for OfThread {
    fn drop(&mut self) {
        // The thread ends, and perhaps the process as well.
        let left = self.0.get_mut();
        if left.is_here() {
            left.wait_while(MAX_WAIT, |state| state.number > 0);
        }
    }
}

struct Leftovers {
    state: Mutex<State>,
    fewer: Condvar,
    process: u32,
}

impl Default for Leftovers {
    fn default() -> Self {
        Self { state: Mutex::default(), fewer: Condvar::new(), process: std::process::id() }
    }
}

#[derive(Default)]
struct State {
    number: usize,
    /// Whether a wait has reached its limit, and some of the leftovers of that time are still there.
    waited: bool,
}

impl Leftovers {
    /// Returns whether this belongs to this process, and not to the parent of a fork.
    fn is_here(&self) -> bool {
        check_process(self.process).is_ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits while `is_there`. Does not wait if an earlier wait has reached its limit, so that many drops wait only
    /// once for a dead server.
    fn wait_while(&self, limit: Duration, is_there: impl Fn(&State) -> bool) {
        let state = self.state();
        if state.waited {
            return;
        }
        let waited = self.fewer.wait_timeout_while(state, limit, |state| is_there(state));
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waited = is_there(&state);
    }
}

/// Work that the thread has left to the library's thread. It is done when this is dropped.
pub(crate) struct Leftover {
    left: Arc<Leftovers>,
    /// Set while the state is locked.
    done: Arc<AtomicBool>,
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let mut state = self.left.state();
        self.done.store(true, Ordering::Relaxed);
        state.number -= 1;
        state.waited &= state.number > 0;
        drop(state);
        self.left.fewer.notify_all();
    }
}

/// Notes that the calling thread leaves work to the library's thread. If the work is not done when the calling thread
/// ends, the thread waits a moment for it.
pub(crate) fn note() -> Leftover {
    // At the very end of a thread, its leftovers are gone.
    let left = LEFT.try_with(OfThread::leftovers).unwrap_or_default();
    left.state().number += 1;
    Leftover { left, done: Arc::default() }
}

/// Lets `leave` leave work to the library's thread. Waits a moment for it where the calling thread may block.
pub(crate) fn leave(leave: impl FnOnce(Leftover)) {
    leave_for(MAX_WAIT, leave);
}

fn leave_for(limit: Duration, leave: impl FnOnce(Leftover)) {
    let leftover = note();
    let (left, done) = (Arc::clone(&leftover.left), Arc::clone(&leftover.done));
    leave(leftover);
    if Handle::try_current().is_err() {
        left.wait_while(limit, |_| !done.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_drop_waits_for_its_own_work_only() {
        let other = note();
        leave_for(LONG / 10, |own| drop(thread::spawn(move || drop(own))));
        assert!(!other.left.state().waited, "it reached its limit");
        assert_eq!(other.left.state().number, 1);
    }

    #[test]
    fn a_thread_that_ends_waits_for_all_its_work() {
        let left = Arc::new(Leftovers::default());
        let leftovers = [(); 2].map(|()| {
            left.state().number += 1;
            Leftover { left: Arc::clone(&left), done: Arc::default() }
        });
        thread::scope(|scope| {
            for leftover in leftovers {
                scope.spawn(move || drop(leftover));
            }
            left.wait_while(LONG, |state| state.number > 0);
        });
        assert_eq!(left.state().number, 0);
    }

    /// As in a fork that was made while the library's thread had the state locked.
    #[test]
    fn a_fork_does_not_wait_for_the_work_of_its_parent() {
        let left = Arc::new(Leftovers { process: std::process::id() + 1, ..Leftovers::default() });
        let (ended, ends) = std::sync::mpsc::channel();
        let mut locked = left.state();
        locked.number = 1;
        let parents = Arc::clone(&left);
        thread::spawn(move || {
            drop(OfThread(RefCell::new(Arc::clone(&parents))));
            let thread = OfThread(RefCell::new(parents));
            thread.leftovers().state().number += 1;
            ended.send(thread.leftovers().state().number)
        });
        assert_eq!(ends.recv_timeout(LONG).expect("it waits for what is locked"), 1);
        assert_eq!(locked.number, 1);
    }

    #[test]
    fn only_the_first_wait_reaches_its_limit() {
        let leftover = note();
        let is_there = |state: &State| state.number > 0;
        leftover.left.wait_while(Duration::from_millis(1), is_there);
        let start = Instant::now();
        leftover.left.wait_while(LONG, is_there);
        assert!(start.elapsed() < LONG / 2);
        let left = Arc::clone(&leftover.left);
        drop(leftover);
        assert!(!left.state().waited, "the next one waits again");
    }
}
