//! The contestants and their settings.

use dspinlock_testkit::is_for_connecting;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The code behind a contestant, as the worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Dspinlock,
    /// The scripts of `dspinlock`, sent by the `redis` crate.
    Bare,
    /// The textbook lock: `SET NX PX`, and a script that compares and deletes.
    BareSet,
    Rslock,
    Redlock,
    Cached,
    PyDspinlock,
    RedisPy,
    PythonRedisLock,
}

impl Engine {
    const ALL: [(Self, &str); 9] = [
        (Self::Dspinlock, "dspinlock"),
        (Self::Bare, "bare"),
        (Self::BareSet, "bare-set-nx"),
        (Self::Rslock, "rslock"),
        (Self::Redlock, "redlock"),
        (Self::Cached, "cached"),
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

    /// How many of these calls its clients sent, without those for connecting and those of their scripts.
    pub(crate) fn sent(self, calls: &BTreeMap<String, u64>) -> u64 {
        let inner = self.inner_commands();
        let is_sent = |name: &str| !is_for_connecting(name) && !inner.contains(&name);
        let sent: u64 = calls.iter().filter(|(name, _)| is_sent(name)).map(|(_, calls)| calls).sum();
        // Each run of its script looks once.
        let looks = if self == Self::RedisPy { calls.get("evalsha").copied().unwrap_or(0) } else { 0 };
        sent.saturating_sub(looks)
    }

    /// The commands that its scripts call, which the server counts beside the call of the script; the client sends none
    /// of them by themselves, or only when it connects.
    fn inner_commands(self) -> &'static [&'static str] {
        match self {
            Self::Dspinlock | Self::Bare => {
                // The server counts the plain reads of a hit together with those in scripts. The rows that count commands
                // have no hits.
                &[
                    "del", "exists", "get", "getrange", "getset", "pexpire", "pttl", "rename", "sadd",
                    "scard", "set", "srem", "strlen", "time", "type",
                ]
            }
            Self::BareSet | Self::Rslock | Self::Redlock => &["get", "del", "pexpire"],
            // It sends `GET` by itself, too.
            Self::RedisPy => &["del", "pexpire"],
            Self::PythonRedisLock => &["get", "del", "lpush", "pexpire", "expire"],
            Self::PyDspinlock | Self::Cached => &[],
        }
    }
}

/// The way in which callers wait: each on a thread of its own, or all as tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Blocking,
    Async,
}

/// One contestant of a row.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) door: Door,
    /// The poll interval; without one the library's own default.
    pub(crate) sleep_ms: Option<u64>,
}

impl Contestant {
    pub(crate) fn new(engine: Engine, door: Door) -> Self {
        Self { name: engine.name().to_owned(), engine, door, sleep_ms: None }
    }

    /// Under this name, where one engine takes part more than once.
    pub(crate) fn called(mut self, suffix: &str) -> Self {
        let _ = write!(self.name, "-{suffix}");
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

    /// Whether the ratios refer to this one.
    pub(crate) fn is_base(&self) -> bool {
        self.name == "bare"
    }

    /// The settings of its worker, as `name=value`.
    pub(crate) fn settings(&self) -> Vec<String> {
        let door = if self.door == Door::Async { "async" } else { "blocking" };
        let mut settings = vec![format!("door={door}")];
        settings.extend(self.sleep_ms.map(|sleep| format!("sleep={sleep}")));
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
        let calls = |calls: &[(&str, u64)]| calls.iter().map(|&(name, n)| (name.to_owned(), n)).collect();
        let connecting =
            [("hello", 1), ("client|setinfo", 2), ("script|load", 1), ("info", 9), ("config|get", 1)];
        let ours: BTreeMap<String, u64> = calls(
            &[&connecting[..], &[("evalsha", 2), ("client|caching", 1), ("set", 4), ("time", 3)]].concat(),
        );
        assert_eq!(Engine::Dspinlock.sent(&ours), 3);
        // Two runs of its script and three looks at a value.
        let python =
            calls(&[&connecting[..], &[("set", 4), ("evalsha", 2), ("get", 5), ("del", 2)]].concat());
        assert_eq!(Engine::RedisPy.sent(&python), 4 + 2 + 3);
    }
}
