//! Follows the primary: a sentinel publishes each switch to another one.

use super::super::link::timed_out;
use super::answers::{is_news, switched_to};
use super::{Inner, question};
use crate::clock::Tick;
use crate::error::Result;
use crate::host::Host;
use crate::sync::lock;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, PushKind, RedisResult, Value};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

const CHANNEL: &str = "+switch-master";

/// How often the sentinel that is listened to is asked, for a sign of life and for a switch that was missed.
const PULSE: Duration = Duration::from_secs(5);

/// The pause after none of the sentinels could be listened to; doubled each time, up to the pulse.
const PAUSE: Duration = Duration::from_millis(500);

impl Inner {
    /// Listens to one sentinel, and to the next one when that breaks, for as long as there is a client.
    pub(super) async fn follow(self: Arc<Self>) -> Result<Infallible> {
        let mut pause = PAUSE;
        loop {
            let (order, began) = (lock(&self.order).clone(), Tick::now());
            for sentinel in order.iter() {
                if let Err(why) = self.listen(sentinel).await {
                    let sentinel = &self.watch.hosts[sentinel];
                    tracing::debug!(target: "dspinlock", %sentinel, code = why.code(), "not listening to this sentinel");
                }
            }
            // One that was listened to for a while has been lost, and the others are likely there.
            pause = if Tick::now() - began > PULSE { PAUSE } else { PULSE.min(pause * 2) };
            sleep(pause).await;
        }
    }

    /// Listens to one sentinel until it does not answer.
    async fn listen(&self, sentinel: usize) -> RedisResult<()> {
        let (sender, mut messages) = unbounded_channel();
        let mut said = None;
        let connecting = async {
            let config = AsyncConnectionConfig::new().set_push_sender(sender);
            let (mut connection, driver) =
                self.connect(sentinel, Some(ProtocolVersion::RESP3), config).await?;
            connection.subscribe(CHANNEL).await?;
            Ok((connection, driver))
        };
        let (mut connection, _driver) = self.within(connecting).await?;
        loop {
            // Also for a switch between the last message and the subscription.
            let asked = async { question(&self.watch.primary).query_async(&mut connection).await };
            let host: Option<(String, u16)> = self.within(asked).await?;
            self.heard();
            if let Some((name, port)) = host {
                self.announce(sentinel, Host { name, port }, &mut said);
            }
            while let Ok(push) = timeout(PULSE, next(&mut messages)).await {
                let Some(message) = push else { return Ok(()) };
                if let Some(host) = switched_to(&self.watch.primary, &message) {
                    self.announce(sentinel, host, &mut said);
                }
            }
        }
    }

    async fn within<T>(&self, asking: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        timeout(self.connect_timeout, asking).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Ends the connections to an earlier primary. The next ones go where this sentinel says: others may be behind.
    fn announce(&self, sentinel: usize, host: Host, said: &mut Option<Host>) {
        let reached = lock(&self.reached).clone();
        if is_news(&host, said.as_ref(), reached.as_ref().map(|(host, _)| host))
            && let Some((before, epoch)) = reached
        {
            tracing::info!(
                target: "dspinlock", primary = &*self.watch.primary, %before, now = %host,
                "another server is the primary"
            );
            lock(&self.order).put_first(sentinel);
            self.switched(epoch);
        }
        *said = Some(host);
    }
}

/// The next message; `None` when the connection has ended.
async fn next(messages: &mut UnboundedReceiver<PushInfo>) -> Option<String> {
    loop {
        let PushInfo { kind, data } = messages.recv().await?;
        match (kind, data.into_iter().nth(1)) {
            (PushKind::Message, Some(Value::BulkString(message))) => {
                return Some(String::from_utf8_lossy(&message).into_owned());
            }
            (PushKind::Disconnection, _) => return None,
            _ => {}
        }
    }
}
