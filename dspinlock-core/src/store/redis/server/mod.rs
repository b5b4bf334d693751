//! A server: sends batches over its link, and notices when it is out of reach.

mod upkeep;

use super::circuit::Circuit;
use super::delivery::Delivery;
use super::link::{Batch, EndOfEpoch, Limits, Link, Passing, Received, breaks_connection};
use super::refusal::{self, Redirect, is_outage};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Clock, Wakeups};
use crate::worker::Worker;
use ::redis::{RedisError, RedisResult, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone)]
pub(super) struct Server {
    link: Arc<dyn Link>,
    worker: Worker,
    pub(super) limits: Limits,
    /// Never shown, although a refusal of the server may repeat it.
    secret: Option<Arc<str>>,
    /// The server's address, as people may see it.
    name: Arc<str>,
    /// Where the address came from, in words to follow it; empty if nobody knows.
    origin: &'static str,
    wakeups: Wakeups,
    /// What is known of the server's clock, which is another one after the server has changed.
    pub(super) clock: Arc<Clock>,
    /// Whether a task keeps checking that a tracking connection lives: that of locks, and that of values.
    pulses: Arc<[AtomicBool; 2]>,
    circuit: Arc<Circuit>,
    /// Whether the last reply was a refusal that passes by itself, so that it is logged once.
    in_trouble: Arc<AtomicBool>,
    /// Whether the server was checked for settings that endanger locks.
    advised: Arc<AtomicBool>,
}

/// The value of a reply, with what the link says of it.
pub(super) struct Exchanged {
    pub(super) value: Value,
    pub(super) repeated: bool,
    pub(super) tracked: bool,
}

/// Why there is no reply that could be read.
pub(super) struct Failure {
    pub(super) error: Error,
    /// What the caller is to do instead, where a node of a cluster has refused: it has done nothing.
    pub(super) redirect: Option<Redirect>,
    /// The request was sent twice, since the first reply was lost.
    pub(super) repeated: bool,
    /// The server is out of reach.
    pub(super) outage: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, redirect: None, repeated: false, outage: false }
    }
}

/// What a link leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'a> {
    /// The address, as people may see it.
    pub(crate) name: &'a str,
    /// Where the address came from, in words to follow it; empty if nobody knows.
    pub(crate) origin: &'static str,
    /// Is kept out of every message.
    pub(crate) secret: Option<&'a str>,
}

impl<'a> Peer<'a> {
    /// One of which only the name is known.
    pub(crate) const fn named(name: &'a str) -> Self {
        Self { name, origin: "", secret: None }
    }
}

impl Server {
    pub(super) fn new(
        link: impl Link,
        worker: Worker,
        limits: Limits,
        peer: Peer<'_>,
        wakeups: Wakeups,
    ) -> Self {
        let Peer { name, origin, secret } = peer;
        let this = Self {
            link: Arc::new(link),
            worker,
            limits,
            secret: secret.filter(|secret| !secret.is_empty()).map(Into::into),
            name: name.into(),
            origin,
            wakeups,
            clock: Arc::default(),
            pulses: Arc::default(),
            circuit: Arc::default(),
            in_trouble: Arc::default(),
            advised: Arc::default(),
        };
        let (itself, circuit) = (Arc::downgrade(&this.link), Arc::clone(&this.circuit));
        let clock = Arc::clone(&this.clock);
        this.link.on_switch(Box::new(move |epoch| {
            // Before the waiters are woken.
            circuit.succeeded();
            clock.forget();
            if let Some(link) = itself.upgrade() {
                link.end_epoch(epoch, EndOfEpoch::Switch);
            }
        }));
        this
    }

    /// The address of the server alone, as people may see it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The address of the server, as people may see it, and where it came from.
    pub(super) fn shown(&self) -> impl fmt::Display {
        format!("{}{}", self.name, self.origin)
    }

    /// Whether the last call did not reach the server.
    pub(super) fn is_troubled(&self) -> bool {
        self.circuit.is_troubled()
    }

    pub(super) async fn exchange(&self, batch: &Batch, track: bool) -> Result<Exchanged, Failure> {
        self.pass(batch)?;
        let received = self.send(batch, track).await;
        if received.tracked {
            self.keep_pulse(batch.lane);
        }
        self.read(batch, received)
    }

