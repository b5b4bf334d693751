//! The environment variables.

use super::settings::Setting;
use super::{Config, Origin};
use crate::error::{Error, ErrorKind, Result};
use std::env;
use std::ffi::OsString;
use std::fmt;

const URL: &str = "DSPINLOCK_URL";

/// Variables that do not exist, and those that were probably meant.
const NEAR_MISSES: [(&str, &str); 10] = [
    ("DSPINLOCK_HOST", URL),
    ("DSPINLOCK_PORT", URL),
    ("DSPINLOCK_REDIS_URL", URL),
    ("DSPINLOCK_USER", "DSPINLOCK_USERNAME"),
    ("DSPINLOCK_PASS", "DSPINLOCK_PASSWORD"),
    ("DSPINLOCK_DATABASE", "DSPINLOCK_DB"),
    ("DSPINLOCK_TIMEOUT", "DSPINLOCK_RESPONSE_TIMEOUT"),
    ("DSPINLOCK_TLS_CA_FILE", "DSPINLOCK_TLS_CA"),
    ("DSPINLOCK_TLS_CERT_FILE", "DSPINLOCK_TLS_CERT"),
    ("DSPINLOCK_TLS_KEY_FILE", "DSPINLOCK_TLS_KEY"),
];

impl Config {
    /// Makes a configuration of the environment: of the URL in `DSPINLOCK_URL`, or without it of `redis://127.0.0.1:6379/0`, and
    /// of the variables that are set.
    ///
    /// Each parameter of a URL has a variable, which overrides it: `DSPINLOCK_CONNECT_TIMEOUT`, `DSPINLOCK_RESPONSE_TIMEOUT`,
    /// `DSPINLOCK_POOL_SIZE`, `DSPINLOCK_WAKEUP`, `DSPINLOCK_PROTOCOL`, `DSPINLOCK_TLS_CA`, `DSPINLOCK_TLS_CERT`,
    /// `DSPINLOCK_TLS_KEY`, `DSPINLOCK_TLS_SERVER_NAME`, `DSPINLOCK_SENTINEL_USER`, `DSPINLOCK_SENTINEL_PASSWORD` and
    /// `DSPINLOCK_SENTINEL_TLS`; and so have `DSPINLOCK_USERNAME`, `DSPINLOCK_PASSWORD` and `DSPINLOCK_DB`. They are not
    /// percent-encoded.
    ///
    /// # Errors
    ///
    /// `Config`, with the name of the variable, for one that is empty or has another value than it may have, and for one that has
    /// almost the name of another, as `DSPINLOCK_USER` has.
    ///
    /// ```
    /// use dspinlock::Config;
    ///
    /// let config = Config::from_env()?;
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        of_variables(|name| env::var_os(name))
    }
}

fn of_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Config> {
    for (wrong, right) in NEAR_MISSES {
        if get(wrong).is_some() {
            return Err(refused(wrong, &format_args!("it means nothing; write `{right}`")));
        }
    }
    let get = |name: &str| match get(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(refused(name, &"it is not UTF-8")),
    };
    let mut config = match get(URL)? {
        None => Config::new().coming_from(Origin::Default),
        Some(url) => {
            let config = Config::from_url(&url);
            config
                .map_err(|error| error.of(&format!("the environment variable {URL}")))?
                .coming_from(Origin::Environment)
        }
    };
    for setting in Setting::all() {
        let name = format!("DSPINLOCK_{}", setting.name.to_uppercase());
        match get(&name)? {
            None => {}
            Some(value) if value.is_empty() => {
                return Err(refused(
                    &name,
                    &format_args!("it is empty; write {}, or unset it", setting.expects),
                ));
            }
            Some(value) => setting.set(&mut config, &value).map_err(|problem| refused(&name, &problem))?,
        }
    }
    config.check().map_err(|words| Error::new(ErrorKind::Config, format!("the environment: {words}")))?;
    Ok(config)
}

