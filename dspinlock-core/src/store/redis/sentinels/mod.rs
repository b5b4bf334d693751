//! The primary that sentinels know: asked for on every connect, and followed when it changes.
//!
//! A sentinel may be gone, silent or behind the others. So one that is silent holds up nobody for long, and an address counts
//! only once the server there has said itself that it is a primary.

mod answers;
mod follow;

use super::connect::connect;
use super::link::{OnSwitch, timed_out};
use super::tls::{Opened, Tls, explained};
use crate::clock::Tick;
use crate::host::Host;
use crate::sync::lock;
use crate::worker::{Attended, Worker};
use answers::{Answer, Order, confirms_primary, failure, unreachable};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisResult, Value,
};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// For how long after the last answer of a sentinel a failover is expected to end.
const FAILOVER: Duration = Duration::from_secs(10);

/// The sentinels of one primary, and how to connect to each.
pub(crate) struct Watch {
    pub(crate) hosts: Vec<Host>,
    /// The name by which the sentinels know the primary.
    pub(crate) primary: String,
    /// With the credentials of the sentinels. The address is replaced.
    pub(crate) to_sentinel: ConnectionInfo,
    /// The same of the data servers.
    pub(crate) to_server: ConnectionInfo,
    /// The TLS that the sentinels speak, if they do.
    pub(crate) tls: Option<Tls>,
}

/// Finds and follows the primary, on the library's thread.
pub(crate) struct Sentinels {
    inner: Arc<Inner>,
    worker: Worker,
    /// Started when a primary is asked for first; ended with the client.
    follower: OnceLock<Attended<Infallible>>,
}

struct Inner {
    watch: Watch,
    /// The one that answered last comes first.
    order: Mutex<Order>,
    /// The primary that was connected to last, and in which epoch.
    reached: Mutex<Option<(Host, u64)>>,
    on_switch: OnceLock<OnSwitch>,
    /// When a sentinel answered last.
    answered: Mutex<Option<Tick>>,
    /// How long connecting to a primary may take, from the first question to the proof that it is one.
    connect_timeout: Duration,
}

/// The address of a primary, by one of the sentinels.
pub(super) struct Announced {
    host: Host,
    /// The index of the sentinel.
    by: usize,
}

impl Sentinels {
    pub(crate) fn new(watch: Watch, connect_timeout: Duration, worker: Worker) -> Self {
        let order = Mutex::new(Order::new(watch.hosts.len()));
        let inner = Inner {
            watch,
            order,
            reached: Mutex::default(),
            on_switch: OnceLock::new(),
            answered: Mutex::default(),
            connect_timeout,
        };
        let inner = Arc::new(inner);
        Self { inner, worker, follower: OnceLock::new() }
    }

    /// Sets what a switch to another primary ends.
    pub(super) fn on_switch(&self, end: OnSwitch) {
        // Set once, by the one server of this link.
        let _ = self.inner.on_switch.set(end);
    }

    /// Whether a sentinel has answered a short while ago. During a failover they may be busy with each other.
    pub(super) fn answer(&self) -> bool {
        lock(&self.inner.answered).is_some_and(|answered| Tick::now() - answered < FAILOVER)
    }

    /// Asks for the address of the primary, from any executor.
    pub(super) async fn find(&self) -> RedisResult<Announced> {
        self.follow();
        let inner = Arc::clone(&self.inner);
        let asked = self.worker.attend(async move { Ok(inner.find().await) }).await;
        asked.unwrap_or_else(|error| Err(unreachable(error.to_string())))
    }

    /// [`find`](Self::find), blocking the calling thread.
    pub(super) fn find_blocking(&self) -> RedisResult<Announced> {
        self.follow();
        let inner = Arc::clone(&self.inner);
        let asked = self.worker.block_on(async move { Ok(inner.find().await) });
        asked.unwrap_or_else(|error| Err(unreachable(error.to_string())))
    }

    /// A client of the server at this address.
    pub(super) fn client(
        &self,
        announced: &Announced,
        protocol: Option<ProtocolVersion>,
    ) -> RedisResult<Client> {
        client(&self.inner.watch.to_server, &announced.host, protocol)
    }

    /// Takes in that a server that was found can't be connected to: the next sentinel may know another one.
    pub(super) fn missed(&self, announced: &Announced) {
        lock(&self.inner.order).put_last(announced.by);
    }