    /// [`exchange`](Self::exchange) from the caller's own task. The library's thread does it where that can't be, and once more
    /// after the reply was lost.
    pub(super) async fn exchange_here(&self, batch: Batch) -> Result<Exchanged, Failure> {
        self.pass(&batch)?;
        let (batch, received) = match self.send_here(&batch).await {
            Some(received) if !is_lost(&received) || batch.lane.is_for_values() => (batch, received),
            Some(_) => {
                let (batch, received) = self.send_by_thread(batch).await?;
                (batch, Received { repeated: true, ..received })
            }
            None => self.send_by_thread(batch).await?,
        };
        self.read(&batch, received)
    }

    pub(super) fn exchange_blocking(&self, batch: Batch) -> Result<Exchanged, Failure> {
        self.pass(&batch)?;
        if let Some(received) = self.send_blocking(&batch)? {
            return self.read(&batch, received);
        }
        let this = self.clone();
        let (batch, received) = self.worker.block_on(async move { Ok(this.sent(batch).await) })?;
        self.read(&batch, received)
    }

    /// Refuses what begins something while the circuit is open.
    pub(super) fn pass(&self, batch: &Batch) -> Result<(), Failure> {
        match self.circuit.refusal() {
            Some(last) if batch.begins => {
                let what = format!("{last} (circuit open; probing)");
                let error = Error::new(ErrorKind::Backend, what).untouched();
                Err(Failure { outage: true, ..error.into() })
            }
            _ => Ok(()),
        }
    }

    async fn send(&self, batch: &Batch, track: bool) -> Received {
        let mut delivery = Delivery::of(batch);
        loop {
            let received = self.link.send(delivery.batch(), track).await;
            if let Some(received) = delivery.take(received) {
                return received;
            }
        }
    }

    async fn send_here(&self, batch: &Batch) -> Option<Received> {
        let mut delivery = Delivery::of(batch);
        loop {
            let received = self.link.send_here(delivery.batch())?.await;
            if let Some(received) = delivery.take(received) {
                return Some(received);
            }
        }
    }

    async fn send_by_thread(&self, batch: Batch) -> Result<(Batch, Received)> {
        if self.worker.is_current() {
            return Ok(self.sent(batch).await);
        }
        let this = self.clone();
        self.worker.attend(async move { Ok(this.sent(batch).await) }).await
    }

    async fn sent(&self, batch: Batch) -> (Batch, Received) {
        let received = self.send(&batch, false).await;
        (batch, received)
    }

    /// `None` if the link sends only from the library's thread at present.
    fn send_blocking(&self, batch: &Batch) -> Result<Option<Received>> {
        let Some(mut received) = self.link.send_blocking(batch) else { return Ok(None) };
        let mut delivery = Delivery::of(batch);
        loop {
            if let Some(received) = delivery.take(received) {
                return Ok(Some(received));
            }
            received = if let Some(received) = self.link.send_blocking(delivery.batch()) {
                received
            } else {
                // The first request may have been sent twice, which the delivery has noted.
                let (link, next) = (Arc::clone(&self.link), delivery.batch().clone());
                self.worker.block_on(async move { Ok(link.send(&next, false).await) })?
            };
        }
    }

    fn read(&self, batch: &Batch, received: Received) -> Result<Exchanged, Failure> {
        if received.value.is_ok() && !batch.lane.is_for_values() && !self.link.is_current(received.epoch) {
            // It may have done this, and the next primary does not know of it.
            let what = format!("{}: its reply came when it was not the primary any more", self.shown());
            let replaced = Error::new(ErrorKind::Backend, what).passing();
            return Err(Failure { repeated: received.repeated, ..replaced.into() });
        }
        let passing = received.value.as_ref().err().and_then(refusal::passing).or(received.passing);
        // A link that knows that the failure passes has callers ask again, and a probe would not.
        if !batch.lane.is_for_values() && received.passing.is_none() {
            self.note(&received.value, batch);
        }
        let untouched = received.is_untouched(passing);
        let Received { value, repeated, tracked, epoch, .. } = received;
        let error = match value {
            Ok(value) => {
                if self.in_trouble.load(Ordering::Relaxed) && self.in_trouble.swap(false, Ordering::AcqRel) {
                    tracing::info!(target: "dspinlock", parent: None, server = &*self.name, "the server does again what is asked");
                }
                return Ok(Exchanged { value, repeated, tracked });
            }
            Err(error) => error,
        };
        if passing == Some(Passing::Demoted) {
            self.end_epoch(epoch);
        }
        let refused = match passing {
            Some(passing) => {
                let refused = self.backend(&error).and(passing.words()).passing();
                if !self.in_trouble.swap(true, Ordering::AcqRel) {
                    tracing::warn!(target: "dspinlock", parent: None, server = &*self.name, why = %refused, "calls are repeated while their callers wait");
                }
                refused
            }
            None => self.refused(&error, batch),
        };
        let refused = if untouched { refused.untouched() } else { refused };
        let (redirect, outage) = (Redirect::of(&error), is_outage(&error));
        Err(Failure { error: refused, redirect, repeated, outage })
    }

