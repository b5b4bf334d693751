//! Small and large values, from one process to another.

use std::time::Duration;

use dspinlock::{Client, Config, dspinlock};
use dspinlock_testkit::Server;

use crate::support::AppError;

#[dspinlock(client = client, key = length, cached)]
fn sized(client: &Client, length: usize) -> Result<String, AppError> {
    Ok("x".repeat(length))
}

#[test]
fn values_of_any_size_come_back_in_another_process() {
    let server = Server::start();
    // On a busy machine a reply of 32 MB may take longer than the usual `response_timeout`.
    let config = Config::from_url(&server.url()).unwrap().with_response_timeout(Duration::from_secs(10));
    let connect = || Client::from_config(&config).unwrap();
    for length in [1_000, 1_000_000, 32_000_000] {
        assert_eq!(sized(&connect(), length).unwrap().len(), length);
        let value = sized(&connect(), length).unwrap();
        assert!(value.len() == length && value.bytes().all(|byte| byte == b'x'));
    }
    let computed = server.calls("set");
    // A record for each grant, a record and a value for each release.
    assert_eq!(computed, 3 * 3, "each was computed once");
}
