//! The connection that all async callers share, and on which the server tells of changes.

use super::own::Limits;
use super::{Answer, Lane, Request, breaks_connection, together};
use crate::store::Wakeups;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisError,
    RedisResult, Value,
};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::Mutex;

/// The place of the shared connection: opened by the first who asks, replaced when it broke.
pub(crate) struct Line {
    client: Client,
    /// The same server, spoken to in the protocol that has pushes.
    resp3: Client,
    /// Whether the server is asked to tell of changes.
    tracks: AtomicBool,
    wakeups: Wakeups,
    limits: Limits,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    shared: Option<Shared>,
    /// How many connections were opened before.
    opened: u64,
    /// The last failure to open a connection, and when it was known.
    failure: Option<(Instant, RedisError)>,
}

/// The shared connection, numbered, so that only who saw it fail takes it away.
#[derive(Clone)]
struct Shared {
    connection: MultiplexedConnection,
    number: u64,
    tracks: bool,
}

impl Line {
    /// `tracks` says whether to have the server tell of changes, by `wakeups`.
    ///
    /// # Errors
    ///
    /// If the client's own address can't be used.
    pub(crate) fn new(client: Client, limits: Limits, tracks: bool, wakeups: Wakeups) -> RedisResult<Self> {
        let info = client.get_connection_info().clone();
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let resp3 = Client::open(info.set_redis_settings(settings))?;
        Ok(Self { client, resp3, tracks: tracks.into(), wakeups, limits, slot: Mutex::default() })
    }

    /// Whether the server may tell of changes.
    fn tells(&self) -> bool {
        self.tracks.load(Ordering::Relaxed)
    }

    /// Sends a request, and once more on a new connection if the reply was lost with the present one.
    pub(crate) async fn send(&self, request: &Request, lane: Lane, track: bool) -> Answer {
        let confirmation = lane.confirmation(self.limits);
        let mut shared = match self.shared(None).await {
            Ok(shared) => shared,
            Err(error) => return Answer::first(Err(error)),
        };
        let answer = shared.send(request, confirmation.as_ref(), track).await;
        if !answer.value.as_ref().is_err_and(breaks_connection) {
            return answer;
        }
        if lane == Lane::Values {
            // Whoever reads values plainly has another way to what stands there, and takes it at once.
            self.slot.lock().await.shared.take_if(|failed| failed.number == shared.number);
            return answer;
        }
        match self.shared(Some(shared.number)).await {
            Ok(mut fresh) => {
                Answer { repeated: true, ..fresh.send(request, confirmation.as_ref(), track).await }
            }
            Err(error) => Answer { repeated: true, ..Answer::first(Err(error)) },
        }
    }

    /// The connection, opened by the first who asks and after a failure. `failed` is taken away if it is still there.
    async fn shared(&self, failed: Option<u64>) -> RedisResult<Shared> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(shared) = slot.shared.as_ref().filter(|shared| Some(shared.number) != failed) {
            return Ok(shared.clone());
        }
        // Who waited here while another one tried in vain doesn't try again: one by one, the last would wait for ever.
        if let Some((_, error)) = slot.failure.as_ref().filter(|(known, _)| asked <= *known) {
            return Err(error.clone());
        }
        slot.shared = None;
        // What the old connection would have told is lost.
        self.wakeups.wake_all();
        let number = slot.opened + 1;
        let opened =
            if self.tells() { self.open_tracking(number).await } else { self.open_plain(number).await };
        match &opened {
            Ok(shared) => {
                slot.opened = number;
                slot.shared = Some(shared.clone());
            }
            Err(error) => slot.failure = Some((Instant::now(), error.clone())),
        }
        opened
    }

    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limits.connect_timeout))
            .set_response_timeout(Some(self.limits.response_timeout))
    }

    async fn open_plain(&self, number: u64) -> RedisResult<Shared> {
        let connection = self.client.get_multiplexed_async_connection_with_config(&self.config()).await?;
        Ok(Shared { connection, number, tracks: false })
    }

    /// A connection on which the server tells of changes. Where it can't, that is found out once, and from then on the
    /// waiters of this client look again every `sleep`.
    async fn open_tracking(&self, number: u64) -> RedisResult<Shared> {
        let wakeups = self.wakeups.clone();
        let config = self.config().set_push_sender(move |push| {
            tell(&wakeups, push);
            Ok::<_, Infallible>(())
        });
        let refusal = match self.resp3.get_multiplexed_async_connection_with_config(&config).await {
            Ok(mut connection) => match tracking_on().query_async::<()>(&mut connection).await {
                Ok(()) => return Ok(Shared { connection, number, tracks: true }),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if breaks_connection(&refusal) {
            return Err(refusal);
        }
        // A wrong password, or anything else that has nothing to do with tracking, is refused here as well.
        let plain = self.open_plain(number).await?;
        self.tracks.store(false, Ordering::Relaxed);
        tracing::info!(
            target: "dspinlock", code = refusal.code(),
            "the server does not tell of changes; waiters look again every `sleep`"
        );
        Ok(plain)
    }
}

/// Turns tracking on, and tries what comes before each tracked command: both may be refused.
fn tracking_on() -> Pipeline {
    let mut commands = redis::pipe();
    commands.cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN").ignore();
    commands.add_command(caching()).ignore();
    commands
}

/// Has the server tell of changes to the keys that the next command reads.
fn caching() -> Cmd {
    let mut command = redis::cmd("CLIENT");
    command.arg("CACHING").arg("YES");
    command
}

/// Wakes those whom a push concerns.
fn tell(wakeups: &Wakeups, push: PushInfo) {
    match (push.kind, push.data.into_iter().next()) {
        (PushKind::Invalidate, Some(Value::Array(keys))) => {
            for key in keys {
                if let Value::BulkString(key) = key
                    && let Ok(key) = str::from_utf8(&key)
                {
                    wakeups.wake(key);
                    // Who has a copy of a value listens to the record that it belongs to.
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

/// The record to which a key belongs that is the name of a value.
fn record_beside(key: &str) -> Option<&str> {
    let slot = key.strip_suffix(":value")?;
    Some(slot.strip_prefix('{').and_then(|slot| slot.strip_suffix('}')).unwrap_or(slot))
}

impl Shared {
    async fn send(&mut self, request: &Request, confirmation: Option<&Cmd>, track: bool) -> Answer {
        let tracked = track && self.tracks;
        if let ([command], false, None, false) = (&*request.commands, tracked, confirmation, request.lenient)
        {
            return Answer::first(command.query_async(&mut self.connection).await);
        }
        // Written at once, so that no other caller's command comes in between: `CACHING` is for the next one only.
        let together = together(request, tracked.then(caching), confirmation.cloned());
        let values: RedisResult<Vec<Value>> = together.query_async(&mut self.connection).await;
        Answer::of_several(request, values, tracked)
    }
}
