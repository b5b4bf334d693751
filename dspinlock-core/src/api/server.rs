//! From a configuration to the store that it describes.

use crate::api::config::{Address, Config, Pem, Protocol, Sentinel, Tls, Wakeup};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::options::check_duration;
use crate::store::redis::{self, Dialer, Limits, Origin, Own, Peer, Sentinels, TlsParts, Watch};
use crate::store::{Store, Wakeups};
use crate::worker::Worker;
use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

/// The store of a configuration. It opens nothing yet.
pub(super) fn store(config: &Config, worker: &Worker) -> Result<Store> {
    validate(config)?;
    if config.address == Address::Memory {
        return Ok(Store::memory());
    }
    let limits = Limits {
        connect_timeout: config.connect_timeout,
        response_timeout: config.response_timeout,
        pool_size: config.pool_size,
    };
    let wakeups = Wakeups::default();
    let tracks = config.wakeup == Wakeup::Tracking;
    let tls = config.uses_tls().then(|| redis::Tls::new(|| tls_parts(&config.tls))).transpose()?;
    if let Address::Cluster(hosts) = &config.address {
        let seeds = hosts.clone();
        let (worker, secret, given_in) = (worker.clone(), config.password.clone(), config.origin.shown());
        let dialer = Box::new(dialer_of_nodes(config, tls)?);
        return Ok(redis::cluster(Origin {
            seeds,
            dialer,
            limits,
            tracks,
            worker,
            secret,
            given_in,
            wakeups,
        }));
    }
    let info = connection_info(config)?;
    let (place, dialer) = if let Address::Sentinel(sentinel) = &config.address {
        let tls_of_sentinels = tls.clone().filter(|_| sentinel.tls.unwrap_or(config.encrypted));
        let watch = watch(sentinel, info, tls_of_sentinels);
        let sentinels = Sentinels::new(watch, config.connect_timeout, worker.clone());
        let dialer = Dialer::asking(sentinels).with_tls(tls.filter(|_| config.encrypted));
        (format!("redis primary `{}`/{}", sentinel.primary, config.db), dialer)
    } else {
        (format!("redis at {}/{}", info.addr(), config.db), dialer(info, tls)?)
    };
    let own = Own::new(dialer, limits, tracks, worker, wakeups.clone());
    let peer = Peer { name: &place, origin: config.origin.shown(), secret: config.password.as_deref() };
    Ok(redis::store(own, worker.clone(), limits, peer, wakeups))
}

/// How to connect to the sentinels, and by them to the primary.
fn watch(sentinel: &Sentinel, to_server: ConnectionInfo, tls: Option<redis::Tls>) -> Watch {
    let mut settings = RedisConnectionInfo::default();
    if let Some(username) = &sentinel.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &sentinel.password {
        settings = settings.set_password(password);
    }
    Watch {
        hosts: sentinel.hosts.clone(),
        primary: sentinel.primary.clone(),
        to_sentinel: to_server.clone().set_redis_settings(settings),
        to_server,
        tls,
    }
}

fn dialer(info: ConnectionInfo, tls: Option<redis::Tls>) -> Result<Dialer> {
    let dialer = ::redis::Client::open(info).and_then(Dialer::new).map_err(|_| unusable())?;
    Ok(dialer.with_tls(tls))
}

/// Connects to the nodes of a cluster with the settings of `config`, wherever they are.
///
/// # Errors
///
/// `Config` for settings that can't be used anywhere.
fn dialer_of_nodes(
    config: &Config,
    tls: Option<redis::Tls>,
) -> Result<impl Fn(&Host) -> Result<Dialer> + Send + Sync + 'static> {
    let config = config.clone();
    let connect = move |node: &Host| {
        let address = Address::Server(node.clone());
        dialer(connection_info(&Config { address, ..config.clone() })?, tls.clone())
    };
    connect(&Host::default())?;
    Ok(connect)
}

