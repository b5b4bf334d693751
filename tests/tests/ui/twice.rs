//! With two attributes on a function, the inner lock would wait for the outer one.
use dspinlock::dspinlock as locked;
use dspinlock::{Error, dspinlock};

mod names {
    pub use dspinlock::dspinlock as once_in_the_fleet;
}

#[dspinlock]
#[dspinlock(skip)]
fn side_by_side() -> Result<(), Error> {
    Ok(())
}

#[dspinlock]
/// With other attributes in between.
#[inline]
#[dspinlock::dspinlock]
async fn by_another_path() -> Result<(), Error> {
    Ok(())
}

#[locked]
#[locked]
fn renamed() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(cached(entry = two_names_entry))]
#[names::once_in_the_fleet(cached)]
async fn two_names() -> Result<u8, Error> {
    Ok(1)
}

struct Jobs;

impl Jobs {
    #[locked(key = ())]
    #[cfg_attr(all(), dspinlock(key = ()))]
    fn method(&self) -> Result<(), Error> {
        Ok(())
    }
}

fn main() {}
