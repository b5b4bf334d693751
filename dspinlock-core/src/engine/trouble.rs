//! A server that can't do at present what is asked, in a way that passes by itself: it loads its data, or its successor is being
//! elected. Callers ask again while they have time.

use crate::clock::Tick;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::worker::Worker;
use std::future::{Future, pending};
use std::time::Duration;

/// The pause before the first repeat, and the longest one; doubled in between.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(150)];

/// Callers that wait for the same moment come back at different ones within this time.
const JITTER_MILLIS: u64 = 25;

/// Decides when to ask again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Trouble {
    /// When the caller's time is over.
    deadline: Tick,
    /// The next pause.
    pause: Duration,
    /// When the server was first asked again, since its last answer.
    since: Option<Tick>,
}

impl Trouble {
    pub(crate) fn new(deadline: Tick) -> Self {
        Self { deadline, pause: PAUSES[0], since: None }
    }

    /// Takes in that the server can't do at present what is asked. Returns when to ask again; `None` once the caller's time is
    /// over.
    pub(crate) fn again(&mut self, now: Tick, jitter: Duration) -> Option<Tick> {
        if now >= self.deadline {
            return None;
        }
        let pause = self.pause;
        self.since.get_or_insert(now);
        self.pause = PAUSES[1].min(pause * 2);
        Some(self.deadline.min(now + pause + jitter.min(pause)))
    }

    /// Takes in that the server has answered.
    pub(crate) fn is_over(&mut self) {
        self.pause = PAUSES[0];
        self.since = None;
    }

    /// The error of a caller whose time is over.
    pub(crate) fn given_up(&self, error: Error, now: Tick) -> Error {
        match self.since {
            Some(since) => error.and(&format!("asked again for {:.1?}", now - since)),
            None => error,
        }
    }
}

/// The random part of a pause.
pub(crate) fn jitter() -> Duration {
    Duration::from_millis(fastrand::u64(1..=JITTER_MILLIS))
}

/// Calls `ask`, and again after each failure that passes by itself, for as long as the options say.
pub(crate) async fn persist<T, F>(worker: &Worker, options: &Options, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut trouble = Trouble::new(Tick::now() + options.wait_for_server());
    loop {
        match ask().await {
            Err(error) if error.passes() => match trouble.again(Tick::now(), jitter()) {
                Some(at) => worker.limit(at, pending::<()>()).await,
                None => return Err(trouble.given_up(error, Tick::now())),
            },
            answer => return answer,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Tick = Tick::from_millis(1_000);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_pauses_grow_until_the_deadline_and_are_short_again_after_an_answer() {
        let mut trouble = Trouble::new(T0 + 1_000 * MS);
        let mut now = T0;
        let mut pauses = Vec::new();
        while let Some(at) = trouble.again(now, 25 * MS) {
            pauses.push((at - now).as_millis());
            now = at;
        }
        assert_eq!(pauses, [10, 20, 40, 65, 105, 175, 175, 175, 175, 60]);
        assert_eq!(now, T0 + 1_000 * MS, "the last request is sent when the time is over");
        trouble.is_over();
        assert_eq!(trouble.again(T0, MS), Some(T0 + 6 * MS));
        assert_eq!(Trouble::new(T0).again(T0, MS), None);
    }
}
