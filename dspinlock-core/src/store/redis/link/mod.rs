//! The ways to a server: what is sent over them, and what comes back.

#[cfg(test)]
mod tests;

use super::scripts::Script;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The limits of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    /// The most connections that blocking callers open; further callers use the shared one.
    pub(crate) pool_size: usize,
}

impl Limits {
    /// The longest time that one request to one server can take: a try over the connection of the caller's runtime, then one and
    /// a repeat of the library's thread, each with a new connection.
    pub(super) fn patience(self) -> Duration {
        self.response_timeout + (self.connect_timeout + self.response_timeout) * 2
    }
}

/// How many large values are on their way at a time, each over a connection of its own.
pub(crate) const PIECE_LANES: usize = 2;

/// The connection that a batch goes over, on a link that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The one that all callers share.
    Shared,
    /// For renewals alone, which must not wait behind a large value.
    Renewals,
    /// For grants that replicas have to confirm: the server holds up all commands behind them.
    Confirmed,
    /// For values, and for the beginnings of large ones.
    Values,
    /// The same for values whose changes the server pushes, since this process keeps copies.
    Copies,
    /// For large values, in pieces.
    Pieces(usize),
}

impl Lane {
    /// Whether it carries values and no locks: its failures say nothing about the server as a place for locks.
    pub(super) fn is_for_values(self) -> bool {
        self.is_for_hits() || matches!(self, Self::Pieces(_))
    }

    /// Whether it carries plain reads of values. A caller whose read fails has another way to the value.
    pub(super) fn is_for_hits(self) -> bool {
        matches!(self, Self::Values | Self::Copies)
    }
}

/// Commands that are written at once.
#[derive(Clone)]
pub(crate) struct Batch {
    /// A script by its digest, a plain command, or a few of them.
    pub(crate) commands: Vec<Cmd>,
    /// The script in the first command, for a server that does not know it yet.
    pub(super) script: Option<&'static Script>,
    /// If one command is refused, the other replies are still read.
    pub(crate) lenient: bool,
    pub(crate) lane: Lane,
    /// Each command follows an `ASKING`: the node of a cluster that is asked is about to get the slot.
    pub(crate) asking: bool,
    /// It begins something, and is not sent while the server is known to be out of reach. What ends or renews a turn is
    /// always worth a try.
    pub(crate) begins: bool,
}

impl Batch {
    /// One command that is always sent.
    pub(crate) fn plain(command: Cmd) -> Self {
        Self {
            commands: vec![command],
            script: None,
            lenient: false,
            lane: Lane::Shared,
            asking: false,
            begins: false,
        }
    }

    /// Reads and writes of values.
    pub(crate) fn of_values(commands: Vec<Cmd>, lane: Lane) -> Self {
        Self { commands, script: None, lenient: true, lane, asking: false, begins: true }
    }

    /// The only command, if it can be sent as it is.
    pub(super) fn single(&self) -> Option<&Cmd> {
        match &*self.commands {
            [command] if !self.lenient && !self.asking => Some(command),
            _ => None,
        }
    }

    /// The commands to write, each after one more whose reply is ignored.
    pub(super) fn pipeline(&self, before: Option<&Cmd>) -> Pipeline {
        let asking = self.asking.then(|| redis::cmd("ASKING"));
        let before = asking.as_ref().or(before);
        let mut pipeline = redis::pipe();
        for command in &self.commands {
            if let Some(before) = before {
                pipeline.add_command(before.clone()).ignore();
            }
            pipeline.add_command(command.clone());
        }
        if self.lenient {
            pipeline.ignore_errors();
        }
        pipeline
    }

    /// What the replies to the pipeline come to. With `tracked`, a command was before each of the batch.
    pub(super) fn received(&self, values: RedisResult<Vec<Value>>, tracked: bool) -> Received {
        Received::several(values, tracked, usize::from(tracked || self.asking))
    }
}

/// How far the error of a batch reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is of the whole batch, or of the command that counts.
    Whole,
    /// Others of several commands were refused than the one that counts, which may have been done.
    Partly,
    /// The batch was not sent.
    Unsent,
}

/// The result of sending a batch.
pub(crate) struct Received {
    /// The reply to the one command, or an array of the replies to several.
    pub(super) value: RedisResult<Value>,
    /// The batch was sent twice, since the first reply was lost.
    pub(super) repeated: bool,
    /// The server will push changes of the keys that were read.
    pub(super) tracked: bool,
    /// The epoch of the connection that it came over.
    pub(super) epoch: u64,
    /// How far an error reaches.
    pub(super) reach: Reach,
    /// What the link knows of a connection that failed or could not be opened, if that passes by itself. A refusal of the server
    /// is read by [`refusal`](super::refusal).
    pub(super) passing: Option<Passing>,
}

/// Why a server can't do at present what is asked. Each passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// It reads its data set after a restart.
    Loading,
    /// It is a replica by now.
    Demoted,
    /// It is a replica that has lost its primary.
    PrimaryDown,
    /// It is in a cluster that is electing a primary.
    ClusterDown,
    /// It is moving the keys to another node.
    Migrating,
    /// It runs a script that takes long.
    Busy,
    /// It has too few replicas to accept writes.
    FewReplicas,
    /// It can't be reached, and sentinels are there to replace it.
    FailingOver,
}

impl Passing {
    /// What the server does, in plain words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Loading => "the server is still loading its data",
            Self::Demoted => {
                "the server is a replica by now, and its address does not lead to the new primary yet; if it never was the primary, \
                 write the address of that one, or `redis-sentinel://host/NAME`"
            }
            Self::PrimaryDown => "the server is a replica that has lost its primary",
            Self::ClusterDown => "the cluster is electing a primary",
            Self::Migrating => "the cluster is moving these keys to another node",
            Self::Busy => "the server is busy with a script",
            Self::FewReplicas => "the server has too few replicas to accept writes",
            Self::FailingOver => "the sentinels have named no primary that answers yet",
        }
    }
}

