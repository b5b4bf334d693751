//! Which URLs are accepted. The parser of the `redis` crate is lenient: it drops parameters that it does not know, and
//! takes an unescaped password for the host.

/// The message for a URL that can't be parsed. No part of a URL is ever repeated, since any part may belong to a
/// password.
#[cfg(feature = "redis")]
pub(super) const UNREADABLE: &str = "the URL can't be read: write `redis://[user[:password]@]host[:port][/db]`, user and password percent-encoded";

/// Refuses a URL that would be misread, and says what to write instead.
pub(super) fn check(url: &str) -> Result<(), &'static str> {
    // A secret that was read from a file ends with a line break.
    let url = url.trim();
    if url.is_empty() {
        return Err("the URL is empty; write `redis://host[:port][/db]` or `memory://`");
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let is_path = match scheme {
        "redis" | "valkey" => false,
        "redis+unix" | "valkey+unix" | "unix" => true,
        "rediss" | "valkeys" => return Err("TLS (`rediss://`) is not supported yet; write `redis://`"),
        _ => {
            return Err(
                "the URL can't be used: write `redis://[user[:password]@]host[:port][/db]` or `memory://`",
            );
        }
    };
    if rest.contains(char::is_control) || rest.contains(char::is_whitespace) {
        return Err("the URL has white space in it: percent-encode it, a blank as `%20`");
    }
    if rest.contains('#') {
        return Err(
            "the URL has a `#`: percent-encode one in a password as `%23`; fragments mean nothing here",
        );
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    check_query(query, is_path)?;
    if is_path {
        return check_path(place);
    }
    let (authority, db) = place.split_once('/').unwrap_or((place, ""));
    // A later `@` shows that a `/` or a `?` cut a password off.
    if authority.matches('@').count() + db.matches('@').count() + query.matches('@').count() > 1
        || db.contains('@')
        || query.contains('@')
    {
        return Err(
            "the user or the password in the URL has an unescaped `@`, `/` or `?`: percent-encode them as \
                    `%40`, `%2F` and `%3F`",
        );
    }
    check_host(authority.rsplit_once('@').map_or(authority, |(_, host)| host))?;
    if authority.ends_with(":0") {
        return Err("the port in the URL is 0, where no server listens; write 6379, or the server's own");
    }
    if !db.trim_end_matches('/').chars().all(|digit| digit.is_ascii_digit()) {
        return Err(
            "what follows the host in the URL is not the number of a database: write `redis://host:6379/0`",
        );
    }
    Ok(())
}

/// Refuses a host with characters that no host has: they may belong to a password, and errors and logs show the host.
fn check_host(host_and_port: &str) -> Result<(), &'static str> {
    let (host, is_plain): (_, fn(char) -> bool) = match host_and_port.strip_prefix('[') {
        Some(inside) => (inside.split(']').next().unwrap_or_default(), |c| matches!(c, ':' | '.' | '%')),
        None => (host_and_port.split(':').next().unwrap_or_default(), |c| matches!(c, '.' | '-' | '_')),
    };
    if host.chars().all(|c| c.is_ascii_alphanumeric() || is_plain(c)) {
        return Ok(());
    }
    Err(
        "the host in the URL has a character that no host has: write `redis://user:password@host:port/0`, with the `:` and the \
         `@` as they are, and only what is inside the user or the password percent-encoded",
    )
}

fn check_path(place: &str) -> Result<(), &'static str> {
    if !place.starts_with('/') {
        return Err("the URL of a socket is `redis+unix:///path?user=…&pass=…`, without a host");
    }
    Ok(())
}

