//! Replies, and the steps that follow.

use super::*;
use crate::format::envelope::Label;
use crate::format::key::Key;
use crate::format::note::Failure;
use crate::format::record::Tag;
use crate::options::Budget;

const T0: Tick = Tick::from_millis(1_000);
const SERVER: ServerTime = ServerTime(1_769_903_999_000_000);
const MS: Duration = Duration::from_millis(1);
const PYTHON: &str = "0b8e1a4e";
const OURS: &str = "0b8e1a4e@web/7";

fn record(owner: &str, age: Duration, state: char) -> Vec<u8> {
    let written = ServerTime(SERVER.0 - u64::try_from(age.as_micros()).unwrap());
    format!("{owner},{written},{state}").into_bytes()
}

fn held(owner: &str, age: Duration, state: char, remaining: Option<Duration>) -> Acquired {
    Acquired::Held { raw: record(owner, age, state), remaining, now: SERVER, value: None }
}

fn spin(policy: Policy, options: &Options) -> Spin {
    Spin::new(policy, options, options.wait(), T0)
}

fn at(now: Tick) -> Moment {
    Moment { sent: now, now, jitter: 3 * MS, notify: Notify::Never }
}

fn again(at: Tick) -> Step {
    Step::Again { at, replace: None }
}

#[test]
fn a_grant_enters() {
    let step =
        spin(Policy::WAIT, &Options::new()).next(Acquired::Granted { fence: 9, now: SERVER }, ",", at(T0));
    assert_eq!(step, Ok(Step::Enter { fence: 9 }));
}

#[test]
fn sleeps_for_the_least_of_sleep_remaining_life_and_deadline() {
    let options = Options::new().with_sleep(100 * MS).with_wait(1_000 * MS);
    let mut spin = spin(Policy::WAIT, &options);
    let long = 10_000 * MS;
    let mut next = |remaining, now| spin.next(held(OURS, long, '0', remaining), ",", at(now)).unwrap();
    assert_eq!(next(Some(long), T0), again(T0 + 100 * MS));
    assert_eq!(next(Some(40 * MS), T0), again(T0 + 43 * MS));
    assert_eq!(next(None, T0 + 950 * MS), again(T0 + 1_000 * MS));
}

/// With short turns, a sleep of `sleep` would miss nearly every end of a turn.
#[test]
fn polls_sooner_the_shorter_the_key_has_been_held() {
    let mut spin = spin(Policy::WAIT, &Options::new());
    for (held_for, pause) in [(0, 1), (2, 1), (10, 5), (400, 200), (1_000, 500), (60_000, 500)] {
        let step = spin.next(held(OURS, held_for * MS, '0', None), ",", at(T0));
        assert_eq!(step, Ok(again(T0 + pause * MS)), "held for {held_for} ms");
    }
}

#[test]
fn gives_up_at_the_deadline_and_not_before() {
    let options = Options::new().with_sleep(100 * MS).with_tries(3);
    let mut spin = spin(Policy::WAIT, &options);
    assert!(spin.next(held(OURS, MS, '0', None), ",", at(T0 + 299 * MS)).is_ok());
    let refusal = spin.next(held(OURS, MS, '0', None), ",", at(T0 + 300 * MS)).unwrap_err();
    assert!(matches!(refusal, Refusal::Contended(Some(record)) if record.holder() == "web/7"));
}

#[test]
fn a_zero_budget_makes_one_attempt() {
    let mut spin = spin(Policy::WAIT, &Options::new().with_wait(Duration::ZERO));
    assert!(matches!(spin.next(held(OURS, MS, '0', None), ",", at(T0)), Err(Refusal::Contended(_))));
}

