//! Items that can't be locked.
use dspinlock::{Error, dspinlock};

#[dspinlock(key = 1)]
const fn constant() -> Result<(), Error> {
    Ok(())
}

#[dspinlock]
struct Nothing;

trait Job {
    #[dspinlock]
    fn without_a_body(&self) -> Result<(), Error>;
}

struct Mail;

#[dspinlock]
impl Job for Mail {
    fn without_a_body(&self) -> Result<(), Error> {
        Ok(())
    }
}

fn main() {}
