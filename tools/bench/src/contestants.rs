//! The contestants and their settings.

use dspinlock_testkit::is_for_connecting;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The code behind a contestant, as the worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Dspinlock,
    /// What a service writes by hand with the plain commands: `SET NX PX`, a script that compares and deletes, and `GET`.
    Plain,
    Rslock,
    Redlock,
    Cached,
    Moka,
    PyDspinlock,
    RedisPy,
    PythonRedisLock,
}

impl Engine {
    const ALL: [(Self, &str); 9] = [
        (Self::Dspinlock, "dspinlock"),
        (Self::Plain, "plain"),
        (Self::Rslock, "rslock"),
        (Self::Redlock, "redlock"),
        (Self::Cached, "cached"),
        (Self::Moka, "moka"),
        (Self::PyDspinlock, "py-dspinlock"),
        (Self::RedisPy, "redis-py"),
        (Self::PythonRedisLock, "python-redis-lock"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(engine, _)| *engine == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(engine, _)| *engine)
    }

    pub(crate) fn is_python(self) -> bool {
        matches!(self, Self::PyDspinlock | Self::RedisPy | Self::PythonRedisLock)
    }

    /// Those of these commands that its clients sent for their work: not for connecting, and not from within a script.
    pub(crate) fn sent(self, mut calls: BTreeMap<String, Calls>) -> BTreeMap<String, Calls> {
        let scripts = ["eval", "evalsha"].map(|name| calls.get(name).map_or(0, |script| script.calls));
        let inner = if scripts == [0, 0] { &[] } else { self.inner_commands() };
        calls.retain(|name, _| !is_for_connecting(name) && !inner.contains(&name.as_str()));
        // Each run of its script looks once, and its client looks, too.
        if self == Self::RedisPy
            && let Some(looks) = calls.get_mut("get")
        {
            looks.calls = looks.calls.saturating_sub(scripts[1]);
        }
        calls
    }

    /// The commands that its scripts call, which the server counts beside the call of the script; the client sends none
    /// of them by themselves, or only when it connects.
    fn inner_commands(self) -> &'static [&'static str] {
        match self {
            Self::Dspinlock => {
                // The server counts the plain reads of a hit together with those in scripts. The rows that count commands of
                // hits have no scripts.
                &[
                    "del", "exists", "get", "getrange", "getset", "pexpire", "pttl", "rename", "sadd",
                    "scard", "set", "srem", "strlen", "time", "type",
                ]
            }
            Self::Plain | Self::Rslock | Self::Redlock => &["get", "del", "pexpire"],
            // It sends `GET` by itself, too.
            Self::RedisPy => &["del", "pexpire"],
            Self::PythonRedisLock => &["get", "del", "lpush", "pexpire", "expire"],
            Self::PyDspinlock | Self::Cached | Self::Moka => &[],
        }
    }
}

/// How often a command was called, and the microseconds that the server spent on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) calls: u64,
    pub(crate) micros: u64,
}

/// The way in which callers wait: each on a thread of its own, or all as tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Blocking,
    Async,
}

/// The part of a contestant in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Ours,
    /// The plain commands, or what a service writes by hand: the first yardstick of the others.
    Yardstick,
    /// The best of these is the second yardstick.
    Peer,
    /// Shown, and no yardstick, since it does less than the row asks for.
    Aside,
}

/// One contestant of a row.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) door: Door,
    pub(crate) part: Part,
    /// The poll interval; without one the library's own default.
    sleep_ms: Option<u64>,
    more: Vec<String>,
}

impl Contestant {
    pub(crate) fn new(engine: Engine, door: Door) -> Self {
        let part = match engine {
            Engine::Dspinlock => Part::Ours,
            Engine::Plain => Part::Yardstick,
            _ => Part::Peer,
        };
        Self { name: engine.name().to_owned(), engine, door, part, sleep_ms: None, more: Vec::new() }
    }

    pub(crate) fn task(engine: Engine) -> Self {
        Self::new(engine, Door::Async)
    }

    pub(crate) fn thread(engine: Engine) -> Self {
        Self::new(engine, Door::Blocking)
    }

    /// Under this name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Under its name and this suffix, where one engine takes part more than once.
    pub(crate) fn called(mut self, suffix: &str) -> Self {
        let _ = write!(self.name, "-{suffix}");
        self
    }

    /// Shown beside the others, and never the best peer.
    pub(crate) fn aside(mut self) -> Self {
        self.part = Part::Aside;
        self
    }

    /// Polling so often.
    pub(crate) fn polling(mut self, sleep_ms: u64) -> Self {
        self.sleep_ms = Some(sleep_ms);
        self
    }

    /// Polling every millisecond, the fastest reasonable setting.
    pub(crate) fn fast(self) -> Self {
        self.polling(1).called("1ms")
    }

    /// With a further setting of its worker.
    pub(crate) fn with(mut self, setting: &str) -> Self {
        self.more.push(setting.to_owned());
        self
    }

    /// The settings of its worker, as `name=value`.
    pub(crate) fn settings(&self) -> Vec<String> {
        let door = if self.door == Door::Async { "async" } else { "blocking" };
        let mut settings = vec![format!("door={door}")];
        settings.extend(self.sleep_ms.map(|sleep| format!("sleep={sleep}")));
        settings.extend(self.more.iter().cloned());
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_the_scripts_call() {
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dspinlock-core/src/store/redis/scripts");
        let mut calls = 0;
        for script in std::fs::read_dir(scripts).unwrap() {
            let script = std::fs::read_to_string(script.unwrap().path()).unwrap();
            for call in script.split("call('").skip(1) {
                let command = call.split('\'').next().unwrap().to_lowercase();
                assert!(
                    Engine::Dspinlock.inner_commands().contains(&command.as_str()),
                    "{command} is missing"
                );
                calls += 1;
            }
        }
        assert!(calls > 10);
    }

    #[test]
    fn counts_what_clients_send_for_their_work() {
        let calls = |calls: &[(&str, u64)]| -> BTreeMap<String, Calls> {
            calls.iter().map(|&(name, calls)| (name.to_owned(), Calls { calls, micros: 1 })).collect()
        };
        let sum = |calls: BTreeMap<String, Calls>| calls.values().map(|command| command.calls).sum::<u64>();
        let connecting =
            [("hello", 1), ("client|setinfo", 2), ("script|load", 1), ("info", 9), ("config|get", 1)];
        let ours = [("evalsha", 2), ("client|caching", 1), ("set", 4), ("time", 3)];
        assert_eq!(sum(Engine::Dspinlock.sent(calls(&[&connecting[..], &ours].concat()))), 3);
        // Without a script it was a client that read.
        assert_eq!(sum(Engine::Dspinlock.sent(calls(&[("get", 2), ("hello", 1)]))), 2);
        // Two runs of its script and three looks at a value.
        let python = [("set", 4), ("evalsha", 2), ("get", 5), ("del", 2)];
        assert_eq!(sum(Engine::RedisPy.sent(calls(&python))), 4 + 2 + 3);
    }
}
