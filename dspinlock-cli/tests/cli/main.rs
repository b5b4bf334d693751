//! The built program, on real servers, beside locks of the library.

mod deployments;
mod describing;
mod doctoring;
mod large;
mod looking;
mod removing;
mod running;

use dspinlock::Client;
use dspinlock_testkit::{Reply, Server};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes so long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A turn of a process elsewhere, up to the state.
const ELSEWHERE: &str = "0b8e1a4e@web-1/77/jobs::nightly,2026-01-31T23:59:59.000123+00:00,";

/// The program, told of this server by the environment.
fn cli(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dspinlock"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DSPINLOCK_") {
            command.env_remove(name);
        }
    }
    command
        .env("DSPINLOCK_URL", url)
        .env("DSPINLOCK_RESPONSE_TIMEOUT", "10s")
        .stdin(Stdio::null())
        .args(args);
    command
}

/// How the program ended, and what it wrote.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn on(server: &Server, args: &[&str]) -> Ran {
    run(&mut cli(&server.url(), args))
}

fn client(server: &Server) -> Client {
    Client::connect(&format!("{}?response_timeout=10s&connect_timeout=10s", server.url())).unwrap()
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn set(server: &Server, key: &str, value: &str) {
    assert!(server.command(&["SET", key, value, "PX", "60000"]).is_ok());
}

fn get(server: &Server, key: &str) -> Option<String> {
    match server.command(&["GET", key]) {
        Reply::Bytes(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    }
}
