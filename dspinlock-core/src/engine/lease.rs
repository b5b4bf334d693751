//! How long a holder may believe in its lock, and when to renew it. Pure: the time is given.

use crate::clock::Tick;
use std::time::Duration;

/// The validity of a lock that is held: renewed a third of the lease after the last time, up to `max_block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    /// How long it lives without renewal.
    life: Duration,
    valid_until: Tick,
    ends_at: Tick,
}

impl Lease {
    /// A lease granted by a request that was *sent* at `sent`: the server can't have started counting any earlier.
    pub(crate) fn granted(lease: Duration, max_block: Duration, sent: Tick) -> Self {
        Self { life: lease, valid_until: sent + lease.min(max_block), ends_at: sent + max_block }
    }

    pub(crate) fn is_valid(&self, now: Tick) -> bool {
        now < self.valid_until
    }

    pub(crate) fn remaining(&self, now: Tick) -> Duration {
        now.until(self.valid_until)
    }

    /// The life to ask for in a renewal that is sent at `now`; `None` once the cap leaves nothing to add.
    pub(crate) fn renewal(&self, now: Tick) -> Option<Duration> {
        let life = self.life.min(now.until(self.ends_at));
        (self.valid_until < self.ends_at && !life.is_zero()).then_some(life)
    }

    /// Takes in that a renewal for `life`, sent at `sent`, was granted, as is known at `now`; `false` if the lease was over
    /// by then. What is over stays over: another turn may have come and gone before a late copy of our own request took
    /// the lock once more, and the record was renewed by that.
    pub(crate) fn renewed(&mut self, life: Duration, sent: Tick, now: Tick) -> bool {
        let in_time = self.is_valid(now);
        if in_time {
            self.valid_until = self.valid_until.max(sent + life);
        }
        in_time
    }

    /// When to renew: a third of the lease after it was granted or renewed.
    pub(crate) fn renew_at(&self) -> Tick {
        self.valid_until.before(self.life * 2 / 3)
    }

    /// The lease in the hands of another holder, from `now` on: as valid as it was, and with a cap of its own.
    pub(crate) fn handed_off(self, max_block: Duration, now: Tick) -> Self {
        Self { ends_at: now + max_block, ..self }
    }

    /// Whether more than half of the lease is left, as far as it is known.
    pub(crate) fn is_fresh(&self, now: Tick) -> bool {
        self.remaining(now) > self.life / 2
    }

    /// When to try again after a renewal that failed at `now`.
    pub(crate) fn retry_at(&self, now: Tick) -> Tick {
        now + self.life / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Tick = Tick::from_millis(1_000);
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn validity_counts_from_before_the_request() {
        let lease = Lease::granted(10 * S, 1_800 * S, T0);
        assert!(lease.is_valid(T0 + 9 * S) && !lease.is_valid(T0 + 10 * S));
        assert_eq!(lease.remaining(T0 + 4 * S), 6 * S);
        assert_eq!(lease.renew_at(), T0 + Duration::from_nanos(3_333_333_334));
    }

    #[test]
    fn renewals_extend_up_to_the_cap() {
        let mut lease = Lease::granted(10 * S, 15 * S, T0);
        let sent = T0 + 4 * S;
        assert_eq!(lease.renewal(sent), Some(10 * S));
        assert!(lease.renewed(10 * S, sent, sent + S));
        let sent = T0 + 8 * S;
        assert_eq!(lease.renewal(sent), Some(7 * S));
        assert!(lease.renewed(7 * S, sent, sent + S));
        assert_eq!(lease.renewal(T0 + 12 * S), None);
        assert!(lease.is_valid(T0 + 14 * S) && !lease.is_valid(T0 + 15 * S));
    }

    #[test]
    fn a_cap_below_the_lease_is_the_lease() {
        let lease = Lease::granted(10 * S, 2 * S, T0);
        assert_eq!(lease.renewal(T0 + S), None);
        assert!(!lease.is_valid(T0 + 2 * S));
    }

    #[test]
    fn a_lease_that_is_handed_on_stays_as_valid_and_has_a_cap_of_its_own() {
        let lease = Lease::granted(10 * S, 60 * S, T0).handed_off(60 * S, T0 + 4 * S);
        assert_eq!(lease.remaining(T0 + 4 * S), 6 * S);
        assert!(lease.is_fresh(T0 + 4 * S) && !lease.is_fresh(T0 + 5 * S));
        assert_eq!(lease.renewal(T0 + 55 * S), Some(9 * S));
    }

    #[test]
    fn a_renewal_that_failed_is_tried_again_in_a_tenth_of_the_lease() {
        let lease = Lease::granted(10 * S, 60 * S, T0);
        assert_eq!(lease.retry_at(T0 + 3 * S), T0 + 4 * S);
    }

    #[test]
    fn at_the_cap_nothing_is_left_to_ask_for() {
        let lease = Lease::granted(10 * S, 15 * S, T0);
        assert_eq!(lease.renewal(T0 + 15 * S), None, "though it was not renewed up to there");
    }

    #[test]
    fn a_renewal_that_comes_late_takes_nothing_away() {
        let mut lease = Lease::granted(10 * S, 60 * S, T0);
        assert!(lease.renewed(10 * S, T0 + 6 * S, T0 + 7 * S));
        assert!(lease.renewed(10 * S, T0 + 3 * S, T0 + 8 * S));
        assert_eq!(lease.remaining(T0 + 6 * S), 10 * S);
    }

    #[test]
    fn a_renewal_that_is_confirmed_after_the_lease_changes_nothing() {
        let mut lease = Lease::granted(10 * S, 60 * S, T0);
        assert!(!lease.renewed(10 * S, T0 + 9 * S, T0 + 10 * S));
        assert!(!lease.is_valid(T0 + 10 * S));
    }
}
