//! One connection for many callers, on which the server can push changes.

use super::dial::{Dialed, Dialer};
use super::link::{Batch, Limits, Received, breaks_connection};
use super::refusal::is_of_credentials;
use crate::clock::Tick;
use crate::store::Wakeups;
use crate::store::last_failure::LastFailure;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, PushInfo, PushKind, RedisError, RedisResult, Value};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// A connection that is opened by its first caller, and replaced after it broke.
pub(super) struct SharedConnection {
    dialer: Arc<Dialer>,
    /// Whether the server is asked to push changes.
    tracks: AtomicBool,
    wakeups: Wakeups,
    limits: Limits,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    open: Option<Open>,
    /// How many connections were opened so far.
    opened: u64,
    failure: LastFailure<RedisError>,
}

/// The present connection, numbered, so that it is replaced only by callers that saw this one fail.
#[derive(Clone)]
struct Open {
    dialed: Dialed<MultiplexedConnection>,
    number: u64,
    tracks: bool,
}

impl SharedConnection {
    /// With `tracks` the server is asked to push changes, which are notified to `wakeups`.
    pub(super) fn new(dialer: Arc<Dialer>, limits: Limits, tracks: bool, wakeups: Wakeups) -> Self {
        Self { dialer, tracks: tracks.into(), wakeups, limits, slot: Mutex::default() }
    }

    /// Sends a batch, and once more on a new connection if the reply was lost with the present one.
    pub(super) async fn send(&self, batch: &Batch, track: bool) -> Received {
        let mut open = match self.open(None).await {
            Ok(open) => open,
            Err(error) => return Received::unsent(error),
        };
        let received = open.send(batch, track).await;
        if !received.value.as_ref().is_err_and(breaks_connection) {
            return received;
        }
        if batch.lane.is_for_hits() {
            // The caller takes its other way to the value at once. Pushes to the present connection are lost.
            self.slot.lock().await.open.take_if(|failed| failed.number == open.number);
            self.wakeups.wake_all();
            return received;
        }
        let again = match self.open(Some(open.number)).await {
            Ok(mut fresh) => fresh.send(batch, track).await,
            Err(error) => Received::one(Err(error)),
        };
        Received { repeated: true, ..again }
    }

    /// Closes the present connection. One that is being opened meanwhile is of an earlier epoch, and is replaced at its next use.
    pub(super) fn close(&self) {
        if let Ok(mut slot) = self.slot.try_lock() {
            slot.open = None;
        }
    }