    /// Takes in that the address of the epoch `seen` may lead to another server by now.
    fn end_epoch(&self, seen: u64) {
        // Before the waiters are woken.
        if self.link.is_current(seen) {
            self.clock.forget();
        }
        if self.link.end_epoch(seen, EndOfEpoch::Demotion) {
            tracing::debug!(target: "dspinlock", server = &*self.name, "the connections are closed, to resolve the address again");
        }
    }

    /// Notes whether the server is in reach.
    fn note(&self, value: &RedisResult<Value>, batch: &Batch) {
        match value {
            Err(error) if is_outage(error) => {
                let why = self.refused(error, batch).to_string();
                if self.circuit.failed(&why) {
                    // It is of all callers, and in the span of none.
                    tracing::warn!(
                        target: "dspinlock", parent: None, server = &*self.name, why,
                        "the server is out of reach; calls fail at once until it is back"
                    );
                    self.probe();
                }
            }
            // A pool that gave no connection says nothing about the server.
            Err(error) if error.code().is_none() => {}
            _ => {
                if let Some(after) = self.circuit.succeeded() {
                    tracing::info!(target: "dspinlock", parent: None, server = &*self.name, ?after, "the server is back");
                }
                if !self.advised.load(Ordering::Relaxed) && !self.advised.swap(true, Ordering::AcqRel) {
                    self.advise();
                }
            }
        }
    }

    /// The error of a batch, with what to change if the server goes on refusing it.
    pub(super) fn refused(&self, error: &RedisError, batch: &Batch) -> Error {
        let (refused, change) = (self.backend(error), refusal::advice(error, batch));
        match change {
            change if refusal::lasts(error) => refused.lasting(change),
            Some(change) => refused.and(&change),
            None => refused,
        }
    }

    /// What the server or the connection did, without the secret.
    fn backend(&self, error: &RedisError) -> Error {
        let (what, kind) = refusal::describe(error, self.secret.as_deref());
        // The error of the `redis` crate may repeat the password, and its types are no part of this library.
        let what_kind = if refusal::is_misconfigured(error) { ErrorKind::Config } else { ErrorKind::Backend };
        Error::new(what_kind, format!("{}: {what}", self.shown())).caused_by(std::io::Error::new(kind, what))
    }

    /// The error of a reply that no script gives.
    pub(super) fn unreadable(&self) -> Error {
        Error::new(
            ErrorKind::Backend,
            format!(
                "{}: a reply that its script can't have given; look for a proxy in between",
                self.shown()
            ),
        )
    }
}

/// Whether nobody knows what became of the batch.
fn is_lost(received: &Received) -> bool {
    received.value.as_ref().is_err_and(breaks_connection)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redis::link::testing::Answers;
    use std::time::Duration;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_reply_of_a_replaced_server_is_not_believed_and_may_have_done_something() {
        let limits = Limits { connect_timeout: S, response_timeout: S, pool_size: 1 };
        let exchanged = |is_current| {
            let worker = Worker::get().unwrap();
            let server = Server::new(
                Answers { is_current },
                worker,
                limits,
                Peer::named("a server"),
                Wakeups::default(),
            );
            server.exchange_blocking(Batch::plain(::redis::cmd("PING")))
        };
        assert!(exchanged(true).is_ok());
        let Err(failure) = exchanged(false) else { panic!("the reply was believed") };
        assert!(failure.error.passes() && !failure.error.is_untouched(), "{}", failure.error);
    }
}
