//! What the facts mean for locks, and what to change. Without I/O.

use super::facts::{Facts, ServerFacts};
use super::trial::Trial;
use crate::say;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// One judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// What was checked.
    pub(crate) check: String,
    pub(crate) verdict: Verdict,
    pub(crate) what: String,
    /// What to change.
    pub(crate) change: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Good,
    /// Worth knowing; nothing has to change.
    Note,
    /// Locks are lost or refused like this.
    Bad,
    /// The server does not tell.
    Unknown,
}

use Verdict::{Bad, Good, Note, Unknown};

/// The oldest server that the library is tested with.
const OLDEST: (u32, u32) = (6, 2);

/// A round trip that makes each lock slow.
const SLOW: Duration = Duration::from_millis(20);

fn finding(check: &str, verdict: Verdict, what: impl Into<String>) -> Finding {
    Finding { check: check.to_owned(), verdict, what: what.into(), change: None }
}

impl Finding {
    fn change(self, change: impl Into<String>) -> Self {
        Self { change: Some(change.into()), ..self }
    }
}

/// Judges all servers.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let servers = match &facts.servers {
        Ok(servers) => servers,
        Err(why) => {
            let change = "check --url or DSPINLOCK_URL, the network, and whether the server runs; docs/connecting.md lists all forms";
            return vec![finding("connection", Bad, why).change(change)];
        }
    };
    let mut all = Vec::new();
    for server in servers {
        all.push(connection(server));
        all.push(version(server));
        all.extend(role(server));
        all.push(latency(server, facts.response_timeout));
        all.push(clock(server));
        all.push(eviction(server));
        all.push(persistence(server));
        all.extend(replicas(server));
        all.extend(cluster(server, servers.len()));
        all.extend(rights(server));
    }
    all.insert(1.min(all.len()), tls(facts));
    all
}

fn connection(server: &ServerFacts) -> Finding {
    let user = server.user.as_ref().map_or_else(String::new, |user| format!(" as user {user}"));
    let what = format!("{}{user}, first reply after {}", server.name, say::duration(server.connected_in));
    finding("connection", Good, what)
}

fn tls(facts: &Facts) -> Finding {
    if facts.tls {
        return finding("tls", Good, "the connection is encrypted, and the server's certificate was checked");
    }
    let local = facts.host.as_deref().is_some_and(|host| {
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    });
    let off = finding("tls", if local { Good } else { Note }, "off");
    if local {
        return Finding { what: "off; the server is on this machine".to_owned(), ..off };
    }
    off.change("outside of a private network, write `rediss://` in place of `redis://`")
}

/// The version of Redis, or that of Valkey, which counts on from 7.2.
fn version(server: &ServerFacts) -> Finding {
    let valkey = server.field("valkey_version").map(|version| ("Valkey", version));
    let Some((name, version)) = valkey.or_else(|| Some(("Redis", server.field("redis_version")?))) else {
        return finding("version", Unknown, "the server does not tell it to this user")
            .change("allow `+info`");
    };
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or_default());
    let both = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let what = format!("{name} {version}");
    if both < OLDEST {
        return finding("version", Bad, what).change("the library needs Redis 6.2 or later, or Valkey");
    }
    finding("version", Good, what)
}

fn role(server: &ServerFacts) -> Option<Finding> {
    (server.field("role")? == "slave").then(|| {
        let what = "it is a replica: it takes no locks, or loses them at the next synchronisation";
        finding("role", Bad, what).change("connect to the primary, or write redis-sentinel://host/NAME")
    })
}

fn latency(server: &ServerFacts, timeout: Duration) -> Finding {
    let (Some(&least), Some(&most)) = (server.pings.first(), server.pings.last()) else {
        return finding("latency", Unknown, "not measured");
    };
    let median = server.pings[server.pings.len() / 2];
    let fine = |duration: Duration| match duration.as_micros() {
        micros @ 0..1_000 => format!("{micros}µs"),
        micros => format!("{}.{}ms", micros / 1_000, micros % 1_000 / 100),
    };
    let what = format!(
        "a round trip takes {}, from {} to {} in {}",
        fine(median),
        fine(least),
        fine(most),
        server.pings.len()
    );
    if most * 2 > timeout {
        let change = "replies come close to the time limit: raise `response_timeout`, and see SLOWLOG for long commands";
        return finding("latency", Bad, what).change(change);
    }
    if median > SLOW {
        let change = "each lock takes two of these; a server that is closer makes them faster";
        return finding("latency", Note, what).change(change);
    }
    finding("latency", Good, what)
}

fn clock(server: &ServerFacts) -> Finding {
    let Some(ahead) = server.ahead_micros else {
        return finding("clock", Unknown, "the server does not tell its time to this user")
            .change("allow `+time`");
    };
    if ahead.unsigned_abs() < 1_000 {
        return finding("clock", Good, "the server's clock agrees with this machine's to the millisecond");
    }
    let by = say::duration(Duration::from_micros(ahead.unsigned_abs()));
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    let what = format!("the server's clock is {by} {way} this machine's");
    if ahead.unsigned_abs() > 1_000_000 {
        let change = "locks do not mind; times in logs will not match: synchronise both by NTP";
        return finding("clock", Note, what).change(change);
    }
    finding("clock", Good, what)
}

