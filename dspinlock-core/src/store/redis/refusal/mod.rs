//! The errors of a server and of its connections: whether they last, what to change, and what may be shown of them.

#[cfg(test)]
mod tests;

use super::link::{Batch, Passing, breaks_connection};
use crate::error::in_one_line;
use redis::{Arg, ErrorKind, RedisError, ServerErrorKind};
use std::fmt;
use std::io;
use std::sync::Arc;

/// The texts, in lower case, of refusals that a retry does not fix. Servers give most of them no code of its own, and a
/// script's none at all.
const LASTING: [&str; 15] = [
    "noperm",
    // Within a script, where newer servers name the command.
    "no permissions to",
    "noauth",
    // In place of the code, where it was a database that was asked for.
    "authentication required",
    "wrongpass",
    "noproto",
    "unknown command",
    "unknown redis command",
    "unknown subcommand",
    "wrong number of arguments",
    // Redis 7.4 and Valkey; the two below it are those of older servers.
    "acl failure in script",
    "can't run this command",
    "can't access at least one of the keys",
    "db index is out of range",
    "in cluster mode",
];

/// What to change where something answers that is no server.
pub(super) const NO_REDIS: &str =
    "correct the host and the port, or write `rediss://` if the server speaks TLS";

/// How an error of the `redis` crate begins after a `SELECT` was refused; the server's own words are its detail.
const NO_DATABASE: &str = "Redis server refused to switch database";

/// The words of an error of a connection that lasts until the configuration changes.
#[derive(Debug)]
struct Misconfigured(String);

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misconfigured {}

/// An error that is no outage: the configuration has to change.
pub(super) fn misconfigured(words: String) -> RedisError {
    io::Error::new(io::ErrorKind::InvalidInput, Misconfigured(words)).into()
}

/// The same error in these words, with what may have to change.
pub(super) fn hinted(error: &io::Error, words: &str, hint: &str) -> RedisError {
    io::Error::new(error.kind(), format!("{words}; {hint}")).into()
}

pub(super) fn is_misconfigured(error: &RedisError) -> bool {
    inner(error).is_some_and(<dyn std::error::Error + Send + Sync>::is::<Misconfigured>)
}

/// Whether the server goes on refusing the same until somebody changes its access list, the credentials or the address.
pub(super) fn lasts(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::RESP3NotSupported
        | ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot | ServerErrorKind::Moved) => {
            true
        }
        ErrorKind::Io => is_misconfigured(error),
        _ => {
            let text = error.to_string().to_lowercase();
            LASTING.iter().any(|refusal| text.contains(refusal)) || is_of("eval", &text)
        }
    }
}

/// Whether the server refuses the user or the password, or wants one.
pub(super) fn is_of_credentials(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || error.code().is_some_and(|code| ["NOAUTH", "WRONGPASS"].contains(&code))
}

/// Whether the server has refused, and goes on refusing for all that it says.
pub(super) fn is_final(error: &RedisError) -> bool {
    error.code().is_some() && passing(error).is_none()
}

/// Whether the text of a refusal names this command, whatever else the server says.
pub(super) fn is_of(command: &str, text: &str) -> bool {
    let text = without_arguments(text.to_lowercase());
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == command)
}

/// What a node of a cluster wants of a caller that asked for a key which it can't serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// The key's slot belongs to the node at this address.
    Moved(String),
    /// This one request belongs to the node at this address, since the slot is on its way there.
    Ask(String),
    /// The keys of the request are on both nodes, or on neither, while their slot is on its way.
    TryAgain,
}

impl Redirect {
    pub(super) fn of(error: &RedisError) -> Option<Self> {
        let address = || error.redirect_node().map(|(address, _)| address.to_owned());
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => address().map(Self::Moved),
            ErrorKind::Server(ServerErrorKind::Ask) => address().map(Self::Ask),
            ErrorKind::Server(ServerErrorKind::TryAgain) => Some(Self::TryAgain),
            _ => None,
        }
    }
}

/// Whether the server could not be reached. A server that refuses the password is there.
pub(super) fn is_outage(error: &RedisError) -> bool {
    breaks_connection(error) && !lasts(error)
}

