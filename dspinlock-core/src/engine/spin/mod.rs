//! The spin: what a caller does next, decided from what it saw and from the time. No I/O, and no clock of its own.
//!
//! Both doors, blocking and async, drive this one machine: they send the attempt it asks for, hand it the reply, and do
//! what [`Step`] says.

use crate::clock::{ServerTime, Tick};
use crate::format::envelope::{Label, Payload};
use crate::format::note::Note;
use crate::format::record::{Record, State, describe};
use crate::options::Options;
use crate::store::{Acquired, Excerpt, Notify, Replace};
use std::time::Duration;

/// A Python process's release raises if its COMPUTED record is replaced within its next round trips.
const PYTHON_GRACE: Duration = Duration::from_millis(20);

/// How long a record of py-dspinlock lives from the moment at which it was written, unless a subclass says otherwise.
const PYTHON_LIFE: Duration = Duration::from_secs(60 * 60);

/// How long a poller sleeps at the least: less than the time for which those who give a lock back leave it to others.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How often in a row an attempt may be late by the server's clock, and how often in all a grant may come when its lease is
/// spent, before the caller gives up.
const MAX_LATE: u32 = 3;

/// What to do where somebody holds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OnBlocked {
    Wait,
    TurnAway,
    Fail,
}

/// What to do where the key is COMPUTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OnComputed {
    Relock,
    TurnAway,
    Fail,
}

/// The mode of an attempt, as the two answers that tell the modes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Policy {
    pub(crate) blocked: OnBlocked,
    pub(crate) computed: OnComputed,
}

impl Policy {
    pub(crate) const WAIT: Self = Self { blocked: OnBlocked::Wait, computed: OnComputed::Relock };
    pub(crate) const TRY: Self = Self { blocked: OnBlocked::TurnAway, computed: OnComputed::Relock };
    pub(crate) const ONCE: Self = Self { blocked: OnBlocked::TurnAway, computed: OnComputed::TurnAway };
    pub(crate) const FAIL: Self = Self { blocked: OnBlocked::Fail, computed: OnComputed::Fail };
    pub(crate) const CACHED: Self = Self { blocked: OnBlocked::Wait, computed: OnComputed::TurnAway };
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The lock is held, with this fencing token.
    Enter { fence: u64 },
    /// The lock is not held, and that is an answer: the key is held by another, or COMPUTED, as the record says.
    TurnedAway(Record),
    /// What was computed is here.
    Take { payload: Payload, record: Vec<u8>, remaining: Option<Duration> },
    /// What was computed is here and about to expire: this caller holds the mark of the one who computes anew.
    RefreshAhead { payload: Payload, record: Vec<u8>, fence: u64 },
    /// The turn that this caller waited for has no value for others.
    Noted(Note),
    /// Sleep until then (a wake-up may end the sleep), and try again; `replace` is a record that may be replaced.
    Again { at: Tick, replace: Option<Replace> },
}

/// Why an attempt is given up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// With what was seen last, if anything was.
    Contended(Option<Record>),
    KeyExists(Record),
    Foreign(String),
    /// The key of the fencing tokens holds something else, of this Redis type.
    StrangeFence(String),
    /// The server's clock keeps running away from our estimate of it.
    Clock,
    /// Grants keep coming when their leases are spent.
    Slow,
    /// The tag was used before: a request of a turn that has ended.
    Spent,
    /// So many replicas have confirmed the grant, and that is not enough.
    Unconfirmed(u64),
}

/// The value that a caller wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) label: Label,
    pub(crate) distrust: Distrust,
}

/// What a caller does not believe any more, since it could not be decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Distrust {
    #[default]
    Nothing,
    /// The value of this COMPUTED record.
    Record(Vec<u8>),
}

impl Distrust {
    pub(crate) fn concerns(&self, record: &[u8]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Record(distrusted) => distrusted == record,
        }
    }
}

/// The state of one caller's attempt at one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spin {
    policy: Policy,
    sleep: Duration,
    deadline: Tick,
    max_block: Duration,
    late: u32,
    /// How many grants came too late. Such a grant stands in the caller's own way until it is given back: what is seen in
    /// between says nothing.
    slow: u32,
    wanted: Option<Wanted>,
    /// A COMPUTED record of Python that is left alone until then.
    grace: Option<(Record, Tick)>,
}

/// The moment of a reply, on both clocks, and some randomness so that waiters of one expiry do not come all at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Tick,
    pub(crate) jitter: Duration,
    pub(crate) notify: Notify,
}

impl Spin {
    pub(crate) fn new(policy: Policy, options: &Options, wait: Duration, started: Tick) -> Self {
        Self {
            policy,
            sleep: options.sleep,
            deadline: started + wait,
            max_block: options.max_block,
            late: 0,
            slow: 0,
            wanted: None,
            grace: None,
        }
    }

    /// Takes a COMPUTED record for an answer only if it comes with this value.
    pub(crate) fn want(&mut self, wanted: Option<Wanted>) {
        self.wanted = wanted;
    }

    /// Until when this caller is ready to wait; `None` if it is not at all.
    pub(crate) fn patience(&self) -> Option<Tick> {
        (self.policy.blocked == OnBlocked::Wait).then_some(self.deadline)
    }