fn eviction(server: &ServerFacts) -> Finding {
    let (Some(policy), Some(limit)) = (server.field("maxmemory_policy"), server.number("maxmemory")) else {
        return finding("eviction", Unknown, "the server does not tell it to this user")
            .change("allow `+info`");
    };
    let evicted = server.number("evicted_keys").unwrap_or_default();
    let so_far =
        if evicted > 0 { format!("; {evicted} keys were removed since its start") } else { String::new() };
    if limit == 0 || policy == "noeviction" {
        let what = if limit == 0 {
            "no limit of memory"
        } else {
            "noeviction: nothing is removed when memory runs short"
        };
        return finding("eviction", Good, format!("{what}{so_far}"));
    }
    let what = format!("{policy} removes locks that are held when memory runs short{so_far}");
    finding("eviction", Bad, what).change("CONFIG SET maxmemory-policy noeviction")
}

fn persistence(server: &ServerFacts) -> Finding {
    let Some(aof) = server.field("aof_enabled") else {
        return finding("persistence", Unknown, "the server does not tell it to this user")
            .change("allow `+info`");
    };
    let saves = server.settings.get("save").map(String::as_str);
    if server.field("rdb_last_bgsave_status") == Some("err")
        || server.field("aof_last_write_status") == Some("err")
    {
        let what =
            "the last write to disk failed: the server refuses writes, and so locks, until one succeeds";
        return finding("persistence", Bad, what).change("make room on its disk");
    }
    if aof == "1" {
        let sync = server
            .settings
            .get("appendfsync")
            .map_or_else(String::new, |sync| format!(", appendfsync {sync}"));
        return finding("persistence", Good, format!("append-only file{sync}"));
    }
    match saves {
        Some("") => {
            let what = "off: a restart forgets all locks, and frees keys that are held";
            finding("persistence", Bad, what)
                .change("CONFIG SET appendonly yes, and the same in its configuration")
        }
        Some(_) => {
            let what = "snapshots alone: a restart forgets the locks of the last minutes";
            finding("persistence", Note, what).change("set `appendonly yes`")
        }
        None => {
            finding("persistence", Unknown, "no append-only file; whether snapshots are made is not told")
                .change("allow `+config|get`, or look at its configuration")
        }
    }
}

fn replicas(server: &ServerFacts) -> Option<Finding> {
    let number = server.number("connected_slaves")?;
    if number == 0 {
        return None;
    }
    let what = format!(
        "{}: after a failover the newest locks may be forgotten, since copying is asynchronous",
        say::count(number, "replica", "replicas")
    );
    Some(
        finding("replicas", Note, what).change(
            "where two holders would do damage, use fencing tokens, and `replicas` for fewer such cases",
        ),
    )
}

fn cluster(server: &ServerFacts, servers: usize) -> Option<Finding> {
    if server.field("cluster_enabled")? != "1" {
        return None;
    }
    let cluster = server.cluster.as_ref();
    let of = |name: &str| cluster.and_then(|fields| fields.get(name)).map(String::as_str);
    Some(match of("cluster_state") {
        Some("ok") => {
            let what = format!(
                "{} of {servers} asked here; all slots are served",
                say::count(servers as u64, "primary", "primaries")
            );
            finding("cluster", Good, what)
        }
        Some(state) => {
            let slots = of("cluster_slots_ok").unwrap_or("?");
            finding("cluster", Bad, format!("its state is {state}; {slots} of 16384 slots are served"))
                .change("see CLUSTER NODES for the node that is missing")
        }
        None => finding("cluster", Unknown, "the state of the cluster is not told to this user")
            .change("allow `+cluster|info`"),
    })
}

fn rights(server: &ServerFacts) -> Option<Finding> {
    (!server.refused.is_empty()).then(|| {
        let what = format!("this user may not use {}", server.refused.join(", "));
        let change = "only this tool needs INFO, CONFIG GET, SCAN, SSCAN, ACL WHOAMI and CLUSTER INFO; docs/access.md has the rest";
        finding("rights", Note, what).change(change)
    })
}

/// Judges what a real lock did.
pub(crate) fn of_trial(trial: &Trial) -> Vec<Finding> {
    let mut all = Vec::new();
    match &trial.lock {
        Ok(took) => {
            let what =
                format!("taken, waited for, computed and forgotten, the first in {}", say::duration(*took));
            all.push(finding("a lock", Good, what));
        }
        Err(why) => {
            let change =
                "docs/access.md has the list of rights as one command; the prefix needs both of its patterns";
            all.push(finding("a lock", Bad, why).change(change));
            return all;
        }
    }
    match (&trial.wake_up, trial.tracks) {
        (Some(woken), Some(true)) => {
            let what = format!(
                "the server notifies waiters; one was woken {} after the release",
                say::duration(*woken)
            );
            all.push(finding("wake-ups", Good, what));
        }
        (Some(woken), Some(false)) => {
            let what = format!("waiters poll; one got the lock {} after the release", say::duration(*woken));
            let change = "allow `+client|tracking +client|caching`; a proxy in between has to speak RESP3";
            all.push(finding("wake-ups", Note, what).change(change));
        }
        (Some(woken), None) => {
            let what = format!("a waiter got the lock {} after the release", say::duration(*woken));
            all.push(finding("wake-ups", Unknown, what));
        }
        (None, _) => all.push(finding("wake-ups", Unknown, "no waiter was noted in time")),
    }
    all
}
