//! Histories by hand: for each property one that keeps it and one that does not.

use super::{Accepted, Evidence, Property, check};
use crate::faults::{Entry, Fault, Loss};
use crate::history::{Call, Event, How, What};
use crate::truth::{Act, Fact};
use crate::worker::{CACHED_FROM, Cache};

const KEY: u64 = 1;

/// Milliseconds; the lease is 300.
const fn at(ms: u64) -> u64 {
    10_000_000 + ms * 1_000
}

fn tag(op: &str) -> String {
    format!("u-{op}@host/1/op{op},2026-01-31T23:59:59.000123+00:00,")
}

/// A history that grows by what happens; processes and servers tell the same story unless it is said otherwise.
struct Story {
    evidence: Evidence,
    key: u64,
}

impl Story {
    fn new() -> Self {
        Self::of(KEY)
    }

    fn of(key: u64) -> Self {
        let mut story = Self { evidence: Evidence::default(), key };
        story.fact(0, &[], Act::Attached);
        story
    }

    fn event(&mut self, ms: u64, op: &str, what: What) -> &mut Self {
        let process = op.split_once('-').unwrap().0.parse().unwrap();
        self.evidence.events.push(Event { at: at(ms), process, op: op.to_owned(), key: self.key, what });
        self
    }

    fn fact(&mut self, ms: u64, by: &[&str], act: Act) -> &mut Self {
        let by = by.iter().map(|op| tag(op)).collect();
        self.evidence.facts.push(Fact { at: at(ms), server: 0, key: self.key, by, act });
        self
    }

    fn fault(&mut self, from: u64, to: u64, loses: Loss, away: bool) -> &mut Self {
        let fault = Fault { name: "fault".to_owned(), from: at(from), to: at(to), slot: None, loses, away };
        self.evidence.entries.push(Entry::Fault(fault));
        self
    }

    fn asks_for(&mut self, call: Call, ms: u64, op: &str) -> &mut Self {
        self.event(ms, op, What::Invoke { call, budget: 1_000_000 })
    }

    fn asks(&mut self, ms: u64, op: &str) -> &mut Self {
        self.asks_for(Call::Lock, ms, op)
    }

    /// The server gives the lock, with tokens up to `fence`.
    fn given(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.fact(ms, &[op], Act::Set { tag: tag(op), computed: false, life: 300_000 });
        self.fact(ms, &[op], Act::Fence { top: fence })
    }

    /// The caller is told so.
    fn granted(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.event(ms, op, What::Ok { fence, deadline: at(ms + 299) })
    }

    /// All of it: asks, is given, is told.
    fn locks(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.asks(ms, op).given(ms, op, fence).granted(ms, op, fence)
    }

    fn claims(&mut self, ms: u64, op: &str, fence: u64, deadline: u64) -> &mut Self {
        self.event(ms, op, What::Claim { fence, since: at(ms), deadline: at(deadline) })
    }

    fn releases(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.event(ms, op, What::Release { fence, how: How::Release });
        self.fact(ms, &[op], Act::Delete);
        self.event(ms + 1, op, What::Released { fence, kind: "ok".to_owned() })
    }

    fn told(&mut self, ms: u64, op: &str, kind: &str) -> &mut Self {
        self.event(ms, op, What::Info { kind: kind.to_owned() })
    }

    /// A cached function runs and stores its value for 200 ms.
    fn computes(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.computes_for(200, ms, op, fence)
    }

    fn computes_for(&mut self, life: u64, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.asks_for(Call::Cached, ms, op).given(ms, op, fence).granted(ms, op, fence);
        self.event(ms + 10, op, What::Release { fence, how: How::Publish });
        self.fact(ms + 11, &[op], Act::Set { tag: tag(op), computed: true, life: life * 1_000 });
        self.reads(ms + 12, op, op, fence, true)
    }

    fn reads(&mut self, ms: u64, op: &str, run: &str, fence: u64, whole: bool) -> &mut Self {
        self.event(ms, op, What::Value { run: run.to_owned(), fence, whole })
    }

    fn violated(&self) -> Vec<Property> {
        let mut violated: Vec<_> =
            check(&self.evidence).violations.iter().map(|violation| violation.property).collect();
        violated.dedup();
        violated
    }
}

#[test]
fn a_calm_history_keeps_everything() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).claims(5, "1-1", 100, 299).releases(10, "1-1", 100);
    story.locks(20, "2-1", 200).releases(30, "2-1", 200);
    assert_eq!(story.violated(), []);
    assert_eq!(check(&story.evidence).grants, 2);
}