fn refused(variable: &str, why: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("the environment variable {variable}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::tls::{Pem, Tls};
    use super::*;
    use crate::{Protocol, Wakeup};
    use std::time::Duration;

    fn read(variables: &[(&str, &str)]) -> Result<Config> {
        of_variables(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn each_variable_sets_its_own_setting_and_overrides_the_url() {
        let config = read(&[
            ("DSPINLOCK_URL", "rediss://you:old@a/1?pool_size=1&wakeup=tracking"),
            ("DSPINLOCK_USERNAME", "me"),
            ("DSPINLOCK_PASSWORD", "p@%ss"),
            ("DSPINLOCK_DB", "2"),
            ("DSPINLOCK_PROTOCOL", "resp3"),
            ("DSPINLOCK_CONNECT_TIMEOUT", "2s"),
            ("DSPINLOCK_RESPONSE_TIMEOUT", "300ms"),
            ("DSPINLOCK_POOL_SIZE", "7"),
            ("DSPINLOCK_WAKEUP", "poll"),
            ("DSPINLOCK_TLS_CA", "/ca"),
            ("DSPINLOCK_TLS_CERT", "/cert"),
            ("DSPINLOCK_TLS_KEY", "/key"),
            ("DSPINLOCK_TLS_SERVER_NAME", "n"),
        ]);
        let file = |path: &str| Some(Pem::File(path.into()));
        let tls = Tls {
            ca: file("/ca"),
            cert: file("/cert"),
            key: file("/key"),
            server_name: Some("n".to_owned()),
        };
        let expected = Config::new()
            .with_host("a")
            .with_tls(tls)
            .with_username("me")
            .with_password("p@%ss")
            .with_db(2)
            .with_protocol(Protocol::Resp3)
            .with_connect_timeout(Duration::from_secs(2))
            .with_response_timeout(Duration::from_millis(300))
            .with_pool_size(7)
            .with_wakeup(Wakeup::Poll);
        assert_eq!(config.unwrap(), expected);
        assert_eq!(read(&[]).unwrap(), Config::new());

        let sentinels = read(&[
            ("DSPINLOCK_URL", "redis-sentinel://a/n"),
            ("DSPINLOCK_SENTINEL_USER", "s"),
            ("DSPINLOCK_SENTINEL_PASSWORD", "p&"),
            ("DSPINLOCK_SENTINEL_TLS", "true"),
        ]);
        let url = "redis-sentinel://a/n?sentinel_user=s&sentinel_password=p%26&sentinel_tls=true";
        assert_eq!(sentinels.unwrap(), Config::from_url(url).unwrap());
    }

    #[test]
    fn an_error_names_the_variable_and_not_its_value() {
        for (name, value, says) in [
            ("DSPINLOCK_URL", "", "empty"),
            ("DSPINLOCK_URL", "http://hunter2", "redis://"),
            ("DSPINLOCK_PASSWORD", "", "it is empty; write a password"),
            ("DSPINLOCK_POOL_SIZE", "", "it is empty"),
            ("DSPINLOCK_POOL_SIZE", "hunter2", "such as `16`"),
            ("DSPINLOCK_CONNECT_TIMEOUT", "2", "`2s`"),
            ("DSPINLOCK_WAKEUP", "hunter2", "`tracking` or `poll`"),
            ("DSPINLOCK_SENTINEL_PASSWORD", "hunter2", "redis-sentinel://"),
            ("DSPINLOCK_USER", "hunter2", "`DSPINLOCK_USERNAME`"),
            ("DSPINLOCK_HOST", "hunter2", "`DSPINLOCK_URL`"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            let text = error.to_string();
            assert!(text.starts_with(&format!("the environment variable {name}: ")), "{text}");
            assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
        }
        let error = read(&[("DSPINLOCK_TLS_CA", "/hunter2")]).unwrap_err().to_string();
        assert!(error.starts_with("the environment: ") && error.contains("rediss://"), "{error}");
    }
}
