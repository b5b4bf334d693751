//! The commands that reach the server, so that a test can wait for an attempt of the other side without sleeping.

use std::time::Duration;

use dspinlock_testkit::{Connection, Server};

/// A connection in `MONITOR` mode.
pub(crate) struct Monitor {
    connection: Connection,
}

impl Monitor {
    /// Starts to watch the server's commands.
    pub(crate) fn start(server: &Server) -> Self {
        let mut connection = server.connect().expect("the server listens");
        let started = connection.command(&["MONITOR"]).expect("the server answers");
        assert!(started.is_ok(), "{started:?}");
        Self { connection }
    }

    /// Waits for the next script on a key. It is an attempt of ours, since Python runs no scripts.
    pub(crate) fn wait_for_script_on(&mut self, key: &str) {
        self.wait_for(key, |line| line.contains("\"EVAL"));
    }

    /// Waits for the next command that names a key and is `wanted`, and returns its time at the server.
    pub(crate) fn wait_for(&mut self, key: &str, wanted: impl Fn(&str) -> bool) -> Duration {
        let quoted = format!("\"{key}\"");
        loop {
            let message = self.connection.receive().expect("the awaited command comes");
            let line = message.text().expect("MONITOR sends text");
            if line.contains(&quoted) && wanted(line) {
                return time_of(line);
            }
        }
    }
}

/// A line begins with the seconds since 1970 and six digits of microseconds.
fn time_of(line: &str) -> Duration {
    let (seconds, rest) = line.split_once('.').expect("a time");
    let micros = rest.get(..6).expect("six digits");
    Duration::from_secs(seconds.parse().expect("seconds"))
        + Duration::from_micros(micros.parse().expect("microseconds"))
}
