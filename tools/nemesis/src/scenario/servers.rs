//! Slow servers, and the soak with all kinds of faults.

use fastrand::Rng;

use super::processes::freeze_one;
use super::wires::{arm_one, burden_one, partition_one};
use crate::Fallible;
use crate::clock::{ms, now};
use crate::faults::Loss;
use crate::rig::Rig;

pub(super) fn slow(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    rig.server().connect()?.command(&["CONFIG", "SET", "busy-reply-threshold", "50"])?;
    while rig.goes_on() {
        match dice.u32(..4) {
            0 => pause(rig, dice),
            1 => command(rig, "sleep", &["DEBUG", "SLEEP", &format!("0.{}", dice.u32(1..7))])?,
            2 => {
                let script = format!(
                    "local n = 0 for i = 1, {} do n = n + i end return 1",
                    dice.u64(4_000_000..30_000_000)
                );
                command(rig, "busy", &["EVAL", &script, "0"])?;
            }
            _ => burden_one(rig, dice)?,
        }
        rig.pass(dice.u64(50..400))?;
    }
    Ok(())
}

fn pause(rig: &Rig, dice: &mut Rng) {
    let from = now();
    rig.server().pause();
    std::thread::sleep(ms(dice.u64(100..900)));
    rig.server().resume();
    rig.log.fired("server stopped", from, None, Loss::Nothing, true);
}

/// A command that blocks the server.
fn command(rig: &mut Rig, name: &str, words: &[&str]) -> Fallible<()> {
    let (from, mut connection) = (now(), rig.server().connect()?);
    connection.command(words)?;
    rig.log.fired(name, from, None, Loss::Nothing, true);
    Ok(())
}

pub(super) fn soak(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    while rig.goes_on() {
        match dice.u32(..12) {
            0 => freeze_one(rig, dice)?,
            1 => partition_one(rig, dice)?,
            2 => burden_one(rig, dice)?,
            3 => evict(rig, dice)?,
            4 => rig.kill_worker(rig.desks.len() - 1)?,
            5 => pause(rig, dice),
            _ => arm_one(rig, dice),
        }
        rig.pass(dice.u64(20..300))?;
    }
    Ok(())
}

/// For some time the server evicts random keys.
fn evict(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    let (from, mut connection) = (now(), rig.server().connect()?);
    let used: u64 = rig.server().info("memory").get("used_memory").map_or(Ok(0), |used| used.parse())?;
    connection.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"])?;
    connection.command(&["CONFIG", "SET", "maxmemory", &(used - used / 20).to_string()])?;
    rig.pass(dice.u64(50..200))?;
    connection.command(&["CONFIG", "SET", "maxmemory", "0"])?;
    connection.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])?;
    rig.log.fired("eviction", from, None, Loss::All, true);
    Ok(())
}
