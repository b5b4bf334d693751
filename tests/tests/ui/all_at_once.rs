//! All errors of one attribute are reported at once, and the function is still defined.
use dspinlock::{Error, dspinlock};

#[dspinlock(slep = "1s", lease = 10, once, wait = "5s")]
fn report(customer_id: u64) -> u64 {
    customer_id
}

fn main() {
    // Without the function, this would be one more error.
    let _: u64 = report(1);
    let _: Option<Error> = None;
}
