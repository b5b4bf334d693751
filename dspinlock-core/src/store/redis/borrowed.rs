//! Connections that the user brings.

use super::{Answer, Lane, Limits, Link, Request, Sending, together};
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
    fn send<'a>(&'a self, request: &'a Request, lane: Lane, _: bool) -> Sending<'a> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let together = together(request, None, lane.confirmation(self.limits));
            let sending = together.query_async(&mut connection);
            let values = tokio::time::timeout(self.limits.response_timeout, sending).await;
            Answer::of_several(request, values.unwrap_or_else(|_| Err(timed_out())), false)
        })
    }

    fn send_blocking(&self, _: &Request, _: Lane) -> Option<Answer> {
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
    fn send<'a>(&'a self, request: &'a Request, lane: Lane, _: bool) -> Sending<'a> {
        let (get, commands, lenient) = (self.get.clone(), request.commands.clone(), request.lenient);
        let confirmation = lane.confirmation(self.limits);
        Box::pin(async move {
            let sending =
                self.worker.unblock(move || query(&*get, &commands, lenient, confirmation.as_ref()));
            let values = match tokio::time::timeout(self.limits.response_timeout, sending).await {
                Ok(Ok(values)) => values,
                Ok(Err(error)) => {
                    Err(RedisError::from((ErrorKind::Client, "the pool failed", error.to_string())))
                }
                Err(_) => Err(timed_out()),
            };
            Answer::of_several(request, values, false)
        })
    }

    fn send_blocking(&self, request: &Request, lane: Lane) -> Option<Answer> {
        let confirmation = lane.confirmation(self.limits);
        let values = query(&*self.get, &request.commands, request.lenient, confirmation.as_ref());
        Some(Answer::of_several(request, values, false))
    }
}

fn query<F, G, E>(
    get: &F,
    commands: &[Cmd],
    lenient: bool,
    confirmation: Option<&Cmd>,
) -> RedisResult<Vec<Value>>
where
    F: Fn() -> Result<G, E>,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: std::fmt::Display,
{
    match get() {
        Ok(mut connection) => {
            let mut commands = commands.iter().chain(confirmation);
            commands.try_fold(Vec::new(), |mut values, command| {
                values.push(match command.query(&mut *connection) {
                    // The server's refusal of one command is no answer to the others.
                    Err(error) if lenient && error.code().is_some() => Value::Nil,
                    value => value?,
                });
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
