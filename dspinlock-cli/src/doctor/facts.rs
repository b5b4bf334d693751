//! What is asked of the servers. What a server refuses to tell is missing.

use crate::lock::{text, time};
use crate::server::{Access, ask};
use dspinlock::__tools::Server;
use redis::{Cmd, Value};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

/// How often the way there and back is measured.
const PINGS: usize = 20;

/// What is known of all servers.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Whether the connection is encrypted, and whether by settings of the system alone.
    pub(crate) tls: bool,
    /// The host, if the URL names one server.
    pub(crate) host: Option<String>,
    pub(crate) response_timeout: Duration,
    /// Why no server can be reached.
    pub(crate) servers: Result<Vec<ServerFacts>, String>,
}

/// What is known of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerFacts {
    pub(crate) name: String,
    /// The time of the first reply, with the connection.
    pub(crate) connected_in: Duration,
    /// Round trips, the shortest first.
    pub(crate) pings: Vec<Duration>,
    /// How far the server's clock is ahead of this machine's, in microseconds, give or take half a round trip.
    pub(crate) ahead_micros: Option<i64>,
    /// The fields of `INFO`; nothing if it is refused.
    pub(crate) info: Option<BTreeMap<String, String>>,
    /// Of `CONFIG GET`.
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) cluster: Option<BTreeMap<String, String>>,
    pub(crate) user: Option<String>,
    /// Commands that this tool uses, and that the user may not.
    pub(crate) refused: Vec<String>,
}

impl ServerFacts {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.info.as_ref()?.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }
}

pub(super) fn gather(access: &Access) -> Facts {
    let servers = access.servers().map_err(|failure| failure.message);
    let servers = servers.and_then(|servers| servers.all().map(|server| of(&server)).collect());
    Facts {
        tls: access.config.tls().is_some(),
        host: access.config.host().map(ToOwned::to_owned),
        response_timeout: access.config.response_timeout(),
        servers,
    }
}

fn words(words: &[&str]) -> Cmd {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command
}

fn of(server: &Server) -> Result<ServerFacts, String> {
    let asked = Instant::now();
    let sent = |commands| ask(server, commands).map_err(|failure| failure.message);
    // A user without the right to ping is told so below.
    sent(vec![words(&["PING"])])?;
    let mut facts =
        ServerFacts { name: server.name().to_owned(), connected_in: asked.elapsed(), ..Default::default() };
    for _ in 0..PINGS {
        let asked = Instant::now();
        let before = SystemTime::now();
        let reply = sent(vec![words(&["TIME"])])?.pop();
        let trip = asked.elapsed();
        if let Some(there) = reply.and_then(Result::ok).as_ref().and_then(time)
            // The shortest trip says most.
            && facts.pings.iter().all(|&other| trip < other)
        {
            facts.ahead_micros = Some(difference(there, before + trip / 2));
        }
        facts.pings.push(trip);
    }
    facts.pings.sort();
    let asked = [
        ("PING", words(&["PING"])),
        ("INFO", words(&["INFO"])),
        ("CONFIG GET", words(&["CONFIG", "GET", "save"])),
        ("CONFIG GET", words(&["CONFIG", "GET", "appendfsync"])),
        ("CLUSTER INFO", words(&["CLUSTER", "INFO"])),
        ("ACL WHOAMI", words(&["ACL", "WHOAMI"])),
        ("SCAN", words(&["SCAN", "0", "COUNT", "1"])),
        ("SSCAN", words(&["SSCAN", "{dspinlock,doctor}:wait", "0"])),
        ("SCARD", words(&["SCARD", "{dspinlock,doctor}:wait"])),
    ];
    let (names, commands): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    let replies = sent(commands)?;
    for (name, reply) in names.into_iter().zip(replies) {
        match (name, reply) {
            (name, Err(refusal)) if refusal.contains("NOPERM") || refusal.contains("no permissions") => {
                facts.refused.push(name.to_owned());
            }
            ("INFO", Ok(info)) => facts.info = text(&info).map(|text| fields(&text)),
            ("CLUSTER INFO", Ok(info)) => facts.cluster = text(&info).map(|text| fields(&text)),
            ("CONFIG GET", Ok(pair)) => facts.settings.extend(setting(&pair)),
            ("ACL WHOAMI", Ok(user)) => facts.user = text(&user),
            // What only the right is asked for; and a server that is in no cluster.
            _ => {}
        }
    }
    facts.refused.dedup();
    Ok(facts)
}

/// How far `a` is ahead of `b`, in microseconds.
fn difference(a: SystemTime, b: SystemTime) -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    a.duration_since(b).map_or_else(|behind| -micros(behind.duration()), micros)
}

/// The fields of `INFO` or `CLUSTER INFO`.
pub(super) fn fields(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The one setting in a reply to `CONFIG GET`, in either protocol.
fn setting(pair: &Value) -> Option<(String, String)> {
    match pair {
        Value::Array(both) => Some((text(both.first()?)?, text(both.get(1)?)?)),
        Value::Map(pairs) => pairs.first().and_then(|(name, value)| Some((text(name)?, text(value)?))),
        _ => None,
    }
}