    /// Takes in what a server that was found says to `ROLE`, and returns the epoch of the connection to it, which was begun in
    /// the epoch `begun`.
    ///
    /// # Errors
    ///
    /// If it is no primary. The sentinel that announced it is asked last from now on.
    pub(super) fn reached(
        &self,
        announced: Announced,
        role: RedisResult<Value>,
        begun: u64,
    ) -> RedisResult<u64> {
        let confirmed = confirms_primary(role).inspect_err(|_| self.missed(&announced))?;
        if let Err(what) = confirmed {
            self.missed(&announced);
            let Announced { host, by } = announced;
            let sentinel = &self.inner.watch.hosts[by];
            return Err(unreachable(format!(
                "the sentinel at {sentinel} announces {host}, which is {what} at present"
            )));
        }
        let host = announced.host;
        let mut reached = lock(&self.inner.reached);
        if reached.as_ref().is_some_and(|(_, epoch)| *epoch > begun) {
            // It took long, and others are connected to the next primary.
            return Ok(begun);
        }
        let is_another = reached.as_ref().is_some_and(|(before, _)| *before != host);
        // The connections of this epoch are to the other one. This connection is the first of the next epoch.
        let epoch = if is_another { begun + 1 } else { begun };
        *reached = Some((host, epoch));
        drop(reached);
        if is_another {
            self.inner.switched(begun);
        }
        Ok(epoch)
    }

    fn follow(&self) {
        self.follower.get_or_init(|| self.worker.attend(Arc::clone(&self.inner).follow()));
    }
}

impl Inner {
    fn switched(&self, epoch: u64) {
        if let Some(end) = self.on_switch.get() {
            end(epoch);
        }
    }

    /// Notes that a sentinel has answered.
    fn heard(&self) {
        *lock(&self.answered) = Some(Tick::now());
    }

    /// Asks one sentinel after the other, and does not wait long for any of them.
    async fn find(self: Arc<Self>) -> RedisResult<Announced> {
        // Half of the time is left for the server itself. A sentinel that is only slow still counts.
        let until = Instant::now() + self.connect_timeout / 2;
        let share = self.connect_timeout / 8;
        let order = lock(&self.order).clone();
        let mut rest = order.iter();
        let (mut asking, mut answers) = (JoinSet::new(), Vec::new());
        loop {
            if let Some(sentinel) = rest.next() {
                let this = Arc::clone(&self);
                asking.spawn(async move {
                    let answer = timeout_at(until, this.ask(sentinel)).await;
                    (sentinel, answer.unwrap_or_else(|_| Answer::Failed(timed_out())))
                });
            }
            // After a silence the next one is asked as well.
            let Ok(answered) = timeout(share, asking.join_next()).await else { continue };
            match answered {
                Some(Ok((by, Answer::At(host)))) => {
                    lock(&self.order).put_first(by);
                    self.heard();
                    return Ok(Announced { host, by });
                }
                Some(Ok((sentinel, answer))) => answers.push((&self.watch.hosts[sentinel], answer)),
                Some(Err(_)) => {}
                None => {
                    let secret = self.watch.to_sentinel.redis_settings().password();
                    return Err(failure(&self.watch.primary, &answers, secret));
                }
            }
        }
    }

    /// Asks one sentinel for the primary.
    async fn ask(&self, sentinel: usize) -> Answer {
        let asked = async {
            let (mut connection, _driver) =
                self.connect(sentinel, None, AsyncConnectionConfig::new()).await?;
            question(&self.watch.primary).query_async(&mut connection).await
        };
        Answer::of(asked.await)
    }

    /// Connects to a sentinel, without a time limit of its own.
    async fn connect(
        &self,
        sentinel: usize,
        protocol: Option<ProtocolVersion>,
        config: AsyncConnectionConfig,
    ) -> RedisResult<Opened> {
        let config = config.set_connection_timeout(None).set_response_timeout(None);
        let client = client(&self.watch.to_sentinel, &self.watch.hosts[sentinel], protocol)?;
        connect(&client, self.watch.tls.as_ref(), &config).await.map_err(explained)
    }
}

fn question(primary: &str) -> redis::Cmd {
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(primary);
    command
}

/// A client of one of several servers that are alike.
fn client(like: &ConnectionInfo, host: &Host, protocol: Option<ProtocolVersion>) -> RedisResult<Client> {
    let mut info = like.clone().set_addr(ConnectionAddr::Tcp(host.name.clone(), host.port));
    if let Some(protocol) = protocol {
        let settings = info.redis_settings().clone().set_protocol(protocol);
        info = info.set_redis_settings(settings);
    }
    Client::open(info)
}
