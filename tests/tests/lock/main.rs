//! The lock in code: most cases run through both APIs, on Redis and on the memory store.
//!
//! The rows of py-dspinlock's behaviour that need no Python process, and the test of each:
//!
//! | py-dspinlock | test |
//! | --- | --- |
//! | `with HashDSpinlock(obj)`: acquire, release | `turns::a_release_marks_the_key_computed` |
//! | `expire_at_timedelta`, 1 h unless given | the same, `turns::without_expire_a_release_removes_the_record` |
//! | the body raises (there: COMPUTED all the same) | `turns::an_abandoned_lock_leaves_the_key_free` |
//! | release: key gone, or BLOCKED by another | `turns::a_release_of_a_lost_lock_is_an_error_and_changes_nothing` |
//! | release: already COMPUTED | `holding`: a release whose reply is lost |
//! | `delete_atomic_query_mutex_state()` | `turns::forget_removes_the_record_whoever_holds_it` |
//! | `max_spinlock_tries`, `spinlock_sleep_thresh` | `waiting::tries_times_sleep_is_the_budget` |
//! | `SpinlockTriesExceeded` | `waiting::the_error_says_who_holds_the_key` |
//! | `max_block_time` | `waiting::a_crashed_holder_blocks_no_longer_than_its_lease`, `holding`: up to `max_block` |
//! | `fail_if_key_exists` | `modes::fail_if_key_exists_fails_while_the_key_is_there` |
//! | `cached_if_computed` | `modes::a_computed_key_is_entered_without_the_lock`, `modes::a_waiter_returns_when_…` |
//! | re-entry by the same instance | by name: `nesting::a_nested_guard_…`, `nesting::the_same_instance_…`, `nesting::a_recursive_call_…` |
//! | acquisition is not atomic there | `turns::two_instances_exclude_each_other` |
//! | 5 round trips to enter, 5 to leave | `turns::a_turn_is_two_commands` |
//! | overriding `get_key`, `_get_uid`, `_get_tag`, class attributes | `names::a_scheme_…`, `names::options_are_a_value` |
//! | `sess=`, `redis_params=`, the defaults | `connections` |
//! | wrong number of fields, bad bytes, unknown state | `refusals` |
//!
//! The tests of uids are in the core, those of `SL_LOG_ENABLED` in `connections::logging`, and those with real Python processes
//! in `python`.

mod fairness;
mod line;
mod modes;
mod names;
mod nesting;
mod recursion;
mod turns;
mod waiting;
mod wakeups;
