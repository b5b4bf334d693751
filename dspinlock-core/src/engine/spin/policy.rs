//! What a caller wants: the lock in one of the modes, or a value.

use crate::format::envelope::Label;

/// What to do when the key is BLOCKED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OnBlocked {
    Wait,
    TurnAway,
    Fail,
}

/// What to do when the key is COMPUTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OnComputed {
    Relock,
    TurnAway,
    Fail,
}

/// The mode of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Policy {
    pub(crate) blocked: OnBlocked,
    pub(crate) computed: OnComputed,
}

impl Policy {
    pub(crate) const WAIT: Self = Self { blocked: OnBlocked::Wait, computed: OnComputed::Relock };
    pub(crate) const TRY: Self = Self { blocked: OnBlocked::TurnAway, computed: OnComputed::Relock };
    pub(crate) const ONCE: Self = Self { blocked: OnBlocked::TurnAway, computed: OnComputed::TurnAway };
    pub(crate) const FAIL: Self = Self { blocked: OnBlocked::Fail, computed: OnComputed::Fail };
    pub(crate) const CACHED: Self = Self { blocked: OnBlocked::Wait, computed: OnComputed::TurnAway };
}

/// The value that a caller wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) label: Label,
    pub(crate) distrust: Distrust,
}

/// A stored value that could not be decoded, and is not read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Distrust {
    #[default]
    Nothing,
    /// The value of this COMPUTED record.
    Record(Vec<u8>),
}

impl Distrust {
    pub(crate) fn concerns(&self, record: &[u8]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Record(distrusted) => distrusted == record,
        }
    }
}
