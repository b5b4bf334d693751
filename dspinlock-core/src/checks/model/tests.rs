//! The checks, each exhaustive within its bounds, and the flaws that must be found.

use super::config::{Bounds, Flaw, Protocol, Times};
use super::properties::{P1, P2, P3, P6, P10};
use stateright::{Checker, HasDiscoveries, Model};
use std::num::NonZero;
use std::thread::available_parallelism;

/// A call ends before a lease does, and `max_block` is far away.
const TIMES: Times = Times { lease: 2, patience: 1, max_block: 1_000 };

/// Only requests, grants and releases happen, late or never.
const CALM: Bounds = Bounds {
    ticks: 3,
    requests: 3,
    resends: 0,
    cancels: 0,
    renewals: 0,
    handoffs: 0,
    crashes: 0,
    losses: 0,
    others: 0,
    computed: false,
};

fn threads() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Checks every state. Fails with fewer than `at_least` states, so that no change can make the check an empty one.
fn check(times: Times, mut bounds: Bounds, at_least: usize) {
    if let Some(ticks) = std::env::var_os("DSPINLOCK_MODEL_TICKS") {
        bounds.ticks = ticks.to_str().and_then(|ticks| ticks.parse().ok()).expect("a small number of ticks");
    }
    let checker = Protocol::new(times, bounds, None).checker().threads(threads()).spawn_bfs().join();
    println!(
        "{} states, {} steps between them: {bounds:?}",
        checker.unique_state_count(),
        checker.state_count()
    );
    checker.assert_properties();
    assert!(checker.unique_state_count() >= at_least, "{} states only", checker.unique_state_count());
}

#[test]
fn cancelled_renewed_and_handed_off() {
    check(TIMES, Bounds { cancels: 1, renewals: 1, handoffs: 1, ..CALM }, 100_000);
}

/// Near the cap, renewals have different lengths, and may overtake each other across a hand-off.
#[test]
fn renewed_and_handed_off_near_the_cap() {
    let times = Times { max_block: 3, ..TIMES };
    check(times, Bounds { requests: 2, renewals: 2, handoffs: 1, ..CALM }, 10_000);
}

#[test]
fn sent_twice_and_cancelled() {
    check(TIMES, Bounds { ticks: 2, resends: 1, cancels: 1, ..CALM }, 50_000);
}

#[test]
fn sent_twice_and_renewed_where_a_call_takes_longer_than_a_lease() {
    let times = Times { patience: 3, ..TIMES };
    check(times, Bounds { requests: 2, resends: 1, renewals: 1, crashes: 1, ..CALM }, 10_000);
}

/// The first request is taken back after the turn, even if another caller holds the lock by then.
#[test]
fn sent_twice_and_handed_off() {
    check(TIMES, Bounds { requests: 2, resends: 1, handoffs: 1, ..CALM }, 5_000);
}

#[test]
fn crashed_and_replaced() {
    check(TIMES, Bounds { cancels: 1, crashes: 1, computed: true, ..CALM }, 10_000);
}

#[test]
fn lost_keys() {
    check(TIMES, Bounds { losses: 1, handoffs: 1, cancels: 1, ..CALM }, 50_000);
}

/// Two locks share a sequence of tokens.
#[test]
fn handed_off_and_lost_beside_another_lock() {
    check(TIMES, Bounds { requests: 2, handoffs: 1, renewals: 1, losses: 1, others: 1, ..CALM }, 50_000);
}

#[test]
fn sent_twice_beside_another_lock() {
    check(TIMES, Bounds { ticks: 2, requests: 2, resends: 1, cancels: 1, others: 1, ..CALM }, 10_000);
}

/// Checks that these properties break without the protection.
fn breaks(flaw: Flaw, times: Times, bounds: Bounds, properties: &[&'static str]) {
    let all = HasDiscoveries::AllOf(properties.iter().copied().collect());
    let checker = Protocol::new(times, bounds, Some(flaw)).checker();
    let checker = checker.threads(threads()).finish_when(all).spawn_bfs().join();
    for property in properties {
        checker.assert_any_discovery(property);
    }
}

#[test]
fn without_a_comparison_of_tags_a_late_release_frees_the_lock_of_another() {
    breaks(Flaw::NoTags, TIMES, Bounds { ticks: 0, ..CALM }, &[P1, P3]);
}

#[test]
fn without_not_after_a_request_outlives_its_compensation() {
    breaks(Flaw::NoNotAfter, TIMES, Bounds { requests: 1, cancels: 1, ..CALM }, &[P6]);
}

#[test]
fn without_a_second_compensation_a_request_may_overtake_the_first() {
    breaks(Flaw::AbandonOnce, TIMES, Bounds { requests: 1, cancels: 1, ..CALM }, &[P6]);
}

#[test]
fn a_lease_counted_from_the_reply_is_believed_for_too_long() {
    breaks(Flaw::DeadlineFromReply, TIMES, Bounds { requests: 2, ..CALM }, &[P1]);
}

#[test]
fn a_renewal_that_counts_after_the_lease_brings_an_old_token_back() {
    let times = Times { patience: 3, ..TIMES };
    breaks(Flaw::LateRenewal, times, Bounds { requests: 2, resends: 1, renewals: 1, ..CALM }, &[P2]);
}

#[test]
fn a_bare_counter_repeats_its_tokens_when_the_keys_are_lost() {
    breaks(Flaw::BareCounter, TIMES, Bounds { requests: 2, losses: 1, ..CALM }, &[P2]);
}

#[test]
fn without_epochs_a_former_holder_releases_the_lock_of_the_next() {
    breaks(Flaw::NoEpochs, TIMES, Bounds { ticks: 0, handoffs: 1, ..CALM }, &[P1]);
}

#[test]
fn tokens_that_were_not_reserved_are_granted_twice() {
    breaks(Flaw::NoReserve, TIMES, Bounds { ticks: 0, handoffs: 1, ..CALM }, &[P2]);
}

#[test]
fn tokens_that_were_not_reserved_are_granted_to_another_lock() {
    breaks(Flaw::NoReserve, TIMES, Bounds { ticks: 0, requests: 1, handoffs: 1, others: 1, ..CALM }, &[P2]);
}

#[test]
fn replacing_whatever_is_there_steals_from_a_holder() {
    breaks(Flaw::ReplaceAnything, TIMES, Bounds { ticks: 0, requests: 5, computed: true, ..CALM }, &[P1]);
}

#[test]
fn a_take_back_that_does_not_wait_overtakes_the_release() {
    breaks(Flaw::EarlyTakeBack, TIMES, Bounds { requests: 1, resends: 1, ..CALM }, &[P10]);
}

#[test]
fn a_take_back_that_does_not_wait_overtakes_the_release_of_a_later_holder() {
    let bounds = Bounds { requests: 1, resends: 1, handoffs: 1, ..CALM };
    breaks(Flaw::EarlyTakeBack, TIMES, bounds, &[P10]);
}
