//! A panic in an annotated body is reported at the line of the user, as are backtraces and coverage, which use the same places.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, set_hook, take_hook};
use std::sync::{Arc, Mutex};

use dspinlock::{Error, dspinlock};

use crate::support::{alone, alone_async};

/// What these functions panic with: the line of the panic.
struct OnLine(u32);

#[dspinlock]
fn blocking() -> Result<(), Error> {
    panic_any(OnLine(line!()))
}

#[dspinlock(once, guard = _lock)]
async fn asynchronous() -> Result<(), Error> {
    tokio::task::yield_now().await;
    panic_any(OnLine(line!()))
}

#[dspinlock(cached(local, entry = cached_entry))]
async fn cached() -> Result<u8, Error> {
    tokio::task::yield_now().await;
    panic_any(OnLine(line!()))
}

#[test]
fn panics_are_reported_at_the_line_of_the_user() {
    let places = Arc::new(Mutex::new(Vec::new()));
    let others = take_hook();
    let seen = Arc::clone(&places);
    set_hook(Box::new(move |info| match (info.payload().downcast_ref::<OnLine>(), info.location()) {
        (Some(OnLine(line)), Some(place)) => {
            seen.lock().unwrap().push((*line, place.line(), place.file().to_owned()));
        }
        _ => others(info),
    }));
    let bodies: [&dyn Fn(); 3] =
        [&|| alone(|| drop(blocking())), &|| drop(alone_async(asynchronous())), &|| {
            drop(alone_async(cached()));
        }];
    for body in bodies {
        catch_unwind(AssertUnwindSafe(body)).unwrap_err().downcast::<OnLine>().unwrap();
    }
    let places = places.lock().unwrap();
    assert_eq!(places.len(), bodies.len());
    for (written, reported, file) in &*places {
        assert_eq!((written, file.as_str()), (reported, file!()));
    }
    alone(|| cached_entry().unwrap());
}
