//! Child processes, tried on shells.

use std::io::ErrorKind;
use std::process::Command;
use std::time::Duration;

use dspinlock_testkit::Child;

const LIMIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

fn shell(script: &str) -> Child {
    Child::start(Command::new("/bin/sh").args(["-c", script])).unwrap()
}

#[test]
fn what_it_wrote_is_in_the_end_and_in_the_errors() {
    let mut child = shell("echo one; echo two; echo wrong >&2; exit 3");
    assert_eq!(child.hear(LIMIT).unwrap(), "one");
    let ended = child.wait(LIMIT).unwrap();
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!((&*ended.output, &*ended.errors), ("two\n", "wrong\n"));

    let error = shell("echo wrong >&2").hear(LIMIT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("wrong"), "{error}");
}

#[test]
fn a_limit_ends_a_wait() {
    let mut child = shell("echo asleep >&2; read -r _");
    assert_eq!(child.hear(SHORT).unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(child.try_wait().unwrap().is_none());
    let error = child.wait(SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("asleep"), "{error}");
    assert!(child.say("too late").is_err());
}

#[test]
fn a_stopped_child_hears_when_it_is_resumed() {
    let mut child = shell("while read -r line; do echo $line; done");
    child.stop().unwrap();
    child.say("hello").unwrap();
    assert_eq!(child.hear(SHORT).unwrap_err().kind(), ErrorKind::TimedOut);
    child.resume().unwrap();
    assert_eq!(child.hear(LIMIT).unwrap(), "hello");
    drop(child.take_input());
    assert!(child.wait(LIMIT).unwrap().status.success());
}

#[test]
fn a_child_ends_with_its_value_even_if_it_is_stopped() {
    let child = shell("read -r _");
    child.stop().unwrap();
    let status = format!("/proc/{}/status", child.id());
    drop(child);
    assert!(!std::path::Path::new(&status).exists());
}
