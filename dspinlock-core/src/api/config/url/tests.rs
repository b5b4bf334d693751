use super::super::tls::{Pem, Tls};
use super::*;
use crate::{Protocol, Wakeup};
use std::time::Duration;

/// Each error has these words, and no part of the URL.
#[test]
fn a_url_that_would_be_misread_is_refused_without_repeating_it() {
    for (url, says) in [
        ("", "empty"),
        ("localhost", "redis://"),
        ("http://Aa:hunter2@zebra", "redis://"),
        ("redis-cluster", "redis://"),
        ("redis+tls://:hunter2@zebra", "rediss://"),
        ("redis://:Aa@hunter2#Cc@zebra/0", "%23"),
        ("rediss://:hunter2@zebra/0#insecure", "`#insecure` does not turn off"),
        ("redis://:Aa@hunter2@zebra/0", "%40"),
        ("redis://:Aa/hunter2@zebra/0", "%2F"),
        ("redis://Aa:12/hunter2@zebra/0", "%2F"),
        ("redis://:Aa?hunter2@zebra/0", "%3F"),
        ("redis://Aa:12?hunter2@zebra/0", "%3F"),
        ("redis://zebra/0?hunter2=1", "protocol"),
        ("redis://zebra/0?Protocol=hunter2", "protocol"),
        ("redis://zebra?db=2", "`redis://host/2`"),
        ("redis://zebra?password=hunter2", "before the host"),
        ("redis://zebra?username=hunter2", "before the host"),
        ("redis://zebra?protocol=hunter2", "`resp2` or `resp3`"),
        ("redis://zebra?protocol", "`resp2` or `resp3`"),
        ("redis://zebra?connect_timeout=2", "`2s`"),
        ("redis://zebra?response_timeout=0s", "`1ms`"),
        ("redis://zebra?response_timeout=366d", "`365days`"),
        ("redis://zebra?timeout=2s", "`connect_timeout`"),
        ("redis://zebra?pool_size=-1", "`pool_size`"),
        ("redis://zebra?pool_size=%2B16", "`pool_size`"),
        ("redis://zebra?pool_size=", "`pool_size`"),
        ("redis://zebra?wakeup=hunter2", "`tracking` or `poll`"),
        ("redis://zebra?ssl=hunter2", "rediss://"),
        ("rediss://zebra?insecure=hunter2", "always verified"),
        ("redis://zebra?tls_ca=/hunter2", "rediss://"),
        ("redis://zebra?tls_server_name=hunter2", "rediss://"),
        ("rediss://zebra?tls_ca=", "PEM"),
        ("rediss://zebra?tls_cert=/hunter2", "`tls_key`"),
        ("rediss://zebra?tls_key=/hunter2", "`tls_cert`"),
        ("redis://zebra?sentinel_password=hunter2", "redis-sentinel://"),
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
        ("redis://:hunter2@zebra:x", "no port"),
        ("redis://:hunter\n2@zebra", "%20"),
        ("redis://:hunter2@", "has no host"),
        ("redis://:hunter2", "no port"),
        ("redis://:hunter2@zebra:", "no port"),
        ("redis://:hunter2@zebra:+1", "no port"),
        ("redis://:hunter2@zebra:65536", "no port"),
        ("redis://:hunter2@[::1]x", "no port"),
        ("redis://:hunter2@[::1%25zebra]", "no host"),
        ("redis://:hunter2%@zebra", "%25"),
        ("redis://:%zzhunter2@zebra", "%25"),
        ("redis://:hunter2%FF@zebra", "UTF-8"),
        ("redis://Aa:@zebra", "is empty"),
        ("redis://:@zebra", "is empty"),
        ("redis://@zebra", "is empty"),
        ("redis://zebra,hunter2", "`redis-cluster://`"),
        ("redis://zebra/4294967296", "database"),
        ("redis://zebra/+1", "database"),
        ("redis-sentinel://:hunter2@zebra", "/NAME"),
        ("redis-sentinel://:hunter2@zebra//0", "/NAME"),
        ("redis-sentinel://:hunter2@zebra/Aa/x", "database"),
        ("redis-sentinel://:hunter2@zebra,,cc/Aa", "has no host"),
        ("redis-sentinel://zebra/Aa?sentinel_tls=hunter2", "`true` or `false`"),
        ("redis-sentinel://zebra/Aa?sentinel_password=", "`sentinel_password`"),
        ("redis-sentinel://zebra/Aa?tls_ca=/hunter2", "rediss://"),
        ("redis-cluster://:hunter2@zebra,:1", "has no host"),
        ("redis-cluster://:hunter2@zebra/1", "database 0 only"),
        ("redis-cluster://:hunter2@zebra/Aa", "database"),
        ("memory://hunter2", "alone"),
        ("memory://?pool_size=1", "alone"),
        ("unix://", "unix:///"),
        ("unix:///", "unix:///"),
        ("unix:///zebra?sentinel_user=hunter2", "redis-sentinel://"),
        ("redis+unix://Aa:hunter2@zebra/path", "unix:///"),
        ("unix:///zebra?pass=Aa&hunter2", "%26"),
        ("unix:///zebra?pass=Aa#hunter2", "%23"),
        ("unix:///zebra?user=Aa&password=hunter2", "`pass`"),
        ("unix:///zebra?pass=Aa&pass=hunter2", "%26"),
    ] {
        let Err(error) = Config::from_url(url) else { panic!("{url} was taken") };
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(error.to_string().contains(says), "{url}: {error}");
        let shown = format!("{error} {error:?}").to_lowercase();
        for part in ["hunter", "zebra", "aa", "cc"] {
            assert!(!shown.contains(part), "{part} of {url}: {shown}");
        }
    }
}

