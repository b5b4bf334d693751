//! A primary that dies while its replica lags behind: the steps of Sentinel.

use dspinlock_testkit::{Direction, Proxy, Server};
use fastrand::Rng;

use crate::Fallible;
use crate::clock::{ms, now};
use crate::faults::Loss;
use crate::rig::Rig;

/// Options of a primary that sends its data to a replica at once.
pub(super) const SERVER: &[&str] = &["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"];

/// How long a replica may take to catch up with its primary.
const SYNCED_WITHIN: u64 = 10_000_000;

pub(super) fn failovers(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    let replica = Server::try_start_with(SERVER)?;
    rig.servers.push(replica);
    while rig.goes_on() {
        let next = 1 - rig.current;
        let wire = Proxy::start(([127, 0, 0, 1], rig.server().port()).into());
        follow(&rig.servers[next], wire.address().port())?;
        rig.pass(dice.u64(100..400))?;

        let from = now();
        wire.blackhole(Direction::Replies, true);
        rig.pass(dice.u64(30..400))?;
        rig.log.fired("replica frozen", from, None, Loss::Nothing, false);

        let killed = now();
        rig.kill_server();
        rig.log.fired("primary killed", killed, None, Loss::Nothing, true);

        // The time of an election.
        std::thread::sleep(ms(dice.u64(10..150)));
        rig.current = next;
        rig.server().connect()?.command(&["REPLICAOF", "NO", "ONE"])?;
        rig.let_in()?;
        rig.log.fired("replica promoted", from, None, Loss::All, true);
        rig.servers[1 - next].restart();
    }
    Ok(())
}

/// Makes a server a replica, and waits until it has all data of its primary.
fn follow(server: &Server, port: u16) -> Fallible<()> {
    server.command(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    let given_up = now() + SYNCED_WITHIN;
    while server.info("replication").get("master_link_status").is_none_or(|status| status != "up") {
        if now() > given_up {
            return Err("the replica does not follow its primary".into());
        }
        std::thread::sleep(ms(10));
    }
    Ok(())
}
