//! A Python subclass with other names in Redis, and the `Scheme` that matches it.

use dspinlock::{Key, Scheme, Turn};
use serde_json::{Value, json};

use crate::pair::Pair;

/// `def get_key(self): return f"app:{self._obj_uid}:lock"`
#[derive(Clone, Copy, Debug)]
struct OverriddenKey;

impl Scheme for OverriddenKey {
    fn key(&self, _namespace: Option<&str>, uid: &str) -> String {
        format!("app:{uid}:lock")
    }
}

/// `_key_prefix = "staging"` and `_key_sep = ":"`
#[derive(Clone, Copy, Debug)]
struct OtherNames;

impl Scheme for OtherNames {
    fn prefix(&self) -> &'static str {
        "staging"
    }

    fn key_separator(&self) -> &'static str {
        ":"
    }
}

/// `def _get_uid(obj): return "v2-" + HashDSpinlock._get_uid(obj)`, and a tag that names the service.
#[derive(Clone, Copy, Debug)]
struct OtherUidAndTag;

impl Scheme for OtherUidAndTag {
    fn uid(&self, _namespace: Option<&str>, key: &Key) -> String {
        format!("v2-{}", key.bare_uid())
    }

    fn tag(&self, turn: &Turn) -> String {
        format!("{}@billing,{}", turn.id, turn.timestamp)
    }
}

/// Each side waits for the other, under the names of a subclass.
fn exclude_each_other(pair: &Pair, scheme: impl Scheme + Copy, options: &Value, key_like: &str) {
    let python = pair.python_with("p", "example", options.clone());
    let ours = pair.rust("example").scheme(scheme);
    assert_eq!(ours.record_key().unwrap(), python.key);
    assert!(python.key.contains(key_like), "{}", python.key);

    let guard = ours.acquire_blocking().unwrap();
    let entering = python.start_entering();
    python.wait_until_it_waits();
    guard.release_blocking().unwrap();
    entering.reply().unwrap();
    assert!(ours.try_acquire_blocking().unwrap().is_none(), "Python holds");
    python.leave().unwrap();
    ours.acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn overriding_get_key() {
    let pair = Pair::start();
    exclude_each_other(&pair, OverriddenKey, &json!({"key_format": "app:{uid}:lock"}), "app:");
}

#[test]
fn overriding_get_uid_and_the_tag() {
    let pair = Pair::start();
    exclude_each_other(&pair, OtherUidAndTag, &json!({"uid_prefix": "v2-"}), "dspinlock,v2-");
    let holder = pair.rust("example").scheme(OtherUidAndTag).inspect_blocking().unwrap().unwrap();
    assert_eq!(holder.holder(), "billing");
}

#[test]
fn overriding_prefix_and_separator() {
    let pair = Pair::start();
    exclude_each_other(&pair, OtherNames, &json!({"prefix": "staging", "key_sep": ":"}), "staging:");
}

#[test]
fn another_value_separator_does_not_work_in_python() {
    // py-dspinlock joins a tag with `_value_sep` and splits it at commas, so it does not recognise its own record. A subclass
    // that changes it has to override `_unpack_value` as well.
    let pair = Pair::start();
    let python = pair.python_with("p", "example", json!({"value_sep": ";", "tries": 3}));
    assert_eq!(python.enter().unwrap_err().class, "SpinlockTriesExceeded");
}
