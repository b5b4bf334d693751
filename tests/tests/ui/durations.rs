//! Durations need a unit. Zero and more than a year are refused.
use dspinlock::{Error, dspinlock};

#[dspinlock(sleep = 100)]
fn number() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(wait = 5)]
fn number_of_seconds() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(sleep = 0.5)]
fn fraction() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(lease = "10")]
fn text_without_a_unit() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(lease = "10 parsecs")]
fn unknown_unit() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(expire = -1)]
fn negative() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(sleep = true)]
fn not_a_duration() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(sleep = "0ms")]
fn zero_sleep() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(lease = "0s")]
fn zero_lease() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(once, expire = "0s")]
fn zero_expire() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(max_block = "0s")]
fn zero_max_block() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(sleep = 0)]
fn zero_without_a_unit() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(lease = 0.0)]
fn zero_fraction() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(max_block = "00")]
fn zero_text() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(wait = 0)]
fn zero_that_means_something() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(lease = "1M")]
fn month_or_minute() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(expire = "1h 30M")]
fn months_or_minutes() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(once, expire = "366d")]
fn more_than_a_year() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(lease = "1ns")]
fn less_than_a_millisecond() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(wait = "1us")]
fn a_wait_that_no_server_is_told() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(wait = "0s", expire = "365d", max_block = "1month")]
fn at_the_edges() -> Result<(), Error> {
    Ok(())
}

fn main() {}
