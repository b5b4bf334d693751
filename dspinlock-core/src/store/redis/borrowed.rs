//! Connections that the user brings.

use super::{Answer, Link, Sending};
use crate::worker::Worker;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use std::ops::DerefMut;
use std::time::Duration;

/// An async connection that can be cloned, as `MultiplexedConnection` and `ConnectionManager` can.
///
/// Its own runtime has to live as long as the locks do.
pub(crate) struct AsyncLink<C> {
    pub(crate) connection: C,
    pub(crate) response_timeout: Duration,
}

impl<C> Link for AsyncLink<C>
where
    C: redis::aio::ConnectionLike + Clone + Send + Sync + 'static,
{
    fn send<'a>(&'a self, command: &'a Cmd, _: bool) -> Sending<'a> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let sending = command.query_async(&mut connection);
            let value = tokio::time::timeout(self.response_timeout, sending).await;
            Answer::first(value.unwrap_or_else(|_| Err(timed_out())))
        })
    }

    fn send_blocking(&self, _: &Cmd) -> Option<Answer> {
        None
    }
}

/// A pool of blocking connections, as a function that hands out one of them.
pub(crate) struct BlockingLink<F> {
    pub(crate) get: std::sync::Arc<F>,
    pub(crate) worker: Worker,
    pub(crate) response_timeout: Duration,
}

impl<F, G, E> Link for BlockingLink<F>
where
    F: Fn() -> Result<G, E> + Send + Sync + 'static,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: std::fmt::Display,
{
    fn send<'a>(&'a self, command: &'a Cmd, _: bool) -> Sending<'a> {
        let (get, command) = (self.get.clone(), command.clone());
        Box::pin(async move {
            let sending = self.worker.unblock(move || query(&*get, &command));
            Answer::first(match tokio::time::timeout(self.response_timeout, sending).await {
                Ok(Ok(value)) => value,
                Ok(Err(error)) => {
                    Err(RedisError::from((ErrorKind::Client, "the pool failed", error.to_string())))
                }
                Err(_) => Err(timed_out()),
            })
        })
    }

    fn send_blocking(&self, command: &Cmd) -> Option<Answer> {
        Some(Answer::first(query(&*self.get, command)))
    }
}

fn query<F, G, E>(get: &F, command: &Cmd) -> RedisResult<Value>
where
    F: Fn() -> Result<G, E>,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: std::fmt::Display,
{
    match get() {
        Ok(mut connection) => command.query(&mut *connection),
        Err(error) => {
            Err(RedisError::from((ErrorKind::Client, "the pool gave no connection", error.to_string())))
        }
    }
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
