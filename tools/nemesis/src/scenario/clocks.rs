//! A server whose clock jumps. The clock of this machine is left alone: the effects of a jump are applied to the keys, and to
//! the time that scripts and clients read. Workers use no wall clock, but the boot clock and the server's clock.

use fastrand::Rng;

use crate::Fallible;
use crate::clock::now;
use crate::faults::Loss;
use crate::rig::{Rig, names};

const HOUR: i64 = 3_600;

pub(super) fn jumps(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    let mut ahead = 0;
    while rig.goes_on() {
        rig.pass(dice.u64(200..600))?;
        // Never two hours in one direction, since an unused fence lives for one and a half.
        let to = if ahead != 0 { 0 } else { [1, -1][dice.usize(..2)] };
        jump(rig, to * HOUR, to > ahead)?;
        ahead = to;
        if !rig.goes_on() {
            break;
        }
        rig.pass(dice.u64(100..500))?;
        repair(rig)?;
    }
    repair(rig)
}

/// After a jump forward, keys with less than an hour to live are gone. After a jump back, keys live an hour longer.
fn jump(rig: &mut Rig, skew: i64, forward: bool) -> Fallible<()> {
    let (from, mut connection) = (now(), rig.server().connect()?);
    for desk in &rig.desks {
        desk.wire.set_skew(skew);
    }
    for name in names(&mut connection)? {
        let left = connection.command(&["PTTL", &name])?.int().unwrap_or_default();
        if forward && (0..HOUR * 1_000).contains(&left) {
            connection.command(&["DEL", &name])?;
        } else if left > 0 {
            let left = if forward { left - HOUR * 1_000 } else { left + HOUR * 1_000 };
            connection.command(&["PEXPIRE", &name, &left.to_string()])?;
        }
    }
    let (name, loses) = if forward { ("clock forward", Loss::All) } else { ("clock back", Loss::Nothing) };
    rig.log.fired(name, from, None, loses, true);
    Ok(())
}

/// Removes the records that would block for an hour, as an operator does after a jump back.
fn repair(rig: &mut Rig) -> Fallible<()> {
    const LONG: i64 = 5_000;
    let (from, mut connection) = (now(), rig.server().connect()?);
    for name in names(&mut connection)?.into_iter().filter(|name| name.starts_with("dspinlock,")) {
        if connection.command(&["PTTL", &name])?.int().unwrap_or_default() > LONG {
            connection.command(&["DEL", &name])?;
        }
    }
    rig.log.fired("repair", from, None, Loss::All, true);
    Ok(())
}
