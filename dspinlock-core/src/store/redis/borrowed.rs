//! Connections that the user brings.

use super::{Answer, Lane, Limits, Link, Sending};
use crate::worker::Worker;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use std::ops::DerefMut;

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
    fn send<'a>(&'a self, command: &'a Cmd, lane: Lane, _: bool) -> Sending<'a> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let mut together = redis::pipe();
            together.add_command(command.clone());
            if let Some(confirmation) = lane.confirmation(self.limits) {
                together.add_command(confirmation);
            }
            let sending = together.query_async(&mut connection);
            let values = tokio::time::timeout(self.limits.response_timeout, sending).await;
            Answer::of_several(values.unwrap_or_else(|_| Err(timed_out())), false)
        })
    }

    fn send_blocking(&self, _: &Cmd, _: Lane) -> Option<Answer> {
        None
    }
}

/// A pool of blocking connections, as a function that hands out one of them.
pub(crate) struct BlockingLink<F> {
    pub(crate) get: std::sync::Arc<F>,
    pub(crate) worker: Worker,
    pub(crate) limits: Limits,
}

impl<F, G, E> Link for BlockingLink<F>
where
    F: Fn() -> Result<G, E> + Send + Sync + 'static,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: std::fmt::Display,
{
    fn send<'a>(&'a self, command: &'a Cmd, lane: Lane, _: bool) -> Sending<'a> {
        let (get, command) = (self.get.clone(), command.clone());
        let confirmation = lane.confirmation(self.limits);
        Box::pin(async move {
            let sending = self.worker.unblock(move || query(&*get, &command, confirmation.as_ref()));
            let values = match tokio::time::timeout(self.limits.response_timeout, sending).await {
                Ok(Ok(values)) => values,
                Ok(Err(error)) => {
                    Err(RedisError::from((ErrorKind::Client, "the pool failed", error.to_string())))
                }
                Err(_) => Err(timed_out()),
            };
            Answer::of_several(values, false)
        })
    }

    fn send_blocking(&self, command: &Cmd, lane: Lane) -> Option<Answer> {
        let confirmation = lane.confirmation(self.limits);
        Some(Answer::of_several(query(&*self.get, command, confirmation.as_ref()), false))
    }
}

fn query<F, G, E>(get: &F, command: &Cmd, confirmation: Option<&Cmd>) -> RedisResult<Vec<Value>>
where
    F: Fn() -> Result<G, E>,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: std::fmt::Display,
{
    match get() {
        Ok(mut connection) => {
            let mut commands = std::iter::once(command).chain(confirmation);
            commands.try_fold(Vec::new(), |mut values, command| {
                values.push(command.query(&mut *connection)?);
                Ok(values)
            })
        }
        Err(error) => {
            Err(RedisError::from((ErrorKind::Client, "the pool gave no connection", error.to_string())))
        }
    }
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
