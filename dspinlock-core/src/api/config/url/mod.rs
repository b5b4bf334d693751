//! URLs. What can't be understood is refused: an unescaped password must not be taken for a host, and no parameter may be
//! dropped in silence.

use super::settings::{Refused, Setting, number};
use super::{Address, Config, Origin, Sentinel};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use std::fmt;

/// Why a URL is refused. No part of a URL is ever repeated, since any part may belong to a password: the words are fixed.
enum Problem {
    Words(&'static str),
    Setting(Refused),
}

const SCHEME: &str = "the URL has a scheme that is not known here: write `redis://[user[:password]@]host[:port][/db]`, `rediss://` for TLS, \
                      `redis+unix:///path`, `redis-sentinel://host,host/NAME`, `redis-cluster://host,host`, or `memory://`";
const HTTP: &str = "the URL is that of a web server: write `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS";
const NO_SCHEME: &str = "the URL has no scheme: write `redis://` before the host, or `rediss://` for TLS, as in `redis://host:6379/0`";
const NO_HOST: &str = "the URL has no host: write `redis://[user[:password]@]host[:port][/db]`";
const NO_PORT: &str = "what follows the host in the URL is no port, a number up to 65535: write `redis://[user[:password]@]host[:port][/db]`, \
                       user and password percent-encoded";
const ESCAPE: &str = "the URL has a `%` that is not followed by two hexadecimal digits, or that encodes no UTF-8: write a `%` \
                      itself as `%25`";
const DATABASE: &str = "what follows the host in the URL is not the number of a database: write one, as in `redis://host:6379/0`";

impl Config {
    /// Makes a configuration of the server at a URL:
    ///
    /// | server | URL |
    /// | --- | --- |
    /// | one | `redis://[user[:password]@]host[:port][/db]` |
    /// | one, with TLS | `rediss://…` |
    /// | at a socket | `redis+unix:///path[?db=…&user=…&pass=…]` or `unix:///path` |
    /// | known to sentinels | `redis-sentinel://[user[:password]@]host[:port],host[:port]/NAME[/db]` |
    /// | a cluster | `redis-cluster://[user[:password]@]host[:port],host[:port]` |
    /// | sentinels, a cluster, with TLS | `rediss-sentinel://…`, `rediss-cluster://…` |
    /// | a new embedded store | `memory://` |
    ///
    /// `valkey` in place of `redis` means the same. What is inside of a part is percent-encoded: the password `p@ss` is `p%40ss`.
    /// The parameters are `protocol=resp2` or `resp3`, `connect_timeout=2s`, `response_timeout=2s`, `pool_size=16`,
    /// `wakeup=tracking` or `poll`; with TLS `tls_ca`, `tls_cert`, `tls_key` (paths of PEM files) and `tls_server_name`; for
    /// sentinels `sentinel_user`, `sentinel_password` and `sentinel_tls=true` or `false`. The page "Connecting" has all of it.
    ///
    /// ```
    /// use dspinlock::Config;
    /// use std::time::Duration;
    ///
    /// let config = Config::from_url("redis://me:p%40ss@redis.internal:6380/2?response_timeout=500ms")?;
    /// assert_eq!((config.host(), config.port(), config.db()), (Some("redis.internal"), Some(6380), 2));
    /// assert_eq!(config.response_timeout(), Duration::from_millis(500));
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Config` for any other URL: what can't be understood is refused, and never taken for a part of the host. The
    /// message never repeats the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self> {
        let parsed = parse(url).map_err(|problem| Error::new(ErrorKind::Config, problem.to_string()));
        parsed.map(|config| config.coming_from(Origin::Url))
    }
}

/// Which servers a scheme stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Unix,
    Sentinel,
    Cluster,
}

/// Reads a URL. White space at its ends is dropped: a secret that was read from a file ends with a line break.
fn parse(url: &str) -> Result<Config, Problem> {
    let url = url.trim();
    if url.is_empty() {
        return words("the URL is empty; write `redis://host[:port][/db]` or `memory://`");
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (kind, encrypted) = match scheme {
        "redis" | "valkey" => (Kind::Server, false),
        "rediss" | "valkeys" => (Kind::Server, true),
        "redis+unix" | "valkey+unix" | "unix" => (Kind::Unix, false),
        "redis-sentinel" | "valkey-sentinel" => (Kind::Sentinel, false),
        "rediss-sentinel" | "valkeys-sentinel" => (Kind::Sentinel, true),
        "redis-cluster" | "valkey-cluster" => (Kind::Cluster, false),
        "rediss-cluster" | "valkeys-cluster" => (Kind::Cluster, true),
        "memory" if rest.is_empty() => return Ok(Config { address: Address::Memory, ..Config::new() }),
        "memory" => return words("`memory://` has no host and no parameters; write it alone"),
        "http" | "https" => return words(HTTP),
        "" => return words(NO_SCHEME),
        _ => return words(SCHEME),
    };
    if rest.contains(char::is_control) || rest.contains(char::is_whitespace) {
        return words("the URL has white space in it: percent-encode it, a blank as `%20`");
    }
    if rest.contains('#') {
        return words(
            "the URL has a `#`: percent-encode one in a password as `%23`; fragments mean nothing here, and `#insecure` does not turn \
             off the verification of certificates, nor does anything else",
        );
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut config = Config { encrypted, ..Config::new() };
    if kind == Kind::Unix {
        if !place.starts_with('/') || place.len() == 1 {
            return words("the URL of a socket is `redis+unix:///path?user=…&pass=…`, without a host");
        }
        config.address = Address::Unix(decode(place)?);
    } else {
        read_network(&mut config, kind, place, query)?;
    }
    read_query(&mut config, kind, query)?;
    config.check().map_err(Problem::Words)?;
    Ok(config)
}

/// Reads user, password, hosts, and what follows them.
fn read_network(config: &mut Config, kind: Kind, place: &str, query: &str) -> Result<(), Problem> {
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    // A later `@` shows that a `/` or a `?` cut a password off.
    if authority.matches('@').count() > 1 || path.contains('@') || query.contains('@') {
        return words(
            "the user or the password in the URL has an unescaped `@`, `/` or `?`: percent-encode them as `%40`, `%2F` and `%3F`",
        );
    }
    let hosts = match authority.split_once('@') {
        Some((user, hosts)) => {
            read_user(config, user)?;
            hosts
        }
        None => authority,
    };
    let several = || hosts.split(',').map(|host| read_host(host, kind)).collect::<Result<Vec<_>, _>>();
    config.address = match kind {
        Kind::Sentinel => {
            let hosts = several()?;
            let (primary, db) = path.split_once('/').unwrap_or((path, ""));
            if primary.is_empty() {
                return words(
                    "the URL of sentinels ends with their name for the primary: write `redis-sentinel://host,host/NAME`",
                );
            }
            config.db = read_db(db)?;
            let (primary, username, password, tls) = (decode(primary)?, None, None, None);
            Address::Sentinel(Sentinel { hosts, primary, username, password, tls })
        }
        Kind::Cluster => {
            let hosts = several()?;
            if read_db(path)? != 0 {
                return words("a cluster has the database 0 only; write `redis-cluster://host,host`");
            }
            Address::Cluster(hosts)
        }
        Kind::Server | Kind::Unix => {
            let host = read_host(hosts, kind)?;
            config.db = read_db(path)?;
            Address::Server(host)
        }
    };
    Ok(())
}

fn read_user(config: &mut Config, text: &str) -> Result<(), Problem> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    // A variable that was not set leaves a gap.
    if password == Some("") || (user.is_empty() && password.is_none()) {
        return words(
            "the user or the password in the URL is empty; write `user:password@host`, `:password@host`, or the host alone",
        );
    }
    config.username = if user.is_empty() { None } else { Some(decode(user)?) };
    config.password = password.map(decode).transpose()?;
    Ok(())
}

/// Reads a host with or without a port. Characters that no host has are refused: they may belong to a password, and errors and
/// logs show the host.
fn read_host(text: &str, kind: Kind) -> Result<Host, Problem> {
    let (name, port) = match text.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((name, port)) if name.parse::<std::net::Ipv6Addr>().is_ok() => (name, port),
        _ => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !name.contains(':') && !name.chars().all(is_plain) {
        return words(
            "the host in the URL has a character that no host has: write `redis://user:password@host:port/0`, with the `:` and the `@` \
             as they are, and only what is inside the user or the password percent-encoded; several hosts are for \
             `redis-sentinel://` and `redis-cluster://`",
        );
    }
    let port = match port.strip_prefix(':') {
        Some(port) => number(port),
        None if !port.is_empty() => None,
        None if kind == Kind::Sentinel => Some(Host::SENTINEL),
        None => Some(Host::SERVER),
    };
    match port {
        Some(0) => {
            words("the port in the URL is 0, where no server listens; write 6379, or the server's own")
        }
        Some(port) if !name.is_empty() => Ok(Host::new(name, port)),
        Some(_) => words(NO_HOST),
        None => words(NO_PORT),
    }
}

/// Reads the number of a database. Many write a `/` without one, or behind it.
fn read_db(text: &str) -> Result<u32, Problem> {
    match text.trim_end_matches('/') {
        "" => Ok(0),
        db => number(db).ok_or(Problem::Words(DATABASE)),
    }
}

/// Reads the parameters. An unknown one may be the rest of a password that contains a `?`.
fn read_query(config: &mut Config, kind: Kind, query: &str) -> Result<(), Problem> {
    let mut seen = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = match (kind, name) {
            (Kind::Unix, "user") => "username",
            (Kind::Unix, "pass") => "password",
            (Kind::Unix, "db") => "db",
            (_, "username" | "password" | "db") => return words(unknown(kind, name)),
            _ => name,
        };
        let Some(setting) = Setting::named(name) else { return words(unknown(kind, name)) };
        if seen.contains(&name) {
            return words("the URL has a parameter twice; percent-encode a `&` in a password as `%26`");
        }
        seen.push(name);
        setting.set(config, &decode(value)?).map_err(Problem::Setting)?;
    }
    Ok(())
}

