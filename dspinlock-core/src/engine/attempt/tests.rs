//! Locks that are handed over while a caller does something else than wait for them.

use super::queueing::sleep;
use super::*;
use crate::Client;
use crate::engine::grant::Grant;
use crate::engine::queue::Handoff;
use crate::engine::spin::Refusal;
use crate::error::ErrorKind;
use crate::format::record::Tag;

/// A caller in a queue.
struct Scene {
    attempt: Attempt,
    queued: Queued,
}

impl Scene {
    fn new() -> Self {
        let lock = Client::memory().lock("key").resolved().unwrap();
        let mut attempt = Attempt::new(lock.core, lock.spec, Policy::WAIT, Duration::from_secs(5));
        let Place { queued, .. } = attempt.join().unwrap();
        Self { attempt, queued }
    }

    fn hand_over(&self) {
        let (core, spec) = (&self.attempt.core, &self.attempt.spec);
        let tag = Tag::new("id@owner,now".to_owned(), &spec.names.separator);
        let grant = Arc::new(Grant::new(std::process::id(), Arc::clone(spec), tag, 1, Tick::now(), 0));
        assert!(core.queues.hand_off(&spec.names.record, |_| Some(Handoff::new(grant, |_| ()))));
    }

    fn refused(&self) -> Result<Progress> {
        Err(self.attempt.refuse(Refusal::Contended(None)))
    }
}

#[tokio::test]
async fn a_lock_that_was_handed_over_is_taken_with_no_time_left() {
    let scene = Scene::new();
    assert!(sleep(Tick::now(), None, Some(&scene.queued)).await.is_none());
    scene.hand_over();
    assert!(sleep(Tick::now(), None, Some(&scene.queued)).await.is_some());
}

#[test]
fn a_lock_that_was_handed_over_during_a_request_is_taken_in_place_of_a_refusal() {
    let scene = Scene::new();
    let refused = scene.attempt.unless_handed_over(scene.refused(), Some(&scene.queued));
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::Contended);
    scene.hand_over();
    let entered = scene.attempt.unless_handed_over(scene.refused(), Some(&scene.queued));
    let Ok(Progress::Done(Outcome::Entered(guard))) = entered else { panic!("it has the lock") };
    assert!(guard.is_held());
}
