//! A private server and a Python process, which every test here starts with.

use std::time::Duration;

use dspinlock::{Client, DSpinlock, LockKey};
use dspinlock_testkit::{Reply, Server};
use serde_json::{Value, json};

use crate::driver::{Python, PythonLock};

pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) python: Python,
    pub(crate) server: Server,
}

impl Pair {
    pub(crate) fn start() -> Self {
        let server = Server::start();
        let client = Client::from_url(&server.url()).expect("a URL of Redis");
        Self { client, python: Python::start(server.port()), server }
    }

    /// A bare lock of ours that polls often and waits long.
    pub(crate) fn rust(&self, key: impl LockKey) -> DSpinlock {
        self.client.lock(key).sleep(Duration::from_millis(10)).wait(Duration::from_secs(60))
    }

    /// A lock of Python's on a text, with the same times.
    pub(crate) fn python(&self, name: &str, text: &str) -> PythonLock<'_> {
        self.python_with(name, text, json!({}))
    }

    /// The same with more options of the driver.
    pub(crate) fn python_with(&self, name: &str, text: &str, more: Value) -> PythonLock<'_> {
        let mut options = json!({"sleep": 0.01, "tries": 6000});
        let Value::Object(more) = more else { panic!("options are an object") };
        options.as_object_mut().expect("made above").extend(more);
        self.python.lock(name, &json!({"type": "text", "value": text}), &options)
    }

    /// The string at a key.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        match self.server.command(&["GET", key]) {
            Reply::Nil => None,
            reply => Some(reply.text().expect("a record is text").to_owned()),
        }
    }
}
