//! How often a body ran, and what happened.

use dspinlock::testing::{Sandbox, carry, carry_async, scope, scope_async};
use dspinlock::{Error, dspinlock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;

#[dspinlock(key = n, namespace = "runs")]
fn counted(n: u8) -> Result<u8, Error> {
    Ok(n)
}

#[dspinlock(key = n, once)]
fn uncounted(n: u8) -> Result<Option<u8>, Error> {
    Ok(Some(n))
}

#[dspinlock(key = n, cached)]
async fn value(n: u8) -> Result<u8, Error> {
    Ok(n)
}

#[dspinlock(key = (), cached)]
fn unshared() -> Result<f64, Error> {
    Ok(f64::NAN)
}

#[dspinlock(key = (), on_outage = "run_unlocked")]
fn unlocked() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = (), cached, on_error = |error| Err(error.to_string()))]
fn fails() -> Result<u8, String> {
    Err("on purpose".to_owned())
}

#[test]
fn every_run_counts_also_after_a_hand_over_and_without_the_lock() {
    let sandbox = Sandbox::new();
    let (client, start) = (sandbox.client(), Barrier::new(4));
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                start.wait();
                for _ in 0..25 {
                    scope(client, || counted(1)).unwrap();
                }
            });
        }
    });
    assert_eq!(sandbox.runs("counted"), 100);
    scope(client, || {
        unshared().unwrap();
        unshared().unwrap();
        let _outage = sandbox.outage();
        unlocked().unwrap();
    });
    assert_eq!((sandbox.runs("unshared"), sandbox.runs("unlocked")), (2, 1));
    assert!(sandbox.history().contains("unlocked(()) runs WITHOUT the lock"), "{}", sandbox.history());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_computed_once_in_the_tasks_and_threads_of_many_instances() {
    let sandbox = Sandbox::new();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let instance = sandbox.instance();
        for _ in 0..5 {
            // The task of the test, one that it starts, and a thread.
            let nested = async {
                let task = tokio::spawn(carry_async(value(1)));
                let call = carry(|| pollster::block_on(value(1)));
                let thread = tokio::task::spawn_blocking(call);
                (task.await.unwrap().unwrap(), thread.await.unwrap().unwrap())
            };
            tasks.push(tokio::spawn(scope_async(&instance, nested)));
        }
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), (1, 1));
    }
    sandbox.assert_ran_once("value");
}

#[test]
fn sandboxes_do_not_meet() {
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    for sandbox in &sandboxes {
        assert_eq!(scope(sandbox.client(), || uncounted(1)).unwrap(), Some(1));
    }
    for sandbox in &sandboxes {
        sandbox.assert_ran_once("uncounted");
    }
}

#[test]
fn a_function_is_found_by_its_name_its_path_and_its_namespace() {
    let sandbox = Sandbox::new();
    scope(sandbox.client(), || counted(1)).unwrap();
    let record = sandbox.client().lock(1_u8).namespace("runs").record_key().unwrap().to_owned();
    for name in ["counted", "runs::counted", "sandbox::runs::counted", "runs", &record] {
        assert_eq!(sandbox.runs(name), 1, "{name}");
    }
    for name in ["", "ounted", "ns::counted", "dspinlock", "1", "uncounted"] {
        assert_eq!(sandbox.runs(name), 0, "{name}");
    }
}

#[test]
fn a_failed_assertion_says_what_happened() {
    let sandbox = Sandbox::new();
    let other = sandbox.instance();
    for client in [sandbox.client(), &other] {
        scope(client, || uncounted(1)).unwrap();
    }
    scope(&other, || uncounted(2)).unwrap();
    scope(sandbox.client(), || fails().unwrap_err());
    let panic = catch_unwind(AssertUnwindSafe(|| sandbox.assert_ran_once("uncounted"))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    let mut rest = text.as_str();
    for line in [
        "`uncounted` ran 2 times, and not once; what happened in this sandbox:",
        "instance 1: uncounted(1) has the lock, fencing token",
        "instance 1: uncounted(1) runs",
        "instance 1: uncounted(1) gives the lock back, the work is done",
        "instance 2: uncounted(1) is turned away: computed by ",
        "instance 2: uncounted(2) runs",
        "instance 1: fails(()) gives the lock back, without a value for others",
    ] {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("no {line:?} in {text}")).1;
    }
}
