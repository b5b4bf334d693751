//! A turn: what the server granted by one tag, whoever in this process has it in hand.

use crate::clock::Tick;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::Notify;

/// It goes on: somebody has it, or is being handed it.
const ON: u8 = 0;
/// It is being given back; the server has not answered yet.
const ENDING: u8 = 1;
/// The server has answered, or its lease was waited for.
const OVER: u8 = 2;

/// What the server granted, and this process passes from hand to hand.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) granted: Tick,
    stage: AtomicU8,
    settled: Notify,
}

impl Turn {
    pub(crate) fn new(granted: Tick) -> Self {
        Self { granted, stage: AtomicU8::new(ON), settled: Notify::new() }
    }

    /// Nobody is handed it any more; it is on its way back.
    pub(crate) fn begin_to_end(&self) {
        self.stage.store(ENDING, Ordering::Release);
    }

    /// Nothing more is sent to end it.
    pub(crate) fn settle(&self) {
        self.stage.store(OVER, Ordering::Release);
        self.settled.notify_waiters();
    }

    /// Waits for the answer to what ends it; `false` at once if nothing has been sent that does.
    pub(crate) async fn is_over(&self) -> bool {
        loop {
            // Made before the look, so that no change is missed in between.
            let settled = self.settled.notified();
            match self.stage.load(Ordering::Acquire) {
                ON => return false,
                ENDING => settled.await,
                _ => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn it_is_over_with_the_answer_and_not_before() {
        let turn = Turn::new(Tick::now());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(turn.is_over()).poll(&mut context), Poll::Ready(false));
        turn.begin_to_end();
        let mut over = pin!(turn.is_over());
        assert!(over.as_mut().poll(&mut context).is_pending());
        turn.settle();
        assert_eq!(over.poll(&mut context), Poll::Ready(true));
    }
}
