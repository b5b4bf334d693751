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
        ("ERR", "ACL failure in script: User u has no permissions to run the 'set' command script: 49."),
        ("ERR", "ACL failure in script: No permissions to access a key script: on @user_script:1."),
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
    assert!(!lasts(&io::Error::from(io::ErrorKind::ConnectionRefused).into()));
    assert!(!lasts(&io::Error::from(io::ErrorKind::TimedOut).into()));
}

/// The address is that of a sentinel, or of one node of a cluster.
#[test]
fn says_which_url_to_write() {
    let batch = Batch::plain(redis::cmd("TIME"));
    for (code, text, url) in [
        ("MOVED", "14457 127.0.0.1:7803", "`redis-cluster://host`"),
        ("ERR", "SELECT is not allowed in cluster mode", "`redis-cluster://host`"),
        ("ERR", "unknown command 'TIME', with args beginning with: ", "`redis-sentinel://host/NAME`"),
        ("ERR", "unknown command `EVALSHA`, with args beginning with: ", "`redis-sentinel://host/NAME`"),
    ] {
        let error = match code {
            "MOVED" => redis::parse_redis_value(format!("-{code} {text}\r\n").as_bytes())
                .and_then(redis::Value::extract_error)
                .unwrap_err(),
            _ => refused(code, text),
        };
        let advice = advice(&error, &batch).unwrap_or_else(|| panic!("no advice: {error:?}"));
        assert!(lasts(&error) && advice.contains(url), "{advice}");
    }
}

#[test]
fn what_passes_is_told_from_what_does_not_by_the_code_of_the_reply_or_of_the_scripts_command() {
    for (code, text, expected) in [
        ("LOADING", "Redis is loading the dataset in memory", Passing::Loading),
        (
            "READONLY",
            "You can't write against a read only replica. script: 49, on @user_script:1.",
            Passing::Demoted,
        ),
        (
            "ERR",
            "Error running script (call to f_49): @user_script:1: @user_script: 1: -READONLY You can't write against a \
             read only replica.",
            Passing::Demoted,
        ),
        (
            "MASTERDOWN",
            "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            Passing::PrimaryDown,
        ),
        ("CLUSTERDOWN", "The cluster is down", Passing::ClusterDown),
        ("TRYAGAIN", "Multiple keys request during rehashing of slot", Passing::Migrating),
        ("BUSY", "Redis is busy running a script.", Passing::Busy),
        ("NOREPLICAS", "Not enough good replicas to write.", Passing::FewReplicas),
    ] {
        assert_eq!(passing(&refused(code, text)), Some(expected), "{code} {text}");
    }
    for (code, text) in [
        (
            "MISCONF",
            "Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        ),
        ("OOM", "command not allowed when used memory > 'maxmemory'."),
        ("ERR", "no such key readonly"),
        ("NOPERM", "User loading has no permissions to run the 'evalsha' command"),
    ] {
        assert_eq!(passing(&refused(code, text)), None, "{code} {text}");
    }
    assert_eq!(passing(&io::Error::from(io::ErrorKind::ConnectionRefused).into()), None);
}

#[test]
fn names_each_command_once() {
    assert_eq!(commands("redis.pcall('GET', a) redis.call('SET', b) redis.call('GET', c)"), "GET, SET");
}
