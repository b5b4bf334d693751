//! Servers that restart with or without their data.

use fastrand::Rng;

use crate::Fallible;
use crate::clock::now;
use crate::faults::Loss;
use crate::rig::Rig;

pub(super) fn restarts(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        rig.pass(dice.u64(150..500))?;
        let from = now();
        match dice.u32(..5) {
            0 => restart(rig, true)?,
            1 => restart(rig, false)?,
            2 => {
                rig.server().connect()?.command(&["FLUSHALL"])?;
                rig.log.fired("flushall", from, None, Loss::All, false);
            }
            _ => {
                let key = dice.u64(..3);
                rig.server().connect()?.command(&["DEL", &format!("dspinlock,nemesis,{key}")])?;
                rig.log.fired("del", from, None, Loss::Key(key), false);
            }
        }
    }
    Ok(())
}

/// Kills the server and starts it again, with its append-only file or without.
fn restart(rig: &mut Rig, keeps: bool) -> Fallible<()> {
    let from = now();
    rig.kill_server();
    let file = rig.server().dir().join("appendonlydir");
    if !keeps && file.exists() {
        std::fs::remove_dir_all(file)?;
    }
    rig.server().restart();
    rig.let_in()?;
    let (name, loses) = if keeps { ("restart", Loss::Nothing) } else { ("restart without data", Loss::All) };
    rig.log.fired(name, from, None, loses, true);
    Ok(())
}

/// The server restarts without its data, again and again.
pub(crate) fn forget_all(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        rig.pass(dice.u64(200..500))?;
        restart(rig, false)?;
    }
    Ok(())
}