impl Received {
    pub(super) fn one(value: RedisResult<Value>) -> Self {
        Self { value, repeated: false, tracked: false, epoch: 0, reach: Reach::Whole, passing: None }
    }

    /// The batch was not sent, since there is no connection.
    pub(super) fn unsent(error: RedisError) -> Self {
        Self { reach: Reach::Unsent, ..Self::one(Err(error)) }
    }

    /// Whether the batch is certain to have done nothing, and to do nothing later.
    pub(super) fn is_untouched(&self, passing: Option<Passing>) -> bool {
        let by_error = match self.reach {
            Reach::Unsent => true,
            Reach::Partly => false,
            // A refusal that passes is of the whole script, or of its first write.
            Reach::Whole => passing.is_some() && !self.value.as_ref().is_err_and(breaks_connection),
        };
        by_error && !self.repeated
    }

    /// The replies to several commands, of which the one at the index `script` counts.
    fn several(values: RedisResult<Vec<Value>>, tracked: bool, script: usize) -> Self {
        let spared = values.as_ref().is_err_and(|error| spares(error, script));
        let reach = if spared { Reach::Partly } else { Reach::Whole };
        let value = values.map_err(first_of).map(|mut values| match values.pop() {
            Some(only) if values.is_empty() => only,
            last => {
                values.extend(last);
                Value::Array(values)
            }
        });
        Self { tracked: tracked && value.is_ok(), reach, ..Self::one(value) }
    }

    /// The code and the text of the refusal, if the server refused the one command, or the first of several.
    pub(super) fn refusal(&self) -> Option<(&str, &str)> {
        match &self.value {
            Err(error) => Some((error.code()?, error.detail().unwrap_or_default())),
            // Of several commands, of which each may be refused.
            Ok(Value::Array(replies)) => match replies.first() {
                Some(Value::ServerError(error)) => Some((error.code(), error.details().unwrap_or_default())),
                _ => None,
            },
            Ok(_) => None,
        }
    }
}

/// The future of one batch.
pub(crate) type Exchange<'a> = Pin<Box<dyn Future<Output = Received> + Send + 'a>>;

/// A way to a server, for blocking and async callers.
pub(crate) trait Link: Send + Sync + 'static {
    /// Sends a batch and awaits the reply, on the library's I/O thread, within the link's time limits. With `track` the server
    /// is to push changes of the keys that a single command reads, if this link can have that.
    fn send<'a>(&'a self, batch: &'a Batch, track: bool) -> Exchange<'a>;

    /// Sends a batch and awaits the reply, in the caller's own task and within the link's time limits; `None` if only
    /// [`send`](Self::send) can do it at present. A batch whose reply is lost is not repeated.
    fn send_here<'a>(&'a self, _: &'a Batch) -> Option<Exchange<'a>> {
        None
    }

    /// Sends a batch and blocks until the reply; `None` if only [`send`](Self::send) can do it at present.
    fn send_blocking(&self, batch: &Batch) -> Option<Received>;

    /// Closes the connections of the epoch `seen`, and of earlier ones. The next ones are opened from the beginning: the server's
    /// address is resolved again. `true` for the one caller that ended it. A link that does not open its connections itself does
    /// nothing.
    fn end_epoch(&self, _seen: u64, _why: EndOfEpoch) -> bool {
        false
    }

    /// Whether connections of this epoch are still good. What comes over others is from a server that may not be the primary any
    /// more.
    fn is_current(&self, _epoch: u64) -> bool {
        true
    }

    /// Sets what to do when the link learns that another server is the primary: it is called with the epoch that ends. A link that
    /// does not open its connections itself never learns of it.
    fn on_switch(&self, _end: OnSwitch) {}
}

/// Whether the command at this index is not among those that were refused.
fn spares(error: &RedisError, index: usize) -> bool {
    let refused = error.clone().into_server_errors();
    refused.is_some_and(|refused| !refused.is_empty() && refused.iter().all(|&(at, _)| at != index))
}

/// The error of the first of several commands that was refused, as if it had been sent alone.
fn first_of(error: RedisError) -> RedisError {
    match error.clone().into_server_errors().as_deref() {
        Some([(_, first), ..]) => first.clone().into(),
        _ => error,
    }
}
/// Why the epoch of connections ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndOfEpoch {
    /// A server has said that it is a replica. The next one may say the same, so epochs that end so last for a while.
    Demotion,
    /// Sentinels have named another primary.
    Switch,
}

/// Ends the epoch that it is called with, and what was known of the server.
pub(crate) type OnSwitch = Box<dyn Fn(u64) + Send + Sync>;

/// Whether an error ends the connection, and leaves the outcome of what was sent over it unknown.
pub(super) fn breaks_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}

/// The error of a reply that did not come in time.
pub(super) fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

#[cfg(test)]
pub(super) mod testing {
    use super::{Batch, Exchange, Link, Received};
    use redis::Value;

    /// A server that answers at once, over connections that are good or not.
    pub(crate) struct Answers {
        pub(crate) is_current: bool,
    }

    impl Link for Answers {
        fn send<'a>(&'a self, batch: &'a Batch, _: bool) -> Exchange<'a> {
            Box::pin(async move { Received::one(Ok(Value::Array(vec![Value::Okay; batch.commands.len()]))) })
        }

        fn send_blocking(&self, _: &Batch) -> Option<Received> {
            Some(Received::one(Ok(Value::Okay)))
        }

        fn is_current(&self, _: u64) -> bool {
            self.is_current
        }
    }
}
