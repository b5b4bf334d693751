//! What callers were told, and what a process used.

use super::*;

#[test]
fn errors_have_kinds_and_come_in_time() {
    let told = |ms: u64, kind: &str| {
        let mut story = Story::new();
        story.asks(0, "1-1").fault(0, 0, Loss::Nothing, true).told(ms, "1-1", kind);
        story.violated()
    };
    assert_eq!(told(1_000, "contended"), []);
    assert_eq!(told(10, "misuse"), [Property::Typed]);
    assert!(told(20_000, "contended").contains(&Property::Typed));
}

#[test]
fn errors_are_true() {
    let told = |ms: u64, kind: &str, run: &str| {
        let mut story = Story::of(Cache::Errors.key());
        story.asks_for(Call::Cached, 0, "1-1").given(0, "1-1", 100).granted(0, "1-1", 100);
        story.event(5, "1-1", What::Release { fence: 100, how: How::Fail }).fact(6, &["1-1"], Act::Delete);
        let fails = |run: &str, kind: &str| What::Fail { kind: kind.to_owned(), run: Some(run.to_owned()) };
        story.event(7, "1-1", fails("1-1", "own"));
        story.asks_for(Call::Cached, ms, "2-1").event(ms + 10, "2-1", fails(run, kind));
        story.violated()
    };
    assert_eq!(told(1, "leader-failed", "1-1"), []);
    assert_eq!(told(600, "leader-failed", "1-1"), [], "it is remembered for a while");
    assert_eq!(told(900, "leader-failed", "1-1"), [Property::Typed]);
    assert_eq!(told(1, "leader-failed", "9-9"), [Property::Typed]);
    assert_eq!(told(1, "own", "1-1"), [Property::Typed]);
    assert_eq!(told(1, "contended", ""), [Property::Typed], "its budget was not used up");
    assert_eq!(told(1, "backend", ""), [Property::Typed]);
}

#[test]
fn a_released_lock_is_not_held() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).event(5, "1-1", What::Release { fence: 100, how: How::Release });
    story.fact(6, &["1-1"], Act::Delete);
    story.event(7, "1-1", What::Released { fence: 100, kind: "still-held".to_owned() });
    assert_eq!(story.violated(), [Property::Typed]);
}

#[test]
fn the_resources_of_a_process_do_not_rise() {
    let rising = |by: u64| {
        let mut story = Story::new();
        for number in 0..30 {
            let gauge = What::Gauge { threads: 10 + number * by, files: 20, memory_kb: 9_000 };
            story.event(number * 250, "1-0", gauge);
        }
        story.violated()
    };
    assert_eq!(rising(0), []);
    assert_eq!(rising(3), [Property::Flat]);
}