/// What to write in place of a parameter that there is not. Only the names listed here are repeated.
fn unknown(kind: Kind, name: &str) -> &'static str {
    match name {
        "db" | "database" if kind != Kind::Unix => {
            "the URL has a parameter for the database; write it behind the host, as in `redis://host/2`"
        }
        "user" | "username" | "pass" | "password" if kind != Kind::Unix => {
            "the URL has a parameter for the user or the password; write them before the host, as in `redis://user:password@host`"
        }
        "ssl" | "tls" | "ssl_cert_reqs" | "sslmode" | "insecure" => {
            "the URL has a parameter that turns TLS on or off; write `rediss://` for TLS, and `redis://` for none. Certificates are always \
             verified"
        }
        "ssl_ca_certs" | "tls_ca_cert" | "cacert" | "ca" => {
            "the URL has a parameter for the CA; its name is `tls_ca`"
        }
        "timeout" | "socket_timeout" | "read_timeout" | "socket_connect_timeout" => {
            "the URL has a parameter for a time limit; the names are `connect_timeout` and `response_timeout`"
        }
        "max_connections" | "pool" => {
            "the URL has a parameter for the number of connections; its name is `pool_size`"
        }
        _ if kind == Kind::Unix => {
            "the URL has an unknown parameter. There are `db`, `user`, `pass`, `protocol`, `connect_timeout`, `response_timeout`, \
             `pool_size` and `wakeup`; percent-encode a `?` as `%3F` and a `&` as `%26`"
        }
        _ => {
            "the URL has an unknown parameter. There are `protocol`, `connect_timeout`, `response_timeout`, `pool_size`, `wakeup`, \
             `tls_ca`, `tls_cert`, `tls_key`, `tls_server_name`, `sentinel_user`, `sentinel_password` and `sentinel_tls`; \
             percent-encode a `?` in a password as `%3F`"
        }
    }
}

/// Decodes `%…`. Anything that is no escape is refused: the password may not be encoded at all.
fn decode(text: &str) -> Result<String, Problem> {
    let mut encoded = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let digit =
        |encoded: &mut std::str::Bytes<'_>| encoded.next().and_then(|digit| char::from(digit).to_digit(16));
    while let Some(byte) = encoded.next() {
        decoded.push(match byte {
            b'%' => match (digit(&mut encoded), digit(&mut encoded)) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
                _ => return words(ESCAPE),
            },
            _ => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| Problem::Words(ESCAPE))
}

fn words<T>(words: &'static str) -> Result<T, Problem> {
    Err(Problem::Words(words))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Setting(refused) => write!(f, "the URL: {refused}"),
        }
    }
}

#[cfg(test)]
mod tests;