/// Refuses parameters that the parser would drop, and with them the rest of a password that contains a `?`.
fn check_query(query: &str, is_path: bool) -> Result<(), &'static str> {
    let mut seen = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        let known = name == "protocol" || (is_path && matches!(name, "db" | "user" | "pass"));
        if !known && is_path {
            return Err("the URL has a parameter that is not `db`, `user`, `pass` or `protocol`; \
                        percent-encode a `?` as `%3F` and a `&` as `%26`");
        }
        if !known {
            return Err(
                "the URL has a parameter that is not `protocol`; percent-encode a `?` in a password as `%3F`, \
                        and write the database as `/0`",
            );
        }
        if seen.contains(&name) {
            return Err("the URL has a parameter twice; percent-encode a `&` in a password as `%26`");
        }
        seen.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Client, Config, ErrorKind};

    /// Each error has these words, and no part of the URL.
    #[test]
    fn a_url_that_would_be_misread_is_refused_without_repeating_it() {
        for (url, says) in [
            ("", "empty"),
            ("localhost", "redis://"),
            ("http://Aa:hunter2@zebra", "redis://"),
            ("rediss://:hunter2@zebra", "TLS"),
            ("redis://:Aa@hunter2#Cc@zebra/0", "%23"),
            ("redis://:hunter2@zebra/0#insecure", "%23"),
            ("redis://:Aa@hunter2@zebra/0", "%40"),
            ("redis://:Aa/hunter2@zebra/0", "%2F"),
            ("redis://Aa:12/hunter2@zebra/0", "%2F"),
            ("redis://:Aa?hunter2@zebra/0", "%3F"),
            ("redis://Aa:12?hunter2@zebra/0", "%3F"),
            ("redis://zebra/0?hunter2=1", "protocol"),
            ("redis://zebra?db=2", "protocol"),
            ("redis://zebra?protocol=hunter2", "read"),
            ("redis://zebra?protocol=2&protocol=3", "twice"),
            ("redis://zebra/-1", "database"),
            ("redis://zebra/hunter2", "database"),
            ("redis://zebra/1/2", "database"),
            ("redis://zebra:0/1", "port"),
            ("redis://zebra,password=hunter2", "no host"),
            ("redis://zebra;password=hunter2/0", "no host"),
            ("redis://me%3Ahunter2%40zebra:6379/0", "no host"),
            ("redis://[zebra,hunter2]:6379/0", "no host"),
            ("redis://:hunter2@ze bra:1", "%20"),
            ("redis://:hunter2@zebra:x", "read"),
            ("redis://:hunter\n2@zebra", "%20"),
            ("redis://:hunter2@", "read"),
            ("redis://:hunter2", "read"),
            ("redis+unix://Aa:hunter2@zebra/path", "unix:///"),
            ("unix:///zebra?pass=Aa&hunter2", "%26"),
            ("unix:///zebra?pass=Aa#hunter2", "%23"),
            ("unix:///zebra?user=Aa&password=hunter2", "`pass`"),
            ("unix:///zebra?pass=Aa&pass=hunter2", "%26"),
        ] {
            // Without Redis, URLs are not parsed.
            if says == "read" && !cfg!(feature = "redis") {
                continue;
            }
            let Err(error) = Config::from_url(url) else { panic!("{url} was taken") };
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(error.to_string().contains(says), "{url}: {error}");
            let shown = format!("{error} {error:?}").to_lowercase();
            for part in ["hunter", "zebra", "aa", "cc"] {
                assert!(!shown.contains(part), "{part} of {url}: {shown}");
            }
        }
    }

    #[test]
    fn a_correct_url_is_accepted() {
        for url in [
            "redis://localhost",
            "redis://me:p%40%23%3F%2Fw@10.0.0.7:6380/2\n",
            "redis://:secret@[::1]:6379/",
            "redis://my_service.internal-net:6379",
            "valkey://localhost/15?protocol=resp3",
            "redis+unix:///run/redis.sock",
            "unix:///run/@redis.sock?db=2&user=me&pass=p%26w&protocol=3",
        ] {
            if let Err(error) = Config::from_url(url) {
                panic!("{url}: {error}");
            }
        }
        Client::from_url("memory://").unwrap();
    }
}
