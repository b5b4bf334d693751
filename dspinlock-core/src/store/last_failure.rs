//! Ask once, share the failure.

use crate::clock::Tick;

/// The last failure of something that many callers want and one of them tries at a time.
///
/// Callers that asked before the failure was known share it. If each of them tried by itself, one after the other, the last
/// would wait for all their timeouts.
#[derive(Debug)]
pub(crate) struct LastFailure<E>(Option<(Tick, E)>);

impl<E> Default for LastFailure<E> {
    fn default() -> Self {
        Self(None)
    }
}

impl<E> LastFailure<E> {
    pub(crate) fn note(&mut self, error: E) {
        self.0 = Some((Tick::now(), error));
    }

    /// The failure, if it became known after the caller asked.
    pub(crate) fn since(&self, asked: Tick) -> Option<&E> {
        self.0.as_ref().filter(|(known, _)| asked <= *known).map(|(_, error)| error)
    }
}
