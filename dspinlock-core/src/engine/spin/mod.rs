//! The spin: decides what a caller does next, from the reply and the time. It does no I/O and has no clock.
//!
//! The async and the blocking driver share this one state machine. They send a request, pass the reply to
//! [`next`](Spin::next), and do what the [`Step`] says.

mod policy;
#[cfg(test)]
mod tests;

use crate::clock::{ServerTime, Tick};
use crate::engine::trouble::Trouble;
use crate::error::Error;
use crate::format::envelope::{Payload, Stored};
use crate::format::note::Note;
use crate::format::record::{Record, State, describe};
use crate::options::Options;
use crate::store::{Acquired, Excerpt, Notify, Replace};
use std::time::Duration;

pub(crate) use policy::{Distrust, OnBlocked, OnComputed, Policy, Wanted};

/// How long a COMPUTED record of Python is left alone. The release in Python raises if the record is replaced within
/// its next round trips.
const PYTHON_GRACE: Duration = Duration::from_millis(20);

/// The life of a record that py-dspinlock writes, unless a subclass sets another.
const PYTHON_LIFE: Duration = Duration::from_secs(60 * 60);

/// The shortest sleep of a poller. Shorter than the time for which a process that gives a lock back leaves it to
/// others.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How many requests in a row may be late by the server's clock, and how many grants may come when their lease is
/// spent, before the caller gives up.
const MAX_LATE: u32 = 3;

/// The next act of the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Enter: the lock is granted, with this fencing token.
    Enter { fence: u64 },
    /// Go away without the lock. The record says whether the key is BLOCKED or COMPUTED.
    TurnedAway(Record),
    /// Take the value that came with the reply.
    Take(Stored),
    /// Give up waiting for a value: the turn has none for others.
    Noted(Note),
    /// Sleep until then, or until a wake-up, and ask again. `replace` is a record that the request may replace.
    Again { at: Tick, replace: Option<Replace> },
}

/// Why an attempt is given up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Somebody else holds the key. With the record that was seen last, if any was.
    Contended(Option<Record>),
    KeyExists(Record),
    Foreign(String),
    /// The key of the fencing tokens holds something else of this Redis type.
    StrangeFence(String),
    /// Several requests were late by the server's clock, which keeps running ahead of the estimate.
    Clock,
    /// Several grants came when their lease was spent.
    Slow,
    /// The tag belongs to a turn that has ended.
    Spent,
    /// Too few replicas have confirmed the grant: this many.
    Unconfirmed(u64),
}

/// The state of one caller's attempt at one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spin {
    policy: Policy,
    sleep: Duration,
    deadline: Tick,
    trouble: Trouble,
    max_block: Duration,
    late: u32,
    /// How many grants came too late. Never set back: until such a grant is given back, the caller meets its own
    /// record, which says nothing about the server.
    slow: u32,
    wanted: Option<Wanted>,
    /// A COMPUTED record, and until when it is left alone.
    grace: Option<(Record, Tick)>,
}

/// The circumstances of a reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// When the request was sent. The server's time in the reply is not from before.
    pub(crate) sent: Tick,
    pub(crate) now: Tick,
    /// Random, so that the waiters for one expiry do not come all at once.
    pub(crate) jitter: Duration,
    pub(crate) notify: Notify,
}

impl Spin {
    pub(crate) fn new(policy: Policy, options: &Options, wait: Duration, started: Tick) -> Self {
        Self {
            policy,
            sleep: options.sleep,
            deadline: started + wait,
            trouble: Trouble::new(started + wait.min(options.wait_for_server())),
            max_block: options.max_block,
            late: 0,
            slow: 0,
            wanted: None,
            grace: None,
        }
    }

    /// Asks for this value: a COMPUTED record is an answer only if it comes with it.
    pub(crate) fn want(&mut self, wanted: Option<Wanted>) {
        self.wanted = wanted;
    }

    /// Returns until when this caller waits; `None` if it does not wait at all.
    pub(crate) fn patience(&self) -> Option<Tick> {
        (self.policy.blocked == OnBlocked::Wait).then_some(self.deadline)
    }

    /// Returns whether the script may lock a COMPUTED key that this library has written.
    pub(crate) fn relocks(&self) -> bool {
        self.policy.computed == OnComputed::Relock
    }

    /// Counts a grant that came when its lease was spent.
    ///
    /// # Errors
    ///
    /// `Slow` if the caller should not ask again.
    pub(crate) fn too_slow(&mut self, now: Tick) -> Result<(), Refusal> {
        self.slow += 1;
        if self.slow > MAX_LATE || now >= self.deadline { Err(Refusal::Slow) } else { Ok(()) }
    }

    /// Takes in that the server can't do at present what is asked, in a way that passes by itself. Returns when to ask again, in
    /// every mode: the server has said nothing about the lock. `None` once the caller's time is over.
    pub(crate) fn in_trouble(&mut self, now: Tick, jitter: Duration) -> Option<Tick> {
        self.trouble.again(now, jitter)
    }

    /// The error of a caller whose time is over, with how long the server was asked again.
    pub(crate) fn given_up(&self, error: Error, now: Tick) -> Error {
        self.trouble.given_up(error, now)
    }

