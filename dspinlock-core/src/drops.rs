//! What drops have left to the library's own thread, and the moment for which the dropping thread waits for it.
//!
//! A process that ends right after a drop would take the request with it. So a drop outside a Tokio runtime waits until the
//! server has answered. On a runtime's thread nothing may block; there the wait is made up for when the thread itself ends,
//! which on Linux includes the main thread of `#[tokio::main]`.

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
struct Here(Arc<Left>);

impl Drop for Here {
    fn drop(&mut self) {
        // The thread ends, and perhaps the process with it.
        self.0.wait_while(MOMENT, |state| state.number > 0);
    }
}

#[derive(Default)]
struct Left {
    state: Mutex<State>,
    fewer: Condvar,
}

#[derive(Default)]
struct State {
    number: usize,
    /// Whether a wait has come to its limit, and what was there then is not all gone.
    waited: bool,
}

impl Left {
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
    let left = HERE.try_with(|here| Arc::clone(&here.0)).unwrap_or_default();
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
