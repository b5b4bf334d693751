//! How long a lock is known to be held, and when to renew it. It has no clock: the time is given.

use crate::clock::Tick;
use std::time::Duration;

/// The lease of a held lock. It is renewed when a third of it has passed, up to `max_block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    /// How long the lease lives without renewal.
    life: Duration,
    valid_until: Tick,
    ends_at: Tick,
}

impl Lease {
    /// The lease of a request that was sent at `sent`. The server can't have started to count earlier.
    pub(crate) fn granted(lease: Duration, max_block: Duration, sent: Tick) -> Self {
        Self { life: lease, valid_until: sent + lease.min(max_block), ends_at: sent + max_block }
    }

    pub(crate) fn is_valid(&self, now: Tick) -> bool {
        now < self.valid_until
    }

    pub(crate) fn remaining(&self, now: Tick) -> Duration {
        now.until(self.valid_until)
    }

    /// The life that a renewal at `now` asks for; `None` if `max_block` leaves nothing to add.
    pub(crate) fn renewal(&self, now: Tick) -> Option<Duration> {
        let life = self.life.min(now.until(self.ends_at));
        (self.valid_until < self.ends_at && !life.is_zero()).then_some(life)
    }

    /// Extends the lease by a renewal for `life` that was sent at `sent` and confirmed at `now`; `false` if the lease
    /// had run out by then.
    ///
    /// A lease that has run out stays so: another turn may have come and gone, and a late copy of the first request may
    /// have taken the lock again, whose record the renewal then found.
    pub(crate) fn renewed(&mut self, life: Duration, sent: Tick, now: Tick) -> bool {
        let in_time = self.is_valid(now);
        if in_time {
            self.valid_until = self.valid_until.max(sent + life);
        }
        in_time
    }

    /// Returns when to renew: when a third of the lease has passed.
    pub(crate) fn renew_at(&self) -> Tick {
        self.valid_until.before(self.life * 2 / 3)
    }

    /// The lease of the next holder of the turn, from `now` on: as valid as this one, with a `max_block` of its own.
    pub(crate) fn handed_off(self, max_block: Duration, now: Tick) -> Self {
        Self { ends_at: now + max_block, ..self }
    }

    /// Takes in that so much time has passed at once, as if the machine had been suspended.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.valid_until = self.valid_until.before(time);
        self.ends_at = self.ends_at.before(time);
    }

    /// Returns whether more than half of the lease is left.
    pub(crate) fn is_fresh(&self, now: Tick) -> bool {
        self.remaining(now) > self.life / 2
    }

    /// Returns when to try again after a renewal that failed at `now`.
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
    fn a_lease_that_is_handed_off_stays_as_valid_and_has_a_cap_of_its_own() {
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
    fn time_that_passes_at_once_counts_for_the_lease_and_for_its_cap() {
        let mut lease = Lease::granted(10 * S, 60 * S, T0);
        lease.pass(4 * S);
        assert_eq!(lease.remaining(T0), 6 * S);
        assert_eq!(lease.renewal(T0 + 50 * S), Some(6 * S), "the cap is at 60 s, of which 54 have passed");
    }

    #[test]
    fn at_the_cap_there_is_nothing_to_ask_for() {
        let lease = Lease::granted(10 * S, 15 * S, T0);
        assert_eq!(lease.renewal(T0 + 15 * S), None, "even if no renewal reached the cap");
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
