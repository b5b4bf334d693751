//! The store on Redis and Valkey: sends an operation's request, loads its script where needed, and reads the reply.

mod advice;
mod borrowed;
mod circuit;
mod own;
mod pieces;
mod refusal;
mod shared;
mod wire;

use crate::clock::Tick;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Replicas;
use crate::store::Wakeups;
use crate::worker::Worker;
use ::redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

pub(crate) use borrowed::{AsyncLink, BlockingLink};
use circuit::Circuit;
pub(crate) use own::{Limits, Own};
use wire::Request;
pub(crate) use wire::Wire;

/// What came of sending a command.
pub(crate) struct Answer {
    value: RedisResult<Value>,
    /// Whether it was sent twice, since the first reply was lost.
    repeated: bool,
    /// Whether the server will tell of changes to the keys that it read.
    tracked: bool,
    /// How many replicas have what it wrote, where that was asked.
    confirmed: Option<u64>,
}

impl Answer {
    fn first(value: RedisResult<Value>) -> Self {
        Self { value, repeated: false, tracked: false, confirmed: None }
    }

    /// The answer to a request and the confirmation that was asked along with it.
    fn of_several(request: &Request, values: RedisResult<Vec<Value>>, tracked: bool) -> Self {
        let mut values = match values {
            Ok(values) => values,
            Err(error) => return Self::first(Err(error)),
        };
        let own = request.commands.len();
        let confirmed = if let Some(Value::Int(count)) = values.get(own) { Some(*count) } else { None };
        let confirmed = confirmed.map(|count| u64::try_from(count).unwrap_or_default());
        values.truncate(own);
        let value = if own == 1 && !request.lenient { values.pop() } else { Some(Value::Array(values)) };
        Self { value: Ok(value.unwrap_or(Value::Nil)), repeated: false, tracked, confirmed }
    }

    /// What it means after another answer to the same request, whose script the server did not know at first.
    fn after(mut self, first: &Self) -> Self {
        self.repeated |= first.repeated;
        self
    }

    fn is_no_script(&self) -> bool {
        self.value.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
    }
}

/// The connection that a command goes over, where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The one that all callers share.
    Shared,
    /// One for renewals alone, which must not wait behind a large value.
    Renewals,
    /// One for grants that replicas have to confirm: the server holds up what comes behind them.
    Replicated(Replicas),
    /// One for values, and for the beginnings of large ones.
    Values,
    /// One of those for large values, in pieces.
    Pieces(usize),
}

impl Lane {
    /// Whether it carries values and no locks: whatever becomes of it says nothing about the server as a place for locks.
    fn is_for_values(self) -> bool {
        matches!(self, Self::Values | Self::Pieces(_))
    }
}

impl Lane {
    /// The command that asks for the confirmation, to be sent over the same connection after the grant.
    fn confirmation(self, limits: Limits) -> Option<Cmd> {
        let Self::Replicated(Replicas { count, within }) = self else { return None };
        let within = within.min(limits.response_timeout / 2);
        let mut wait = ::redis::cmd("WAIT");
        wait.arg(count).arg(wire::millis(within));
        Some(wait)
    }
}

/// The future of one command.
type Sending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// A way to a server, for both doors.
pub(crate) trait Link: Send + Sync + 'static {
    /// Sends a request and awaits its reply, on the library's I/O thread. Ends within the link's time limits. With `track`
    /// the server is to tell of changes to the keys that a single command reads, if this link can have that.
    fn send<'a>(&'a self, request: &'a Request, lane: Lane, track: bool) -> Sending<'a>;

    /// Sends a request and blocks until its reply; `None` if this link can't, at present, but by its async door.
    fn send_blocking(&self, request: &Request, lane: Lane) -> Option<Answer>;
}

/// The commands of a request, to be written at once, with what goes before and behind them.
fn together(request: &Request, before: Option<Cmd>, behind: Option<Cmd>) -> Pipeline {
    let mut together = ::redis::pipe();
    if let Some(before) = before {
        together.add_command(before).ignore();
    }
    for command in request.commands.iter().cloned().chain(behind) {
        together.add_command(command);
    }
    if request.lenient {
        together.ignore_errors();
    }
    together
}

/// A server, and how to reach it.
#[derive(Clone)]
pub(crate) struct Redis {
    link: Arc<dyn Link>,
    worker: Worker,
    limits: Limits,
    /// What must never be shown: a refusal of the server may repeat it.
    secret: Option<Arc<str>>,
    /// The server as people may see it.
    place: Arc<str>,
    wakeups: Wakeups,
    /// Whether a task makes sure that the connection that wakes lives.
    pulse: Arc<AtomicBool>,
    circuit: Arc<Circuit>,
    /// Whether the server was asked what is wrong with it as a place for locks.
    advised: Arc<AtomicBool>,
    pieces: Arc<pieces::Turns>,
    /// The turns of those who read a value plainly.
    hits: Arc<Semaphore>,
}

