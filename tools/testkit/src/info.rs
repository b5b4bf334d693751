//! Parses the text that `INFO` returns.

use std::collections::BTreeMap;

/// The fields of an `INFO` answer, comments and empty lines left out.
pub(crate) fn fields(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
        .collect()
}

/// How often each command was called, from the fields of `INFO commandstats`.
pub(crate) fn calls(fields: &BTreeMap<String, String>) -> BTreeMap<String, u64> {
    fields
        .iter()
        .filter_map(|(name, value)| {
            let command = name.strip_prefix("cmdstat_")?;
            let calls = value.split(',').find_map(|part| part.strip_prefix("calls="))?;
            Some((command.to_owned(), calls.parse().ok()?))
        })
        .collect()
}

/// Whether a command, by its name in `INFO commandstats`, sets up a connection or inspects the server. Counts of a client's
/// work leave such commands out.
///
/// `CLIENT CACHING` is work: it precedes each command that the server tracks.
pub fn is_for_connecting(command: &str) -> bool {
    match command.split_once('|').unwrap_or((command, "")) {
        ("client", subcommand) => subcommand != "caching",
        ("script", subcommand) => subcommand == "load",
        (name, _) => matches!(name, "auth" | "config" | "hello" | "info" | "select"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_connecting_from_work() {
        for command in ["hello", "client|setinfo", "client|tracking", "script|load", "info", "config|get"] {
            assert!(is_for_connecting(command), "{command}");
        }
        for command in ["client|caching", "evalsha", "get", "ping", "script|exists", "time"] {
            assert!(!is_for_connecting(command), "{command}");
        }
    }

    #[test]
    fn reads_calls_and_leaves_the_rest() {
        let text = "# Commandstats\r\ncmdstat_get:calls=12,usec=3\r\ncmdstat_script|load:calls=1,usec=9\r\nother:1\r\n";
        let calls = calls(&fields(text));
        assert_eq!(calls, BTreeMap::from([("get".to_owned(), 12), ("script|load".to_owned(), 1)]));
    }
}
