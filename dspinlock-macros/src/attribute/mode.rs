//! The modes: what a call does when its key is held or computed.

/// The mode of a function; without one, a call waits and then runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Lock,
    Skip,
    Once,
    FailIfKeyExists,
    Cached,
}

/// The modes that can be written, each with its name.
pub(crate) const MODES: [(&str, Mode); 4] = [
    ("skip", Mode::Skip),
    ("once", Mode::Once),
    ("fail_if_key_exists", Mode::FailIfKeyExists),
    ("cached", Mode::Cached),
];

impl Mode {
    pub(crate) fn named(name: &str) -> Option<Self> {
        MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }

    /// The name as it is written.
    pub(crate) fn name(self) -> Option<&'static str> {
        MODES.iter().find(|(_, mode)| *mode == self).map(|(name, _)| *name)
    }

    /// Whether a call waits for a held key.
    pub(crate) fn waits(self) -> bool {
        matches!(self, Self::Lock | Self::Cached)
    }

    /// Whether a call may return without running the body, and without an error.
    pub(crate) fn turns_away(self) -> bool {
        matches!(self, Self::Skip | Self::Once)
    }
}
