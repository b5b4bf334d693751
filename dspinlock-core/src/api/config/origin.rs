//! Where the address of a server came from, for errors.

/// Where the address came from. Whoever reads the error of a server that is not there looks for the place to correct it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// Nobody gave one.
    Default,
    /// The setters of a configuration.
    Setters,
    /// A URL that a configuration was made of.
    Url,
    /// A URL that a client was made of.
    Connect,
    /// `DSPINLOCK_URL`.
    Environment,
    /// A file, by serde.
    File,
}

impl Origin {
    /// In words to follow the address.
    #[cfg(feature = "redis")]
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Default => " (the default, since DSPINLOCK_URL is not set)",
            Self::Setters => " (from `Config`)",
            Self::Url => " (from `Config::from_url`)",
            Self::Connect => " (from `Client::connect`)",
            Self::Environment => " (from DSPINLOCK_URL)",
            Self::File => " (from a configuration file)",
        }
    }
}

/// All are equal: two configurations are if they lead to the same server in the same way.
impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}
