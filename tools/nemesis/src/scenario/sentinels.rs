//! A primary that sentinels replace: after it was killed, or by command while it still serves those that have not heard of it.

use std::time::Duration;

use dspinlock_testkit::{Reply, Sentinels, Server};
use fastrand::Rng;

use crate::Fallible;
use crate::clock::{ms, now};
use crate::faults::{Entry, Loss};
use crate::rig::Rig;

/// How far a replica may be behind: what was granted so long before may be lost.
const BEHIND: u64 = 300_000;

/// How long a failover may take.
const REPLACED_WITHIN: u64 = 20_000_000;

pub(super) fn failovers(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    // When the current server was known to be the primary, and the epoch that made it one. Sentinels that a busy machine holds up
    // take a primary for dead that lives, and may do so twice before anybody looks.
    let (mut sure, mut epoch) = settle(rig)?;
    while rig.goes_on() {
        rig.pass(dice.u64(50..200))?;
        stop_a_sentinel(rig, dice);
        let (killed, twice) = (dice.bool(), ms(dice.u64(0..200)));
        if !is_primary(&rig.servers[1 - rig.current]) && sentinels(rig)?.epoch() == Some(epoch) {
            sure = now();
            epoch = replace(rig, killed, twice)?;
        }
        // The next failover needs a replica that the sentinels know.
        let (settled, now_in) = settle(rig)?;
        if now_in != epoch {
            second_thoughts(rig, sure)?;
        }
        (sure, epoch) = (settled, now_in);
    }
    Ok(())
}

/// Waits until the sentinels agree. Returns when they did not yet, and the epoch.
fn settle(rig: &Rig) -> Fallible<(u64, u64)> {
    loop {
        let (asked, sentinels) = (now(), sentinels(rig)?);
        let before = sentinels.epoch();
        sentinels.await_agreement();
        if let Some(epoch) = before.filter(|_| sentinels.epoch() == before) {
            return Ok((asked, epoch));
        }
    }
}

fn sentinels(rig: &Rig) -> Fallible<&Sentinels> {
    Ok(rig.sentinels.as_ref().ok_or("a scenario with sentinels")?)
}

/// Stops one of the sentinels for less time than the others take for its death.
fn stop_a_sentinel(rig: &Rig, dice: &mut Rng) {
    if let Some(sentinels) = &rig.sentinels {
        let (from, sentinel) = (now(), &sentinels.sentinels[dice.usize(..3)]);
        sentinel.pause();
        std::thread::sleep(ms(dice.u64(20..150)));
        sentinel.resume();
        rig.log.fired("sentinel stopped", from, None, Loss::Nothing, true);
    }
}

/// Has the sentinels replace the primary, which is killed before or goes on for a while. Returns their epoch since then.
fn replace(rig: &mut Rig, killed: bool, twice: Duration) -> Fallible<u64> {
    let (from, before, after) = (now(), rig.current, 1 - rig.current);
    if killed {
        rig.kill_server();
        rig.log.fired("primary killed", from, None, Loss::Nothing, true);
    }
    // Before any worker can hear of it.
    let given_up = now() + REPLACED_WITHIN;
    while !is_primary(&rig.servers[after]) {
        if now() > given_up {
            return Err("the sentinels do not replace the primary".into());
        }
        if !killed {
            let command = ["SENTINEL", "FAILOVER", Sentinels::NAME];
            sentinels(rig)?.sentinels[0].command(&command);
        }
        std::thread::sleep(ms(1));
    }
    rig.attach(after)?;
    if killed {
        rig.log.write(&Entry::Blind { from, to: now() });
    }
    let port = rig.servers[after].port();
    let epoch = loop {
        let epoch = sentinels(rig)?
            .epoch()
            .filter(|_| sentinels(rig).is_ok_and(|all| all.primary_port() == Some(port)));
        if let Some(epoch) = epoch {
            break epoch;
        }
        if now() > given_up {
            return Err("the sentinels do not agree on the new primary".into());
        }
        std::thread::sleep(ms(1));
    };
    rig.current = after;
    if killed {
        rig.servers[before].restart();
    } else {
        // Workers that have heard of the switch late are granted locks which will not survive.
        std::thread::sleep(twice);
        rig.detach(before)?;
        rig.log.fired("two primaries", from, None, Loss::Nothing, true);
    }
    // The sentinels would do so a while later.
    let (follow, back) = (["REPLICAOF", "127.0.0.1", &port.to_string()], now());
    rig.servers[before].connect()?.command(&follow)?;
    rig.log.fired("old primary turned into a replica", back, None, Loss::Nothing, false);
    rig.log.fired("replica promoted", from - BEHIND, None, Loss::All, true);
    Ok(epoch)
}

/// Takes in that the sentinels have replaced the primary by themselves since `from`, once or more, as two that were elected do.
fn second_thoughts(rig: &mut Rig, from: u64) -> Fallible<()> {
    rig.detach(rig.current)?;
    let port = sentinels(rig)?.primary_port();
    rig.current = rig
        .servers
        .iter()
        .position(|server| port == Some(server.port()))
        .ok_or("the sentinels agree no more")?;
    rig.attach(rig.current)?;
    rig.log.write(&Entry::Blind { from, to: now() });
    rig.log.fired("replica promoted unasked", from - BEHIND, None, Loss::All, true);
    Ok(())
}

/// By a connection of its own: with the promotion all others are closed, and perhaps this one.
fn is_primary(server: &Server) -> bool {
    let role = server.connect().and_then(|mut connection| connection.command(&["ROLE"]));
    matches!(&role, Ok(Reply::List(role)) if role.first().and_then(Reply::text) == Some("master"))
}
