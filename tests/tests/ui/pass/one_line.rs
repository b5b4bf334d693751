//! Short bodies and others in which generated code might trigger lints.
#![deny(warnings, unused, unreachable_code)]

use dspinlock::{Client, Error, dspinlock, testing};

#[dspinlock] fn blocking() -> Result<u8, Error> { Ok(1) }

#[dspinlock(once)] fn nothing() -> Result<(), Error> { Ok(()) }

#[dspinlock(on_error = |_| ())] fn empty() {}

#[dspinlock(on_error = |_| ())] fn unit() { return; }

#[dspinlock(skip, otherwise = { let three = 1 + 2; three + 0 }, on_error = |_| 4)] fn block() -> u8 { 2 }

#[dspinlock(key = (mut_arg), on_error = |_| 5)] fn parentheses(mut mut_arg: u8) -> u8 { mut_arg += 1; mut_arg }

#[dspinlock(guard = _lock)] async fn asynchronous() -> Result<u8, Error> { Ok(1) }

#[dspinlock(cached, on_error = |_| ())] async fn nothing_later() {}

#[dspinlock(on_error = |_| panic!())] fn diverging() -> u8 { if true { panic!("on purpose") } else { loop {} } }

fn main() {
    testing::scope(&Client::memory(), || {
        assert_eq!(blocking().unwrap(), 1);
        nothing().unwrap();
        empty();
        unit();
        assert_eq!(block() + parentheses(6), 9);
        let _: fn() -> u8 = diverging;
    });
    let client = Client::memory();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(testing::scope_async(&client, async {
        assert_eq!(asynchronous().await.unwrap(), 1);
        nothing_later().await;
    }));
}
