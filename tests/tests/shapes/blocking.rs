//! Plain functions.

use std::cell::Cell;
use std::time::Duration;

use dspinlock::dspinlock;

use crate::support::{AppError, alone};

#[dspinlock(guard = lock)]
fn without_arguments() -> Result<bool, AppError> {
    Ok(lock.is_held())
}

/// Doc comments and other attributes stay.
#[must_use = "the attribute must survive"]
#[dspinlock(key = customer_id, sleep = "100ms", guard = lock)]
#[inline]
pub(crate) fn rebuild(customer_id: u64) -> Result<u64, AppError> {
    assert!(lock.is_held());
    Ok(customer_id + 1)
}

#[dspinlock(key = name)]
fn takes_text_by_value(name: String) -> Result<String, AppError> {
    // The key only borrowed it.
    Ok(name + "!")
}

#[dspinlock(key = (name, list, day))]
fn takes_several_by_value(name: String, list: Vec<u8>, day: u8) -> Result<(String, Vec<u8>, u8), AppError> {
    Ok((name, list, day))
}

#[dspinlock(key = [&first, &second])]
fn array_key(first: String, second: String) -> Result<String, AppError> {
    Ok(first + &second)
}

#[dspinlock(key = &(name.trim(), 1 + 1))]
fn computed_key(name: String) -> Result<String, AppError> {
    Ok(name)
}

#[dspinlock(key = id)]
fn patterns((id, name): (u32, &str), [first, _]: [u8; 2], _: bool) -> Result<(u32, String, u8), AppError> {
    Ok((id, name.to_owned(), first))
}

struct Job {
    id: u32,
    parts: Vec<u8>,
}

#[dspinlock(key = *id)]
fn struct_pattern(Job { id, parts }: &mut Job) -> Result<usize, AppError> {
    parts.push(u8::try_from(*id).expect("a small number"));
    Ok(parts.len())
}

#[dspinlock(key = list.len())]
fn mutable_arguments(mut list: Vec<u8>, mut count: u8) -> Result<Vec<u8>, AppError> {
    while count > 0 {
        list.push(count);
        count -= 1;
    }
    Ok(list)
}

#[dspinlock(key = text)]
fn question_mark(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    let number: u32 = text.parse()?;
    Ok(number * 2)
}

#[dspinlock(key = number)]
fn early_return(number: i32) -> Result<&'static str, AppError> {
    if number < 0 {
        return Err(AppError::Own("negative"));
    }
    for candidate in 0.. {
        if candidate == number {
            return Ok("found");
        }
    }
    Ok("never")
}

#[dspinlock(key = left.len())]
fn lifetimes<'a>(left: &'a str, right: &'a str) -> Result<&'a str, AppError> {
    Ok(if left.len() > right.len() { left } else { right })
}

#[dspinlock(key = text)]
fn elided(text: &str) -> Result<&str, AppError> {
    Ok(text.trim())
}

#[dspinlock(key = left, on_error = |_| -1)]
extern "C" fn foreign_abi(left: i32, right: i32) -> i32 {
    left + right
}

#[dspinlock(key = ())]
fn inner_attributes(count: u8) -> Result<u8, AppError> {
    #![allow(clippy::identity_op, reason = "the attribute inside the body must work")]
    Ok(count + 0)
}

#[dspinlock(key = depth)]
fn recursive(depth: u32) -> Result<u32, AppError> {
    if depth == 0 { Ok(0) } else { Ok(recursive(depth - 1)? + 1) }
}

fn pause(limit: u64) -> Duration {
    Duration::from_millis(limit * 100)
}

#[dspinlock(key = limit, sleep = Duration::from_millis(limit), wait = pause(limit), lease = "1s 500ms", max_block = "1h")]
fn duration_expressions(limit: u64) -> Result<u64, AppError> {
    Ok(limit)
}

#[dspinlock(key = 1, tries = 2 + 3)]
fn number_of_tries() -> Result<(), AppError> {
    Ok(())
}

type Outcome<T> = Result<T, AppError>;

#[dspinlock(key = good, fail_if_key_exists)]
fn alias(good: bool) -> Outcome<()> {
    if good { Ok(()) } else { Err(AppError::Own("bad")) }
}

#[test]
fn plain_functions() {
    alone(|| {
        assert!(without_arguments().unwrap());
        assert_eq!(rebuild(7).unwrap(), 8);
        assert_eq!(number_of_tries().unwrap(), ());
        assert_eq!(duration_expressions(5).unwrap(), 5);
        assert_eq!(inner_attributes(3).unwrap(), 3);
    });
}

#[test]
fn arguments_are_not_moved_by_the_key() {
    alone(|| {
        assert_eq!(takes_text_by_value("a".into()).unwrap(), "a!");
        assert_eq!(takes_several_by_value("a".into(), vec![1], 2).unwrap(), ("a".into(), vec![1], 2));
        assert_eq!(array_key("a".into(), "b".into()).unwrap(), "ab");
        assert_eq!(computed_key(" a ".into()).unwrap(), " a ");
    });
}

#[test]
fn patterns_and_mutable_arguments() {
    alone(|| {
        assert_eq!(patterns((1, "a"), [2, 3], true).unwrap(), (1, "a".into(), 2));
        let mut job = Job { id: 4, parts: vec![] };
        assert_eq!(struct_pattern(&mut job).unwrap(), 1);
        assert_eq!(job.parts, [4]);
        assert_eq!(mutable_arguments(vec![9], 2).unwrap(), [9, 2, 1]);
    });
}

#[test]
fn leaving_early() {
    alone(|| {
        assert_eq!(question_mark("21").unwrap(), 42);
        assert!(question_mark("x").is_err());
        assert_eq!(early_return(3).unwrap(), "found");
        assert!(matches!(early_return(-1), Err(AppError::Own("negative"))));
    });
}

#[test]
fn lifetimes_stay() {
    alone(|| {
        let long = String::from("long");
        assert_eq!(lifetimes(&long, "b").unwrap(), "long");
        assert_eq!(elided(" a ").unwrap(), "a");
    });
}

#[test]
fn foreign_abi_and_recursion() {
    alone(|| {
        assert_eq!(foreign_abi(1, 2), 3);
        let pointer: extern "C" fn(i32, i32) -> i32 = foreign_abi;
        assert_eq!(pointer(2, 2), 4);
        assert_eq!(recursive(3).unwrap(), 3);
    });
}

#[test]
fn a_failed_body_is_recognised_by_its_type() {
    alone(|| {
        // Had the failure counted as done, the key would exist.
        assert!(matches!(alias(false), Err(AppError::Own("bad"))));
        assert!(matches!(alias(false), Err(AppError::Own("bad"))));
        assert!(alias(true).is_ok());
        assert!(matches!(alias(true), Err(AppError::Lock(_))));
    });
}

#[test]
fn the_key_is_read_once_before_the_body() {
    thread_local!(static STEPS: Cell<u32> = const { Cell::new(0) });
    fn step() -> u32 {
        STEPS.set(STEPS.get() + 1);
        STEPS.get()
    }
    #[dspinlock(key = step())]
    fn counted() -> Result<u32, AppError> {
        Ok(step())
    }
    assert_eq!(alone(counted).unwrap(), 2);
}
