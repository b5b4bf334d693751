//! Releases that find another record than they left, and deletions by the other side.

use dspinlock::ErrorKind;

use crate::pair::Pair;

#[test]
fn by_python_of_a_key_that_we_forgot() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();
    assert!(pair.rust("example").forget_blocking().unwrap());
    assert_eq!(python.leave().unwrap_err().class, "InvalidMutexReleaseEncountered");
    assert_eq!(pair.get(&python.key), None);
}

#[test]
fn of_a_key_that_python_deleted() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let guard = pair.rust("example").acquire_blocking().unwrap();
    assert!(python.forget());
    let error = guard.release_blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "{error}");
    assert_eq!(pair.get(&python.key), None, "a lost lock is not written back");
}

#[test]
fn of_a_computed_key() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();
    python.leave().unwrap();
    python.leave().expect("py-dspinlock has nothing to do");
    assert_eq!(pair.get(&python.key).unwrap(), format!("{},1", python.tag));

    // Ours: the record is COMPUTED while the guard still exists, as after a release by hand.
    let guard = pair.rust("example").acquire_blocking().unwrap();
    let record = pair.get(&python.key).unwrap();
    let computed = format!("{}1", record.strip_suffix('0').unwrap());
    assert!(pair.server.command(&["SET", &python.key, &computed, "EX", "60"]).is_ok());
    guard.release_blocking().unwrap();
    assert_eq!(pair.get(&python.key), Some(computed));
}

#[test]
fn forget_and_delete_are_the_same() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    assert!(!python.forget(), "there is nothing");
    assert!(!pair.rust("example").forget_blocking().unwrap(), "there is nothing");

    pair.rust("example").acquire_blocking().unwrap().release_blocking().unwrap();
    assert!(python.forget());
    assert_eq!(pair.get(&python.key), None);

    python.enter().unwrap();
    python.leave().unwrap();
    assert!(pair.rust("example").forget_blocking().unwrap());
    assert_eq!(pair.get(&python.key), None);
}
