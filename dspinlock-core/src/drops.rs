//! What drops have left to the library's own thread, and the moment for which the dropping thread waits for it.
//!
//! A process that ends right after a drop would take the request with it. So a drop outside a Tokio runtime waits until the
//! server has answered. On a runtime's thread nothing may block; there the wait is made up for when the thread itself ends,
//! which on Linux includes the main thread of `#[tokio::main]`.

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
        self.0.wait(MOMENT);
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
    /// Whether a wait has come to its limit, and something that it waited for is still there.
    waited: bool,
}

impl Left {
    fn state(&self) -> MutexGuard<'_, State> {
        // Two plain values, changed together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is left, unless that took too long before: many drops on a dead server wait once.
    fn wait(&self, limit: Duration) {
        let state = self.state();
        if state.waited {
            return;
        }
        let any = |state: &mut State| state.number > 0;
        let waited = self.fewer.wait_timeout_while(state, limit, any);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waited = state.number > 0;
    }
}

/// Something that a drop has left to the library's thread, while this lives.
pub(crate) struct Leftover(Arc<Left>);

impl Drop for Leftover {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.number -= 1;
        if state.number == 0 {
            state.waited = false;
            self.0.fewer.notify_all();
        }
    }
}

/// Notes that the calling thread leaves something to the library's thread. What it does not wait for before that, it waits
/// for a moment when it ends.
pub(crate) fn note() -> Leftover {
    // A thread that is past its own end has nothing to note it in.
    let left = HERE.try_with(|here| Arc::clone(&here.0)).unwrap_or_default();
    left.state().number += 1;
    Leftover(left)
}

/// Has `leave` leave something to the library's thread, and waits a moment for it where the calling thread may wait.
pub(crate) fn leave(leave: impl FnOnce(Leftover)) {
    let leftover = note();
    let left = Arc::clone(&leftover.0);
    leave(leftover);
    if Handle::try_current().is_err() {
        left.wait(MOMENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_wait_ends_with_what_is_waited_for() {
        let left = Arc::new(Left::default());
        left.state().number = 1;
        let leftover = Leftover(Arc::clone(&left));
        thread::scope(|scope| {
            scope.spawn(move || drop(leftover));
            left.wait(LONG);
        });
        assert_eq!(left.state().number, 0);
        left.wait(LONG);
    }

    #[test]
    fn only_the_first_waits_in_vain() {
        let left = Arc::new(Left::default());
        left.state().number = 1;
        let leftover = Leftover(Arc::clone(&left));
        left.wait(Duration::from_millis(1));
        let start = Instant::now();
        left.wait(LONG);
        assert!(start.elapsed() < LONG / 2);
        drop(leftover);
        assert!(!left.state().waited, "the next one waits again");
    }
}