/// The refusals that pass by themselves, by their codes.
///
/// `MISCONF` and `OOM` are not among them: a disk that is full and a memory that is too small stay so until somebody acts, and
/// callers are better told at once. An error of the pool or of a connection is the link's to judge.
const PASSING: [(&str, Passing); 7] = [
    ("LOADING", Passing::Loading),
    ("READONLY", Passing::Demoted),
    ("MASTERDOWN", Passing::PrimaryDown),
    ("CLUSTERDOWN", Passing::ClusterDown),
    ("TRYAGAIN", Passing::Migrating),
    ("BUSY", Passing::Busy),
    ("NOREPLICAS", Passing::FewReplicas),
];

/// Why the server refuses at present, if that passes by itself.
pub(super) fn passing(error: &RedisError) -> Option<Passing> {
    let code = error.code()?;
    // Before Redis 7 a script's error has no code of its own, and quotes that of the command: `…: -READONLY You can't …`.
    let quoted = |code: &str| error.detail().is_some_and(|text| text.contains(&format!("-{code} ")));
    PASSING.iter().find(|(known, _)| *known == code || quoted(known)).map(|&(_, passing)| passing)
}

/// The text of an error in one line, without the secret, and its kind.
pub(super) fn describe(error: &RedisError, secret: Option<&str>) -> (String, io::ErrorKind) {
    let mut what = match error.kind() {
        _ if error.is_timeout() && inner(error).is_none() => "no reply in time".to_owned(),
        // Of the `redis` crate, three lines of bytes.
        ErrorKind::Parse => "it speaks another protocol than Redis".to_owned(),
        ErrorKind::AuthenticationFailed => "authentication failed".to_owned(),
        // The server's own text explains the protocol.
        _ if error.code() == Some("NOAUTH") => "NOAUTH Authentication required".to_owned(),
        _ => match (error.code(), error.detail()) {
            _ if error.to_string().starts_with(NO_DATABASE) => {
                format!("the server refuses the database: {}", error.detail().unwrap_or_default())
            }
            (Some(code), Some(text)) => without_arguments(format!("{code} {text}")),
            _ => without_arguments(error.to_string()),
        },
    };
    what = in_one_line(what);
    if secret.is_some_and(|secret| repeats(&what, secret)) {
        let kind = error.kind();
        what = format!("{kind:?}; the server's own words are left out, since they repeat the password");
    }
    (what, io_error(error).map_or(io::ErrorKind::Other, io::Error::kind))
}

/// A refusal without the server's quotation of the command, which may be a part of a value.
pub(super) fn without_arguments(mut refusal: String) -> String {
    if let Some(at) = refusal.find(", with args beginning with") {
        refusal.truncate(at);
    }
    refusal
}

/// The system's own error behind one of a connection.
pub(super) fn io_error(error: &RedisError) -> Option<&io::Error> {
    use std::error::Error;
    let source = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    source.downcast_ref()
}

/// What the system's error was made of, if it was not the system that made it.
pub(super) fn inner(error: &RedisError) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
    io_error(error)?.get_ref()
}

/// Whether a text has a recognisable part of the secret. A server may quote it, or cut it off.
fn repeats(text: &str, secret: &str) -> bool {
    const TELLING: usize = 4;
    let text = text.to_lowercase();
    let secret: Vec<char> = secret.to_lowercase().chars().collect();
    let parts = secret.windows(TELLING.min(secret.len()));
    parts.into_iter().any(|part| text.contains(&part.iter().collect::<String>()))
}

/// What to do after a connection was not opened, or broke. The system says only what happened.
fn remedy(error: &RedisError) -> Option<&'static str> {
    let io = io_error(error);
    let text = error.to_string();
    // The one error of the system that has a text of its own.
    if text.contains("lookup address") || text.contains("the host has no address") {
        return Some("no host of this name is known here; correct the name, or look at the DNS");
    }
    if error.is_timeout() && inner(error).is_none() {
        return Some("look whether the server hangs or a firewall is in between, or raise the time limits");
    }
    // It has its remedy already.
    if inner(error).is_some() {
        return None;
    }
    Some(match io?.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there; start the server, or correct the address",
        io::ErrorKind::NotFound => "there is no socket at this path; start the server, or correct the path",
        io::ErrorKind::PermissionDenied => {
            "this process may not connect; look at the rights of the socket, or at firewalls"
        }
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => {
            "there is no way to this host; correct the address, or look at the network"
        }
        _ => return None,
    })
}

