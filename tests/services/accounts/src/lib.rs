//! A service with a configuration, as its namesake has one.

/// What every service has.
pub mod config {
    use dspinlock::{Error, dspinlock};

    /// What this service keeps to itself.
    #[dspinlock(key = id, cached)]
    pub fn load(id: u64) -> Result<String, Error> {
        Ok(format!("accounts {id}"))
    }
}
