//! What a server refuses: whether it goes on refusing it until somebody changes something, and what that is.

use super::wire::Request;
use redis::{Arg, ErrorKind, RedisError, ServerErrorKind};

/// What a refusal says that another try does not mend, in lower case. Servers give most of them no code of its own, and a
/// script's none at all.
const LASTING: [&str; 11] = [
    "noperm",
    "noauth",
    "wrongpass",
    "noproto",
    "unknown command",
    "unknown redis command",
    "unknown subcommand",
    "wrong number of arguments",
    "can't run this command",
    "can't access at least one of the keys",
    "db index is out of range",
];

/// Whether the server refuses the same until somebody changes its access list, the credentials or the address.
pub(super) fn lasts(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::RESP3NotSupported
        | ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot | ServerErrorKind::Moved) => {
            true
        }
        ErrorKind::Io => false,
        _ => {
            let text = error.to_string().to_lowercase();
            LASTING.iter().any(|refusal| text.contains(refusal))
        }
    }
}

/// What to change, where the server has refused this request and does not say itself what was wrong with it.
pub(super) fn advice(error: &RedisError, request: &Request) -> Option<String> {
    let text = error.to_string().to_lowercase();
    if error.kind() == ErrorKind::AuthenticationFailed || text.contains("wrongpass") {
        return Some("the user or the password is wrong".to_owned());
    }
    if text.contains("noauth") {
        return Some("it wants a password, in the URL or by `Config::password`".to_owned());
    }
    if text.contains("one of the keys") {
        let keys = keys(request);
        let first = keys.first()?;
        let prefix = first.split_once(',').map_or(&**first, |(prefix, _)| prefix).trim_start_matches('{');
        return Some(format!(
            "the keys are `{}`; allow the user `~{prefix}*` and `~{{{prefix}*`",
            keys.join("`, `")
        ));
    }
    if text.contains("can't run this command") || text.contains("unknown redis command") {
        return Some(format!("the script runs {}; allow the user each of them", commands(request.source?)));
    }
    None
}

/// The keys of a request: of a script's, which is `EVALSHA`, the digest, how many there are, and then they; of a plain
/// command, the word behind its name.
fn keys(request: &Request) -> Vec<String> {
    let word = |word| match word {
        Arg::Simple(word) => Some(String::from_utf8_lossy(word).into_owned()),
        _ => None,
    };
    if request.source.is_none() {
        return request
            .commands
            .iter()
            .filter_map(|command| command.args_iter().nth(1).and_then(word))
            .collect();
    }
    let mut words = request.commands.iter().flat_map(|command| command.args_iter().skip(2)).filter_map(word);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &'static str, text: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(text.to_owned()))
    }

    #[test]
    fn a_refusal_lasts_and_an_outage_or_a_busy_server_does_not() {
        for (code, text) in [
            ("NOAUTH", "Authentication required."),
            ("WRONGPASS", "invalid username-password pair or user is disabled."),
            ("NOPERM", "this user has no permissions to run the 'evalsha' command"),
            ("ERR", "unknown command 'EVALSHA', with args beginning with: "),
            (
                "ERR",
                "The user executing the script can't run this command or subcommand script: 49, on @user_script:1.",
            ),
            ("ERR", "Unknown Redis command called from script script: 49, on @user_script:1."),
        ] {
            assert!(lasts(&refused(code, text)), "{code} {text}");
        }
        for (code, text) in [
            ("LOADING", "Redis is loading the dataset in memory"),
            ("READONLY", "You can't write against a read only replica."),
            ("OOM", "command not allowed when used memory > 'maxmemory'."),
            ("MASTERDOWN", "Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
            ("BUSY", "Redis is busy running a script."),
            ("ERR", "max number of clients reached"),
        ] {
            assert!(!lasts(&refused(code, text)), "{code} {text}");
        }
        assert!(!lasts(&std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()));
        assert!(!lasts(&std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
    }

    #[test]
    fn names_each_command_once() {
        assert_eq!(commands("redis.pcall('GET', a) redis.call('SET', b) redis.call('GET', c)"), "GET, SET");
    }
}
