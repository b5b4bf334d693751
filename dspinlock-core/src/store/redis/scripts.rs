//! The scripts, and the Lua patterns that one of them is given.

use crate::format::record::State;
use once_cell::sync::Lazy;
use redis::Cmd;
use std::fmt;
use std::time::Duration;

/// A script that the library runs on a Redis or Valkey server.
///
/// A server that does not know a script is sent its source, by `EVAL` or, where that is refused, by `SCRIPT LOAD`. Where both are
/// refused, an administrator loads all of them, with this list or with `cargo run --example scripts`, again after each restart of
/// the server and after each update of the library.
///
/// # Examples
///
/// ```
/// use dspinlock::Script;
///
/// for script in Script::all() {
///     // SCRIPT LOAD with the source replies with the digest.
///     println!("{} {}: {} bytes", script.digest(), script.name(), script.source().len());
/// }
/// # assert!(Script::all().iter().all(|script| script.digest().len() == 40));
/// ```
pub struct Script {
    name: &'static str,
    pub(super) source: &'static str,
    /// Computed once.
    digest: Lazy<String>,
}

macro_rules! scripts {
    ($($constant:ident = $name:literal;)*) => {
        $(pub(super) static $constant: Script = Script {
            name: $name,
            source: include_str!(concat!("scripts/", $name, ".lua")),
            digest: Lazy::new(|| redis::Script::new($constant.source).get_hash().to_owned()),
        };)*

        static ALL: &[&Script] = &[$(&$constant),*];
    };
}

scripts! {
    ACQUIRE = "acquire";
    RELEASE = "release";
    ABANDON = "abandon";
    RENEW = "renew";
    READ = "read";
    FORGET = "forget";
    FAIL = "fail";
    REFRESH = "refresh";
    TIME = "time";
}

impl Script {
    /// All scripts of this version of the library.
    pub fn all() -> &'static [&'static Self] {
        ALL
    }

    /// What it does, in a word.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The SHA-1 digest of the source in lower-case hexadecimal digits, by which a server knows it.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The source in Lua. To a server each byte of it counts.
    pub fn source(&self) -> &'static str {
        self.source
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("name", &self.name)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
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
const DATE_TIME: &str = r"%d%d%d%d%-[01]%d%-[0-3]%dT[0-2]%d:[0-5]%d:[0-5]%d";
const MICROS: &str = r"%.%d%d%d%d%d%d";

/// The Lua pattern of this separator, which a record has twice, and those of any record with and without microseconds.
pub(super) fn any_record(separator: &str) -> [String; 3] {
    let escape = |c: char| if c.is_ascii_punctuation() { format!("%{c}") } else { c.to_string() };
    let separator: String = separator.chars().map(escape).collect();
    let (blocked, computed) = (State::Blocked.digit(), State::Computed.digit());
    let record =
        |micros| format!("^[!-~]+{separator}{DATE_TIME}{micros}%+00:00{separator}[{blocked}{computed}]$");
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
