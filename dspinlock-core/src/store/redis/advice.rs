//! Settings of a server that endanger locks: looked up once for each server, and logged as warnings.

use crate::sync::lock;
use once_cell::sync::Lazy;
use redis::{Cmd, Value};
use std::collections::HashSet;
use std::sync::Mutex;

/// The commands that show the settings.
pub(crate) fn questions() -> [Cmd; 2] {
    let info = redis::cmd("INFO");
    let mut save = redis::cmd("CONFIG");
    save.arg("GET").arg("save");
    [info, save]
}

/// What to change, by the answers to the [`questions`]. A refused question gives no advice.
pub(crate) fn advice(info: Option<&Value>, save: Option<&Value>) -> Vec<String> {
    let info = info.and_then(text).unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_default()
    };
    let mut advice = Vec::new();
    let policy = field("maxmemory_policy");
    if !matches!(policy, "" | "noeviction") && field("maxmemory") != "0" {
        advice.push(format!(
            "its maxmemory-policy is `{policy}`, which removes locks that are held when memory runs short; \
             set `maxmemory-policy noeviction`"
        ));
    }
    if field("role") == "slave" {
        advice.push(
            "it is a replica: it takes no locks, or loses them at the next synchronisation; connect to the primary"
                .to_owned(),
        );
    }
    if field("aof_enabled") == "0" && save.and_then(second).is_some_and(|save| save.is_empty()) {
        advice.push(
            "persistence is off: a restart forgets all locks, and frees keys that are held; set `appendonly yes`"
                .to_owned(),
        );
    }
    advice
}

/// Logs each advice once in this process.
pub(crate) fn log(server: &str, advice: Vec<String>) {
    static LOGGED: Lazy<Mutex<HashSet<String>>> = Lazy::new(Mutex::default);
    for what in advice {
        if lock(&LOGGED).insert(format!("{server}: {what}")) {
            tracing::warn!(target: "dspinlock", server, "{what}");
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// The value of a reply that has one name and one value, in either protocol.
fn second(value: &Value) -> Option<String> {
    match value {
        Value::Array(both) => text(both.get(1)?),
        Value::Map(pairs) => text(&pairs.first()?.1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(info: &str, save: &str) -> Vec<String> {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let save = Value::Array(vec![bulk("save"), bulk(save)]);
        advice(Some(&bulk(info)), Some(&save))
    }

    #[test]
    fn a_server_that_keeps_its_locks_gives_no_advice() {
        assert_eq!(
            given("role:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n", ""),
            [""; 0]
        );
        assert_eq!(
            given("maxmemory:100\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\n", "60 1"),
            [""; 0]
        );
        assert_eq!(advice(None, None), [""; 0]);
    }

    #[test]
    fn each_danger_is_named_with_what_to_change() {
        let all =
            given("role:slave\r\nmaxmemory:100\r\nmaxmemory_policy:volatile-ttl\r\naof_enabled:0\r\n", "");
        assert_eq!(all.len(), 3);
        for (advice, change) in all.iter().zip(["noeviction", "primary", "appendonly yes"]) {
            assert!(advice.contains(change), "{advice}");
        }
    }
}