/// How many plain reads of values are on their way at a time: more would wait for each other in the server's buffers, and
/// past the time limit of a reply.
const HITS_AT_A_TIME: usize = 32;

/// How long after a circuit has opened the server is asked for the first time whether it is back; doubled up to the last.
const PROBES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// How often the connection that wakes waiters is asked for a sign of life while there are any, or local copies.
const PULSE: Duration = Duration::from_secs(5);

impl Redis {
    pub(crate) fn new(link: impl Link, worker: Worker, limits: Limits, place: &str) -> Self {
        Self {
            link: Arc::new(link),
            worker,
            limits,
            secret: None,
            place: place.into(),
            wakeups: Wakeups::default(),
            pulse: Arc::default(),
            circuit: Arc::default(),
            advised: Arc::default(),
            pieces: Arc::default(),
            hits: Arc::new(Semaphore::new(HITS_AT_A_TIME)),
        }
    }

    /// Has the link's pushes arrive here.
    pub(crate) fn woken_by(mut self, wakeups: Wakeups) -> Self {
        self.wakeups = wakeups;
        self
    }

    pub(super) fn wakeups(&self) -> Wakeups {
        self.wakeups.clone()
    }

    /// Keeps `secret` out of every message.
    pub(crate) fn keeping(mut self, secret: Option<&str>) -> Self {
        self.secret = secret.filter(|secret| !secret.is_empty()).map(Into::into);
        self
    }

    pub(super) fn patience(&self) -> Duration {
        // One try and one repeat, each with a new connection.
        (self.limits.connect_timeout + self.limits.response_timeout) * 2
    }

    pub(super) async fn call<O: Wire>(&self, operation: &O) -> Result<O::Reply> {
        self.pass::<O>()?;
        let lane = operation.lane();
        let _turn = if lane == Lane::Values { Some(self.hits.acquire().await) } else { None };
        let answer = self.send(&operation.request(), lane, false).await;
        self.read(operation, answer)
    }

    /// The reply, and whether the server will tell of changes to the keys that were read.
    pub(super) async fn call_tracked<O: Wire>(&self, operation: &O) -> (Result<O::Reply>, bool) {
        if let Err(refused) = self.pass::<O>() {
            return (Err(refused), false);
        }
        let answer = self.send(&operation.request(), operation.lane(), true).await;
        let tracked = answer.tracked;
        if tracked {
            self.keep_pulse();
        }
        (self.read(operation, answer), tracked)
    }

    /// Lets an operation pass unless the circuit is open. What ends a holding or prolongs one always passes.
    fn pass<O: Wire>(&self) -> Result<()> {
        match self.circuit.refusal() {
            Some(last) if O::STARTS => Err(Error::new(
                ErrorKind::Backend,
                format!("{last}; it is out of reach, and is not asked again until it answers a probe"),
            )),
            _ => Ok(()),
        }
    }

    /// Sees to it that a connection that died in silence is noticed: its pushes will not come.
    fn keep_pulse(&self) {
        if self.pulse.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        self.worker.detach(async move {
            let ping = Request::plain(::redis::cmd("PING"));
            loop {
                tokio::time::sleep(PULSE).await;
                // A tracked call that comes after this starts another task; one that came before is seen below.
                this.pulse.store(false, Ordering::Release);
                if this.wakeups.is_idle(Tick::now()) || this.pulse.swap(true, Ordering::AcqRel) {
                    return;
                }
                // A failure has the link replace the connection, and wake everybody.
                let _ = this.link.send(&ping, Lane::Shared, false).await;
            }
        });
    }

    pub(super) fn call_blocking<O: Wire>(&self, operation: &O) -> Result<O::Reply> {
        self.pass::<O>()?;
        let (request, lane) = (operation.request(), operation.lane());
        let answer = if let Some(answer) = self.send_blocking(&request, lane) {
            answer
        } else {
            let this = self.clone();
            self.worker.block_on(async move { Ok(this.send(&request, lane, false).await) })?
        };
        self.read(operation, answer)
    }

    async fn send(&self, request: &Request, lane: Lane, track: bool) -> Answer {
        let answer = self.link.send(request, lane, track).await;
        match request.loading_if(answer.is_no_script()) {
            Some(loading) => self.link.send(&loading, lane, track).await.after(&answer),
            None => answer,
        }
    }

    fn send_blocking(&self, request: &Request, lane: Lane) -> Option<Answer> {
        let answer = self.link.send_blocking(request, lane)?;
        match request.loading_if(answer.is_no_script()) {
            Some(loading) => Some(self.link.send_blocking(&loading, lane)?.after(&answer)),
            None => Some(answer),
        }
    }

