//! Faults of processes: they are stopped, killed, or harm themselves.

use dspinlock_testkit::Verdict;
use fastrand::Rng;

use crate::Fallible;
use crate::rig::Rig;
use crate::wire::Script;
use crate::worker::LEASE;

/// No faults other than those of the workers themselves.
pub(super) fn nothing(rig: &mut Rig, _: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        rig.pass(50)?;
    }
    Ok(())
}

pub(crate) fn freeze(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        freeze_one(rig, dice)?;
        rig.pass(dice.u64(20..150))?;
    }
    Ok(())
}

/// Stops any worker for 1.5 to 3 leases.
pub(super) fn freeze_one(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    let lease = u64::try_from(LEASE.as_millis())?;
    let slot = dice.usize(..rig.desks.len());
    rig.freeze_worker(slot, dice.u64(lease * 3 / 2..lease * 3))
}

pub(super) fn kill(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        rig.pass(dice.u64(100..500))?;
        rig.kill_worker(dice.usize(..rig.desks.len()))?;
    }
    Ok(())
}

/// Faults between the computation of a value and its publication: stops and cuts. The workers kill themselves.
pub(super) fn publishers(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        if dice.u32(..4) == 0 {
            freeze_one(rig, dice)?;
        } else {
            let slot = dice.usize(..rig.desks.len());
            let script = [Script::Release, Script::Release, Script::Acquire, Script::Fail][dice.usize(..4)];
            rig.desks[slot].wire.arm(script, Verdict::CutReply);
        }
        rig.pass(dice.u64(20..200))?;
    }
    Ok(())
}
