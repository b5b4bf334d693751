//! The reference for random sequences of operations: what a store must do, as simply as possible.

use super::*;
use crate::format::note::Failure;

/// How long something lives. A life never shrinks to the next shorter one while a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Over before the next operation, which waits for its end.
    Moment,
    Minutes,
    Hours,
    Ever,
}

/// Between [`Life::Minutes`] and [`Life::Hours`].
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

impl Life {
    pub(super) fn time(self) -> Option<Duration> {
        match self {
            Self::Moment => Some(Duration::from_millis(1)),
            Self::Minutes => Some(HOUR / 6),
            Self::Hours => Some(HOUR * 6),
            Self::Ever => None,
        }
    }

    /// The life that has this much left.
    pub(super) fn of(remaining: Option<Duration>) -> Self {
        match remaining {
            None => Self::Ever,
            Some(remaining) if remaining > HOUR => Self::Hours,
            Some(_) => Self::Minutes,
        }
    }

    /// The life after an extension by `more`, which never shortens it, and limits an unlimited one.
    fn extended(self, more: Self) -> Self {
        match self {
            Self::Ever => more,
            known => {
                if known.time() > more.time() {
                    known
                } else {
                    more
                }
            }
        }
    }

    fn is_at_most(self, limit: Duration) -> bool {
        self.time().is_some_and(|time| time <= limit)
    }
}

/// One operation on one of the locks.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) lock: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Acquire(Ask),
    Release {
        tag: u8,
        end: Option<End>,
        value: bool,
    },
    Refresh {
        tag: u8,
        seen: Vec<u8>,
        end: End,
    },
    Abandon(u8),
    Fail {
        tag: u8,
        everybody: bool,
        life: Life,
    },
    Renew([Option<(u8, Life)>; 2]),
    Read,
    Peek,
    ReadValue,
    Hit(Extent),
    Forget,
    /// A stranger writes anything.
    Put {
        part: Part,
        content: Vec<u8>,
        life: Life,
    },
}

/// An acquire. The callers of one tag always reserve the same number of tokens.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) tag: u8,
    pub(super) lease: Life,
    pub(super) late: bool,
    pub(super) relock: bool,
    pub(super) replace: Option<Replace>,
    pub(super) wanted: Option<WantedValue>,
    /// For the mark of the caller that refreshes ahead, in place of the lock.
    pub(super) mark: bool,
}

/// What a caller that wants the value adds.
#[derive(Clone, Debug)]
pub(super) struct WantedValue {
    pub(super) waited_for: Option<Vec<u8>>,
}

/// How long COMPUTED lives, and its value.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) expire: Life,
    pub(super) value: Vec<u8>,
    pub(super) value_life: Life,
}

/// A reply without times and fences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Granted,
    Held { raw: Vec<u8>, life: Life, value: Option<Vec<u8>> },
    Failed(Vec<u8>),
    Late,
    Spent,
    Ended(Released),
    Ours(Vec<bool>),
    Shown { record: Option<(Vec<u8>, Life)>, value: Option<Vec<u8>> },
    Seen { record: Option<Vec<u8>>, value: Option<Vec<u8>> },
    Forgotten(Forgotten),
    Nothing,
}

/// One of the keys of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Record,
    Value,
    Note,
    Mark,
    Fence,
}

/// The parts whose content the model knows. Of the fence it knows only the order.
pub(super) const KNOWN: [Part; 4] = [Part::Record, Part::Value, Part::Note, Part::Mark];

/// What a stranger may put at a record's key, and what it is.
pub(super) const STRANGERS: [(&[u8], Nature); 20] = [
    (b"0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59.000123+00:00,0", Nature::Record),
    (b"0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59.000123+00:00,1", Nature::Record),
    (b"0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59+00:00,1", Nature::Record),
    // Perhaps ours, by another scheme or from another language: replaced only by a caller that has seen it.
    (b"turn-7@host/1,2026-01-31T23:59:59.000123+00:00,1", Nature::Record),
    (b"0b8e@host/1,2026-01-31T23:59:59+00:00,1", Nature::Record),
    (b"0b8e@,2026-01-31T23:59:59.000123+00:00,1", Nature::OurForm),
    (b"", Nature::Foreign),
    (b"1", Nature::Foreign),
    (b"hello", Nature::Foreign),
    (b"0b8e@host,2026-01-31T23:59:59.000123+00:00", Nature::Foreign),
    (b"0b8e@host,2026-01-31T23:59:59.000123+00:00,7", Nature::Foreign),
    (b"0b8e@host,2026-01-31T23:59:59.000123+00:00,1,1", Nature::Foreign),
    (b"0b8e@\xff,2026-01-31T23:59:59.000123+00:00,1", Nature::Foreign),
    (b"0b8e@a host,2026-01-31T23:59:59.000123+00:00,1", Nature::Foreign),
    ("0b8e@h\u{f6}st,2026-01-31T23:59:59.000123+00:00,1".as_bytes(), Nature::Foreign),
    (b"0b8e@host,2026-01-31T23:59:59.5+00:00,1", Nature::Foreign),
    (b"0b8e@host,2026-01-31T23:59:60.000000+00:00,1", Nature::Foreign),
    (b"0b8e@host,2026-31-01T23:59:59.000123+00:00,1", Nature::Foreign),
    (b"0b8e@host,2026-01-31T23:59:59.000123Z,1", Nature::Foreign),
    (b"0b8e@host,2026-01-31T23:59:59.000123+02:00,1", Nature::Foreign),
];