/// What to change after the server has refused this batch, or was not reached, without saying so itself.
pub(super) fn advice(error: &RedisError, batch: &Batch) -> Option<String> {
    // It says itself what has to change, and may quote another server.
    if is_misconfigured(error) {
        return None;
    }
    if let Some(remedy) = remedy(error) {
        return Some(remedy.to_owned());
    }
    if error.kind() == ErrorKind::Parse {
        return Some(NO_REDIS.to_owned());
    }
    let text = error.to_string().to_lowercase();
    if error.kind() == ErrorKind::AuthenticationFailed || text.contains("wrongpass") {
        return Some(
            "the user or the password is wrong, or the server has none; correct the URL, `DSPINLOCK_PASSWORD`, or \
             `Config::with_password`"
                .to_owned(),
        );
    }
    if text.contains("noauth") || text.contains("authentication required") {
        return Some(
            "the server wants a password; give it in the URL (`redis://:password@host`), by `DSPINLOCK_PASSWORD`, or by \
             `Config::with_password`"
                .to_owned(),
        );
    }
    if text.contains("db index is out of range") {
        return Some(
            "write a smaller number behind the host, as in `redis://host/0`; without a setting of its own, a server has the \
             databases 0 to 15"
                .to_owned(),
        );
    }
    if error.kind() == ErrorKind::Server(ServerErrorKind::Moved) || text.contains("in cluster mode") {
        return Some("the server is a node of a cluster; write `redis-cluster://host`".to_owned());
    }
    let refused =
        ["can't run this command", "unknown redis command", "acl failure in script", "called from script"];
    if refused.iter().any(|refused| text.contains(refused)) {
        return Some(format!(
            "the script runs {}; allow the user each of them",
            commands(batch.script?.source)
        ));
    }
    // It was sent since the server does not know the digest, and loading the script was refused as well.
    if is_of("eval", &text) {
        let script = batch.script?.name();
        return Some(format!(
            "the server does not know the script `{script}`, and refuses SCRIPT LOAD as well; allow the user `+eval` or \
             `+script|load`, or have an administrator load the scripts, which `dspinlock::Script::all` lists"
        ));
    }
    // Of all servers, a sentinel lacks the commands of each request.
    if text.contains("unknown command") {
        return Some("if the server is a sentinel, write `redis-sentinel://host/NAME`".to_owned());
    }
    // The second is what Redis 7.4 and Valkey say.
    if text.contains("one of the keys") || text.contains("access a key") {
        let keys = keys(batch);
        let first = keys.first()?;
        let prefix = first.split_once(',').map_or(&**first, |(prefix, _)| prefix).trim_start_matches('{');
        let shown = &keys[..keys.len().min(3)];
        let more = if keys.len() > shown.len() { " and others" } else { "" };
        return Some(format!(
            "the keys are `{}`{more}; allow the user `~{prefix}*` and `~{{{prefix}*`",
            shown.join("`, `")
        ));
    }
    None
}

/// The keys of a batch. A script's command is `EVALSHA`, the digest, the number of keys, and the keys; of a plain command it is
/// the word after its name.
fn keys(batch: &Batch) -> Vec<String> {
    let word = |word| match word {
        Arg::Simple(word) => Some(String::from_utf8_lossy(word).into_owned()),
        _ => None,
    };
    if batch.script.is_none() {
        return batch
            .commands
            .iter()
            .filter_map(|command| command.args_iter().nth(1).and_then(word))
            .collect();
    }
    let mut words = batch.commands.iter().flat_map(|command| command.args_iter().skip(2)).filter_map(word);
    let number = words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    words.take(number).collect()
}

/// The commands that a script runs.
fn commands(source: &str) -> String {
    let calls = source.split("call('").skip(1);
    let mut commands: Vec<&str> =
        calls.filter_map(|call| call.split_once('\'')).map(|(name, _)| name).collect();
    commands.sort_unstable();
    commands.dedup();
    commands.join(", ")
}
