//! The macros of [`dspinlock`](https://docs.rs/dspinlock). Use them through that crate: what they generate calls it.

mod args;
mod cached;
mod companion;
mod conflicts;
mod derive;
mod duration;
mod errors;
mod expand;
#[cfg(test)]
mod fuzz;
mod lowered;
mod names;
mod signature;
mod text_key;
mod values;

use proc_macro::TokenStream;

/// Locks a function across all processes that share a store: calls with the same key run one after the other, or not
/// at all.
///
/// ```
/// # use dspinlock::{Client, dspinlock, testing};
/// # #[derive(Debug)] struct AppError(String);
/// # impl From<dspinlock::Error> for AppError { fn from(error: dspinlock::Error) -> Self { Self(error.to_string()) } }
/// #[dspinlock(key = customer_id, sleep = "100ms")]
/// fn rebuild_report(customer_id: u64) -> Result<(), AppError> {
///     // Only one process at a time is here for this customer.
///     Ok(())
/// }
///
/// #[dspinlock(key = (tenant, day), once, expire = "20h")]
/// async fn nightly(tenant: &str, day: &str) -> Result<(), AppError> {
///     // Runs once for each tenant and day, whoever calls first.
///     Ok(())
/// }
/// # testing::scope(&Client::memory(), || rebuild_report(1)).unwrap();
/// ```
///
/// It goes on functions and methods, sync and async, with any receiver, with generics, lifetimes and `impl Trait`, in
/// traits with default bodies and under `async-trait`. The signature stays as it is. A sync function blocks its thread
/// while it waits; in async code, lock an `async fn`.
///
/// # What happens to a call
///
/// A key is *held* while somebody runs with it, and *computed* when somebody has finished and `expire` has not passed.
///
/// | mode | key is held | key is computed | otherwise |
/// | --- | --- | --- | --- |
/// | (none) | waits, then runs | runs | runs |
/// | `skip` | does not run | runs | runs |
/// | `once` | does not run | does not run | runs |
/// | `fail_if_key_exists` | error | error | runs |
/// | `cached` | waits, then takes its value | takes its value | runs, and shares the value |
///
/// A function has at most one mode. A call that `skip` or `once` turned away returns `()`, `None`, or `Ok` of these;
/// for other types `otherwise` says what.
///
/// A body that returns `Err` (whatever its `Result` is called) or panics gives the lock back, and its key is not
/// computed: the next caller runs. So does a future that is dropped. An outage of the store is an error in every mode,
/// and the body does not run.
///
/// # Arguments
///
/// | argument | meaning | default |
/// | --- | --- | --- |
/// | `key = EXPR` | what is locked: any `LockKey`, over the arguments and `self` | `()` for functions without arguments, else required |
/// | `namespace = "…"` | keeps the keys of functions apart, see below | from the function |
/// | `sleep = "100ms"` | how often a waiter asks where nothing wakes it | 500 ms |
/// | `wait = "5s"` | how long a call waits for a held key; `"0s"` tries once | 5 s; `cached`: as long as somebody works |
/// | `tries = 10` | the same as a number: it waits `tries × sleep` | |
/// | `expire = "1h"` | how long a key stays computed; for `once` counted from the start | 1 h with `once`, `fail_if_key_exists`, `cached`; else nothing is kept |
/// | `max_block = "30m"` | the longest a call may hold the lock | 30 min |
/// | `lease = "10s"` | how long a crashed process blocks the others; renewed while a call runs | 10 s |
/// | `on_error = PATH` or closure | makes the return value of an error of the lock: `fn(dspinlock::Error) -> Return` | `E: From<dspinlock::Error>` of a `Result<_, E>` |
/// | `on_lost = "error"`, `"cancel"` or `"continue"` | what becomes of a call whose lock is lost while it runs, see below | `"error"`; `cached`: `"continue"` |
/// | `on_outage = "fail"` or `"run_unlocked"` | what becomes of a call while the server can't be asked, see below | that of the client, which is `"fail"` |
/// | `otherwise = EXPR` | what a call returns that `skip` or `once` turned away | `()`, `None` |
/// | `guard = IDENT` | names a variable for the body: a `dspinlock::LockHandle`, with the fencing token and `ensure_held()` | none |
/// | `client = EXPR` | the `dspinlock::Client` (or a reference to one) | that of `testing::scope`, else the global one |
/// | `crate = PATH` | where the library is found when another crate re-exports it | `::dspinlock` |
///
/// - *Durations* are text with a unit (`"100ms"`, `"1h 30m"`), checked while compiling, or any expression of type
///   `Duration`. Zero is refused except for `wait`, as is more than 365 days.
/// - *The key* is evaluated once, before the body, and borrows what it names: in `key = (tenant, day)` neither is
///   moved. Whatever it locks or borrows is given back before the wait. `key = ()` is one lock for all calls. Of a
///   method with nothing but `self`, say which part of it: `key = self.id`. Nothing is filled into text: `"user:{id}"`
///   and `"id"` would be one key for all calls, and are refused in words that say `key = ("user", id)` and `key = id`.
/// - `skip`, `once` and `fail_if_key_exists` never wait, so they take no `sleep`, `wait` or `tries`.
/// - *The return type* must have room for an error of the lock, or `on_error` must make a value of it. An error of the
///   body always wins over one of the lock.
/// - `otherwise` stands in for the body, so it may take the arguments, and `.await` in an `async fn`. `on_error` is called
///   beside it, so it may speak only of arguments that are references or `Copy`, or that the body does not take.
///
/// # When the lock is lost, or can't be had
///
/// A lock is lost when its lease can't be renewed in time, when its record is removed or overwritten, and after
/// `max_block`. With `on_lost = "error"` the body runs to its end, and the call returns an error of kind `Lost` in place of
/// its value; the body's own `Err` still wins. With `"cancel"`, for async functions, the body is dropped at its next await,
/// at the local deadline at the latest. With `"continue"` the value is returned and the loss is logged.
///
/// While the server can't be reached, or refuses, a call is an error of kind `Backend` in every mode, and the body does not
/// run. `on_outage = "run_unlocked"` runs it all the same, perhaps beside others, and logs a warning each time; its guard is
/// never held, and has zero as its fencing token. `Client::with_on_outage` sets that for all functions of a client.
///
/// ```
/// # use dspinlock::{Client, dspinlock, testing};
/// struct Accounts {
///     region: String,
///     locks: Client,
/// }
///
/// impl Accounts {
///     #[dspinlock(
///         client = self.locks,
///         key = (self.region, id),
///         wait = "2s",
///         guard = lock,
///         on_error = |error| Err(error.to_string()),
///     )]
///     async fn settle(&self, id: u64) -> Result<u64, String> {
///         // A resource that remembers the highest number it has seen refuses those who lost their lock.
///         Ok(lock.fencing_token())
///     }
///
///     #[dspinlock(key = self.region, skip, otherwise = "somebody is at it", on_error = |_| "no lock, no work")]
///     fn sweep(&self) -> &'static str {
///         "swept"
///     }
/// }
/// # let accounts = Accounts { region: "eu".into(), locks: Client::memory() };
/// # assert_eq!(testing::scope(&accounts.locks, || accounts.sweep()), "swept");
/// ```
///
/// # Values
///
/// One caller in the fleet runs a `cached` function; the others wait, in whatever process they are, and are given what it
/// returned, as later callers are until `expire` has passed. A hit is one round trip, and takes no lock.
///
/// ```
/// # use dspinlock::{Client, dspinlock, testing};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Usage {
///     pub total: u64,
///     pub complete: bool,
/// }
///
/// #[dspinlock(
///     key = (tenant, day),
///     expire = "10m",
///     cached(
///         refresh_ahead = "30s",
///         stale_if_error = "1h",
///         schema = "usage-2",
///         if = |usage| usage.complete,
///         entry = usage_entry,
///     ),
/// )]
/// pub fn usage(tenant: &str, day: u32) -> Result<Usage, dspinlock::Error> {
///     Ok(Usage { total: 5, complete: true })
/// }
///
/// # testing::scope(&Client::memory(), || {
/// assert_eq!(usage("acme", 17)?.total, 5);
/// let stored = usage_entry("acme", 17)?;
/// assert_eq!(stored.get_ok_blocking()?.map(|usage| usage.total), Some(5));
/// stored.forget_blocking()?; // the next caller computes
/// # Ok::<(), dspinlock::Error>(())
/// # }).unwrap();
/// ```
///
/// | the function returns | stored, and handed on |
/// | --- | --- |
/// | `T` | the whole of it |
/// | `Option<T>` | the whole of it: `None` is a value too |
/// | `Arc<T>` | the `T`; the callers that share one computation or one reply in a process share one `T` |
/// | `Result<_, E>` of one of these | what is in `Ok`; an `Err` is not stored |
/// | `()`, `Result<(), E>` | nothing: the body is not run again |
///
/// `T` is any type that implements serde's `Serialize` and `DeserializeOwned`. The compiler tells by the type, not by its
/// spelling, what a function returns, so aliases need no help and there is no `as = "result"`. A type parameter is
/// stored as a whole, whatever it stands for.
///
/// *A failure* is given to the callers that wait for it, as an error of the lock of kind `LeaderFailed` with the message
/// of the `Err`: its `Display`, else its `Debug` text, else the name of its type, 500 characters at the most. So a
/// broken backend is asked once, and not by one waiter after the other. Callers that come later compute.
///
/// | option | meaning | default |
/// | --- | --- | --- |
/// | `refresh_ahead = "30s"` | this long before a value expires, one caller computes the next, in its own call; the others get the old one | off |
/// | `stale_if_error = "1h"` | how long past its expiry the last good value may stand in for a failure | off |
/// | `err_expire = "1s"` | for so long, a failure is the answer to everybody | only to those who waited |
/// | `local = "5s"`, or `local` alone for 5 s | a copy is served from this process, without asking the server, until word of a change comes, for so long at the most | off |
/// | `max_value = "1MiB"` | a larger value is returned, with a warning, and not stored; text with `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB` or `GB`, or a `usize` | 64 MiB |
/// | `schema = "usage-2"` | the name of the value's form: a value of another name is a miss. Functions of one `namespace` that also have one `schema` take each other's values | the names of the type and of the function, with its parameters |
/// | `codec = PATH` | a type that implements `dspinlock::Codec` | `dspinlock::Json` |
/// | `if = \|value\| …` | whether a value is stored; a closure or a path over `&T`, called after the body | every value is |
/// | `entry = NAME` | makes the companion `NAME`, below | none |
///
/// A value that is not stored is still given to those who waited in the same process. One that stands there in another
/// form, or can't be read, is computed again: a deployment that changes a struct changes its `schema`, or has its fields
/// default. `if`, like `on_error`, may speak only of arguments that are references or `Copy`, or that the body does not
/// take.
///
/// *The companion* is a function beside this one with the same visibility, generics, receiver and arguments, never async,
/// and unsafe if this one is, since both evaluate the key. It gives a `dspinlock::CachedEntry`, whose `get` and `get_ok` read what is stored for these arguments, in one
/// round trip and without a lock, and `forget` removes it. The body of a trait's implementation has no room for another
/// item, and the compiler says so; in the trait itself, beside a default body, there is.
///
/// # Calls inside of calls
///
/// A function that calls itself with the same key is refused with an error of kind `Misuse`, in every mode: it would wait
/// for itself, or be turned away by itself. So is a `DSpinlock` of that key in its body. Calls of one process that wait for
/// each other (`a` calls `b` while `b` calls `a`) get the same error at once, with the functions and keys of the whole cycle;
/// so does a blocking call on the thread of a current-thread runtime that waits for a task which only this thread can poll,
/// with `cached` as soon as that task has to compute the value and is not just given it.
///
/// What nobody can see is a cycle through another process, through a guard that is held in code, or through a thread or task
/// that a body starts and waits for, which has none of the body's locks; nor a blocking call that stops another part of its
/// own task, as in a `join!`, on a runtime with several threads. Such callers wait until their time is over: 5 s, or
/// `max_block` with `cached`; with `skip` and `once` they are turned away. After `lease`, a caller of `cached` logs once, as a
/// warning, who is waited for.
///
/// # Which functions share keys
///
/// None, unless told to. A key belongs to one place in one package, in whatever process it is called. Packages of one name are
/// one package to it: services that are both called `server` keep apart by `Client::with_prefix`. Its default namespace is
/// made of
///
/// - the package, with `/bin` if the function is in a binary: `billing/bin`;
/// - the path of the function, with the type of its `impl`, the trait, and the functions around it:
///   `server::reports::Table<u8>::load`;
/// - for a function in a function, where it is written and what its body is: `server::main::load@12:5:13:8:1f0c…` (lines,
///   columns and a digest), since the blocks of a function have no names. An associated function without a receiver is
///   taken for one if its type is not written like a type, as `Table` is and `DB` is not; one of a trait's `impl`, if the
///   type or the trait is from a module within its own;
/// - the types of the function's generic parameters and `impl Trait` arguments, and the values of its constants: `<u8>`.
///
/// A parameter, or a `Self` type with one, that may stand for several things is refused by the first call, with an error of
/// kind `Misuse`: all closures of one function have one name, and so have types that are declared in a closure or in an
/// async block; a function pointer or a trait object may do anything. Write `namespace = "…"` there, with `cached` also a
/// `schema`, and tell apart by the key what must not meet. Some names look like others, and are not seen: types of one name
/// in two blocks of one function, or in two crates of one name, that stand for the same parameter of one function.
///
/// Such names change with a rename, with lines where these count, and perhaps with the compiler: locks that must exclude
/// each other across releases need a name of their own. `namespace = "billing"` is used as it stands, and functions of the
/// same namespace and key exclude each other. They don't take each other's values, unless they have one `schema`. It has
/// no `{`, `}` or `,`. `namespace = ""` is a *bare* key, shared with Python's `HashDSpinlock(key)`.
///
/// # What it refuses
///
/// A `const fn`; a second `#[dspinlock]` on one function; and a sync function that returns a future, however its type is
/// spelled: the lock would be held only while the future is made. An async function may return one, such as the handle
/// of a task that it has started, which goes on without the lock. A function that is nothing but
/// `Box::pin(async move { … })`, as `async-trait` makes them, is locked inside. On any error the function is still there,
/// without its lock, so that an editor goes on working.
#[proc_macro_attribute]
pub fn dspinlock(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(args.into(), item.into()).into()
}

