//! The lock: grants, steals, renewals, and the ways to end a turn.

use super::*;

fn a_free_key_is_granted_for_the_lease(rig: &Rig) {
    let fence = rig.granted(&tag(1));
    assert_eq!(rig.raw().unwrap(), tag(1).record(State::Blocked).as_bytes());
    let remaining = rig.remaining().unwrap();
    assert!(remaining <= 10 * S && remaining > 8 * S, "{remaining:?}");
    assert!(fence > 1_700_000_000_000_000, "the fence starts at the time in microseconds, not at {fence}");
    assert_eq!(rig.fence(&rig.names), fence);
}

fn a_repeat_by_the_same_turn_is_granted_again_with_a_higher_fence(rig: &Rig) {
    let fence = rig.granted(&tag(1));
    assert!(rig.granted(&tag(1)) > fence, "nobody has heard of the first");
    // Also when a new request would be late: a repeat takes nothing new.
    assert!(is_granted(&rig.call(&Acquire { not_after: ServerTime(0), ..acquire(&rig.names, &tag(1)) })));
}

fn a_held_key_shows_its_holder_and_its_remaining_life(rig: &Rig) {
    rig.granted(&tag(1));
    let Acquired::Held { raw, remaining, now, .. } = rig.acquire(&tag(2)) else { panic!("granted twice") };
    assert_eq!(raw, tag(1).record(State::Blocked).as_bytes());
    assert!(remaining.unwrap() <= 10 * S && now > ServerTime(0));
}

fn a_late_request_changes_nothing(rig: &Rig) {
    let reply = rig.call(&Acquire { not_after: ServerTime(1), ..acquire(&rig.names, &tag(1)) });
    assert!(matches!(reply, Acquired::Late { now } if now > ServerTime(1)), "{reply:?}");
    assert_eq!(rig.raw(), None);
}

fn a_release_marks_as_computed_or_removes(rig: &Rig) {
    rig.granted(&tag(1));
    assert_eq!(rig.release(&tag(1), Some(30 * S)), Released::Done { others: 0 });
    assert_eq!(rig.raw().unwrap(), tag(1).record(State::Computed).as_bytes());
    assert!(rig.remaining().unwrap() > 28 * S);
    assert_eq!(rig.release(&tag(1), Some(30 * S)), Released::AlreadyComputed);

    rig.granted(&tag(2));
    assert_eq!(rig.release(&tag(2), None), Released::Done { others: 0 });
    assert_eq!(rig.raw(), None);
    assert_eq!(rig.release(&tag(2), None), Released::Gone);
}

fn a_release_by_another_changes_nothing(rig: &Rig) {
    rig.granted(&tag(1));
    let held = tag(1).record(State::Blocked).into_bytes();
    assert_eq!(rig.release(&tag(2), Some(S)), Released::Held(held.clone()));
    assert!(!rig.abandon(&tag(2)));
    assert_eq!(rig.raw(), Some(held));
}

fn a_computed_key_is_relocked_only_in_modes_that_relock(rig: &Rig) {
    let first = rig.granted(&tag(1));
    rig.release(&tag(1), Some(30 * S));
    let reply = rig.call(&Acquire { relock: false, ..acquire(&rig.names, &tag(2)) });
    assert!(matches!(reply, Acquired::Held { .. }));
    assert!(rig.granted(&tag(2)) > first);
}

fn a_record_that_may_be_another_schemes_is_relocked_only_after_it_was_seen(rig: &Rig) {
    for record in [
        &b"turn-7@host/1,2026-01-31T23:59:59.000123+00:00,1"[..],
        b"@host/1,2026-01-31T23:59:59.000123+00:00,1",
        b"0b8e@host/1,2026-01-31T23:59:59+00:00,1",
    ] {
        rig.put(record, Some(30 * S));
        assert!(matches!(rig.acquire(&tag(1)), Acquired::Held { raw, .. } if raw == record));
        let replace = seen(record.to_vec(), None);
        assert!(is_granted(&rig.call(&Acquire { replace: Some(&replace), ..acquire(&rig.names, &tag(1)) })));
    }
}

fn a_repeat_is_granted_after_the_fence_is_lost(rig: &Rig) {
    let fence = rig.granted(&tag(1));
    rig.put_at(&rig.names.fence, b"1", Some(Duration::from_millis(1)));
    // Expiry is no event that could be awaited.
    while rig.at(&rig.names.fence).is_some() {}
    let next = rig.granted(&tag(1));
    assert!(next > fence, "the clock alone decides");
    assert!(rig.granted(&tag(1)) > next, "a second repeat follows the first");
    assert!(rig.abandon(&tag(1)));
}

fn a_turn_that_is_over_is_never_taken_again(rig: &Rig) {
    rig.granted(&tag(1));
    rig.release(&tag(1), Some(30 * S));
    assert_eq!(rig.acquire(&tag(1)), Acquired::Spent);
    assert_eq!(rig.raw().unwrap(), tag(1).record(State::Computed).as_bytes());
}

