//! Values: how long they count, and for whom.

use super::*;

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
fn p9_a_value_that_was_not_stored_stays_in_its_flight() {
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
