//! The settings that have a name, in URLs and elsewhere: what may be written for each, and what it changes.

use super::address::Sentinel;
use super::tls::Pem;
use super::{Config, Protocol, Wakeup};
use crate::options::check_duration;
use std::fmt;
use std::time::Duration;

/// A setting: its name, its values in words, and its setter, which gives `None` for any other value.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) expects: &'static str,
    set: Set,
}

#[derive(Clone, Copy)]
enum Set {
    Any(fn(&mut Config, &str) -> Option<()>),
    /// Of the sentinels, and not of the servers.
    Sentinel(fn(&mut Sentinel, &str) -> Option<()>),
}

/// Why a setting can't be taken. It names the setting, and repeats no value: that may be a part of a password.
pub(super) enum Refused {
    Value(&'static Setting),
    NoSentinel(&'static Setting),
}

const A_TIME: &str = "a time from `1ms` to `365days`, such as `2s`";
const A_FILE: &str = "the path of a PEM file";

static SETTINGS: [Setting; 15] = [
    any("username", "a user of the server", |config, value| {
        text(value).map(|value| config.username = Some(value))
    }),
    any("password", "a password", |config, value| text(value).map(|value| config.password = Some(value))),
    any("db", "the number of a database", |config, value| number(value).map(|value| config.db = value)),
    any("protocol", "`resp2` or `resp3`", |config, value| {
        config.protocol = match value {
            "2" | "resp2" => Protocol::Resp2,
            "3" | "resp3" => Protocol::Resp3,
            _ => return None,
        };
        Some(())
    }),
    any("connect_timeout", A_TIME, |config, value| time(value).map(|value| config.connect_timeout = value)),
    any("response_timeout", A_TIME, |config, value| time(value).map(|value| config.response_timeout = value)),
    any("pool_size", "a number of connections, such as `16`", |config, value| {
        number(value).map(|value| config.pool_size = value)
    }),
    any("wakeup", "`tracking` or `poll`", |config, value| {
        config.wakeup = match value {
            "tracking" => Wakeup::Tracking,
            "poll" => Wakeup::Poll,
            _ => return None,
        };
        Some(())
    }),
    any("tls_ca", A_FILE, |config, value| file(value).map(|value| config.tls.ca = Some(value))),
    any("tls_cert", A_FILE, |config, value| file(value).map(|value| config.tls.cert = Some(value))),
    any("tls_key", A_FILE, |config, value| file(value).map(|value| config.tls.key = Some(value))),
    any("tls_server_name", "a name or an address that the server's certificate is for", |config, value| {
        text(value).map(|value| config.tls.server_name = Some(value))
    }),
    of_sentinels("sentinel_user", "a user of the sentinels", |sentinel, value| {
        text(value).map(|value| sentinel.username = Some(value))
    }),
    of_sentinels("sentinel_password", "a password of the sentinels", |sentinel, value| {
        text(value).map(|value| sentinel.password = Some(value))
    }),
    of_sentinels("sentinel_tls", "`true` or `false`", |sentinel, value| {
        value.parse().ok().map(|value| sentinel.tls = Some(value))
    }),
];

const fn any(name: &'static str, expects: &'static str, set: fn(&mut Config, &str) -> Option<()>) -> Setting {
    Setting { name, expects, set: Set::Any(set) }
}

const fn of_sentinels(
    name: &'static str,
    expects: &'static str,
    set: fn(&mut Sentinel, &str) -> Option<()>,
) -> Setting {
    Setting { name, expects, set: Set::Sentinel(set) }
}

impl Setting {
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        SETTINGS.iter()
    }

    pub(super) fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    pub(super) fn set(&'static self, config: &mut Config, value: &str) -> Result<(), Refused> {
        let set = match self.set {
            Set::Any(set) => set(config, value),
            Set::Sentinel(set) => {
                let sentinel = config.address.sentinel_mut().ok_or(Refused::NoSentinel(self))?;
                set(sentinel, value)
            }
        };
        set.ok_or(Refused::Value(self))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(Setting { name, expects, .. }) => {
                write!(f, "the value of `{name}` can't be used; write {expects}")
            }
            Self::NoSentinel(Setting { name, .. }) => {
                write!(
                    f,
                    "`{name}` is for sentinels; write `redis-sentinel://host,host/NAME`, or leave it out"
                )
            }
        }
    }
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn file(value: &str) -> Option<Pem> {
    Some(Pem::File(text(value)?.into()))
}

/// Digits alone: the parser of the standard library takes a sign.
pub(super) fn number<N: std::str::FromStr>(value: &str) -> Option<N> {
    if value.bytes().all(|digit| digit.is_ascii_digit()) { value.parse().ok() } else { None }
}

fn time(value: &str) -> Option<Duration> {
    let time = humantime::parse_duration(value).ok()?;
    check_duration("", time, "").ok().map(|()| time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_each_setting() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/connecting.md");
        let page = std::fs::read_to_string(page).unwrap();
        for Setting { name, .. } in Setting::all() {
            let variable = format!("`DSPINLOCK_{}`", name.to_uppercase());
            assert!(page.contains(&format!("`{name}`")) || page.contains(&variable), "{name}");
        }
    }
}
