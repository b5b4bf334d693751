//! Each side sees what the other has computed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dspinlock::{Client, Config, Entry, Error, ErrorKind, dspinlock};
use dspinlock_testkit::Reply;
use serde_json::json;

use crate::pair::Pair;

/// Functions that share the bare key of their argument with Python, and count how often their bodies run.
struct Jobs {
    client: Client,
    runs: AtomicU32,
}

impl Jobs {
    #[dspinlock(key = key, namespace = "", once, client = &self.client)]
    fn once(&self, key: &str) -> Result<Option<u32>, Error> {
        Ok(Some(self.runs.fetch_add(1, Ordering::Relaxed)))
    }

    #[dspinlock(key = key, namespace = "", cached, client = &self.client)]
    async fn cached(&self, key: &str) -> Result<(), Error> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    #[dspinlock(key = key, namespace = "", cached, client = &self.client)]
    fn valued(&self, key: &str) -> Result<u32, Error> {
        Ok(self.runs.fetch_add(1, Ordering::Relaxed) + 100)
    }

    #[dspinlock(key = key, namespace = "", expire = "1m", client = &self.client)]
    fn failing(&self, key: &str) -> Result<(), Failure> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Err(Failure::Body)
    }
}

#[derive(Debug)]
enum Failure {
    Lock(Error),
    Body,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Lock(error)
    }
}

#[tokio::test]
async fn python_has_computed() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();
    python.leave().unwrap();
    let record = format!("{},1", python.tag);
    assert_eq!(pair.get(&python.key).as_ref(), Some(&record));

    let entry = pair.rust("example").cached_if_computed(true).enter().await.unwrap();
    assert!(matches!(entry, Entry::Computed(_)), "{entry:?}");
    let jobs = Jobs { client: pair.client.clone(), runs: AtomicU32::new(0) };
    assert_eq!(jobs.once("example").unwrap(), None);
    jobs.cached("example").await.unwrap();
    assert_eq!(jobs.runs.load(Ordering::Relaxed), 0, "no body ran");
    assert_eq!(pair.get(&python.key), Some(record), "nothing was overwritten");

    // Without the flag it is locked again, as in Python.
    let guard = pair.rust("example").acquire().await.unwrap();
    assert!(pair.get(&python.key).unwrap().ends_with(",0"));
    guard.release().await.unwrap();
}

#[test]
fn python_has_computed_and_kept_no_value() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();
    python.leave().unwrap();
    let jobs = Jobs { client: pair.client.clone(), runs: AtomicU32::new(0) };
    assert_eq!(
        [jobs.valued("example").unwrap(), jobs.valued("example").unwrap()],
        [100, 100],
        "run once, then shared"
    );
    assert_eq!(jobs.runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn we_have_computed() {
    let pair = Pair::start();
    let jobs = Jobs { client: pair.client.clone(), runs: AtomicU32::new(0) };
    jobs.cached("example").await.unwrap();
    assert_eq!(jobs.runs.load(Ordering::Relaxed), 1);

    let cached = pair.python_with("cached", "example", json!({"cached_if_computed": true}));
    let record = pair.get(&cached.key).unwrap();
    assert!(record.ends_with(",1"), "{record}");
    cached.enter().unwrap();
    assert_eq!(pair.get(&cached.key), Some(record.clone()), "Python entered without the lock");
    cached.leave().unwrap();
    assert_eq!(pair.get(&cached.key), Some(record));

    let plain = pair.python("plain", "example");
    plain.enter().unwrap();
    assert_eq!(pair.get(&plain.key).unwrap(), format!("{},0", plain.tag), "without the flag it locks again");
    plain.leave().unwrap();
}

#[test]
fn fail_if_key_exists_in_rust() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let ours = || pair.rust("example").fail_if_key_exists(true).acquire_blocking();
    python.enter().unwrap();
    assert_eq!(ours().unwrap_err().kind(), ErrorKind::KeyExists, "while Python holds");
    python.leave().unwrap();
    assert_eq!(ours().unwrap_err().kind(), ErrorKind::KeyExists, "after Python has computed");
    assert_eq!(pair.get(&python.key).unwrap(), format!("{},1", python.tag));
    assert!(python.forget());
    ours().unwrap().release_blocking().unwrap();
}

#[test]
fn fail_if_key_exists_in_python() {
    let pair = Pair::start();
    let python = pair.python_with("p", "example", json!({"fail_if_key_exists": true}));
    let guard = pair.rust("example").acquire_blocking().unwrap();
    assert_eq!(python.enter().unwrap_err().class, "FailIfKeyExistsIsEnabled", "while we hold");
    guard.release_blocking().unwrap();
    assert_eq!(python.enter().unwrap_err().class, "FailIfKeyExistsIsEnabled", "after we have computed");
    assert!(pair.rust("example").forget_blocking().unwrap());
    python.enter().unwrap();
    python.leave().unwrap();
}

#[test]
fn a_python_body_that_raises() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();
    python.leave_raising().unwrap();
    // py-dspinlock marks it COMPUTED all the same, and we can't tell.
    let entry = pair.rust("example").cached_if_computed(true).enter_blocking().unwrap();
    assert!(matches!(entry, Entry::Computed(_)), "{entry:?}");
}

#[test]
fn a_body_of_ours_that_fails() {
    let pair = Pair::start();
    let python = pair.python_with("p", "example", json!({"fail_if_key_exists": true}));
    let jobs = Jobs { client: pair.client.clone(), runs: AtomicU32::new(0) };
    match jobs.failing("example").unwrap_err() {
        Failure::Body => {}
        Failure::Lock(error) => panic!("{error}"),
    }
    assert_eq!(jobs.runs.load(Ordering::Relaxed), 1);
    assert_eq!(pair.get(&python.key), None, "nothing failed is ever marked COMPUTED");
    python.enter().unwrap();
    python.leave().unwrap();
}

#[test]
fn a_record_lives_as_long_as_its_writer_says() {
    let pair = Pair::start();
    let life = |key: &str| match pair.server.command(&["PTTL", key]) {
        Reply::Int(millis) => Duration::from_millis(millis.try_into().expect("the key has a life")),
        other => panic!("{other:?}"),
    };
    let minutes = |n: u64| Duration::from_secs(60 * n);

    let guard = pair.rust("example").expire(minutes(10)).acquire_blocking().unwrap();
    guard.release_blocking().unwrap();
    let python = pair.python_with("p", "example", json!({"expire": 1200}));
    let ours = life(&python.key);
    assert!(ours <= minutes(10) && ours > minutes(9), "{ours:?}");

    python.enter().unwrap();
    python.leave().unwrap();
    // Python's expiry is absolute and rounded up to a second.
    let pythons = life(&python.key);
    assert!(pythons <= minutes(20) + Duration::from_secs(1) && pythons > minutes(19), "{pythons:?}");
}

#[test]
fn both_use_the_same_server_by_default() {
    let pair = Pair::start();
    let defaults = pair.python.call(json!({"do": "defaults"})).unwrap();
    assert_eq!(defaults, json!({"host": "localhost", "port": 6379, "db": 0}));
    let ours = Config::new();
    assert_eq!((ours.host(), ours.port(), ours.db()), (Some("127.0.0.1"), Some(6379), 0));
}
