//! Unsafe functions, which the lints of this workspace forbid elsewhere.
#![deny(warnings)]

use dspinlock::{Client, Error, dspinlock, testing};

#[dspinlock(key = pointer.addr(), guard = lock)]
unsafe fn blocking(pointer: *const u8) -> Result<u8, Error> {
    assert!(lock.is_held());
    Ok(unsafe { *pointer })
}

/// # Safety
/// The pointer must be valid until the future has ended.
#[dspinlock(key = pointer.addr())]
pub async unsafe fn asynchronous(pointer: *const u8) -> Result<u8, Error> {
    Ok(unsafe { *pointer })
}

#[dspinlock(key = number, on_error = |_| -1)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspinlock_test_exported(number: i32) -> i32 {
    number + 1
}

fn main() {
    let number = 5;
    testing::scope(&Client::memory(), || {
        assert_eq!(unsafe { blocking(&raw const number) }.unwrap(), 5);
        assert_eq!(unsafe { dspinlock_test_exported(1) }, 2);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::memory();
    let locked = testing::scope_async(&client, unsafe { asynchronous(&raw const number) });
    assert_eq!(runtime.block_on(locked).unwrap(), 5);
}
