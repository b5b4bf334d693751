//! Connections that the user brings.

use super::link::{Batch, Exchange, Limits, Link, Received, timed_out};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use std::ops::DerefMut;
use std::sync::Arc;

/// An async connection that can be cloned, as `MultiplexedConnection` and `ConnectionManager` can.
///
/// Its own runtime has to live as long as the locks do.
pub(crate) struct AsyncLink<C> {
    pub(crate) connection: C,
    pub(crate) limits: Limits,
}

impl<C> Link for AsyncLink<C>
where
    C: redis::aio::ConnectionLike + Clone + Send + Sync + 'static,
{
    fn send<'a>(&'a self, batch: &'a Batch, _: bool) -> Exchange<'a> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let pipeline = batch.pipeline(None);
            let sending = pipeline.query_async(&mut connection);
            let values = tokio::time::timeout(self.limits.response_timeout, sending).await;
            batch.received(values.unwrap_or_else(|_| Err(timed_out())), false)
        })
    }

    fn send_blocking(&self, _: &Batch) -> Option<Received> {
        None
    }
}

/// A pool of blocking connections, as a function that hands out one of them.
pub(crate) struct BlockingLink<F> {
    pub(crate) get: Arc<F>,
    pub(crate) limits: Limits,
}

impl<F, G, E> Link for BlockingLink<F>
where
    F: Fn() -> Result<G, E> + Send + Sync + 'static,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: std::fmt::Display,
{
    fn send<'a>(&'a self, batch: &'a Batch, _: bool) -> Exchange<'a> {
        let (get, commands, lenient) = (Arc::clone(&self.get), batch.commands.clone(), batch.lenient);
        Box::pin(async move {
            let sending = tokio::task::spawn_blocking(move || query(&*get, &commands, lenient));
            let values = match tokio::time::timeout(self.limits.response_timeout, sending).await {
                Ok(Ok(values)) => values,
                Ok(Err(error)) => {
                    Err(RedisError::from((ErrorKind::Client, "the pool failed", error.to_string())))
                }
                Err(_) => Err(timed_out()),
            };
            batch.received(values, false)
        })
    }

    fn send_blocking(&self, batch: &Batch) -> Option<Received> {
        Some(batch.received(query(&*self.get, &batch.commands, batch.lenient), false))
    }
}

fn query<F, G, E>(get: &F, commands: &[Cmd], lenient: bool) -> RedisResult<Vec<Value>>
where
    F: Fn() -> Result<G, E>,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: std::fmt::Display,
{
    match get() {
        Ok(mut connection) => {
            let mut replies = Vec::with_capacity(commands.len());
            for command in commands {
                replies.push(match command.query(&mut *connection) {
                    // The server's refusal of one command is no answer to the others.
                    Err(error) if lenient && error.code().is_some() => Value::Nil,
                    reply => reply?,
                });
            }
            Ok(replies)
        }
        Err(error) => {
            Err(RedisError::from((ErrorKind::Client, "the pool gave no connection", error.to_string())))
        }
    }
}