    /// Whether the script itself may lock a COMPUTED key of ours.
    pub(crate) fn relocks(&self) -> bool {
        self.policy.computed == OnComputed::Relock
    }

    /// Takes in a grant that came when its lease was spent; an error if asking again would be in vain.
    pub(crate) fn too_slow(&mut self, now: Tick) -> Result<(), Refusal> {
        self.slow += 1;
        if self.slow > MAX_LATE || now >= self.deadline { Err(Refusal::Slow) } else { Ok(()) }
    }

    /// Takes in a reply and says what comes next.
    pub(crate) fn next(&mut self, reply: Acquired, separator: &str, moment: Moment) -> Result<Step, Refusal> {
        let (raw, remaining, server, value) = match reply {
            Acquired::Failed { note, .. } => return Ok(Step::Noted(Note::read(&note, separator))),
            Acquired::Refresh { fence, raw, value, .. } => {
                return Ok(match self.open(value, &raw, separator) {
                    Some(payload) => Step::RefreshAhead { payload, record: raw, fence },
                    // Nothing that could be served meanwhile: compute under the lock itself.
                    None => replace(raw, moment.now),
                });
            }
            Acquired::Granted { fence, .. } => return Ok(Step::Enter { fence }),
            Acquired::Spent => return Err(Refusal::Spent),
            Acquired::Unconfirmed { by, .. } => return Err(Refusal::Unconfirmed(by)),
            Acquired::Repeated(reply) => return self.next(*reply, separator, moment),
            Acquired::WrongType(kind) => return Err(Refusal::Foreign(format!("a {kind}"))),
            Acquired::StrangeFence(kind) => return Err(Refusal::StrangeFence(kind)),
            Acquired::Late { .. } => {
                self.late += 1;
                let again = Step::Again { at: moment.now, replace: None };
                return if self.late > MAX_LATE { Err(Refusal::Clock) } else { Ok(again) };
            }
            Acquired::Held { raw, remaining, now, value } => (raw, remaining, now, value),
        };
        self.late = 0;
        let record = Record::parse(&raw, separator).map_err(|why| Refusal::Foreign(describe(&raw, &why)))?;
        match record.state {
            State::Computed if self.policy.computed == OnComputed::TurnAway && self.wanted.is_some() => {
                match self.open(value, &record.raw, separator) {
                    Some(payload) => Ok(Step::Take { payload, record: record.raw, remaining }),
                    None => Ok(self.relock(record, moment)),
                }
            }
            State::Computed => self.computed(record, moment),
            State::Blocked => self.blocked(record, remaining, server, moment),
        }
    }

    fn computed(&mut self, record: Record, moment: Moment) -> Result<Step, Refusal> {
        match self.policy.computed {
            OnComputed::TurnAway => Ok(Step::TurnedAway(record)),
            OnComputed::Fail => Err(Refusal::KeyExists(record)),
            OnComputed::Relock => Ok(self.relock(record, moment)),
        }
    }

    /// Replaces a COMPUTED record. The script re-locks what it knows to be ours, where it may; it leaves Python's, and a
    /// custom scheme's, to us.
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

    /// The value that came with a COMPUTED record, if it is the one that is wanted.
    fn open(&self, value: Option<Excerpt>, record: &[u8], separator: &str) -> Option<Payload> {
        let wanted = self.wanted.as_ref()?;
        if wanted.distrust.concerns(record) {
            return None;
        }
        let Excerpt { bytes, whole } = value?;
        let opened = wanted.label.open(bytes, record, separator);
        let opened = opened.and_then(|payload| whole.then_some(payload).ok_or("only a part of it was read"));
        let tell = |why: &&str| {
            let uid = &wanted.label.key;
            tracing::warn!(target: "dspinlock", %uid, why, "what is stored is not the value that is wanted; computing it anew");
        };
        opened.inspect_err(tell).ok()
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
            // A turn that has just begun may soon be over, and the lock another's again.
            Notify::Never => {
                let held_for = record.timestamp.until(server);
                Some(timers.fold(self.sleep.min((held_for / 2).max(SHORTEST_PAUSE)), Duration::min))
            }
            // Stand in line, look again at once, and ask to be told.
            Notify::NotAsked => Some(Duration::ZERO),
            // Nobody tells of a holder's end by expiry in time.
            Notify::OnChange => timers.min(),
        };
        let at = sleep.map_or(self.deadline, |sleep| self.deadline.min(moment.now + sleep));
        Ok(Step::Again { at, replace: None })
    }

    /// How long until a record of Python may be taken over: it must be older than `max_block` by its timestamp, and not
    /// have been written again since, as an instance that is used twice does with the same timestamp.
    fn stale_in(&self, record: &Record, remaining: Option<Duration>, server: ServerTime) -> Option<Duration> {
        if !record.is_python() {
            return None;
        }
        let by_timestamp = server.until(record.timestamp + self.max_block);
        let by_life = remaining?.saturating_sub(self.python_rest());
        Some(by_timestamp.max(by_life))
    }

    /// What is left of the life of a record that Python wrote `max_block` ago.
    fn python_rest(&self) -> Duration {
        PYTHON_LIFE.saturating_sub(self.max_block)
    }
}

fn replace(seen: Vec<u8>, at: Tick) -> Step {
    Step::Again { at, replace: Some(Replace { seen, life_at_most: None }) }
}

#[cfg(test)]
mod tests;
