//! Holders, waiters, tokens and deadlines.

use super::*;

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
fn p3_a_turn_does_not_change_the_record_of_another() {
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
fn p3_an_expired_record_may_be_replaced() {
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
fn p4_a_handed_on_turn_leaves_its_record() {
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
fn p5_a_free_key_goes_to_a_waiter() {
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
fn p5_a_stall_of_the_machine_is_no_violation() {
    let mut story = Story::new();
    story.locks(0, "1-1", 100).asks(10, "2-1").releases(50, "1-1", 100);
    story.evidence.entries.push(Entry::Stall { from: at(60), to: at(5_000) });
    story.given(5_100, "2-1", 200).granted(5_100, "2-1", 200).releases(5_109, "2-1", 200);
    assert_eq!(story.violated(), []);
}

#[test]
fn p5_the_locks_of_a_process_end_with_it() {
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
fn p6_a_refused_caller_has_nothing() {
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
fn p6_without_a_fault_a_dropped_grant_is_given_back_at_once() {
    let story = |returned: Option<u64>| {
        let mut story = Story::new();
        story.asks(0, "1-1").given(1, "1-1", 100).told(2, "1-1", "dropped");
        // It is renewed as if it were held.
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
fn p6_the_server_has_granted_what_a_caller_is_granted() {
    let mut story = Story::new();
    story.asks(0, "1-1").granted(5, "1-1", 100).event(6, "1-1", What::Release { fence: 100, how: How::Drop });
    assert_eq!(story.violated(), [Property::P6]);
}

#[test]
fn p6_a_server_that_was_not_monitored_may_have_granted_it() {
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
