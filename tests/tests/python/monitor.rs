//! What the server sees, as it happens: lets a test wait for "the other side has tried" without sleeping.

use std::time::Duration;

use dspinlock_testkit::{Connection, Server};

/// A connection in `MONITOR` mode.
pub(crate) struct Monitor {
    connection: Connection,
}

impl Monitor {
    /// From now on, every command that reaches the server is seen here.
    pub(crate) fn start(server: &Server) -> Self {
        let mut connection = server.connect().expect("the server listens");
        let started = connection.command(&["MONITOR"]).expect("the server answers");
        assert!(started.is_ok(), "{started:?}");
        Self { connection }
    }

    /// Waits for the next script that is run on a key: an attempt of ours, since Python runs none.
    pub(crate) fn wait_for_script_on(&mut self, key: &str) {
        self.wait_for(key, |line| line.contains("\"EVAL"));
    }

    /// Waits for the next command that names a key and is `wanted`, and gives its time at the server.
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
