//! The store of the fleet, and the number of commands that it got.

use std::time::Duration;

use dspinlock_testkit::{Place, StartError, is_for_connecting};

use crate::Failure;

const MEMORY: &str = "memory://";

/// A server that takes longer to connect or to answer is reported.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The store of this run. A private server lives as long as this value.
pub(crate) struct Backend {
    pub(crate) url: String,
    /// What is used and why, for the reader.
    pub(crate) about: String,
    counter: Option<Counter>,
    _place: Option<Place>,
}

impl Backend {
    /// The given URL, else `DSPINLOCK_URL`, else a private server, else memory.
    pub(crate) fn choose(given: Option<&str>) -> Result<Self, Failure> {
        let place = match Place::choose(given) {
            Ok(place) => place,
            Err(StartError::NotFound) => {
                return Ok(Self::memory("no redis-server and no valkey-server on the PATH"));
            }
            Err(StartError::Failed(reason)) => {
                return Ok(Self::memory(&format!("no private server, since {reason}")));
            }
        };
        let source = place.source().unwrap_or("the private server");
        if place.is_memory() {
            return Ok(Self::memory(&format!("{source} says so")));
        }
        let counter = Counter::open(&place.url).map_err(|error| format!("{source}: {error}"))?;
        let (url, about) = (place.url.clone(), place.to_string());
        Ok(Self { url, about, counter: Some(counter), _place: Some(place) })
    }

    fn memory(reason: &str) -> Self {
        let about = format!("the memory store, all of them in one process: {reason}");
        Self { url: MEMORY.to_owned(), about, counter: None, _place: None }
    }

    /// Whether processes can meet there.
    pub(crate) fn is_shared(&self) -> bool {
        self.counter.is_some()
    }

    /// Its name in the figures.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_shared() { "redis" } else { "memory" }
    }

    /// How many commands clients have sent so far, without those for connecting; `None` without a server.
    pub(crate) fn commands(&mut self) -> Result<u64, Failure> {
        self.counter.as_mut().map_or(Ok(0), Counter::commands)
    }
}

/// Counts the commands that clients sent to a server.
struct Counter(redis::Connection);

impl Counter {
    fn open(url: &str) -> Result<Self, Failure> {
        let connection = redis::Client::open(url)?.get_connection_with_timeout(ANSWER_WITHIN)?;
        connection.set_read_timeout(Some(ANSWER_WITHIN))?;
        connection.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self(connection))
    }

    /// Counts the commands of clients, without those for connecting and for these figures.
    ///
    /// The server counts a command that a script calls as if a client had sent it. So the commands on data, which only scripts
    /// use here, are left out, and so is `TIME`, which clients send only when they connect.
    fn commands(&mut self) -> Result<u64, Failure> {
        let text: String = redis::cmd("INFO").arg("commandstats").query(&mut self.0)?;
        let sent = text.lines().filter_map(calls).filter(|(name, _)| is_sent(name));
        Ok(sent.map(|(_, calls)| calls).sum())
    }
}

/// Whether clients send this command by themselves, for their work.
fn is_sent(command: &str) -> bool {
    let by_client = matches!(command.split('|').next(), Some("client" | "eval" | "evalsha" | "ping"));
    by_client && !is_for_connecting(command)
}

/// The name and the number of calls in a line such as `cmdstat_get:calls=12,usec=3`.
fn calls(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let calls = rest.split(',').find_map(|part| part.strip_prefix("calls="))?;
    Some((name, calls.parse().ok()?))
}