    fn read<O: Wire>(&self, operation: &O, answer: Answer) -> Result<O::Reply> {
        if !operation.lane().is_for_values() {
            self.note(&answer.value);
        }
        let value = answer.value.map_err(|error| self.refused(&error, || operation.request()))?;
        let reply = O::reply(value).ok_or_else(|| {
            Error::new(
                ErrorKind::Backend,
                format!("{} gave a reply that its script can't have given", self.place),
            )
        })?;
        let reply = match answer.confirmed {
            Some(confirmed) => operation.confirmed(reply, confirmed),
            None => reply,
        };
        Ok(if answer.repeated { O::repeated(reply) } else { reply })
    }

    /// Takes in whether anybody is there.
    fn note(&self, value: &RedisResult<Value>) {
        match value {
            Err(error) if is_outage(error) => {
                let why = self.backend(error).to_string();
                if self.circuit.failed(&why) {
                    tracing::warn!(target: "dspinlock", why, "the server is out of reach; callers are told so at once");
                    self.probe();
                }
            }
            // A pool that gave no connection says nothing about the server.
            Err(error) if error.code().is_none() => {}
            _ => {
                if self.circuit.succeeded() {
                    tracing::info!(target: "dspinlock", server = &*self.place, "the server is back");
                }
                if !self.advised.load(Ordering::Relaxed) && !self.advised.swap(true, Ordering::AcqRel) {
                    self.advise();
                }
            }
        }
    }

    /// Asks the server again and again, until it answers or nobody uses this client any more.
    fn probe(&self) {
        let (link, circuit, place) =
            (Arc::downgrade(&self.link), Arc::clone(&self.circuit), Arc::clone(&self.place));
        self.worker.detach(async move {
            let ping = Request::plain(::redis::cmd("PING"));
            let [mut pause, longest] = PROBES;
            loop {
                tokio::time::sleep(pause).await;
                pause = longest.min(pause * 2);
                let Some(link) = link.upgrade() else { return };
                // Somebody else may have reached it.
                if circuit.refusal().is_none() {
                    return;
                }
                let answer = link.send(&ping, Lane::Shared, false).await.value;
                if !answer.as_ref().is_err_and(is_outage) {
                    circuit.succeeded();
                    tracing::info!(target: "dspinlock", server = &*place, "the server is back");
                    return;
                }
            }
        });
    }

    /// Looks once what is wrong with the server as a place for locks, and logs it. Nobody waits for that.
    fn advise(&self) {
        let this = self.clone();
        self.worker.detach(async move {
            let [info, save] = advice::questions().map(Request::plain);
            let info = this.link.send(&info, Lane::Shared, false).await.value;
            let save = this.link.send(&save, Lane::Shared, false).await.value;
            let advice = advice::advice(info.as_ref().ok(), save.as_ref().ok());
            advice::log(&this.place, advice);
        });
    }

    /// Says what the server did with a request, and what to change where it goes on refusing it.
    fn refused(&self, error: &RedisError, request: impl FnOnce() -> Request) -> Error {
        let refused = self.backend(error);
        if refusal::lasts(error) { refused.lasting(refusal::advice(error, &request())) } else { refused }
    }

    /// Says what the server or the connection did, without the secret.
    fn backend(&self, error: &RedisError) -> Error {
        let mut what = if error.is_timeout() {
            "no reply in time".to_owned()
        } else {
            without_arguments(error.to_string())
        };
        if self.secret.as_deref().is_some_and(|secret| repeats(&what, secret)) {
            let kind = error.kind();
            what = format!("{kind:?}; the server's own words are left out, since they repeat the password");
        }
        let message = format!("{}: {what}", self.place);
        // What the `redis` crate gave may repeat the password, and its types are no part of this library.
        let kind = io_error(error).map_or(std::io::ErrorKind::Other, std::io::Error::kind);
        Error::new(ErrorKind::Backend, message).caused_by(std::io::Error::new(kind, what))
    }
}

/// A refusal without what the server quotes of the command: that may be a part of a value.
fn without_arguments(mut refusal: String) -> String {
    if let Some(at) = refusal.find(", with args beginning with") {
        refusal.truncate(at);
    }
    refusal
}

/// The system's own error behind one of a connection.
fn io_error(error: &RedisError) -> Option<&std::io::Error> {
    use std::error::Error;
    let source = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    source.downcast_ref()
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("place", &self.place)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Whether a text has a part of the secret that says something about it. A server may quote it, or cut it off.
fn repeats(text: &str, secret: &str) -> bool {
    const TELLING: usize = 4;
    let text = text.to_lowercase();
    let secret: Vec<char> = secret.to_lowercase().chars().collect();
    let parts = secret.windows(TELLING.min(secret.len()));
    parts.into_iter().any(|part| text.contains(&part.iter().collect::<String>()))
}

/// Whether nobody was found who answers: one who refuses the password is there.
fn is_outage(error: &RedisError) -> bool {
    breaks_connection(error) && !refusal::lasts(error)
}

/// Whether a connection can be used no more after this error, and the outcome of what was sent over it is unknown.
fn breaks_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
