//! One call: its parameters, and the events that it logs.

use std::sync::Arc;
use std::time::Duration;

use dspinlock::{Client, DSpinlock, Error, ErrorKind, LockHandle, Scheme, Turn};

use super::caches::{self, Cache};
use super::register::Register;
use super::{LEASE, SLEEP};
use crate::clock::{micros, now};
use crate::history::{self, How, Log, Op, What};

/// py-dspinlock's naming with the name of the operation in each tag, so that the server's commands show which operation they
/// belong to.
#[derive(Debug)]
struct Named(Op);

impl Scheme for Named {
    fn tag(&self, turn: &Turn) -> String {
        format!("{}@{}/op{},{}", turn.id, turn.owner, self.0, turn.timestamp)
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeds,
    Fails,
    Panics,
    /// With its whole process.
    Dies,
}

pub(super) struct Call {
    pub(super) client: Client,
    pub(super) log: Arc<Log>,
    pub(super) register: Arc<Register>,
    pub(super) op: Op,
    pub(super) kind: history::Call,
    pub(super) key: u64,
    pub(super) budget: Duration,
    pub(super) fate: Fate,
    pub(super) how: How,
    pub(super) steps: Vec<Duration>,
    pub(super) stubborn: bool,
    /// By `get_or_compute`, and not by an annotated function.
    pub(super) in_code: bool,
    /// Its body forgets the key that it computes.
    pub(super) forgets: bool,
}

impl Call {
    /// A client whose tags name this operation.
    pub(super) fn named(client: &Client, op: &Op) -> Client {
        client.clone().with_scheme(Named(op.clone()))
    }

    /// Another operation of the same caller on the same key.
    pub(super) fn beside(&self, kind: history::Call) -> Self {
        let (client, log, register) =
            (self.client.clone(), Arc::clone(&self.log), Arc::clone(&self.register));
        Self { client, log, register, op: self.log.next_op(), kind, steps: Vec::new(), ..*self }
    }

    pub(super) fn lock(&self) -> DSpinlock {
        if let Some(cache) = Cache::of(self.key) {
            return caches::lock(self, cache);
        }
        let lock = self.client.lock(self.key).namespace(super::body::NAMESPACE).expire(None).lease(LEASE);
        lock.sleep(SLEEP).wait(self.budget)
    }

    pub(super) fn write(&self, what: What) {
        self.log.write(&self.op, self.key, what);
    }

    pub(super) fn releasing(&self, fence: u64) -> Releasing<'_> {
        Releasing { call: self, fence, answered: false }
    }

    /// The caller asks now. If it is dropped before the answer, the outcome is unknown.
    pub(super) fn invoke(&self) -> Asking<'_> {
        self.write(What::Invoke { call: self.kind, budget: micros(self.budget) });
        Asking { call: self, answered: false }
    }
}

/// A release on its way. If it is dropped before its end, the outcome is unknown.
pub(super) struct Releasing<'a> {
    call: &'a Call,
    fence: u64,
    answered: bool,
}

impl Releasing<'_> {
    /// `lock` is a handle of the lock that was given back.
    pub(super) fn answer(mut self, answer: Result<(), Error>, lock: &LockHandle) {
        let still_held = lock.is_held().then(|| "still-held".to_owned());
        self.tell(
            still_held.unwrap_or_else(|| answer.map_or_else(|error| kind(&error), |()| "ok".to_owned())),
        );
    }

    fn tell(&mut self, kind: String) {
        self.answered = true;
        self.call.write(What::Released { fence: self.fence, kind });
    }
}

impl Drop for Releasing<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.tell("dropped".to_owned());
        }
    }
}

/// The kind of an error, as one word.
pub(super) fn kind(error: &Error) -> String {
    error.kind().as_str().replace(' ', "-")
}

/// A call that has no answer yet.
pub(super) struct Asking<'a> {
    call: &'a Call,
    answered: bool,
}

impl Asking<'_> {
    pub(super) fn answer(mut self, what: What) {
        self.answered = true;
        self.call.write(what);
    }

    /// Granted: the holding logs what follows.
    pub(super) fn granted(mut self) {
        self.answered = true;
    }

    /// The outcome of an operation that takes no lock.
    pub(super) fn done(self, done: Result<(), Error>) {
        match done {
            Ok(()) => self.answer(What::Done),
            Err(error) => self.refused(&error),
        }
    }

    /// An error in place of the lock: refused, or unknown.
    pub(super) fn refused(self, error: &Error) {
        let kind = kind(error);
        self.answer(match error.kind() {
            ErrorKind::Backend | ErrorKind::Lost | ErrorKind::NotOwner => What::Info { kind },
            // The text contains the error of the failed run, which names the run.
            ErrorKind::LeaderFailed => {
                let text = error.to_string();
                let run = text.split(' ').skip_while(|word| *word != "run").nth(1).map(ToOwned::to_owned);
                What::Fail { kind, run }
            }
            _ => What::Fail { kind, run: None },
        });
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.call.write(What::Info { kind: "dropped".to_owned() });
        }
    }
}

/// A lock that is held, or a body that runs. It ends when it is dropped, too.
pub(super) struct Holding<'a> {
    call: &'a Call,
    /// `get_or_compute` gives its body none.
    lock: Option<LockHandle>,
    fence: u64,
    known_until: u64,
    over: bool,
}

impl<'a> Holding<'a> {
    pub(super) fn begin(call: &'a Call, lock: Option<&LockHandle>) -> Self {
        let at = now();
        let (fence, remaining) = lock.map_or((0, LEASE / 2), |lock| (lock.fencing_token(), lock.remaining()));
        let known_until = at + micros(remaining);
        call.write(What::Ok { fence, deadline: known_until });
        Self { call, lock: lock.cloned(), fence, known_until, over: false }
    }

    /// Writes to the register if the lock is held, and returns false if it is lost.
    pub(super) fn act(&mut self) -> bool {
        let (Some(lock), fence) = (&self.lock, self.fence) else { return true };
        let since = now();
        let remaining = micros(lock.remaining());
        if lock.is_held() {
            self.known_until = self.known_until.max(since + remaining);
        } else if !self.call.stubborn {
            self.call.write(What::Lost { fence });
            return false;
        }
        self.call.write(What::Claim { fence, since, deadline: self.known_until });
        let accepted = self.call.register.write(self.call.key, fence, &self.call.op);
        self.call.write(What::Write { fence, accepted });
        true
    }

    /// From now on the holder does not write to the register.
    pub(super) fn end(mut self, how: How) {
        self.over = true;
        self.call.write(What::Release { fence: self.fence, how });
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.call.write(What::Release { fence: self.fence, how: How::Drop });
        }
    }
}