fn a_text_that_is_no_token_counts_as_lost(rig: &Rig) {
    let long = "9".repeat(1000);
    let texts = [
        "",
        "hello",
        "hello, all of you",
        "zzzzzzzzzzzzzzzz",
        "-1",
        "1.5",
        "+4000000000000000",
        "9000000000000000",
        "99999999999999999999",
        &long,
    ];
    for (id, text) in (1..).zip(texts) {
        rig.put_at(&rig.names.fence, text.as_bytes(), None);
        let Acquired::Granted { fence, now } = rig.acquire(&tag(id)) else { panic!("{text}") };
        assert_eq!((fence, rig.fence(&rig.names)), (now.0, now.0), "{text}");
        assert!(rig.abandon(&tag(id)));
    }
    for (text, next) in
        [("4000000000000000", 4_000_000_000_000_001), ("8999999999999999", 9_000_000_000_000_000)]
    {
        rig.put_at(&rig.names.fence, text.as_bytes(), None);
        assert_eq!((rig.granted(&tag(99)), rig.fence(&rig.names)), (next, next));
        rig.put_at(&rig.names.fence, text.as_bytes(), Some(30 * S));
        let tag = tag(99);
        let reserving = Acquire { reserve: 5, ..acquire(&rig.names, &tag) };
        assert!(matches!(rig.call(&reserving), Acquired::Granted { fence, .. } if fence == next));
        assert_eq!(rig.fence(&rig.names), next + 5, "which never expires");
    }
}

fn the_locks_of_a_slot_share_a_sequence(rig: &Rig) {
    let [one, other] = neighbours(&rig.key);
    let take = |names, id, reserve| match rig.call(&Acquire { reserve, ..acquire(names, &tag(id)) }) {
        Acquired::Granted { fence, .. } => fence,
        reply => panic!("{reply:?}"),
    };
    // More than an hour ahead of the clock, which would raise the tokens by itself.
    let next = take(&one, 1, u32::MAX) + u64::from(u32::MAX) + 1;
    assert_eq!(take(&other, 2, 1), next, "after those that are reserved");
    assert_eq!(take(&one, 1, 1), next + 2, "a repeat follows the other lock");
    assert!(rig.call(&Abandon { names: &other, tag: &tag(2) }));
    assert_eq!(rig.call(&Forget(&one)), Forgotten::Done(true));
    assert_eq!(take(&other, 3, 1), next + 4);
    // The locks of other slots have sequences of their own.
    assert_ne!(rig.names.fence, one.fence);
    assert!(rig.granted(&tag(4)) < next);
}

fn the_fence_rises_however_a_turn_ends(rig: &Rig) {
    let mut last = rig.granted(&tag(1));
    for id in 2..40 {
        match id % 3 {
            0 => assert!(rig.abandon(&tag(id - 1))),
            1 => assert_eq!(rig.release(&tag(id - 1), None), Released::Done { others: 0 }),
            _ => assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(true)),
        }
        let fence = rig.granted(&tag(id));
        assert!(fence > last, "{fence} after {last}");
        last = fence;
    }
}

fn a_computed_record_of_python_is_replaced_only_as_it_was_seen(rig: &Rig) {
    rig.put(&python(State::Computed), Some(30 * S));
    assert!(
        matches!(rig.acquire(&tag(1)), Acquired::Held { .. }),
        "the mode alone leaves Python's record alone"
    );
    let other = seen(tag(9).record(State::Computed).into_bytes(), None);
    assert!(!is_granted(&rig.call(&Acquire { replace: Some(&other), ..acquire(&rig.names, &tag(1)) })));
    let same = seen(python(State::Computed), None);
    assert!(is_granted(&rig.call(&Acquire { replace: Some(&same), ..acquire(&rig.names, &tag(1)) })));
    assert_eq!(rig.raw().unwrap(), tag(1).record(State::Blocked).as_bytes());
}

fn a_steal_checks_the_remaining_life(rig: &Rig) {
    let steal = |life| {
        let replace = seen(python(State::Blocked), Some(life));
        is_granted(&rig.call(&Acquire { replace: Some(&replace), ..acquire(&rig.names, &tag(1)) }))
    };
    rig.put(&python(State::Blocked), None);
    assert!(!steal(100 * S), "a record that never expires is not Python's");
    rig.put(&python(State::Blocked), Some(30 * S));
    assert!(!steal(20 * S));
    assert!(steal(30 * S));
}

fn a_steal_of_a_record_that_the_mode_relocks_ignores_its_life(rig: &Rig) {
    rig.granted(&tag(1));
    rig.release(&tag(1), Some(30 * S));
    let replace = seen(tag(1).record(State::Computed).into_bytes(), Some(S));
    assert!(is_granted(&rig.call(&Acquire { replace: Some(&replace), ..acquire(&rig.names, &tag(2)) })));
}

fn a_steal_of_a_key_that_has_become_free_takes_it(rig: &Rig) {
    let replace = seen(python(State::Blocked), Some(S));
    assert!(is_granted(&rig.call(&Acquire { replace: Some(&replace), ..acquire(&rig.names, &tag(1)) })));
}

