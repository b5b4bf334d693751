//! The names and the options of locks.

use dspinlock::{Client, ErrorKind, Key, Options, Scheme, State, Turn};
use dspinlock_tests::{Rig, fence_key, ms, on_every_rig};
use std::time::Duration;

on_every_rig!(
    a_scheme_names_keys_and_turns,
    namespaces_keep_keys_apart,
    schemes_that_would_not_exclude_are_refused_before_a_request,
    prefixes_keep_environments_apart,
    options_are_a_value,
    invalid_options_are_refused_before_a_request,
);

const SECOND: Duration = Duration::from_secs(1);

/// Everything that a py-dspinlock subclass can override, overridden.
#[derive(Debug)]
struct Reports;

impl Scheme for Reports {
    fn prefix(&self) -> &'static str {
        "reports"
    }

    fn key_separator(&self) -> &'static str {
        ":"
    }

    fn value_separator(&self) -> &'static str {
        "|"
    }

    fn uid(&self, namespace: Option<&str>, key: &Key) -> String {
        format!("{}-{key}", namespace.unwrap_or("none")).replace(['"', ' '], "")
    }

    fn key(&self, _: Option<&str>, uid: &str) -> String {
        format!("{}:of:{uid}", self.prefix())
    }

    fn tag(&self, turn: &Turn) -> String {
        format!("turn-{}@{}|{}", turn.id, turn.owner, turn.timestamp)
    }
}

fn a_scheme_names_keys_and_turns(rig: &Rig) {
    let lock = || rig.lock("yearly").scheme(Reports).sleep(ms(5)).wait(5 * SECOND);
    let name = format!("reports:of:none-yearlyby{:?}", rig.api);
    assert_eq!(lock().record_key().unwrap(), name);

    let guard = rig.acquire(&lock()).unwrap();
    if let Some(server) = rig.server() {
        let record = server.command(&["GET", &name]);
        let record = record.text().expect("a record").to_owned();
        let fields: Vec<&str> = record.split('|').collect();
        assert!(matches!(fields[..], [owner, _, "0"] if owner.starts_with("turn-")), "{record}");
        assert_eq!(server.command(&["EXISTS", &fence_key("reports", &name)]).int(), Some(1));
    }
    assert!(rig.try_acquire(&lock()).unwrap().is_none());
    rig.release(guard).unwrap();
    assert_eq!(rig.inspect(&lock()).unwrap().unwrap().state(), State::Computed);
    rig.release(rig.acquire(&lock()).expect("COMPUTED can be locked again")).unwrap();
    assert!(rig.forget(&lock()).unwrap());

    // The same scheme set for a client.
    let client = rig.client.clone().with_scheme(Reports);
    assert_eq!(client.lock(rig.key("yearly")).record_key().unwrap(), name);
}

fn namespaces_keep_keys_apart(rig: &Rig) {
    let bare = rig.lock("tenant");
    let billing = rig.lock("tenant").namespace("billing");
    let search = rig.lock("tenant").namespace("search");
    let _all: Vec<_> = [&bare, &billing, &search].map(|lock| rig.acquire(lock).unwrap()).into();
    assert!(rig.try_acquire(&rig.lock("tenant").namespace("billing")).unwrap().is_none());
    assert!(rig.try_acquire(&rig.lock("tenant").namespace("")).unwrap().is_none(), "no namespace is bare");
    assert!(billing.record_key().unwrap().starts_with("dspinlock,billing,"));
}

/// Schemes with an error, and the advice in the message.
#[derive(Clone, Copy, Debug)]
enum Slip {
    ConstantTag,
    Separator,
    NoOwner,
    NoNamespace,
}

impl Scheme for Slip {
    fn value_separator(&self) -> &'static str {
        if let Self::Separator = self { ":" } else { "," }
    }

    fn key(&self, namespace: Option<&str>, uid: &str) -> String {
        let namespace = namespace.filter(|_| !matches!(self, Self::NoNamespace)).unwrap_or_default();
        format!("slips:{namespace}:{uid}")
    }

    fn tag(&self, turn: &Turn) -> String {
        match self {
            Self::ConstantTag => format!("me@{},{}", turn.owner, turn.timestamp),
            Self::NoOwner => format!("{},{}", turn.id, turn.timestamp),
            _ => format!("{}@{}{}{}", turn.id, turn.owner, self.value_separator(), turn.timestamp),
        }
    }
}

