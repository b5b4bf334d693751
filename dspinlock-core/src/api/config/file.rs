//! Configurations in files, by `serde`.

use super::settings::Setting;
use super::{Config, Origin};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

/// A URL alone, or `url` and the names of the settings. A setting overrides the same one in the URL. Times are texts such as `"2s"`.
///
/// Nothing serialises a `Config`, since that would write the password.
///
/// ```
/// use dspinlock::Config;
/// use std::time::Duration;
///
/// let config: Config = serde_json::from_str(
///     r#"{ "url": "redis://redis.internal/2", "username": "me", "password": "p@ss", "response_timeout": "500ms" }"#,
/// )?;
/// assert_eq!((config.host(), config.db(), config.username()), (Some("redis.internal"), 2, Some("me")));
/// assert_eq!(config.response_timeout(), Duration::from_millis(500));
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL, or settings such as `url`")
    }

    fn visit_str<E: Error>(self, url: &str) -> Result<Config, E> {
        Config::from_url(url).map_err(E::custom).map(|config| config.coming_from(Origin::File))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let mut url = None;
        let mut settings: Vec<(&Setting, String)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "url" {
                let Scalar(text) = map.next_value()?;
                if url.replace(text).is_some() {
                    return Err(A::Error::duplicate_field("url"));
                }
                continue;
            }
            let Some(setting) = Setting::named(&name) else {
                let names: Vec<_> = Setting::all().map(|setting| format!("`{}`", setting.name)).collect();
                // Anything else may be a URL in the wrong place.
                let is_a_name =
                    name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let unknown =
                    if is_a_name { format!("unknown field `{name}`") } else { "unknown field".to_owned() };
                return Err(A::Error::custom(format!("{unknown}; there are `url`, {}", names.join(", "))));
            };
            if settings.iter().any(|(known, _)| known.name == setting.name) {
                return Err(A::Error::duplicate_field(setting.name));
            }
            let Scalar(value) = map.next_value()?;
            settings.push((setting, value));
        }
        let mut config = match url {
            Some(url) => {
                Config::from_url(&url).map_err(|error| A::Error::custom(format!("`url`: {error}")))?
            }
            None => Config::new(),
        };
        for (setting, value) in settings {
            setting.set(&mut config, &value).map_err(A::Error::custom)?;
        }
        config.check().map_err(A::Error::custom)?;
        Ok(config.coming_from(Origin::File))
    }
}

/// A text, a whole number or a boolean, as text: the settings have their own words for what else they expect.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self(String::new()))
    }
}

impl Visitor<'_> for Scalar {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number or a boolean")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self, E> {
        Ok(Self(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Self, E> {
        Ok(Self(is.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self, E> {
        Ok(Self(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self, E> {
        Ok(Self(number.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        // Not repeated: it may be a password without quotation marks.
        Err(E::custom("a number is not whole; write a text, a whole number or a boolean"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Config, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn the_names_are_those_of_the_url() {
        let config = read(
            r#"{ "password": "p@ss", "pool_size": 7, "db": "2", "sentinel_tls": true, "connect_timeout": "2s",
                 "url": "redis-sentinel://me:old@a,b/n?pool_size=3", "sentinel_password": 12345, "wakeup": "poll",
                 "tls_ca": "/ca", "protocol": 3 }"#,
        );
        let url = "redis-sentinel://me:p%40ss@a,b/n/2?pool_size=7&sentinel_tls=true&connect_timeout=2s&sentinel_password=12345\
                   &wakeup=poll&tls_ca=/ca&protocol=resp3";
        assert_eq!(config.unwrap(), Config::from_url(url).unwrap());
        assert_eq!(read("{}").unwrap(), Config::new());
        assert_eq!(read(r#""redis://a/3""#).unwrap(), Config::new().with_host("a").with_db(3));
    }

    #[test]
    fn what_can_not_be_used_is_named_and_not_repeated() {
        for (json, says) in [
            (r#"{ "url": "http://hunter2" }"#, "`url`: "),
            (r#"{ "url": "" }"#, "`url`: the URL is empty"),
            (r#"{ "hosts": "hunter2" }"#, "unknown field `hosts`; there are `url`, `username`, "),
            (r#"{ "password": "" }"#, "`password`"),
            (r#"{ "password": 1.5 }"#, "not whole"),
            (r#"{ "password": ["hunter2"] }"#, "a text"),
            (r#"{ "password": null }"#, "a text"),
            (r#"{ "pool_size": -1 }"#, "`pool_size`"),
            (r#"{ "connect_timeout": 2 }"#, "`2s`"),
            (r#"{ "wakeup": "hunter2" }"#, "`tracking` or `poll`"),
            (r#"{ "wakeup": "poll", "wakeup": "poll" }"#, "duplicate field `wakeup`"),
            (r#"{ "url": "redis://a", "url": "redis://hunter2" }"#, "duplicate field `url`"),
            (r#"{ "tls_ca": "/hunter2" }"#, "rediss://"),
            (r#"{ "sentinel_user": "hunter2" }"#, "redis-sentinel://"),
            (r#""http://hunter2""#, "redis://"),
            (r#"["hunter2"]"#, "a URL, or settings"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
            assert!(!error.contains("hunter2") && !error.contains("1.5"), "{json}: {error}");
        }
    }
}