/// What a stranger may put at the key of a failure's note: no notes of these turns.
pub(super) const NO_NOTES: [&[u8]; 3] =
    [b"", b"0b8e@host\n4611686018427387903", b"0b8e@host\n+4611686018427387903\nno luck"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Foreign,
    Record,
    /// A record that this library wrote beyond doubt.
    OurForm,
}

pub(super) fn nature(raw: &[u8]) -> Nature {
    let stranger = STRANGERS.iter().find(|(content, _)| *content == raw);
    stranger.map_or(Nature::OurForm, |(_, nature)| *nature)
}

fn is_computed(raw: &[u8]) -> bool {
    raw.last() == Some(&b'1')
}

pub(super) fn record(id: u8, state: State) -> Vec<u8> {
    tag(id).record(state).into_bytes()
}

pub(super) fn note(id: u8, everybody: bool) -> Vec<u8> {
    Failure::new("no luck", None).note(&tag(id), if everybody { FAR } else { ServerTime(0) }, "")
}

type Content = Option<(Vec<u8>, Life)>;

/// One lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Lock {
    pub(super) record: Content,
    pub(super) value: Content,
    pub(super) note: Content,
    pub(super) mark: Content,
}

/// Two locks, and the result of the last operation.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) locks: [Lock; 2],
    pub(super) answer: Answer,
    /// What has expired since.
    pub(super) over: Vec<(usize, Part)>,
}

impl Default for Model {
    fn default() -> Self {
        Self { locks: Default::default(), answer: Answer::Nothing, over: Vec::new() }
    }
}

impl Lock {
    pub(super) fn raw(&self) -> Option<&[u8]> {
        self.record.as_ref().map(|(raw, _)| raw.as_slice())
    }

    fn holds(&self, id: u8, state: State) -> bool {
        self.raw() == Some(&record(id, state))
    }

    pub(super) fn part(&mut self, part: Part) -> Option<&mut Content> {
        match part {
            Part::Record => Some(&mut self.record),
            Part::Value => Some(&mut self.value),
            Part::Note => Some(&mut self.note),
            Part::Mark => Some(&mut self.mark),
            Part::Fence => None,
        }
    }

    /// The value, if the record is COMPUTED.
    fn value(&self) -> Option<Vec<u8>> {
        let computed = self.raw().is_some_and(is_computed);
        self.value.clone().filter(|_| computed).map(|(value, _)| value)
    }

    fn failure(&self, wanted: &WantedValue) -> Option<Vec<u8>> {
        let (noted, _) = self.note.as_ref()?;
        let turn_of = |everybody| (1..=4).find(|&id| *noted == note(id, everybody));
        let for_everybody = turn_of(true).is_some() && self.record.is_none();
        let turn = turn_of(true).or_else(|| turn_of(false))?;
        let awaited = wanted.waited_for == Some(record(turn, State::Blocked));
        ((for_everybody || awaited) && !self.raw().is_some_and(is_computed)).then(|| noted.clone())
    }

    fn acquire(&mut self, ask: &Ask) -> Answer {
        let own = record(ask.tag, State::Blocked);
        if self.holds(ask.tag, State::Computed) {
            return Answer::Spent;
        }
        if self.holds(ask.tag, State::Blocked) {
            return Answer::Granted;
        }
        if ask.late {
            return Answer::Late;
        }
        if let Some(note) = ask.wanted.as_ref().and_then(|wanted| self.failure(wanted)) {
            return Answer::Failed(note);
        }
        if let Some((raw, life)) = self.record.clone() {
            let relocks = ask.relock && is_computed(&raw) && nature(&raw) == Nature::OurForm;
            let replaces = ask.replace.as_ref().is_some_and(|replace| {
                replace.seen == raw && replace.life_at_most.is_none_or(|limit| life.is_at_most(limit))
            });
            if !relocks && !replaces {
                let value = ask.wanted.as_ref().and_then(|_| self.value());
                return Answer::Held { raw, life, value };
            }
        }
        self.record = Some((own, ask.lease));
        Answer::Granted
    }