#[test]
fn each_mode_at_a_blocked_and_at_a_computed_key() {
    let options = Options::new();
    let next = |policy, state| spin(policy, &options).next(held(OURS, MS, state, None), ",", at(T0));
    assert!(matches!(next(Policy::WAIT, '0'), Ok(Step::Again { replace: None, .. })));
    assert!(matches!(next(Policy::WAIT, '1'), Ok(Step::Again { at: T0, replace: Some(_) })));
    assert!(matches!(next(Policy::TRY, '0'), Ok(Step::TurnedAway(_))));
    assert!(matches!(next(Policy::TRY, '1'), Ok(Step::Again { at: T0, replace: Some(_) })));
    assert!(matches!(next(Policy::ONCE, '0'), Ok(Step::TurnedAway(_))));
    assert!(matches!(next(Policy::ONCE, '1'), Ok(Step::TurnedAway(_))));
    assert!(matches!(next(Policy::FAIL, '0'), Err(Refusal::KeyExists(_))));
    assert!(matches!(next(Policy::FAIL, '1'), Err(Refusal::KeyExists(_))));
    assert!(matches!(next(Policy::CACHED, '0'), Ok(Step::Again { replace: None, .. })));
    assert!(matches!(next(Policy::CACHED, '1'), Ok(Step::TurnedAway(_))));
}

#[test]
fn a_computed_record_of_python_is_left_alone_for_a_moment() {
    let mut spin = spin(Policy::TRY, &Options::new());
    let seen = record(PYTHON, MS, '1');
    let replace = Some(Replace { seen, life_at_most: None });
    let reply = || held(PYTHON, MS, '1', None);
    let expected = Step::Again { at: T0 + 20 * MS, replace };
    assert_eq!(spin.next(reply(), ",", at(T0)).unwrap(), expected);
    // The same record is not left alone for longer when it is seen again; another record is.
    assert_eq!(spin.next(reply(), ",", at(T0 + 19 * MS)).unwrap(), expected);
    let other = spin.next(held(PYTHON, 2 * MS, '1', None), ",", at(T0 + 19 * MS)).unwrap();
    assert!(matches!(other, Step::Again { at, .. } if at == T0 + 39 * MS));
}

#[test]
fn a_stale_record_of_python_is_taken_over_by_timestamp_and_remaining_life() {
    let minute = 60_000 * MS;
    let options = Options::new().with_max_block(30 * minute);
    let next = |owner, age, remaining| {
        spin(Policy::WAIT, &options).next(held(owner, age, '0', remaining), ",", at(T0))
    };
    let old = next(PYTHON, 31 * minute, Some(29 * minute)).unwrap();
    assert!(
        matches!(old, Step::Again { at: T0, replace: Some(Replace { life_at_most: Some(life), .. }) } if life == 30 * minute)
    );
    // It was written again: the timestamp is old, the remaining life is not.
    assert_eq!(next(PYTHON, 31 * minute, Some(59 * minute)).unwrap(), again(T0 + 500 * MS));
    // It is nearly stale: the caller wakes up at that moment.
    assert_eq!(next(PYTHON, 1_799_960 * MS, Some(20 * minute)).unwrap(), again(T0 + 40 * MS));
    // A record of ours is never taken over, and one of Python only with a remaining life.
    assert_eq!(next(OURS, 31 * minute, Some(29 * minute)).unwrap(), again(T0 + 500 * MS));
    assert_eq!(next(PYTHON, 31 * minute, None).unwrap(), again(T0 + 500 * MS));
}

#[test]
fn a_mode_that_does_not_wait_takes_over_a_stale_record_too() {
    let minute = 60_000 * MS;
    let reply = held(PYTHON, 31 * minute, '0', Some(29 * minute));
    let step = spin(Policy::TRY, &Options::new()).next(reply, ",", at(T0)).unwrap();
    assert!(matches!(step, Step::Again { replace: Some(_), .. }));
}

#[test]
fn a_foreign_value_is_reported_and_not_shown() {
    let mut spin = spin(Policy::WAIT, &Options::new());
    let secret = Acquired::Held { raw: b"hunter2".to_vec(), remaining: None, now: SERVER, value: None };
    let Err(Refusal::Foreign(found)) = spin.next(secret, ",", at(T0)) else { panic!("not reported") };
    assert!(found.starts_with("7 bytes") && !found.contains("hunter2"), "{found}");
    assert_eq!(
        spin.next(Acquired::WrongType("list".into()), ",", at(T0)),
        Err(Refusal::Foreign("a list".into()))
    );
}