fn schemes_that_would_not_exclude_are_refused_before_a_request(rig: &Rig) {
    for (slip, what) in [
        (Slip::ConstantTag, "turn.id"),
        (Slip::Separator, "value separator \":\""),
        (Slip::NoOwner, "`@`"),
        (Slip::NoNamespace, "namespace \"billing\""),
    ] {
        let refused = rig.lock("slip").namespace("billing").scheme(slip);
        let errors = [
            rig.acquire(&refused).unwrap_err(),
            rig.try_acquire(&refused).unwrap_err(),
            rig.inspect(&refused).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Config, "{slip:?}: {error}");
            assert!(error.to_string().contains(what), "{slip:?}: {error}");
        }
    }
    // A scheme may ignore the namespace if the lock has none.
    rig.abandon(rig.acquire(&rig.lock("slip").scheme(Slip::NoNamespace)).unwrap()).unwrap();
}

fn prefixes_keep_environments_apart(rig: &Rig) {
    let staging = Rig { client: rig.client.clone().with_prefix("staging"), api: rig.api };
    let _held = rig.acquire(&rig.lock("deploy")).unwrap();
    let theirs = rig.try_acquire(&staging.lock("deploy")).unwrap().expect("another environment's key");
    assert!(theirs.record_key().starts_with("staging,"), "{}", theirs.record_key());
}

fn options_are_a_value(rig: &Rig) {
    let patient =
        Options::new().with_sleep(ms(10)).with_wait(ms(30)).with_expire(None).with_lease(2 * SECOND);
    let client = rig.client.clone().with_defaults(patient.clone());
    let by_default = client.lock(rig.key("options"));
    let given = rig.lock("options").options(patient);

    let guard = rig.acquire(&by_default).unwrap();
    assert!(rig.inspect(&given).unwrap().unwrap().remaining().unwrap() <= 2 * SECOND);
    let refused = rig.acquire(&given).unwrap_err();
    assert!(refused.waited() < SECOND, "the default budget is five seconds");
    rig.release(guard).unwrap();
    assert_eq!(rig.inspect(&given).unwrap(), None, "nothing is remembered");
}

fn invalid_options_are_refused_before_a_request(rig: &Rig) {
    let lock = || rig.lock("unusable");
    let too_long = Options::MAX_DURATION + ms(1);
    for (refused, what) in [
        (lock().sleep(Duration::ZERO), "sleep"),
        (lock().expire(Duration::ZERO), "expire"),
        (lock().max_block(Duration::ZERO), "max_block"),
        (lock().lease(Duration::ZERO), "lease"),
        (lock().tries(0), "tries"),
        (lock().sleep(too_long), "sleep"),
        (lock().wait(too_long), "wait"),
        (lock().expire(too_long), "expire"),
        (lock().lease(too_long), "lease"),
        (lock().namespace("billing").max_block(too_long), "max_block"),
        (lock().max_block(31 * 60 * SECOND), "30 minutes"),
        (lock().namespace("a{b"), "namespace"),
        (lock().namespace("a,b"), "namespace"),
    ] {
        let errors = [
            rig.acquire(&refused).unwrap_err(),
            rig.try_acquire(&refused).unwrap_err(),
            rig.enter(&refused).unwrap_err(),
            rig.inspect(&refused).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Config, "{what}: {error}");
            assert!(error.to_string().contains(what), "{what}: {error}");
            assert_eq!(error.key(), Some(format!("{:?}", rig.key("unusable")).as_str()), "{error}");
        }
    }
    assert_eq!(rig.inspect(&lock()).unwrap(), None);
    // At the limits.
    rig.abandon(
        rig.acquire(
            &lock().wait(Options::MAX_DURATION).expire(Options::MAX_DURATION).lease(Options::MAX_DURATION),
        )
        .unwrap(),
    )
    .unwrap();
}

#[test]
fn the_names_of_a_lock_depend_on_nothing_but_its_value() {
    let client = Client::memory();
    let keys = [client.lock("a"), client.lock(String::from("a")), client.lock(std::sync::Arc::new("a"))];
    let names: Vec<&str> = keys.iter().map(|lock| lock.record_key().unwrap()).collect();
    assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "{names:?}");
    assert_eq!(client.lock(-1).record_key().unwrap(), "dspinlock,-2", "as Python's hash()");
}
