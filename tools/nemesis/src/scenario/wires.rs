//! Faults of the wire: requests are cut, late, doubled or held back.

use dspinlock_testkit::{Direction, Verdict};
use fastrand::Rng;

use crate::Fallible;
use crate::clock::{ms, now};
use crate::faults::Loss;
use crate::rig::Rig;
use crate::wire::Script;

/// So late that the server should refuse the request.
const TOO_LATE: u64 = 2_500;

pub(super) fn cuts(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        arm_one(rig, dice);
        rig.pass(dice.u64(10..120))?;
    }
    Ok(())
}

/// Picks a fault for the next request of some kind of some worker.
pub(super) fn arm_one(rig: &Rig, dice: &mut Rng) {
    let verdict = match dice.u32(..10) {
        ..6 => Verdict::CutReply,
        6..8 => Verdict::Twice,
        _ => Verdict::Late(ms([dice.u64(50..500), TOO_LATE][dice.usize(..2)])),
    };
    let scripts = [Script::Acquire, Script::Acquire, Script::Release, Script::Renew, Script::Abandon];
    let script = scripts[dice.usize(..scripts.len())];
    rig.desks[dice.usize(..rig.desks.len())].wire.arm(script, verdict);
}

/// Acquisitions arrive long after their callers have given up.
pub(crate) fn late(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        let slot = dice.usize(..rig.desks.len());
        rig.desks[slot].wire.arm(Script::Acquire, Verdict::Late(ms(TOO_LATE)));
        rig.pass(dice.u64(20..150))?;
    }
    Ok(())
}

pub(super) fn partitions(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        partition_one(rig, dice)?;
        rig.pass(dice.u64(50..400))?;
    }
    Ok(())
}

/// Holds back the requests of one worker, the replies to it, or both. In the end they arrive, or the connections are closed.
pub(super) fn partition_one(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    let slot = dice.usize(..rig.desks.len());
    let (name, ways): (_, &[Direction]) = match dice.u32(..3) {
        0 => ("requests held", &[Direction::Requests]),
        1 => ("replies held", &[Direction::Replies]),
        _ => ("partition", &[Direction::Requests, Direction::Replies]),
    };
    let (from, desk) = (now(), rig.desks[slot].slot);
    for &way in ways {
        rig.desks[slot].proxy.blackhole(way, true);
    }
    rig.pass(dice.u64(100..900))?;
    if dice.bool() {
        rig.desks[slot].proxy.cut_all();
    }
    for &way in ways {
        rig.desks[slot].proxy.blackhole(way, false);
    }
    rig.log.fired(name, from, Some(desk), Loss::Nothing, true);
    Ok(())
}

/// A worker's wire is slow or narrow for some time.
pub(super) fn burden_one(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    let slot = dice.usize(..rig.desks.len());
    let (from, desk, long) = (now(), rig.desks[slot].slot, dice.bool());
    for way in [Direction::Requests, Direction::Replies] {
        if long {
            rig.desks[slot].proxy.delay(way, ms(dice.u64(5..90)));
        } else {
            rig.desks[slot].proxy.throttle(way, Some(8_000));
        }
    }
    rig.pass(dice.u64(200..700))?;
    for way in [Direction::Requests, Direction::Replies] {
        rig.desks[slot].proxy.delay(way, ms(0));
        rig.desks[slot].proxy.throttle(way, None);
    }
    rig.log.fired(if long { "delay" } else { "throttle" }, from, Some(desk), Loss::Nothing, true);
    Ok(())
}