#[test]
fn a_late_request_is_repeated_a_few_times() {
    let mut spin = spin(Policy::WAIT, &Options::new());
    for _ in 0..MAX_LATE {
        assert_eq!(spin.next(Acquired::Late { now: SERVER }, ",", at(T0)), Ok(again(T0)));
    }
    assert_eq!(spin.next(Acquired::Late { now: SERVER }, ",", at(T0)), Err(Refusal::Clock));
    assert_eq!(spin.next(Acquired::Spent, ",", at(T0)), Err(Refusal::Spent));
}

#[test]
fn a_caller_with_wake_ups_sleeps_until_the_lease_ends_or_the_deadline() {
    let options = Options::new().with_sleep(100 * MS).with_wait(5_000 * MS);
    let mut spin = spin(Policy::WAIT, &options);
    let mut next = |notify, remaining| {
        let moment = Moment { notify, ..at(T0) };
        spin.next(held(OURS, MS, '0', remaining), ",", moment).unwrap()
    };
    assert_eq!(next(Notify::NotAsked, Some(3_000 * MS)), again(T0), "it asks again at once, for wake-ups");
    assert_eq!(next(Notify::OnChange, Some(3_000 * MS)), again(T0 + 3_003 * MS));
    assert_eq!(next(Notify::OnChange, Some(10_000 * MS)), again(T0 + 5_000 * MS));
    assert_eq!(next(Notify::OnChange, None), again(T0 + 5_000 * MS));
}

#[test]
fn a_grant_that_comes_too_late_is_asked_for_again_a_few_times_and_until_the_deadline() {
    let mut slow = spin(Policy::WAIT, &Options::new().with_wait(1_000 * MS));
    for _ in 0..MAX_LATE {
        assert_eq!(slow.too_slow(T0), Ok(()));
        // The record of the late grant stands there until it is given back.
        assert!(slow.next(held(OURS, MS, '0', Some(MS)), ",", at(T0)).is_ok());
    }
    assert_eq!(slow.too_slow(T0), Err(Refusal::Slow));
    let mut slow = spin(Policy::WAIT, &Options::new().with_wait(1_000 * MS));
    assert_eq!(slow.too_slow(T0 + 999 * MS), Ok(()));
    assert_eq!(slow.too_slow(T0 + 1_000 * MS), Err(Refusal::Slow));
}

#[test]
fn a_record_in_between_lets_late_requests_count_from_the_start() {
    let mut spin = spin(Policy::WAIT, &Options::new());
    for _ in 0..2 {
        for _ in 0..MAX_LATE {
            assert_eq!(spin.next(Acquired::Late { now: SERVER }, ",", at(T0)), Ok(again(T0)));
        }
        assert!(spin.next(held(OURS, MS, '0', None), ",", at(T0)).is_ok());
    }
}

#[test]
fn only_modes_that_wait_have_patience() {
    let options = Options::new().with_wait(1_000 * MS);
    assert_eq!(spin(Policy::WAIT, &options).patience(), Some(T0 + 1_000 * MS));
    assert_eq!(spin(Policy::CACHED, &options).patience(), Some(T0 + 1_000 * MS));
    for policy in [Policy::TRY, Policy::ONCE, Policy::FAIL] {
        assert_eq!(spin(policy, &options).patience(), None);
    }
}

#[test]
fn only_modes_that_want_the_lock_relock_a_computed_key() {
    let relocks = |policy| spin(policy, &Options::new()).relocks();
    assert!(relocks(Policy::WAIT) && relocks(Policy::TRY));
    assert!(!relocks(Policy::ONCE) && !relocks(Policy::FAIL) && !relocks(Policy::CACHED));
}

/// A caller that wants a value, the COMPUTED record at the key, and the value beside it.
fn wanting(distrust: bool, until: ServerTime) -> (Spin, Vec<u8>, Vec<u8>) {
    let label = Label::new("json", "u32", &Key::new("example"));
    let tag = Tag::new(format!("{OURS},2026-01-31T23:59:59.000123+00:00"), ",");
    let (record, value) = (
        tag.record(State::Computed).into_bytes(),
        label.seal(&tag, ",", until, &Payload::new(b"7".to_vec())),
    );
    let mut spin = spin(Policy::CACHED, &Options::new());
    spin.want(Some(Wanted {
        label,
        distrust: if distrust { Distrust::Record(record.clone()) } else { Distrust::Nothing },
    }));
    (spin, record, value)
}