/// Makes a struct or an enum a key: `#[dspinlock(key = report)]`, `client.lock(&report)`, or a part of another key.
///
/// ```
/// use dspinlock::{Key, LockKey};
///
/// #[derive(LockKey)]
/// struct Report {
///     tenant: String,
///     year: u16,
///     #[lock_key(skip)]
///     requested_by: &'static str,
/// }
///
/// let by = |requested_by| Report { tenant: "acme".into(), year: 2026, requested_by };
/// assert_eq!(Key::new(&by("ann")), Key::new(&by("bob")));
/// ```
///
/// All fields must be keys themselves. Type parameters get the bound they need.
///
/// # What stays the same key
///
/// The encoding holds the name of the type, for an enum the name of the variant, and the fields: named fields with
/// their names and sorted by them, unnamed ones in their order. So fields and variants can be reordered, and a field's
/// integer type, its `String` or `Box` can change, while processes of both releases lock the same thing. Renaming,
/// adding or removing a field, or renaming the type or the variant, makes another key. The module, the crate and the
/// arguments of type parameters do not count.
///
/// # Attributes
///
/// | attribute | where | effect |
/// | --- | --- | --- |
/// | `#[lock_key(skip)]` | field | leaves the field out: values that differ only there are one key |
/// | `#[lock_key(name = "…")]` | type, variant, named field | keeps its former name in the encoding after a renaming |
/// | `#[lock_key(transparent)]` | struct | the key of its one field that is not skipped: for ids, and to meet Python |
/// | `#[lock_key(crate = path)]` | type | where the library is found when re-exported; `::dspinlock` by default |
///
/// Unions are refused: nothing says which of their fields is valid.
#[proc_macro_derive(LockKey, attributes(lock_key))]
pub fn derive_lock_key(input: TokenStream) -> TokenStream {
    derive::derive(input.into()).into()
}