fn parsed(url: &str) -> Config {
    Config::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn hosts(hosts: &[(&str, u16)]) -> Vec<Host> {
    hosts.iter().map(|(name, port)| Host::new(*name, *port)).collect()
}

#[test]
fn each_part_is_found_and_decoded() {
    for (url, host, port, user, password, db) in [
        ("redis://localhost", "localhost", 6379, None, None, 0),
        ("redis://me:p%40%23%3F%2F%25w@10.0.0.7:6380/2\n", "10.0.0.7", 6380, Some("me"), Some("p@#?/%w"), 2),
        ("redis://:secret@[::1]:6379/", "::1", 6379, None, Some("secret"), 0),
        ("redis://m%C3%A9:a:b@[2001:db8::7]/3/", "2001:db8::7", 6379, Some("mé"), Some("a:b"), 3),
        ("redis://my_service.internal-net:6379", "my_service.internal-net", 6379, None, None, 0),
        ("valkey://me@localhost/15?protocol=resp3", "localhost", 6379, Some("me"), None, 15),
    ] {
        let config = parsed(url);
        assert_eq!(config.address, Address::Server(Host::new(host, port)), "{url}");
        let credentials = (config.username.as_deref(), config.password.as_deref());
        assert_eq!((credentials, config.db), ((user, password), db), "{url}");
        assert!(!config.uses_tls(), "{url}");
    }
    for url in ["rediss://a", "valkeys://a", "rediss-sentinel://a/n", "valkeys-cluster://a"] {
        assert!(parsed(url).encrypted, "{url}");
    }
}

#[test]
fn sockets_take_their_credentials_as_parameters() {
    let config = parsed("unix:///run/@re%20dis.sock?db=2&user=me&pass=p%26w&protocol=3");
    assert_eq!(config.address, Address::Unix("/run/@re dis.sock".to_owned()));
    assert_eq!((config.username(), config.password.as_deref(), config.db()), (Some("me"), Some("p&w"), 2));
    assert_eq!(config.protocol(), Protocol::Resp3);
    for url in ["redis+unix:///run/redis.sock", "valkey+unix:///run/redis.sock"] {
        assert_eq!(parsed(url).address, Address::Unix("/run/redis.sock".to_owned()), "{url}");
    }
}

#[test]
fn sentinels_and_clusters_have_several_hosts() {
    let config = parsed(
        "redis-sentinel://me:pw@a,b:7,[::1]:8/my%2Fprimary/2?sentinel_user=s&sentinel_password=p%26&sentinel_tls=true",
    );
    let Address::Sentinel(sentinel) = &config.address else { panic!("{config:?}") };
    assert_eq!(sentinel.hosts, hosts(&[("a", 26379), ("b", 7), ("::1", 8)]));
    assert_eq!(
        (&*sentinel.primary, sentinel.username.as_deref(), sentinel.password.as_deref(), sentinel.tls),
        ("my/primary", Some("s"), Some("p&"), Some(true))
    );
    assert_eq!((config.username(), config.password.as_deref(), config.db()), (Some("me"), Some("pw"), 2));
    assert!(config.uses_tls() && !config.encrypted);
    assert!(!format!("{config:?}").contains("p&"), "{config:?}");

    let config = parsed("valkey-cluster://me:pw@a,b:7/0");
    assert_eq!(config.address, Address::Cluster(hosts(&[("a", 6379), ("b", 7)])));
    assert_eq!((config.username(), config.password.as_deref()), (Some("me"), Some("pw")));
    assert_eq!(parsed("memory://").address, Address::Memory);
}

#[test]
fn each_parameter_sets_its_own_setting() {
    let config = parsed(
        "rediss://a?connect_timeout=2s&response_timeout=1m%2030s&pool_size=7&wakeup=poll&protocol=resp3&tls_ca=/a%26b\
         &tls_cert=c&tls_key=k&tls_server_name=n",
    );
    let expected = Config::new()
        .with_host("a")
        .with_connect_timeout(Duration::from_secs(2))
        .with_response_timeout(Duration::from_secs(90))
        .with_pool_size(7)
        .with_wakeup(Wakeup::Poll)
        .with_protocol(Protocol::Resp3);
    let file = |path: &str| Some(Pem::File(path.into()));
    let tls = Tls { ca: file("/a&b"), cert: file("c"), key: file("k"), server_name: Some("n".to_owned()) };
    assert_eq!(config, Config { encrypted: true, tls, ..expected });
}