#[test]
fn the_value_that_is_wanted_is_taken_and_no_other() {
    let held = |raw: &[u8], value: Option<Vec<u8>>| {
        let (raw, remaining) = (raw.to_vec(), Some(9_000 * MS));
        Acquired::Held { raw, remaining, now: SERVER, value: value.map(Excerpt::whole) }
    };
    // The value itself says until when it lives, in the server's time.
    let ages_ago = ServerTime(1);
    let in_a_while = SERVER + 7_000 * MS;
    for (says, until) in [(ServerTime(0), None), (ages_ago, Some(T0)), (in_a_while, Some(T0 + 7_000 * MS))] {
        let (mut spin, record, value) = wanting(false, says);
        let (payload, record_of) = (Payload::new(b"7".to_vec()), Some(record.clone().into()));
        let taken = Step::Take(Stored { payload, record: record_of, until });
        let moment = Moment { sent: T0, ..at(T0 + 20 * MS) };
        assert_eq!(spin.next(held(&record, Some(value)), ",", moment), Ok(taken), "{says}");
    }
    let (mut spin, record, value) = wanting(false, in_a_while);
    let relocked =
        || Ok(Step::Again { at: T0, replace: Some(Replace { seen: record.clone(), life_at_most: None }) });
    for other in [None, Some(b"no envelope".to_vec())] {
        assert_eq!(spin.next(held(&record, other), ",", at(T0)), relocked());
    }
    let (mut spin, _, _) = wanting(true, in_a_while);
    assert_eq!(
        spin.next(held(&record, Some(value.clone())), ",", at(T0)),
        relocked(),
        "it could not be decoded"
    );
    let later = String::from_utf8(record.clone()).unwrap().replace("0123", "0124").into_bytes();
    assert!(
        matches!(spin.next(held(&later, Some(value)), ",", at(T0)), Ok(Step::Again { .. })),
        "another turn's value"
    );
}

#[test]
fn a_failure_is_passed_on_and_a_repeated_reply_counts_as_the_reply() {
    let mut spin = spin(Policy::CACHED, &Options::new());
    let note = [&record(OURS, MS, '0')[..], b"\n0\n\nfailed\nno luck"].concat();
    let failed = Acquired::Failed { note, now: SERVER };
    let holder = Record::parse(&record(OURS, MS, '0'), ",").unwrap().holder();
    let failure = Failure { message: "no luck".into(), holder: Some(holder) };
    assert_eq!(spin.next(failed, ",", at(T0)), Ok(Step::Noted(Note::Failed(failure))));
    let repeated = Acquired::Repeated(Box::new(Acquired::Granted { fence: 9, now: SERVER }));
    assert_eq!(spin.next(repeated, ",", at(T0)), Ok(Step::Enter { fence: 9 }));
}

#[test]
fn every_mode_asks_a_server_in_trouble_again_until_its_time_is_over() {
    let options = Options::new().with_wait(1_000 * MS);
    for policy in [Policy::WAIT, Policy::TRY, Policy::ONCE, Policy::FAIL] {
        let mut spin = spin(policy, &options);
        for _ in 0..2 {
            assert_eq!(
                spin.in_trouble(T0, MS),
                Some(T0 + 6 * MS),
                "a reply makes the next pause short again"
            );
            let _ = spin.next(Acquired::Late { now: SERVER }, ",", at(T0));
        }
        assert_eq!(spin.in_trouble(T0 + 1_000 * MS, MS), None);
    }
    assert_eq!(spin(Policy::WAIT, &Options::new().with_wait(Duration::ZERO)).in_trouble(T0, MS), None);
}

#[test]
fn a_caller_that_waits_for_a_computation_asks_a_server_in_trouble_for_less_long() {
    let options = Options { budget: Budget::Computation, ..Options::new() };
    let mut spin = spin(Policy::CACHED, &options);
    assert_eq!(spin.patience(), Some(T0 + options.max_block));
    assert!(spin.in_trouble(T0 + 4_999 * MS, MS).is_some());
    assert!(spin.in_trouble(T0 + 5_000 * MS, MS).is_none());
}
