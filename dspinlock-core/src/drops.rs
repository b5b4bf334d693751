//! What drops have left to the library's own thread, and the moment for which the dropping thread waits for it.
//!
//! A process that ends right after a drop would take the request with it. So a drop outside a Tokio runtime waits until the
//! server has answered. On a runtime's thread nothing may block; there the wait is made up for when the thread itself ends,
//! which on Linux includes the main thread of `#[tokio::main]`.

use crate::worker::check_process;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a thread waits at the most: enough for a server that is there, and no burden where none is.
const MOMENT: Duration = Duration::from_millis(50);

thread_local! {
    static HERE: Here = Here::default();
}

/// What the drops of this thread have left.
#[derive(Default)]
struct Here(RefCell<Arc<Left>>);

impl Here {
    /// A fork starts with nothing: the copy that it has of its parent's may be locked, and nothing there makes it fewer.
    fn left(&self) -> Arc<Left> {
        let mut left = self.0.borrow_mut();
        if !left.is_here() {
            *left = Arc::default();
        }
        Arc::clone(&left)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // The thread ends, and perhaps the process with it.
        let left = self.0.get_mut();
        if left.is_here() {
            left.wait_while(MOMENT, |state| state.number > 0);
        }
    }
}

struct Left {
    state: Mutex<State>,
    fewer: Condvar,
    process: u32,
}

impl Default for Left {
    fn default() -> Self {
        Self { state: Mutex::default(), fewer: Condvar::new(), process: std::process::id() }
    }
}

#[derive(Default)]
struct State {
    number: usize,
    /// Whether a wait has come to its limit, and what was there then is not all gone.
    waited: bool,
}

impl Left {
    /// Whether this is the process that it was made in.
    fn is_here(&self) -> bool {
        check_process(self.process).is_ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Two plain values, changed together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `is_there`, unless that took too long before: many drops on a dead server wait once.
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

/// Something that the thread has left to the library's thread, while this lives.
pub(crate) struct Leftover {
    left: Arc<Left>,
    /// Set with the state locked.
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

/// Notes that the calling thread leaves something to the library's thread. What it does not wait for before that, it waits
/// for a moment when it ends.
pub(crate) fn note() -> Leftover {
    // A thread that is past its own end has nothing to note it in.
    let left = HERE.try_with(Here::left).unwrap_or_default();
    left.state().number += 1;
    Leftover { left, done: Arc::default() }
}

/// Has `leave` leave something to the library's thread, and waits a moment for it where the calling thread may wait.
pub(crate) fn leave(leave: impl FnOnce(Leftover)) {
    leave_for(MOMENT, leave);
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
    fn a_drop_waits_for_its_own_and_for_nothing_else() {
        let other = note();
        leave_for(LONG / 10, |own| drop(thread::spawn(move || drop(own))));
        assert!(!other.left.state().waited, "it came to its limit");
        assert_eq!(other.left.state().number, 1);
    }

    #[test]
    fn a_thread_that_ends_waits_for_all() {
        let left = Arc::new(Left::default());
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

    /// As if this were a fork, made while the library's thread had the state locked.
    #[test]
    fn a_fork_waits_for_nothing_of_its_parents() {
        let left = Arc::new(Left { process: std::process::id() + 1, ..Left::default() });
        let (ended, ends) = std::sync::mpsc::channel();
        let mut locked = left.state();
        locked.number = 1;
        let parents = Arc::clone(&left);
        thread::spawn(move || {
            drop(Here(RefCell::new(Arc::clone(&parents))));
            let here = Here(RefCell::new(parents));
            here.left().state().number += 1;
            ended.send(here.left().state().number)
        });
        assert_eq!(ends.recv_timeout(LONG).expect("it waits for what is locked"), 1);
        assert_eq!(locked.number, 1);
    }

    #[test]
    fn only_the_first_waits_for_nothing() {
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
