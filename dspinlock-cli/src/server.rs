//! The server: a client of the library, and what it asks beyond locks.

use crate::args::{Global, Which};
use crate::exit::{Code, Failure, Result};
use crate::lock::{LONGEST, Lock, Replies, State, time};
use dspinlock::__tools::{LockNames, Server, Servers};
use dspinlock::{Client, Config};
use redis::{Cmd, Value};
use std::collections::HashSet;
use std::time::SystemTime;

/// How many keys the server looks at for one `SCAN`, in well under a millisecond.
pub(crate) const SCAN_COUNT: u64 = 1_000;

/// How many locks are read by one write.
const READ_AT_ONCE: usize = 200;

/// A client, and the prefix of its keys.
pub(crate) struct Access {
    pub(crate) client: Client,
    pub(crate) config: Config,
    pub(crate) prefix: String,
}

impl Access {
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let config = match &global.url {
            Some(url) => Config::from_url(url)?,
            None => Config::from_env()?,
        };
        let client = Client::from_config(&config)?.with_prefix(&global.prefix);
        if client.is_memory() {
            let what = "memory:// is a store inside of one process, and this is another one; write the URL of a server";
            return Err(Failure::new(Code::Config, what));
        }
        Ok(Self { client, config, prefix: global.prefix.clone() })
    }

    pub(crate) fn servers(&self) -> Result<Servers> {
        Ok(Servers::of_blocking(&self.client)?)
    }

    pub(crate) fn names(&self, key: &str) -> LockNames {
        LockNames::of(key, &self.prefix)
    }

    /// The server that has this lock.
    pub(crate) fn server_of(&self, names: &LockNames) -> Result<Server> {
        self.servers()?.of_record(names).ok_or_else(|| {
            let what = format!("no node of the cluster serves slot {} at present", names.slot);
            Failure::new(Code::Unavailable, what)
        })
    }

    /// Reads one lock.
    pub(crate) fn lock(&self, key: &str) -> Result<Lock> {
        let names = self.names(key);
        let mut locks = self.locks(&self.server_of(&names)?, &[key.to_owned()])?;
        locks.pop().unwrap_or_else(|| Err(Failure::new(Code::Unavailable, "the server gave no reply")))
    }

    /// Reads the locks at these keys, which are on this server. Each may be refused for itself.
    pub(crate) fn locks(&self, server: &Server, keys: &[String]) -> Result<Vec<Result<Lock>>> {
        let mut locks = Vec::with_capacity(keys.len());
        for keys in keys.chunks(READ_AT_ONCE) {
            let mut commands = vec![redis::cmd("TIME")];
            for key in keys {
                commands.extend(questions(&self.names(key)));
            }
            let replies = ask(server, commands)?;
            let now = now(&replies[0]);
            for (key, replies) in keys.iter().zip(replies[1..].chunks_exact(3)) {
                let replies = Replies { record: &replies[0], life: &replies[1], waiting: &replies[2] };
                locks
                    .push(Lock::read(key, &replies, now).map_err(|why| Failure::new(Code::Unavailable, why)));
            }
        }
        Ok(locks)
    }
}

/// What is asked of each lock, for [`Replies`].
pub(crate) fn questions(names: &LockNames) -> [Cmd; 3] {
    let mut record = redis::cmd("GETRANGE");
    record.arg(&names.record).arg(0).arg(LONGEST);
    let mut life = redis::cmd("PTTL");
    life.arg(&names.record);
    let mut waiting = redis::cmd("SCARD");
    waiting.arg(&names.wait);
    [record, life, waiting]
}

/// Sends commands by one write. Refusals are texts.
pub(crate) fn ask(server: &Server, commands: Vec<Cmd>) -> Result<Vec<Result<Value, String>>> {
    let replies = server.ask_blocking(commands)?;
    Ok(replies.into_iter().map(|reply| reply.map_err(|refusal| refusal.to_string())).collect())
}

/// The server's time; this machine's, if the server does not tell it.
pub(crate) fn now(reply: &Result<Value, String>) -> SystemTime {
    reply.as_ref().ok().and_then(time).unwrap_or_else(SystemTime::now)
}

/// Goes through the keys of all servers, some at a time.
pub(crate) struct Scan {
    servers: Vec<Server>,
    cursor: String,
    pattern: String,
    seen: HashSet<String>,
    /// How many keys the servers have gone through, about.
    pub(crate) looked_at: u64,
    most: u64,
}

/// Some of the keys that match, all of one server.
pub(crate) struct Batch {
    pub(crate) server: Server,
    pub(crate) keys: Vec<String>,
}