fn validate(config: &Config) -> Result<()> {
    check_duration("`connect_timeout`", config.connect_timeout, "")?;
    check_duration("`response_timeout`", config.response_timeout, "")?;
    let lacks = |user: &Option<String>, password: &Option<String>| user.is_some() && password.is_none();
    match &config.address {
        Address::Server(host) if host.name.is_empty() => {
            Err(refused("`host` is empty; write a name or an address"))
        }
        Address::Server(host) if host.port == 0 => {
            Err(refused("`port` is 0, where no server listens; write 6379, or the server's own"))
        }
        Address::Cluster(_) if config.db != 0 => {
            Err(refused("a cluster has only database 0; leave `db` out"))
        }
        Address::Sentinel(Sentinel { username, password, .. }) if lacks(username, password) => Err(refused(
            "there is a `sentinel_user` without a `sentinel_password`, who would not be sent; write the password, or any text where the \
             user has `nopass`",
        )),
        _ if lacks(&config.username, &config.password) => Err(refused(
            "there is a user without a password, who would not be sent; write the password, or any text where the user has `nopass`",
        )),
        _ => Ok(()),
    }
}

fn connection_info(config: &Config) -> Result<ConnectionInfo> {
    let addr = match &config.address {
        Address::Server(host) => ConnectionAddr::Tcp(host.name.clone(), host.port),
        Address::Unix(path) => ConnectionAddr::Unix(path.into()),
        // In place of the server that they will name.
        Address::Sentinel(sentinel) => {
            let host = sentinel.hosts.first().ok_or_else(unusable)?;
            ConnectionAddr::Tcp(host.name.clone(), host.port)
        }
        Address::Cluster(_) | Address::Memory => return Err(unusable()),
    };
    let info = addr.into_connection_info().map_err(|_| unusable())?;
    let protocol = match config.protocol {
        Protocol::Resp2 => ProtocolVersion::RESP2,
        Protocol::Resp3 => ProtocolVersion::RESP3,
    };
    let mut settings = info.redis_settings().clone().set_db(config.db.into()).set_protocol(protocol);
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &config.password {
        settings = settings.set_password(password);
    }
    let nodelay = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(nodelay))
}

/// Reads the files of the settings of TLS.
fn tls_parts(tls: &Tls) -> Result<TlsParts> {
    let read = |pem: &Option<Pem>, name: &str| match pem {
        None => Ok(None),
        Some(Pem::Bytes(bytes)) => Ok(Some(bytes.clone())),
        Some(Pem::File(path)) => {
            let read = std::fs::read(path);
            // The path may come from a URL, and is not repeated.
            read.map(Some).map_err(|error| refused(&format!("the file of `{name}` can't be read: {error}")))
        }
    };
    let client = read(&tls.cert, "tls_cert")?.zip(read(&tls.key, "tls_key")?);
    Ok(TlsParts { ca: read(&tls.ca, "tls_ca")?, client, server_name: tls.server_name.clone() })
}

pub(super) fn unusable() -> Error {
    refused("the address of the server can't be used; write a host and a port, as in `redis://host:6379/0`")
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use std::time::Duration;

    #[test]
    fn refuses_what_can_not_be_used_by_its_name() {
        type Set = fn(Config, Duration) -> Config;
        let refused = |config: Config| {
            let error = crate::Client::from_config(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            error.to_string()
        };
        let timeouts: [(&str, Set); 2] = [
            ("`connect_timeout` is", Config::with_connect_timeout),
            ("`response_timeout` is", Config::with_response_timeout),
        ];
        for (starts, set) in timeouts {
            for (timeout, ends) in [
                (Duration::ZERO, "write at least one millisecond"),
                (Duration::from_nanos(1), "write at least one millisecond"),
                (Duration::MAX, "above the limit of 365 days"),
            ] {
                let text = refused(set(Config::new(), timeout));
                assert!(text.starts_with(starts) && text.ends_with(ends), "{text}");
            }
        }
        assert!(refused(Config::new().with_port(0)).starts_with("`port` is 0"));
        assert!(refused(Config::new().with_host("")).starts_with("`host` is empty"));
        let of = |url| refused(Config::from_url(url).unwrap());
        assert!(refused(Config::from_url("redis-cluster://a").unwrap().with_db(2)).contains("database 0"));
        assert!(of("redis://me@a").starts_with("there is a user without a password"));
        assert!(
            of("redis-sentinel://a/n?sentinel_user=me").starts_with("there is a `sentinel_user` without")
        );
        let most = Config::new()
            .with_connect_timeout(Options::MAX_DURATION)
            .with_response_timeout(Options::MAX_DURATION);
        crate::Client::from_config(&most.with_pool_size(usize::MAX).with_db(u32::MAX)).unwrap();
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_build_without_tls_names_the_feature() {
        let config = Config::from_url("rediss://localhost?tls_ca=/no/such/file").unwrap();
        let error = crate::Client::from_config(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`tls-ring`"), "{error}");
    }
}