fn an_abandoned_key_is_free_and_a_computed_one_stays(rig: &Rig) {
    rig.granted(&tag(1));
    assert!(rig.abandon(&tag(1)));
    assert!(!rig.abandon(&tag(1)));
    assert_eq!(rig.raw(), None);
    rig.granted(&tag(2));
    rig.release(&tag(2), Some(30 * S));
    assert!(!rig.abandon(&tag(2)));
    assert!(rig.raw().is_some());
}

fn renewals_extend_only_locks_that_are_still_held(rig: &Rig) {
    let other = names(&format!("{}, another", rig.key));
    rig.granted(&tag(1));
    assert!(is_granted(&rig.call(&acquire(&other, &tag(2)))));
    let renew = |names, tag, life| RenewOne { names, tag, life };
    let (mine, stranger) = (tag(1), tag(3));
    let renewed = rig.call(&Renew(vec![renew(&rig.names, &mine, 90 * S), renew(&other, &stranger, 90 * S)]));
    assert_eq!(renewed, [Some(true), Some(false)]);
    assert!(rig.remaining().unwrap() > 88 * S);
    assert!(matches!(rig.call(&Read(&other)), Found::Held { remaining: Some(life), .. } if life <= 10 * S));
    rig.release(&tag(1), Some(5 * S));
    assert_eq!(
        rig.call(&Renew(vec![renew(&rig.names, &mine, 90 * S)])),
        [Some(false)],
        "COMPUTED is not held"
    );
    assert!(rig.remaining().unwrap() <= 5 * S);
}

fn forgetting_removes_any_record_once(rig: &Rig) {
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(false));
    for record in [python(State::Blocked), tag(1).record(State::Computed).into_bytes()] {
        rig.put(&record, None);
        assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Done(true));
        assert_eq!(rig.raw(), None);
    }
}

fn anything_but_a_record_stays(rig: &Rig) {
    for foreign in [
        &b"hello"[..],
        b"",
        b"a,b",
        b"\xff\xfe,2026-01-31T23:59:59+00:00,1",
        b"0b8e@host,2026-01-31T23:59:59+00:00,7",
        b"0b8e@host,someday,1",
        b"0b8e@host,2026-01-31T23:59:59+00:00,1,1",
        b"0b8e@a host,2026-01-31T23:59:59+00:00,1",
        b"0b8e@host,2026-01-31T23:59:59Z,1",
        b"0b8e@host,2026-01-31T23:59:59.5+00:00,1",
        b"0b8e@host,2026-01-31T23:59:60.000000+00:00,1",
        b"0b8e@host,2026-31-01T23:59:59.000123+00:00,1",
    ] {
        rig.put(foreign, None);
        assert!(matches!(rig.acquire(&tag(1)), Acquired::Held { raw, .. } if raw == foreign), "{foreign:?}");
        assert_eq!(rig.release(&tag(1), Some(S)), Released::Held(foreign.to_vec()));
        assert!(!rig.abandon(&tag(1)));
        assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::Foreign(foreign.to_vec()), "{foreign:?}");
        assert_eq!(rig.raw().as_deref(), Some(foreign));
    }
}

fn an_expired_record_is_free(rig: &Rig) {
    let lease = Duration::from_millis(30);
    assert!(is_granted(&rig.call(&Acquire { lease, ..acquire(&rig.names, &tag(1)) })));
    // Expiry is no event that could be awaited.
    while rig.raw().is_some() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(rig.release(&tag(1), Some(S)), Released::Gone);
    rig.granted(&tag(2));
}

fn two_at_once_are_never_both_granted(rig: &Rig) {
    let granted: usize = std::thread::scope(|threads| {
        let race =
            |id| threads.spawn(move || usize::from(is_granted(&rig.call(&acquire(&rig.names, &tag(id))))));
        let racers: Vec<_> = (0..16).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(granted, 1);
}

conformance! {
    a_free_key_is_granted_for_the_lease,
    a_repeat_by_the_same_turn_is_granted_again_with_a_higher_fence,
    a_held_key_shows_its_holder_and_its_remaining_life,
    a_late_request_changes_nothing,
    a_release_marks_as_computed_or_removes,
    a_release_by_another_changes_nothing,
    a_computed_key_is_relocked_only_in_modes_that_relock,
    a_record_that_may_be_another_schemes_is_relocked_only_after_it_was_seen,
    a_repeat_is_granted_after_the_fence_is_lost,
    a_turn_that_is_over_is_never_taken_again,
    a_text_that_is_no_token_counts_as_lost,
    the_locks_of_a_slot_share_a_sequence,
    the_fence_rises_however_a_turn_ends,
    a_computed_record_of_python_is_replaced_only_as_it_was_seen,
    a_steal_checks_the_remaining_life,
    a_steal_of_a_record_that_the_mode_relocks_ignores_its_life,
    a_steal_of_a_key_that_has_become_free_takes_it,
    an_abandoned_key_is_free_and_a_computed_one_stays,
    renewals_extend_only_locks_that_are_still_held,
    forgetting_removes_any_record_once,
    anything_but_a_record_stays,
    an_expired_record_is_free,
    two_at_once_are_never_both_granted,
}