#[test]
fn p1_two_do_not_hold_at_once() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).claims(5, "1-1", 100, 299);
    story.fact(10, &[], Act::Delete);
    story.locks(20, "2-1", 200).releases(40, "2-1", 200);
    assert_eq!(story.violated(), [Property::P1]);
    // The same after a loss that is known is what fences are for.
    story.fault(10, 10, Loss::Key(KEY), false);
    assert_eq!(story.violated(), []);
    assert_eq!(check(&story.evidence).double_grants, 1);
}

#[test]
fn p1_a_holder_that_knows_its_deadline_ends_there() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).locks(310, "2-1", 200).releases(320, "2-1", 200);
    assert_eq!(story.violated(), []);
}

#[test]
fn p2_tokens_rise_and_are_given_once() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).releases(10, "1-1", 100).locks(20, "2-1", 101).releases(30, "2-1", 101);
    assert_eq!(story.violated(), []);
    for fence in [100, 99] {
        let mut story = Story::new();
        story
            .locks(0, "1-1", 100)
            .releases(10, "1-1", 100)
            .locks(20, "2-1", fence)
            .releases(30, "2-1", fence);
        assert!(story.violated().contains(&Property::P2), "{fence}");
    }
}

#[test]
fn p2_the_register_takes_no_lower_token() {
    let accepted = |fences: [u64; 2]| {
        let mut story = Story::new();
        let write = |(number, fence)| Accepted { key: KEY, fence, op: format!("{number}-1") };
        story.evidence.accepted = (1..).zip(fences).map(write).collect();
        story.violated()
    };
    assert_eq!(accepted([100, 101]), []);
    assert_eq!(accepted([101, 100]), [Property::P2]);
    assert_eq!(accepted([100, 100]), [Property::P2]);
}

#[test]
fn p3_nobody_touches_the_record_of_another_turn() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).fact(100, &["1-1"], Act::Renew { life: 300_000 }).releases(350, "1-1", 100);
    assert_eq!(story.violated(), []);
    let foreign = [
        Act::Delete,
        Act::Renew { life: 300_000 },
        Act::Set { tag: tag("2-1"), computed: true, life: 1_000 },
        Act::Set { tag: tag("2-1"), computed: false, life: 300_000 },
    ];
    for act in foreign {
        let mut story = Story::new();
        story.locks(0, "1-1", 100).fact(100, &["2-1"], act.clone());
        assert!(story.violated().contains(&Property::P3), "{act:?}");
    }
}

#[test]
fn p3_what_has_expired_is_there_for_the_next() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).locks(301, "2-1", 200).releases(310, "2-1", 200);
    assert_eq!(story.violated(), []);
}

#[test]
fn p4_after_a_confirmed_release_the_key_is_free() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).event(50, "1-1", What::Release { fence: 100, how: How::Release });
    story.event(51, "1-1", What::Released { fence: 100, kind: "ok".to_owned() });
    assert_eq!(story.violated(), [Property::P4]);
}

#[test]
fn p4_after_an_ambiguous_release_it_is_free_within_the_lease() {
    let story = |renewed: u64| {
        let mut story = Story::new();
        story.fault(0, 100, Loss::Nothing, true).locks(0, "1-1", 100);
        story.event(50, "1-1", What::Release { fence: 100, how: How::Release });
        story.event(90, "1-1", What::Released { fence: 100, kind: "backend".to_owned() });
        for number in 0..=renewed / 200 {
            story.fact(number * 200, &["1-1"], Act::Renew { life: 300_000 });
        }
        story.violated()
    };
    assert_eq!(story(0), []);
    assert_eq!(story(2_000), [Property::P4]);
}

#[test]
fn p4_who_hands_the_lock_on_leaves_its_record() {
    let mut story = Story::new();
    story.asks(0, "1-1").given(0, "1-1", 164).granted(0, "1-1", 100).asks(1, "1-2");
    story.event(5, "1-1", What::Release { fence: 100, how: How::Release });
    story.event(5, "1-1", What::Released { fence: 100, kind: "ok".to_owned() });
    story.granted(6, "1-2", 101).event(20, "1-2", What::Release { fence: 101, how: How::Release });
    story.fact(20, &["1-1"], Act::Delete);
    story.event(21, "1-2", What::Released { fence: 101, kind: "ok".to_owned() });
    assert_eq!(story.violated(), []);
}