    fn not_released(&self, id: u8) -> Released {
        match self.raw() {
            None => Released::Gone,
            Some(_) if self.holds(id, State::Computed) => Released::AlreadyComputed,
            Some(raw) => Released::Held(raw.to_vec()),
        }
    }

    fn release(&mut self, id: u8, end: Option<&End>, with_value: bool) -> Released {
        if !self.holds(id, State::Blocked) {
            return self.not_released(id);
        }
        self.record = end.map(|end| (record(id, State::Computed), end.expire));
        if let Some(end) = end.filter(|_| with_value) {
            self.value = Some((end.value.clone(), end.value_life));
            self.note = None;
        }
        Released::Done { others: 0 }
    }

    fn refresh(&mut self, id: u8, seen: &[u8], end: &End) -> Released {
        if self.mark.as_ref().is_some_and(|(mark, _)| *mark == record(id, State::Blocked)) {
            self.mark = None;
        }
        if self.raw() != Some(seen) || self.holds(id, State::Computed) {
            return self.not_released(id);
        }
        self.record = Some((record(id, State::Computed), end.expire));
        self.value = Some((end.value.clone(), end.value_life));
        Released::Done { others: 0 }
    }

    fn abandon(&mut self, id: u8) -> bool {
        let ours = self.holds(id, State::Blocked);
        if ours {
            self.record = None;
        }
        ours
    }

    fn renew(&mut self, id: u8, life: Life) -> bool {
        let ours = self.holds(id, State::Blocked);
        if let Some((_, known)) = self.record.as_mut().filter(|_| ours) {
            *known = known.extended(life);
        }
        ours
    }

    fn forget(&mut self) -> Forgotten {
        match self.raw() {
            Some(raw) if nature(raw) == Nature::Foreign => Forgotten::Foreign(raw.to_vec()),
            _ => {
                (self.value, self.note) = (None, None);
                Forgotten::Done(self.record.take().is_some())
            }
        }
    }
}

impl Model {
    /// Does the operation.
    pub(super) fn apply(&mut self, op: &Op) {
        let lock = &mut self.locks[op.lock];
        self.answer = match &op.what {
            What::Acquire(ask) => {
                // The mark is a lock of its own, beside the same value and fence.
                if ask.mark {
                    std::mem::swap(&mut lock.record, &mut lock.mark);
                }
                let answer = lock.acquire(ask);
                if ask.mark {
                    std::mem::swap(&mut lock.record, &mut lock.mark);
                }
                answer
            }
            What::Release { tag, end, value } => Answer::Ended(lock.release(*tag, end.as_ref(), *value)),
            What::Refresh { tag, seen, end } => Answer::Ended(lock.refresh(*tag, seen, end)),
            What::Abandon(id) => Answer::Ours(vec![lock.abandon(*id)]),
            What::Fail { tag, everybody, life } => {
                let ours = lock.abandon(*tag);
                if ours {
                    lock.note = Some((note(*tag, *everybody), *life));
                }
                Answer::Ours(vec![ours])
            }
            What::Renew(renewals) => {
                let each = self.locks.iter_mut().zip(renewals);
                Answer::Ours(
                    each.filter_map(|(lock, one)| one.map(|(id, life)| lock.renew(id, life))).collect(),
                )
            }
            What::Read => Answer::Shown { record: lock.record.clone(), value: None },
            What::Peek => Answer::Shown { record: lock.record.clone(), value: lock.value() },
            What::Hit(_) => {
                // An empty string at the record's key is a stranger's.
                let record = lock.raw().filter(|raw| !raw.is_empty()).map(<[u8]>::to_vec);
                Answer::Seen { record, value: lock.value.clone().map(|(value, _)| value) }
            }
            What::ReadValue => {
                Answer::Shown { record: None, value: lock.value.clone().map(|(value, _)| value) }
            }
            What::Forget => Answer::Forgotten(lock.forget()),
            What::Put { part, content, life } => {
                if let Some(place) = lock.part(*part) {
                    *place = Some((content.clone(), *life));
                }
                Answer::Nothing
            }
        };
        self.let_moments_pass(op);
    }

    fn let_moments_pass(&mut self, op: &Op) {
        self.over.clear();
        for (index, lock) in self.locks.iter_mut().enumerate() {
            for part in KNOWN {
                if let Some(place) = lock.part(part)
                    && place.as_ref().is_some_and(|(_, life)| *life == Life::Moment)
                {
                    *place = None;
                    self.over.push((index, part));
                }
            }
        }
        if let What::Put { part: Part::Fence, life: Life::Moment, .. } = op.what {
            self.over.push((op.lock, Part::Fence));
        }
    }
}
