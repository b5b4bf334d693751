//! Python's release writes COMPUTED, and raises if the key is locked again before Python reads it back.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dspinlock::Guard;

use crate::monitor::Monitor;
use crate::pair::Pair;

/// How long a COMPUTED record of Python's is left alone.
const GRACE: Duration = Duration::from_millis(20);

const TURNS: usize = 200;

#[test]
fn two_hundred_releases_with_a_waiter_of_ours() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let mut monitor = Monitor::start(&pair.server);
    let mut late = Vec::new();
    let mut shortest = Duration::MAX;

    thread::scope(|scope| {
        let (turn, turns) = mpsc::channel::<()>();
        let (done, released) = mpsc::channel();
        let waiter = pair.rust("example").sleep(Duration::from_millis(1));
        scope.spawn(move || {
            for () in turns {
                done.send(waiter.acquire_blocking().and_then(Guard::release_blocking)).unwrap();
            }
        });
        let mut number = 0;
        while number - late.len() < TURNS {
            number += 1;
            assert!(late.len() <= 4 * TURNS, "inconclusive: Python was suspended in {} releases", late.len());
            python.enter().unwrap();
            turn.send(()).unwrap();
            monitor.wait_for_script_on(&python.key);
            let left = python.leave();
            let computed = monitor.wait_for(&python.key, |line| is_set(line, &format!("{},1", python.tag)));
            let locked = monitor.wait_for(&python.key, |line| is_set(line, "@"));
            shortest = shortest.min(locked.saturating_sub(computed));
            released.recv().unwrap().unwrap();
            // The last line of this turn, so that it does not count for the next one.
            monitor.wait_for(&python.key, |line| is_set(line, "@") && line.contains(",1\""));
            // A release that took longer than the grace proves nothing about it.
            match left {
                Ok(_) => {}
                Err(raised) if raised.milliseconds.is_some_and(|took| took >= 20.0) => late.push(number),
                Err(raised) => panic!("release {number}: {raised}"),
            }
        }
    });
    assert!(shortest >= GRACE, "a COMPUTED record of Python's was replaced after {shortest:?}");
}

/// True if a line of the monitor writes a record that contains `text`, whatever stands there.
fn is_set(line: &str, text: &str) -> bool {
    line.contains("\"SET\"") && line.contains(text) && !line.contains("\"NX\"")
}