#[test]
fn p5_a_free_key_goes_to_who_waits() {
    let story = |granted: u64| {
        let mut story = Story::new();
        story.locks(0, "1-1", 100).asks(10, "2-1").releases(50, "1-1", 100);
        story.given(granted, "2-1", 200).granted(granted, "2-1", 200).releases(granted + 9, "2-1", 200);
        story.violated()
    };
    assert_eq!(story(100), []);
    assert_eq!(story(1_000), [Property::P5]);
}

#[test]
fn p5_nobody_runs_on_a_machine_that_stands_still() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).asks(10, "2-1").releases(50, "1-1", 100);
    story.evidence.entries.push(Entry::Stall { from: at(60), to: at(5_000) });
    story.given(5_100, "2-1", 200).granted(5_100, "2-1", 200).releases(5_109, "2-1", 200);
    assert_eq!(story.violated(), []);
}

#[test]
fn p5_what_a_process_had_dies_with_it() {
    let story = |renewed: u64| {
        let mut story = Story::new();
        story.locks(0, "1-1", 100);
        story.evidence.entries.push(Entry::Death { process: 1, at: at(50) });
        for ms in (0..=renewed).step_by(200) {
            story.fact(ms, &["1-1"], Act::Renew { life: 300_000 });
        }
        story.violated()
    };
    assert_eq!(story(0), []);
    assert_eq!(story(2_000), [Property::P5]);
}

#[test]
fn p6_who_is_told_no_has_nothing() {
    let taken = |ms: u64| {
        let mut story = Story::new();
        story.asks(0, "1-1").fault(0, 200, Loss::Nothing, true).told(150, "1-1", "backend");
        story.given(ms, "1-1", 100);
        story.violated()
    };
    assert_eq!(taken(100), []);
    assert_eq!(taken(2_500), [Property::P6]);
}

#[test]
fn p6_without_a_fault_what_was_taken_is_given_back_at_once() {
    let story = |returned: Option<u64>| {
        let mut story = Story::new();
        story.asks(0, "1-1").given(1, "1-1", 100).told(2, "1-1", "dropped");
        // It is renewed as if somebody held it.
        story.fact(200, &["1-1"], Act::Renew { life: 300_000 }).fact(
            400,
            &["1-1"],
            Act::Renew { life: 300_000 },
        );
        if let Some(ms) = returned {
            story.fact(ms, &["1-1"], Act::Delete);
        }
        story.violated()
    };
    assert_eq!(story(Some(410)), []);
    assert_eq!(story(None), [Property::P6]);
}

#[test]
fn p6_what_one_is_told_to_have_the_server_has_given() {
    let mut story = Story::new();
    story.asks(0, "1-1").granted(5, "1-1", 100).event(6, "1-1", What::Release { fence: 100, how: How::Drop });
    assert_eq!(story.violated(), [Property::P6]);
}

#[test]
fn p6_a_server_that_nobody_listened_to_may_have_given_it() {
    let mut story = Story::new();
    story.asks(0, "1-1").granted(5, "1-1", 100).event(6, "1-1", What::Release { fence: 100, how: How::Drop });
    story.evidence.entries.push(Entry::Blind { from: at(4), to: at(90) });
    assert_eq!(story.violated(), []);
}

#[test]
fn p6_a_repeat_after_the_fence_was_lost_has_another_token() {
    let story = |loss: bool| {
        let mut story = Story::new();
        story.asks(0, "1-1").given(1, "1-1", 100).granted(5, "1-1", 104).releases(9, "1-1", 104);
        if loss {
            story.fault(2, 3, Loss::All, true);
        }
        story.violated()
    };
    assert_eq!(story(true), []);
    assert_eq!(story(false), [Property::P6]);
}

#[test]
fn p7_a_holder_knows_its_deadline() {
    let claimed = |ms: u64, deadline: u64| {
        let mut story = Story::new();
        story.locks(0, "1-1", 100).claims(ms, "1-1", 100, deadline);
        story.violated()
    };
    assert_eq!(claimed(280, 299), []);
    assert_eq!(claimed(350, 299), [Property::P7]);
    // Nor does it help to believe in a deadline that the server never gave.
    assert_eq!(claimed(350, 600), [Property::P7]);
}

#[test]
fn p7_a_renewal_moves_the_deadline() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).fact(100, &["1-1"], Act::Renew { life: 300_000 });
    story.claims(350, "1-1", 100, 399).releases(360, "1-1", 100);
    assert_eq!(story.violated(), []);
}

