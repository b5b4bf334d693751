//! Callers of both languages compete for one key. Python's acquisition is not atomic and its `SET` overwrites any record, so
//! this test requires no exclusion. It counts, and checks what our side guarantees even then.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use dspinlock::ErrorKind;
use serde_json::json;

use crate::driver::Python;
use crate::pair::Pair;

const TURNS: u64 = 50;

#[test]
fn three_threads_of_ours_and_two_processes_of_pythons() {
    let pair = Pair::start();
    let second = Python::start(pair.server.port());
    let contend = json!({
        "do": "contend",
        "key": {"type": "text", "value": "example"},
        "turns": TURNS,
        "options": {"sleep": 0.005, "tries": 4000},
    });
    let tokens = Mutex::new(Vec::new());
    let ours = Mutex::new(BTreeMap::<&str, u64>::new());

    let pythons = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..TURNS {
                    let outcome =
                        match pair.rust("example").sleep(Duration::from_millis(5)).acquire_blocking() {
                            Ok(guard) => {
                                tokens.lock().unwrap().push(guard.fencing_token());
                                guard
                                    .release_blocking()
                                    .map_or_else(|error| error.kind().as_str(), |()| "released")
                            }
                            Err(error) => panic!("a minute is enough for a turn: {error}"),
                        };
                    *ours.lock().unwrap().entry(outcome).or_default() += 1;
                }
            });
        }
        [pair.python.send(contend.clone()), second.send(contend)].map(|pending| pending.reply().unwrap())
    });
    let ours = ours.into_inner().unwrap();
    println!("ours: {ours:?}");
    for outcomes in &pythons {
        println!("Python's: {outcomes}");
    }

    // Ours: every turn was granted, and each release either took effect or names the new holder.
    assert_eq!(ours.values().sum::<u64>(), 3 * TURNS);
    let overwritten = [ErrorKind::NotOwner, ErrorKind::Lost].map(ErrorKind::as_str);
    for outcome in ours.keys() {
        assert!(*outcome == "released" || overwritten.contains(outcome), "{outcome}");
    }
    // Tokens are unique whatever Python overwrites.
    let mut tokens = tokens.into_inner().unwrap();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len() as u64, 3 * TURNS);
    // Python's: each turn ended by a release or by one of the exceptions that docs/python.md lists.
    for outcomes in &pythons {
        let outcomes = outcomes.as_object().unwrap();
        for outcome in outcomes.keys() {
            let known = ["grants", "releases"].contains(&outcome.as_str())
                || outcome.ends_with(": InvalidMutexReleaseEncountered");
            assert!(known, "{outcome}");
        }
        assert!(outcomes["releases"].as_u64().unwrap() > 0, "Python had no turn at all: {outcomes:?}");
    }
}