    /// The connection, opened by the first caller and after a failure. The one with the number `failed` is not used again.
    async fn open(&self, failed: Option<u64>) -> RedisResult<Open> {
        let asked = Tick::now();
        let mut slot = self.slot.lock().await;
        let epoch = self.dialer.epoch();
        let is_good = |open: &&Open| Some(open.number) != failed && open.dialed.epoch == epoch;
        if let Some(open) = slot.open.as_ref().filter(is_good) {
            return Ok(open.clone());
        }
        if let Some(error) = slot.failure.since(asked) {
            return Err(error.clone());
        }
        if slot.open.take().is_some() {
            // Its pushes are lost. Once, since a waiter that is woken by its own attempt would ask again and again.
            self.wakeups.wake_all();
        }
        let number = slot.opened + 1;
        let opened = if self.tracks.load(Ordering::Relaxed) {
            self.open_tracking(number).await
        } else {
            self.open_plain(number).await
        };
        match &opened {
            Ok(open) => {
                slot.opened = number;
                slot.open = Some(open.clone());
            }
            Err(error) => slot.failure.note(error.clone()),
        }
        opened
    }

    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(Some(self.limits.response_timeout))
    }

    /// Opens a connection, within the time limit.
    async fn dial(
        &self,
        config: AsyncConnectionConfig,
        pushes: bool,
    ) -> RedisResult<Dialed<MultiplexedConnection>> {
        let opening = self.dialer.open(&config, pushes);
        let opened = tokio::time::timeout(self.limits.connect_timeout, opening).await;
        opened.unwrap_or_else(|_| Err(self.dialer.late()))
    }

    async fn open_plain(&self, number: u64) -> RedisResult<Open> {
        let dialed = self.dial(self.config(), false).await?;
        Ok(Open { dialed, number, tracks: false })
    }

    /// A connection on which the server pushes changes. A server that can't is asked only once: from then on the waiters of
    /// this client look again every `sleep`.
    async fn open_tracking(&self, number: u64) -> RedisResult<Open> {
        let wakeups = self.wakeups.clone();
        let config = self.config().set_push_sender(move |push| {
            notify(&wakeups, push);
            Ok::<_, Infallible>(())
        });
        let refusal = match self.dial(config, true).await {
            Ok(mut dialed) => match tracking_on().query_async::<()>(&mut dialed.connection).await {
                Ok(()) => return Ok(Open { dialed, number, tracks: true }),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if breaks_connection(&refusal) {
            return Err(refusal);
        }
        // A wrong password, or anything else that has nothing to do with tracking, is refused here as well.
        let mut plain = self.open_plain(number).await?;
        if is_of_credentials(&refusal) {
            // Without a password nothing was asked of the server so far. With one, a proxy may want `AUTH` before anything else.
            let ping: RedisResult<()> = redis::cmd("PING").query_async(&mut plain.dialed.connection).await;
            if let Some(refusal) = ping.err().filter(is_of_credentials) {
                return Err(refusal);
            }
        }
        self.tracks.store(false, Ordering::Relaxed);
        tracing::info!(
            target: "dspinlock", parent: None, code = refusal.code(),
            "the server notifies of no changes (client tracking); waiters look again every `sleep`"
        );
        Ok(plain)
    }
}

impl Open {
    async fn send(&mut self, batch: &Batch, track: bool) -> Received {
        let tracked = track && self.tracks && !batch.asking;
        let Dialed { connection, epoch, .. } = &mut self.dialed;
        let received = if let Some(command) = batch.single().filter(|_| !tracked) {
            Received::one(command.query_async(connection).await)
        } else {
            // Written at once, so that no other caller's command comes in between: `CACHING` is for the next one only.
            let pipeline = batch.pipeline(tracked.then(caching).as_ref());
            batch.received(pipeline.query_async(connection).await, tracked)
        };
        Received { epoch: *epoch, ..received }
    }
}

/// Turns tracking on, and tries what comes before each tracked command: both may be refused.
fn tracking_on() -> Pipeline {
    let mut commands = redis::pipe();
    commands.cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN").ignore();
    commands.add_command(caching()).ignore();
    commands
}

/// Has the server push changes of the keys that the next command reads.
fn caching() -> Cmd {
    let mut command = redis::cmd("CLIENT");
    command.arg("CACHING").arg("YES");
    command
}

/// Wakes the listeners that a push concerns.
fn notify(wakeups: &Wakeups, push: PushInfo) {
    match (push.kind, push.data.into_iter().next()) {
        (PushKind::Invalidate, Some(Value::Array(keys))) => {
            for key in keys {
                if let Value::BulkString(key) = key
                    && let Ok(key) = str::from_utf8(&key)
                {
                    wakeups.wake(key);
                    // A local copy of a value listens to the value's record.
                    if let Some(record) = record_beside(key) {
                        wakeups.wake(record);
                    }
                }
            }
        }
        // A flush names no keys.
        (PushKind::Invalidate | PushKind::Disconnection, _) => wakeups.wake_all(),
        _ => {}
    }
}

/// The record that a value's key belongs to.
fn record_beside(key: &str) -> Option<&str> {
    let slot = key.strip_suffix(":value")?;
    Some(slot.strip_prefix('{').and_then(|slot| slot.strip_suffix('}')).unwrap_or(slot))
}