impl Scan {
    pub(crate) fn new(access: &Access, which: &Which) -> Result<Self> {
        Self::over(access, pattern(&access.prefix, which), which.scan_limit)
    }

    pub(crate) fn over(access: &Access, pattern: String, scan_limit: u64) -> Result<Self> {
        let mut servers: Vec<_> = access.servers()?.all().collect();
        servers.reverse();
        let (cursor, seen) = ("0".to_owned(), HashSet::new());
        Ok(Self { servers, cursor, pattern, seen, looked_at: 0, most: scan_limit })
    }

    /// Whether all keys were gone through.
    pub(crate) fn is_complete(&self) -> bool {
        self.servers.is_empty()
    }

    /// The next keys, by one `SCAN`; `None` when that was all, or as much as is allowed.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>> {
        let Some(server) = self.servers.last().cloned() else { return Ok(None) };
        if self.looked_at >= self.most {
            return Ok(None);
        }
        let mut scan = redis::cmd("SCAN");
        scan.arg(&self.cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(SCAN_COUNT);
        let reply = ask(&server, vec![scan])?.pop().unwrap_or(Ok(Value::Nil));
        let reply = reply.map_err(|refusal| Failure::new(Code::Unavailable, refusal))?;
        let Some((cursor, keys)) = page(&reply) else {
            let what = format!("{}: the reply to SCAN can't be read", server.name());
            return Err(Failure::new(Code::Unavailable, what));
        };
        self.looked_at += SCAN_COUNT;
        if cursor == "0" {
            self.servers.pop();
        }
        self.cursor = cursor;
        // A key may come twice while the server's table grows.
        let keys = keys.into_iter().filter(|key| !is_beside(key) && self.seen.insert(key.clone())).collect();
        Ok(Some(Batch { server, keys }))
    }
}

/// A page of `SCAN`: the cursor, and those keys that are text.
pub(crate) fn page(reply: &Value) -> Option<(String, Vec<String>)> {
    let Value::Array(both) = reply else { return None };
    let [cursor, Value::Array(keys)] = &both[..] else { return None };
    let name = |key: &Value| match key {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    Some((crate::lock::text(cursor)?, keys.iter().filter_map(name).collect()))
}

/// Whether a key stands beside a record, and is none itself.
fn is_beside(key: &str) -> bool {
    let ends = ["}:value", "}:error", "}:refresh", "}:wait"];
    ends.iter().any(|end| key.ends_with(end)) || key.contains("}:new:") || key.contains(":fence:{")
}

/// The pattern of the keys to look at.
fn pattern(prefix: &str, which: &Which) -> String {
    match (&which.pattern, &which.namespace) {
        (Some(pattern), _) => pattern.clone(),
        (None, Some(namespace)) => format!("{},{},*", literal(prefix), literal(namespace)),
        (None, None) => format!("{},*", literal(prefix)),
    }
}

/// Text as a pattern that matches just that.
fn literal(text: &str) -> String {
    text.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| "*?[]\\^".contains(c)).chain([c])).collect()
}

/// Whether `ls` and `watch` list it: what is free by now, or foreign, is not.
pub(crate) fn is_listed(lock: &Lock) -> bool {
    matches!(lock.state, State::Held | State::Computed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which(namespace: Option<&str>, pattern: Option<&str>) -> Which {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Which { namespace: owned(namespace), pattern: owned(pattern), limit: 1, scan_limit: 1 }
    }

    #[test]
    fn a_pattern_takes_names_as_they_are() {
        assert_eq!(pattern("dspinlock", &which(None, None)), "dspinlock,*");
        assert_eq!(pattern("a*b", &which(Some("x[1]"), None)), r"a\*b,x\[1\],*");
        assert_eq!(pattern("a", &which(None, Some("reports:*"))), "reports:*");
    }

    #[test]
    fn what_stands_beside_a_record_is_no_lock() {
        for key in ["{dspinlock,7}:wait", "{dspinlock,7}:new:ab", "dspinlock:fence:{7884}"] {
            assert!(is_beside(key), "{key}");
        }
        assert!(!is_beside("dspinlock,7") && !is_beside("dspinlock,ns,x:wait"));
    }

    #[test]
    fn reads_a_page_of_scan() {
        let bulk = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let keys = Value::Array(vec![bulk(b"a"), bulk(b"\xff"), bulk(b"b")]);
        let both = page(&Value::Array(vec![bulk(b"17"), keys]));
        assert_eq!(both, Some(("17".to_owned(), vec!["a".to_owned(), "b".to_owned()])));
        assert_eq!(page(&Value::Okay), None);
    }
}
