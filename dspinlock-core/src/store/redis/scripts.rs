//! The scripts, and the Lua patterns that one of them is given.

use crate::format::record::State;
use once_cell::sync::Lazy;
use redis::Cmd;
use std::time::Duration;

/// A script, with its digest computed once.
pub(super) struct Script {
    pub(super) source: &'static str,
    digest: Lazy<String>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: Script = Script {
            source: include_str!(concat!("scripts/", $file)),
            digest: Lazy::new(|| redis::Script::new($name.source).get_hash().to_owned()),
        };)*
    };
}

scripts! {
    ACQUIRE = "acquire.lua";
    RELEASE = "release.lua";
    ABANDON = "abandon.lua";
    RENEW = "renew.lua";
    READ = "read.lua";
    FORGET = "forget.lua";
    FAIL = "fail.lua";
    REFRESH = "refresh.lua";
}

impl Script {
    /// The command that runs the script, up to its keys. There is room for `bytes` of arguments: growing piece by piece would
    /// cost more than all that is written.
    pub(super) fn on(&self, keys: &[&str], bytes: usize) -> Cmd {
        let length: usize = keys.iter().map(|key| key.len()).sum();
        let mut command = Cmd::with_capacity(keys.len() + 16, length + bytes + 256);
        command.arg("EVALSHA").arg(self.digest.as_str()).arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        command
    }
}

/// Milliseconds, rounded up: a lease must not end before it was promised to.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// The Lua patterns of a date and time, and of its microseconds. They take some that no calendar has, which the parser of records
/// refuses.
const TIME: &str = r"%d%d%d%d%-[01]%d%-[0-3]%dT[0-2]%d:[0-5]%d:[0-5]%d";
const MICROS: &str = r"%.%d%d%d%d%d%d";

/// The Lua pattern of this separator, which a record has twice, and those of any record with and without microseconds.
pub(super) fn any_record(separator: &str) -> [String; 3] {
    let escape = |c: char| if c.is_ascii_punctuation() { format!("%{c}") } else { c.to_string() };
    let separator: String = separator.chars().map(escape).collect();
    let (blocked, computed) = (State::Blocked.digit(), State::Computed.digit());
    let record = |micros| format!("^[!-~]+{separator}{TIME}{micros}%+00:00{separator}[{blocked}{computed}]$");
    let (exact, whole) = (record(MICROS), record(""));
    [separator, exact, whole]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(millis(Duration::from_micros(1)), 1);
        assert_eq!(millis(Duration::from_millis(7)), 7);
    }
}
