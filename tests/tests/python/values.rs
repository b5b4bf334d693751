//! Values shared with Python by `examples/python/cached_values.py`.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use dspinlock::{Client, Error, LockKey, dspinlock};
use dspinlock_testkit::Server;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::driver::interpreter;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Usage {
    day: String,
    total: u64,
}

/// Functions whose values Python reads and writes, and the number of their runs.
struct Values {
    client: Client,
    runs: AtomicU32,
}

impl Values {
    #[dspinlock(client = self.client, key = day, namespace = "", cached(schema = "usage-1", entry = entry))]
    fn usage<K: LockKey + ToString>(&self, day: K) -> Result<Usage, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Ok(Usage { day: day.to_string(), total: 7 })
    }

    #[dspinlock(client = self.client, key = (tenant, day), namespace = "usage", cached(schema = "2"))]
    fn of_tenant(&self, tenant: &str, day: i64) -> Result<Option<f64>, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Ok((!tenant.is_empty() && day < 0).then_some(0.5))
    }

    #[dspinlock(client = self.client, key = day, namespace = "", cached(schema = "note-1"))]
    fn note(&self, day: &str) -> Result<Option<Json>, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Ok((day == "nothing").then_some(Json::Null))
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }
}

/// The output of the helper, or `None` if it finds no value.
fn python(server: &Server, arguments: &[&str]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python/cached_values.py");
    let port = server.port().to_string();
    let output =
        Command::new(interpreter()).arg(script).args(["--port", &port]).args(arguments).output().unwrap();
    let (said, complaint) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    if !output.status.success() {
        assert_eq!(complaint.trim(), "there is no such value");
        return None;
    }
    Some(said.trim().to_owned())
}

fn start() -> (Server, Values) {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    (server, Values { client, runs: AtomicU32::new(0) })
}

#[test]
fn python_reads_what_we_have_computed() {
    let (server, values) = start();
    assert_eq!(python(&server, &["get", "mönday", "usage-1"]), None);
    values.usage("mönday").unwrap();
    values.usage(-1).unwrap();
    let read = |key| python(&server, &["get", key, "usage-1"]);
    assert_eq!(read("mönday").unwrap(), r#"{"day": "m\u00f6nday", "total": 7}"#);
    assert_eq!(read("json:-1").unwrap(), r#"{"day": "-1", "total": 7}"#);
    // For Python's locks it is the same key.
    assert_eq!(read("json:-2"), None);
    assert_eq!(python(&server, &["get", "mönday", "usage-2"]), None);
    assert!(values.entry("mönday").unwrap().forget_blocking().unwrap());
    assert_eq!(read("mönday"), None);
}

#[test]
fn python_reads_values_of_a_namespace_too() {
    let (server, values) = start();
    values.of_tenant("acme", -3).unwrap();
    values.of_tenant("", 3).unwrap();
    let read = |key| python(&server, &["--namespace", "usage", "get", key, "2"]);
    assert_eq!(read(r#"json:["acme", -3]"#).unwrap(), "0.5");
    assert_eq!(read(r#"json:["", 3]"#).unwrap(), "null");
    assert_eq!(read(r#"json:["acme", 3]"#), None);
}

#[test]
fn none_and_some_none_are_distinguished() {
    let (server, values) = start();
    // The header distinguishes them in what Python writes. Python reads `null` either way.
    python(&server, &["compute", "monday", "note-1", "null"]).unwrap();
    python(&server, &["compute", "tuesday", "note-1", "5"]).unwrap();
    assert_eq!(values.note("monday").unwrap(), None);
    assert_eq!(values.note("tuesday").unwrap(), Some(Json::from(5)));
    assert_eq!(values.runs(), 0);
    for _ in 0..2 {
        assert_eq!(values.note("nothing").unwrap(), Some(Json::Null));
        assert_eq!(values.note("other").unwrap(), None);
    }
    assert_eq!(values.runs(), 2);
    let read = |key| python(&server, &["get", key, "note-1"]).unwrap();
    assert_eq!((read("nothing"), read("other")), ("null".into(), "null".into()));
}

#[test]
fn we_read_what_python_has_computed() {
    let (server, values) = start();
    let compute = |key, value| python(&server, &["compute", key, "usage-1", value]).unwrap();
    compute("monday", r#"{"day": "from Python", "total": 1}"#);
    compute("json:17", r#"{"day": "seventeen", "total": 2}"#);
    let expected = |day: &str, total| Usage { day: day.into(), total };
    assert_eq!(values.usage("monday").unwrap(), expected("from Python", 1));
    assert_eq!(values.usage(17).unwrap(), expected("seventeen", 2));
    assert_eq!(values.entry("monday").unwrap().get_ok_blocking().unwrap(), Some(expected("from Python", 1)));
    assert_eq!(values.runs(), 0);
    // A later turn of Python's replaces it, and then one of ours.
    compute("monday", r#"{"day": "again", "total": 3}"#);
    assert_eq!(values.usage("monday").unwrap(), expected("again", 3));
    assert!(values.entry("monday").unwrap().forget_blocking().unwrap());
    assert_eq!(values.usage("monday").unwrap(), expected("monday", 7));
    assert_eq!(python(&server, &["get", "monday", "usage-1"]).unwrap(), r#"{"day": "monday", "total": 7}"#);
}

#[test]
fn a_value_that_python_writes_in_another_form_is_a_miss() {
    let (server, values) = start();
    python(&server, &["compute", "monday", "usage-2", r#"{"day": "another schema", "total": 1}"#]).unwrap();
    assert_eq!(values.usage("monday").unwrap().total, 7);
    python(&server, &["compute", "tuesday", "usage-1", r#"{"day": "no total"}"#]).unwrap();
    assert_eq!(values.usage("tuesday").unwrap().total, 7);
    assert_eq!(values.runs(), 2);
}