    /// Takes in a reply and says what the caller does next.
    pub(crate) fn next(&mut self, reply: Acquired, separator: &str, moment: Moment) -> Result<Step, Refusal> {
        self.trouble.is_over();
        match reply {
            Acquired::Granted { fence, .. } => Ok(Step::Enter { fence }),
            Acquired::Held { raw, remaining, now: server, value } => {
                self.late = 0;
                let record =
                    Record::parse(&raw, separator).map_err(|why| Refusal::Foreign(describe(&raw, &why)))?;
                match record.state {
                    State::Computed => self.computed(record, server, value, separator, moment),
                    State::Blocked => self.blocked(record, remaining, server, moment),
                }
            }
            Acquired::Failed { note, .. } => Ok(Step::Noted(Note::read(&note, separator))),
            Acquired::Late { .. } => {
                self.late += 1;
                if self.late > MAX_LATE {
                    return Err(Refusal::Clock);
                }
                Ok(Step::Again { at: moment.now, replace: None })
            }
            Acquired::Repeated(reply) => self.next(*reply, separator, moment),
            Acquired::Unconfirmed { by, .. } => Err(Refusal::Unconfirmed(by)),
            Acquired::Spent => Err(Refusal::Spent),
            Acquired::WrongType(kind) => Err(Refusal::Foreign(format!("a {kind}"))),
            Acquired::StrangeFence(kind) => Err(Refusal::StrangeFence(kind)),
        }
    }

    fn computed(
        &mut self,
        record: Record,
        server: ServerTime,
        value: Option<Excerpt>,
        separator: &str,
        moment: Moment,
    ) -> Result<Step, Refusal> {
        match self.policy.computed {
            OnComputed::Fail => Err(Refusal::KeyExists(record)),
            OnComputed::Relock => Ok(self.relock(record, moment)),
            OnComputed::TurnAway if self.wanted.is_none() => Ok(Step::TurnedAway(record)),
            OnComputed::TurnAway => Ok(match self.open(value, &record.raw, separator) {
                Some((payload, until)) => {
                    let until = until.map(|until| moment.sent + server.until(until));
                    Step::Take(Stored { payload, record: Some(record.raw.into()), until })
                }
                None => self.relock(record, moment),
            }),
        }
    }

    /// Replaces a COMPUTED record that the script has not re-locked: one of Python or of a custom scheme, or one whose
    /// value is not the one that is wanted.
    fn relock(&mut self, record: Record, moment: Moment) -> Step {
        let at = match &self.grace {
            Some((seen, at)) if *seen == record => *at,
            _ if record.is_python() => moment.now + PYTHON_GRACE,
            _ => moment.now,
        };
        let raw = record.raw.clone();
        self.grace = Some((record, at));
        replace(raw, at)
    }

    /// The value that came with a COMPUTED record, if it is the wanted one, and until when that record lives.
    fn open(
        &self,
        value: Option<Excerpt>,
        record: &[u8],
        separator: &str,
    ) -> Option<(Payload, Option<ServerTime>)> {
        let wanted = self.wanted.as_ref()?;
        if wanted.distrust.concerns(record) {
            return None;
        }
        let Excerpt { bytes, whole } = value?;
        let header = wanted.label.header(&bytes, Some((record, separator)));
        let header = header.and_then(|header| whole.then_some(header).ok_or("only a part of it was read"));
        let tell = |why: &&str| {
            let uid = &wanted.label.key;
            tracing::warn!(target: "dspinlock", %uid, why, "what is stored is not the value that is wanted; computing it again");
        };
        let header = header.inspect_err(tell).ok()?;
        Some((header.content(bytes), header.until))
    }

    fn blocked(
        &self,
        record: Record,
        remaining: Option<Duration>,
        server: ServerTime,
        moment: Moment,
    ) -> Result<Step, Refusal> {
        let stale_in = self.stale_in(&record, remaining, server);
        if stale_in == Some(Duration::ZERO) {
            let replace = Replace { seen: record.raw, life_at_most: Some(self.python_rest()) };
            return Ok(Step::Again { at: moment.now, replace: Some(replace) });
        }
        match self.policy.blocked {
            OnBlocked::TurnAway => return Ok(Step::TurnedAway(record)),
            OnBlocked::Fail => return Err(Refusal::KeyExists(record)),
            OnBlocked::Wait if moment.now >= self.deadline => return Err(Refusal::Contended(Some(record))),
            OnBlocked::Wait => {}
        }
        let free_in = remaining.map(|remaining| remaining + moment.jitter);
        let timers = [free_in, stale_in].into_iter().flatten();
        let sleep = match moment.notify {
            // A turn that has just begun may soon be over, and then another one begins.
            Notify::Never => {
                let held_for = record.timestamp.until(server);
                Some(timers.fold(self.sleep.min((held_for / 2).max(SHORTEST_PAUSE)), Duration::min))
            }
            // Queue, ask again at once, and ask for wake-ups.
            Notify::NotAsked => Some(Duration::ZERO),
            // No wake-up announces an expiry in time.
            Notify::OnChange => timers.min(),
        };
        let at = sleep.map_or(self.deadline, |sleep| self.deadline.min(moment.now + sleep));
        Ok(Step::Again { at, replace: None })
    }

    /// Returns how long until a record of Python may be taken over; `None` for other records.
    ///
    /// Its timestamp must be older than `max_block`, and so must its last write: an instance in Python that is used
    /// again writes the same timestamp again.
    fn stale_in(&self, record: &Record, remaining: Option<Duration>, server: ServerTime) -> Option<Duration> {
        if !record.is_python() {
            return None;
        }
        let by_timestamp = server.until(record.timestamp + self.max_block);
        let by_life = remaining?.saturating_sub(self.python_rest());
        Some(by_timestamp.max(by_life))
    }

    /// The remaining life of a record that Python wrote `max_block` ago.
    fn python_rest(&self) -> Duration {
        PYTHON_LIFE.saturating_sub(self.max_block)
    }
}

fn replace(seen: Vec<u8>, at: Tick) -> Step {
    Step::Again { at, replace: Some(Replace { seen, life_at_most: None }) }
}
