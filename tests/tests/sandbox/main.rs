//! `testing::Sandbox`: a store for one test, with a clock that moves, faults on demand, and a record of what ran. Also which spans
//! of `#[instrument]` have the wait for a lock in them.

mod clock;
mod faults;
mod runs;
mod spans;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