#[test]
fn p8_in_the_life_of_a_result_nothing_is_computed() {
    let story = |again: u64, loss: bool| {
        let mut story = Story::of(CACHED_FROM);
        story.computes(0, "1-1", 100).computes(again, "2-1", 200);
        if loss {
            story.fault(20, 30, Loss::All, false);
        }
        story.violated()
    };
    assert_eq!(story(250, false), []);
    assert_eq!(story(150, false), [Property::P8]);
    assert_eq!(story(150, true), []);
}

#[test]
fn p9_a_reader_gets_the_whole_of_the_latest_value() {
    let story = |run: &str, fence: u64, whole: bool| {
        let mut story = Story::of(CACHED_FROM);
        story.computes_for(1_000, 0, "1-1", 100).computes_for(5_000, 1_300, "2-1", 200);
        story.asks_for(Call::Cached, 3_000, "3-1").reads(3_001, "3-1", run, fence, whole);
        story.violated()
    };
    assert_eq!(story("2-1", 200, true), []);
    assert_eq!(story("2-1", 200, false), [Property::P9]);
    assert_eq!(story("1-1", 100, true), [Property::P9]);
    assert_eq!(story("2-1", 100, true), [Property::P9]);
    assert_eq!(story("9-9", 200, true), [Property::P9]);
}

#[test]
fn p9_a_value_ends_with_its_life_and_when_it_is_forgotten() {
    let story = |ms: u64, forgotten: bool, key: u64| {
        let mut story = Story::of(key);
        story.computes_for(1_000, 0, "1-1", 100);
        if forgotten {
            story.asks_for(Call::Forget, 100, "2-1").fact(105, &[], Act::Delete).event(
                110,
                "2-1",
                What::Done,
            );
        }
        story.asks_for(Call::Cached, ms, "3-1").reads(ms + 1, "3-1", "1-1", 100, true);
        story.violated()
    };
    let local = Cache::Local.key();
    assert_eq!(story(1_500, false, local), []);
    assert_eq!(story(1_700, false, local), [Property::P9]);
    assert_eq!(story(1_700, false, Cache::Stale.key()), [], "the last value may stand in for a failure");
    assert_eq!(story(600, true, local), []);
    assert_eq!(story(900, true, local), [Property::P9]);
}

#[test]
fn p9_a_value_that_was_computed_ahead_follows_the_one_before() {
    let story = |run: &str, fence: u64| {
        let mut story = Story::of(Cache::Ahead.key());
        story.computes_for(1_000, 0, "1-1", 100);
        // It has no record of its own, and runs beside an ordinary caller.
        story.asks_for(Call::Cached, 900, "2-1").granted(900, "2-1", 200).locks(1_020, "4-1", 300);
        story.releases(1_030, "4-1", 300).event(
            1_040,
            "2-1",
            What::Release { fence: 200, how: How::Publish },
        );
        story.fact(1_041, &["2-1"], Act::Set { tag: tag("2-1"), computed: true, life: 5_000_000 });
        story.reads(1_042, "2-1", "2-1", 200, true);
        story.asks_for(Call::Cached, 2_500, "3-1").reads(2_501, "3-1", run, fence, true);
        story.violated()
    };
    assert_eq!(story("2-1", 200), []);
    assert_eq!(story("1-1", 100), [Property::P9]);
}

#[test]
fn p9_what_was_not_stored_goes_to_nobody_else() {
    let story = |reader: &str| {
        let mut story = Story::of(CACHED_FROM);
        story.asks_for(Call::Cached, 0, "1-1").given(0, "1-1", 100).granted(0, "1-1", 100);
        story.event(5, "1-1", What::Release { fence: 100, how: How::Publish });
        story.asks_for(Call::Cached, 1, reader).reads(8, reader, "1-1", 100, true);
        story.violated()
    };
    assert_eq!(story("1-2"), []);
    assert_eq!(story("2-1"), [Property::P9]);
}

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
fn errors_say_what_is_so() {
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
fn what_was_given_back_is_not_held() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).event(5, "1-1", What::Release { fence: 100, how: How::Release });
    story.fact(6, &["1-1"], Act::Delete);
    story.event(7, "1-1", What::Released { fence: 100, kind: "still-held".to_owned() });
    assert_eq!(story.violated(), [Property::Typed]);
}

#[test]
fn what_a_process_uses_does_not_rise() {
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
