//! A cluster whose slots move, and whose primaries die.

use std::sync::Arc;

use dspinlock_testkit::Cluster;
use fastrand::Rng;

use crate::Fallible;
use crate::clock::now;
use crate::faults::Loss;
use crate::rig::{Rig, names};

/// How far a replica may be behind when its primary is killed.
const BEHIND: u64 = 100_000;

pub(super) fn clusters(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    let cluster = rig.cluster.clone().ok_or("the plan has a cluster")?;
    while rig.goes_on() {
        for _ in 0..dice.usize(6..12) {
            if rig.goes_on() {
                move_a_slot(rig, &cluster, dice)?;
                rig.pass(dice.u64(10..80))?;
            }
        }
        if rig.goes_on() {
            kill_a_primary(rig, &cluster, dice)?;
        }
    }
    Ok(())
}

/// Moves the slot of a lock to another primary, with some time between the steps.
fn move_a_slot(rig: &mut Rig, cluster: &Arc<Cluster>, dice: &mut Rng) -> Fallible<()> {
    let primaries = cluster.primaries();
    let from = primaries[dice.usize(..primaries.len())];
    let names = names(&mut cluster.nodes()[from].connect()?)?;
    let records: Vec<_> = names.into_iter().filter(|name| name.starts_with("dspinlock,")).collect();
    let others: Vec<_> = primaries.into_iter().filter(|&primary| primary != from).collect();
    if records.is_empty() {
        return rig.pass(10);
    }
    let slot = cluster.slot(&records[dice.usize(..records.len())]);
    let began = now();
    let moving = cluster.begin(slot, others[dice.usize(..others.len())]);
    rig.pass(dice.u64(0..30))?;
    moving.move_keys();
    rig.pass(dice.u64(0..30))?;
    moving.end();
    rig.log.fired("slot moved", began, None, Loss::Nothing, true);
    Ok(())
}

/// Kills a primary that has a replica, and starts it again as a replica.
fn kill_a_primary(rig: &mut Rig, cluster: &Arc<Cluster>, dice: &mut Rng) -> Fallible<()> {
    let is_followed = |&primary: &usize| {
        let info = cluster.nodes()[primary].info("replication");
        info.get("slave0").is_some_and(|replica| replica.contains("state=online"))
    };
    let followed: Vec<usize> = cluster.primaries().into_iter().filter(is_followed).collect();
    if followed.is_empty() {
        return rig.pass(50);
    }
    let primary = followed[dice.usize(..followed.len())];
    let began = now();
    rig.fail_over(cluster, primary)?;
    rig.log.fired("primary killed", began.saturating_sub(BEHIND), None, Loss::All, true);
    cluster.rejoin(primary);
    Ok(())
}
