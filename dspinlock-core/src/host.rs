//! Where a server listens.

use std::fmt;

/// A name or an IP address, the latter without brackets, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Host {
    /// The port of a server, and of a node of a cluster.
    pub(crate) const SERVER: u16 = 6379;
    pub(crate) const SENTINEL: u16 = 26379;

    pub(crate) fn new(name: impl Into<String>, port: u16) -> Self {
        Self { name: name.into(), port }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new("127.0.0.1", Self::SERVER)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}
