//! The operations in the words of Redis: scripts, their arguments, and what their replies mean. No I/O.

mod operations;

use super::Lane;
use crate::format::record::State;
use once_cell::sync::Lazy;
use redis::{Cmd, Value};
use std::time::Duration;

/// What to send, and what instead where the server does not know the script yet.
pub(crate) struct Request {
    /// `EVALSHA` with the script's digest, a plain command, or a few that are written together.
    pub(crate) commands: Vec<Cmd>,
    /// Of a few commands, one that is refused spoils none of the others' replies.
    pub(crate) lenient: bool,
    /// The source to load by `EVAL`, which takes the same arguments.
    pub(crate) source: Option<&'static str>,
}

impl Request {
    pub(crate) fn plain(command: Cmd) -> Self {
        Self { commands: vec![command], lenient: false, source: None }
    }

    pub(crate) fn several(commands: Vec<Cmd>, lenient: bool) -> Self {
        Self { commands, lenient, source: None }
    }

    /// The request with the script's source in place of its digest, where the server did not know that.
    pub(crate) fn loading_if(&self, unknown: bool) -> Option<Self> {
        let source = self.source.filter(|_| unknown)?;
        let mut command = redis::cmd("EVAL");
        command.arg(source);
        for argument in self.commands[0].args_iter().skip(2) {
            if let redis::Arg::Simple(argument) = argument {
                command.arg(argument);
            }
        }
        Some(Self::plain(command))
    }
}

/// A script, its digest computed once.
pub(crate) struct Script {
    source: &'static str,
    digest: Lazy<String>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(static $name: Script = Script {
            source: include_str!(concat!("scripts/", $file)),
            digest: Lazy::new(|| redis::Script::new(include_str!(concat!("scripts/", $file))).get_hash().to_owned()),
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
    fn request<'a>(
        &'static self,
        keys: &[&str],
        arguments: impl IntoIterator<Item = &'a [u8]> + Clone,
    ) -> Request {
        // Made large enough at once: growing piece by piece cost more than all that is written.
        let lengths = keys.iter().map(|key| key.len()).chain(arguments.clone().into_iter().map(<[u8]>::len));
        let (number, bytes) = lengths.fold((3, 64), |(number, bytes), length| (number + 1, bytes + length));
        let mut command = Cmd::with_capacity(number, bytes);
        command.arg("EVALSHA").arg(self.digest.as_str()).arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        for argument in arguments {
            command.arg(argument);
        }
        Request { commands: vec![command], lenient: false, source: Some(self.source) }
    }
}

/// An operation as Redis does it.
pub(crate) trait Wire: Sync {
    type Reply: Send;

    /// Whether it is refused at once while the server is known to be out of reach. What ends a holding or prolongs one is
    /// always worth a try.
    const STARTS: bool = false;

    fn lane(&self) -> Lane {
        Lane::Shared
    }

    fn request(&self) -> Request;

    /// Reads the reply; `None` if it is none that the request can have.
    fn reply(value: Value) -> Option<Self::Reply>;

    /// What the reply means where so many replicas have what was written.
    fn confirmed(&self, reply: Self::Reply, _confirmed: u64) -> Self::Reply {
        reply
    }

    /// What the reply means if the request was sent twice, the first reply having been lost.
    fn repeated(reply: Self::Reply) -> Self::Reply {
        reply
    }
}

/// The fields of a script's reply, taken one after the other.
struct Fields(std::vec::IntoIter<Value>);

impl Fields {
    fn of(value: Value) -> Option<Self> {
        if let Value::Array(fields) = value { Some(Self(fields.into_iter())) } else { None }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::BulkString(bytes) => Some(bytes),
            Value::SimpleString(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    fn word(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    fn number(&mut self) -> Option<u64> {
        match self.0.next()? {
            Value::Int(number) => u64::try_from(number).ok(),
            Value::BulkString(digits) => str::from_utf8(&digits).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// A reply of `PTTL`: the remaining life, or none where the key never expires.
    #[expect(
        clippy::option_option,
        reason = "the outer one is a malformed reply, the inner one a key without expiry"
    )]
    fn life(&mut self) -> Option<Option<Duration>> {
        match self.0.next()? {
            Value::Int(millis) => Some(u64::try_from(millis).ok().map(Duration::from_millis)),
            _ => None,
        }
    }
}

/// Milliseconds, rounded up: a lease must not end before it was promised to.
pub(super) fn millis(duration: Duration) -> String {
    (duration.as_secs() * 1_000 + u64::from(duration.subsec_nanos().div_ceil(1_000_000))).to_string()
}

/// The Lua pattern of a date and time. It takes some that no calendar has, which the parser of records refuses.
macro_rules! time {
    () => {
        r"%d%d%d%d%-[01]%d%-[0-3]%dT[0-2]%d:[0-5]%d:[0-5]%d"
    };
}

/// The Lua pattern of its microseconds.
macro_rules! micros {
    () => {
        r"%.%d%d%d%d%d%d"
    };
}

/// The Lua pattern of a COMPUTED record that is ours beyond doubt. Others are first shown to the client.
fn relockable(separator: &str) -> &'static str {
    let pattern = concat!(r"^[%x%-]+@[!-+.-~%-]*,", time!(), micros!(), r"%+00:00,1$");
    if separator == "," { pattern } else { "" }
}

/// The Lua pattern of this separator, which a record has twice, and those of any record with and without microseconds.
fn any_record(separator: &str) -> [String; 3] {
    let escape = |c: char| if c.is_ascii_punctuation() { format!("%{c}") } else { c.to_string() };
    let separator: String = separator.chars().map(escape).collect();
    let (blocked, computed) = (State::Blocked.digit(), State::Computed.digit());
    let record = |time| format!("^[!-~]+{separator}{time}%+00:00{separator}[{blocked}{computed}]$");
    let (exact, whole) = (record(concat!(time!(), micros!())), record(time!()));
    [separator, exact, whole]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Acquire, Ping, Read, Renew};

    #[test]
    fn loading_keeps_every_argument() {
        let scheme = crate::format::scheme::StandardScheme::default();
        let names = crate::format::scheme::Names::derive(&scheme, None, &crate::Key::new(&7)).unwrap();
        let request = Read(&names).request();
        let words = |request: &Request| request.commands[0].args_iter().count();
        let loading = request.loading_if(true).unwrap();
        assert_eq!(words(&loading), words(&request));
        assert!(request.loading_if(false).is_none() && Ping.request().loading_if(true).is_none());
    }

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(millis(Duration::from_micros(1)), "1");
        assert_eq!(millis(Duration::from_millis(7)), "7");
    }

    #[test]
    fn a_reply_of_another_shape_is_none() {
        assert_eq!(Acquire::reply(Value::Nil), None);
        assert_eq!(Acquire::reply(Value::Array(vec![Value::SimpleString("granted".into())])), None);
        assert_eq!(Renew::reply(Value::Array(vec![Value::Nil])), None);
    }
}
