//! The store on Redis and Valkey: sends an operation's request, loads its script where needed, and reads the reply.

mod borrowed;
mod own;
mod shared;
mod wire;

use crate::error::{Error, ErrorKind, Result};
use crate::store::Wakeups;
use crate::worker::Worker;
use ::redis::{Cmd, RedisError, RedisResult, Value};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use borrowed::{AsyncLink, BlockingLink};
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
}

impl Answer {
    fn first(value: RedisResult<Value>) -> Self {
        Self { value, repeated: false, tracked: false }
    }

    fn is_no_script(&self) -> bool {
        self.value.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
    }
}

/// The future of one command.
type Sending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// A way to a server, for both doors.
pub(crate) trait Link: Send + Sync + 'static {
    /// Sends a command and awaits its reply, on the library's I/O thread. Ends within the link's time limits. With `track`
    /// the server is to tell of changes to the keys that the command reads, if this link can have that.
    fn send<'a>(&'a self, command: &'a Cmd, track: bool) -> Sending<'a>;

    /// Sends a command and blocks until its reply; `None` if this link can't, at present, but by its async door.
    fn send_blocking(&self, command: &Cmd) -> Option<Answer>;

    /// Whether this link may have the server tell of changes.
    fn tells(&self) -> bool {
        false
    }
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
}

/// How often the connection that wakes waiters is asked for a sign of life while there are any.
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

    pub(super) fn tells(&self) -> bool {
        self.link.tells()
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
        let answer = self.send(&operation.request(), false).await;
        self.read::<O>(answer)
    }

    /// The reply, and whether the server will tell of changes to the keys that were read.
    pub(super) async fn call_tracked<O: Wire>(&self, operation: &O) -> (Result<O::Reply>, bool) {
        let answer = self.send(&operation.request(), true).await;
        let tracked = answer.tracked;
        if tracked {
            self.keep_pulse();
        }
        (self.read::<O>(answer), tracked)
    }

    /// Sees to it that a connection that died in silence is noticed: its pushes will not come.
    fn keep_pulse(&self) {
        if self.pulse.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        self.worker.detach(async move {
            let ping = ::redis::cmd("PING");
            loop {
                tokio::time::sleep(PULSE).await;
                // A tracked call that comes after this starts another task; one that came before is seen below.
                this.pulse.store(false, Ordering::Release);
                if this.wakeups.is_empty() || this.pulse.swap(true, Ordering::AcqRel) {
                    return;
                }
                // A failure has the link replace the connection, and wake everybody.
                let _ = this.link.send(&ping, false).await;
            }
        });
    }

    pub(super) fn call_blocking<O: Wire>(&self, operation: &O) -> Result<O::Reply> {
        let request = operation.request();
        let answer = if let Some(answer) = self.send_blocking(&request) {
            answer
        } else {
            let this = self.clone();
            self.worker.block_on(async move { Ok(this.send(&request, false).await) })?
        };
        self.read::<O>(answer)
    }

    async fn send(&self, request: &Request, track: bool) -> Answer {
        let answer = self.link.send(&request.command, track).await;
        match request.loading_if(answer.is_no_script()) {
            Some(loading) => self.link.send(&loading, track).await,
            None => answer,
        }
    }

    fn send_blocking(&self, request: &Request) -> Option<Answer> {
        let answer = self.link.send_blocking(&request.command)?;
        match request.loading_if(answer.is_no_script()) {
            Some(loading) => self.link.send_blocking(&loading),
            None => Some(answer),
        }
    }

    fn read<O: Wire>(&self, answer: Answer) -> Result<O::Reply> {
        let value = answer.value.map_err(|error| self.backend(&error))?;
        let reply = O::reply(value).ok_or_else(|| {
            Error::new(
                ErrorKind::Backend,
                format!("{} gave a reply that its script can't have given", self.place),
            )
        })?;
        Ok(if answer.repeated { O::repeated(reply) } else { reply })
    }

    /// Says what the server or the connection did, without the secret.
    fn backend(&self, error: &RedisError) -> Error {
        let mut what = if error.is_timeout() { "no reply in time".to_owned() } else { error.to_string() };
        if self.secret.as_deref().is_some_and(|secret| repeats(&what, secret)) {
            let kind = error.kind();
            what = format!("{kind:?}; the server's own words are left out, since they repeat the password");
        }
        Error::new(ErrorKind::Backend, format!("{}: {what}", self.place))
    }
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

/// Whether a connection can be used no more after this error, and the outcome of what was sent over it is unknown.
fn breaks_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
