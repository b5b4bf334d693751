//! Unsafe functions, which the lints of this workspace forbid elsewhere.
#![deny(warnings)]
#![allow(unsafe_op_in_unsafe_fn, reason = "older editions do, and the bodies are to be the same under the attribute")]

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

#[dspinlock(key = pointer.addr())]
unsafe fn without_a_block(pointer: *const u8) -> Result<u8, Error> {
    Ok(*pointer)
}

#[dspinlock(key = *pointer, cached(entry = by_content_entry))]
unsafe fn by_content(pointer: *const u8) -> Result<u8, Error> {
    Ok(*pointer)
}

/// # Safety
/// The pointer must be valid until the future has ended.
#[dspinlock(key = pointer.addr(), cached)]
pub async unsafe fn without_a_block_later(pointer: *const u8) -> Result<u8, Error> {
    let read = async { *pointer };
    Ok(read.await)
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
        assert_eq!(unsafe { without_a_block(&raw const number) }.unwrap(), 5);
        assert_eq!(unsafe { by_content(&raw const number) }.unwrap(), 5);
        let entry = unsafe { by_content_entry(&raw const number) }.unwrap();
        assert_eq!(entry.get_ok_blocking().unwrap(), Some(5));
        assert_eq!(unsafe { dspinlock_test_exported(1) }, 2);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::memory();
    let locked = testing::scope_async(&client, unsafe { asynchronous(&raw const number) });
    assert_eq!(runtime.block_on(locked).unwrap(), 5);
    let locked = testing::scope_async(&client, unsafe { without_a_block_later(&raw const number) });
    assert_eq!(runtime.block_on(locked).unwrap(), 5);
}
