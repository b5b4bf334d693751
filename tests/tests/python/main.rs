//! Tests with the real py-dspinlock 0.3.1: a Python process and a Rust process on one server.
//!
//! `scripts/test --setup` makes the Python environment. Python's acquisition is not atomic, so no test relies on it for
//! exclusion; `mixed` counts the consequences.
//!
//! The behaviour of py-dspinlock, and the test of each row:
//!
//! | py-dspinlock | here |
//! | --- | --- |
//! | `with HashDSpinlock(obj)` | `waiting::*` |
//! | `obj` is any `Hashable` | `uids::*` |
//! | defaults: localhost, port 6379, db 0 | `computed::both_use_the_same_server_by_default` |
//! | key `dspinlock,<uid>` | `records::a_bare_key_has_the_same_name`, `schemes::*` |
//! | value `<uuid4>,<isoformat>,<0 or 1>` | `records::python_reads_ours`, `records::we_read_pythons` |
//! | an instance that is used again writes the same tag | `takeover::not_of_a_reused_instance` |
//! | `max_spinlock_tries`, `spinlock_sleep_thresh` | `waiting::python_gives_up_on_us`, `waiting::we_give_up_on_python` |
//! | `expire_at_timedelta` | `computed::a_record_lives_as_long_as_its_writer_says` |
//! | `max_block_time` | `takeover::*` |
//! | `fail_if_key_exists` | `computed::fail_if_key_exists_*` |
//! | `cached_if_computed` | `computed::python_has_computed`, `computed::we_have_computed` |
//! | release: the key is gone | `releases::of_a_key_that_python_deleted`, `releases::by_python_of_a_key_that_we_forgot` |
//! | release: BLOCKED by another | `takeover::of_ours_by_python`, `takeover::of_a_python_holder` |
//! | release: already COMPUTED | `releases::of_a_computed_key` |
//! | the body raises | `computed::a_python_body_that_raises`, `computed::a_body_of_ours_that_fails` |
//! | wrong number of fields, bad bytes, unknown state | `records::neither_side_reads_a_malformed_record` |
//! | `delete_atomic_query_mutex_state()` | `releases::forget_and_delete_are_the_same` |
//! | overriding `_get_uid`, `_get_tag`, `get_key`, `_key_prefix`, `_key_sep`, `_value_sep` | `schemes::*` |
//! | release raises when the key is locked again at once | `grace::*` |
//! | acquisition is not atomic | `mixed::*`, counted |

mod computed;
mod driver;
mod grace;
mod mixed;
mod monitor;
mod pair;
mod records;
mod releases;
mod schemes;
mod takeover;
mod uids;
mod values;
mod waiting;
