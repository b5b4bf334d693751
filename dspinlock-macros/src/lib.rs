//! The macros of [`dspinlock`](https://docs.rs/dspinlock). Use them through that crate: what they generate calls it.

#[macro_use]
mod attribute;
mod derive;
mod errors;

use proc_macro::TokenStream;

/// Locks a function across all processes that share a store.
///
/// Calls with the same key run one after the other, run once, or share one value, depending on the [mode](#modes).
///
/// # Examples
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
///     // Runs once for each tenant and day, in the process that calls first.
///     Ok(())
/// }
/// # testing::scope(&Client::memory(), || rebuild_report(1)).unwrap();
/// ```
///
/// # Functions
///
/// The attribute goes on functions and methods, sync or async, with any receiver, generics, lifetimes and `impl Trait`. It
/// also goes on trait methods with a default body, and on methods under `async-trait`. The signature does not change.
///
/// A sync function blocks its thread while it waits. In async code, lock an `async fn`.
///
/// These do not compile:
///
/// - A `const fn`.
/// - A function with two `#[dspinlock]` attributes, which would wait for itself.
/// - A sync function that returns a future, because the lock would be held only while the future is made. A function whose
///   body is just `Box::pin(async move { … })` does compile, and the lock is held while the future runs. An async function
///   may return a future, such as the handle of a task; the task runs without the lock.
///
/// If the attribute is wrong, the function is still declared, without its lock, so that editors keep working.
///
/// # Modes
///
/// A key is *held* while a call runs with it. It is *computed* after a call has finished, until `expire` has passed.
///
/// | mode | key is held | key is computed | otherwise |
/// | --- | --- | --- | --- |
/// | (none) | waits, then runs | runs | runs |
/// | `skip` | does not run | runs | runs |
/// | `once` | does not run | does not run | runs |
/// | `fail_if_key_exists` | error | error | runs |
/// | `cached` | waits, then returns the value | returns the value | runs, and stores the value |
///
/// A function has at most one mode. A call that `skip` or `once` turns away returns `()`, `None`, or `Ok` of one of them;
/// for other types, write `otherwise`.
///
/// A body that panics, or returns the `Err` of a `Result` or of an alias of one, releases the lock, and its key is not
/// computed: the next caller runs. The same holds for a future that is dropped.
///
/// # Arguments
///
#[doc = document_arguments!()]
///
/// - *Durations* are text with a unit (`"100ms"`, `"1h 30m"`), or any expression of type `Duration`. A duration is more
///   than zero, except for `wait`, and at most 365 days.
/// - *The key* is evaluated once, before the body. It borrows its parts: `key = (tenant, day)` moves neither. Temporary
///   values, such as the guard of a mutex, are dropped before the call waits. `key = ()` is one lock for all calls. In a
///   method, name a part of `self`: `key = self.id`. Text is not interpolated, so `"user:{id}"` does not compile; write
///   `key = ("user", id)`.
/// - *The return type* must be able to carry an error of the lock, unless `on_error` is written. An error of the body takes
///   precedence over an error of the lock.
/// - `skip`, `once` and `fail_if_key_exists` never wait, so they take no `sleep`, `wait` or `tries`.
/// - `otherwise` runs in place of the body. It may move the arguments, and may `.await` in an `async fn`. `on_error` is
///   evaluated beside the body, so it may use only arguments that are references or `Copy`, or that the body does not move.
///
/// # Lost locks and outages
///
/// A call loses its lock when the lease is not renewed in time, when the record is removed or overwritten, and after
/// `max_block`. `on_lost` says what happens then:
///
/// - `"error"`: the body runs to its end, and the call returns an error of kind `Lost` in place of its value. An `Err` of
///   the body takes precedence.
/// - `"cancel"`, for async functions: the body is dropped at its next await, at the latest when the local deadline passes.
/// - `"continue"`: the call returns its value, and the loss is logged.
///
/// While the server cannot be reached or refuses requests, a call in any mode returns an error of kind `Backend` and does
/// not run. `on_outage = "run_unlocked"` runs the body without the lock, perhaps beside other calls, and logs a warning each
/// time. The guard of such a call is never held, and its fencing token is zero. `Client::with_on_outage` sets this for all
/// functions of a client.
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
///         // A resource that remembers the highest token refuses calls that have lost their lock.
///         Ok(lock.fencing_token())
///     }
///
///     #[dspinlock(key = self.region, skip, otherwise = "already running", on_error = |_| "no lock")]
///     fn sweep(&self) -> &'static str {
///         "swept"
///     }
/// }
/// # let accounts = Accounts { region: "eu".into(), locks: Client::memory() };
/// # assert_eq!(testing::scope(&accounts.locks, || accounts.sweep()), "swept");
/// ```
///
/// # Cached values
///
/// One caller in the fleet runs a `cached` function. The others wait, in any process, and get the same value. Later callers
/// get it until `expire` has passed. A hit is one round trip, and takes no lock.
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
/// stored.forget_blocking()?; // The next caller computes.
/// # Ok::<(), dspinlock::Error>(())
/// # }).unwrap();
/// ```
///
#[doc = document_options!()]
///
/// The return type says what is stored:
///
/// | the function returns | stored and shared |
/// | --- | --- |
/// | `T` | the whole value |
/// | `Option<T>` | the whole value; `None` is a value too |
/// | `Arc<T>` | the `T`; callers in one process that share a computation or a reply share one `T` |
/// | `Result<_, E>` of one of these | the content of `Ok`; an `Err` is not stored |
/// | `()`, `Result<(), E>` | only that the call has finished: the body does not run again |
///
/// `T` is any type that implements serde's `Serialize` and `DeserializeOwned`. The compiler resolves aliases of these types.
/// A type parameter is stored as a whole, also if it is a `Result`.
///
/// *Copies in the process.* With `local`, a hit on a copy takes no round trip. The copy also keeps the decoded value: hits share
/// an `Arc<T>`, and clone a `T` that is `Clone + Send + Sync + 'static`; any other value, and one whose type has a lifetime in
/// the signature, is decoded at each hit. Such a hit evaluates the arguments `key`, `namespace`, `client` and `schema`, and no
/// others. `Client::with_local_copies` bounds the memory.
///
/// *Failures.* The callers that wait for a computation that fails get an error of kind `LeaderFailed`, with the `Err` as
/// text: its `Display`, otherwise its `Debug`, otherwise the name of its type, cut at 500 characters. So the waiters do not
/// repeat a failing computation one after the other. Later callers compute.
///
/// *Values that are not stored*, because of `if` or `max_value`, still go to the callers that wait in the same process. A
/// stored value of another form, or one that cannot be read, is a miss. A release that changes a struct changes its `schema`,
/// or gives new fields a default. Like `on_error`, `if` may use only arguments that are references or `Copy`, or that the
/// body does not move.
///
/// ## Companions
///
/// `entry = NAME` declares a companion beside the function. It has the same visibility, generics, receiver and arguments. It
/// is never async, and it is unsafe if the function is. It returns a `dspinlock::CachedEntry`: `get` and `get_ok`
/// read the value that is stored for these arguments, in one round trip and without a lock, and `forget` removes it.
///
/// A companion is an item of its own, so a method in the `impl` of a trait cannot have one. A default method in the trait can.
///
/// # Recursion and cycles
///
/// A function that calls itself with the same key would wait for itself. In every mode, this is an error of kind `Misuse`. The
/// same holds for a `DSpinlock` with that key in the body, and for calls of one process that wait for each other (`a` calls
/// `b` while `b` calls `a`); the error names the functions and the keys of the cycle. It also holds for a blocking call on a
/// current-thread runtime that waits for a task which only this thread can poll; with `cached`, from the time at which
/// that task has to compute the value.
///
/// Some cycles cannot be detected:
///
/// - a cycle through another process,
/// - a cycle through a guard that is held in code,
/// - a cycle through a thread or a task that a body starts and waits for, since it has none of the body's locks,
/// - a blocking call that stops another part of its own task, as in a `join!`, on a multi-thread runtime.
///
/// Such callers wait until `wait` has passed, or `max_block` with `cached`; `skip` and `once` turn them away. With `cached`, a
/// caller logs a warning after `lease` that names the holder.
///
/// # Spans of `tracing`
///
/// `#[instrument]` goes below `#[dspinlock]` if its span shall have the wait for the lock in it, and above if it shall have only
/// the body. Write it below: then the time of a call is the time of its span, and a call that is turned away has one, too.
///
/// ```
/// # use dspinlock::{Client, dspinlock, testing};
/// use tracing::instrument;
///
/// #[dspinlock(key = id)]
/// #[instrument] // the wait and the body
/// fn settle(id: u64) -> Result<(), dspinlock::Error> {
///     Ok(())
/// }
///
/// #[instrument] // the body alone, once the lock is held
/// #[dspinlock(key = id)]
/// fn rebuild(id: u64) -> Result<(), dspinlock::Error> {
///     Ok(())
/// }
/// # testing::scope(&Client::memory(), || settle(1).and_then(|()| rebuild(1))).unwrap();
/// ```
///
/// The reason is that of two attributes the upper one is expanded first, and the lower one then wraps its result. The wait is also
/// a span of the library, `lock`, with the target `dspinlock` and the level `DEBUG`.
///
/// # Namespaces
///
/// Without a `namespace`, different functions never share a key, and the same function shares its keys in all processes. The
/// default namespace consists of
///
/// - the package, with `/bin` for a function of a binary: `billing/bin`;
/// - the path of the function, with the type of its `impl`, the trait, and the enclosing functions:
///   `server::reports::Table<u8>::load`;
/// - for a function within a function, its position and a digest of its body, since the blocks of a function have no names:
///   `server::main::load@12:5:13:8:1f0c…`. An associated function without a receiver counts as one if its type is not
///   capitalized as types are (`Table` is, `DB` is not); an associated function of a trait's `impl`, if the type or the trait
///   is from a module within its own;
/// - the types of generic parameters and `impl Trait` arguments, and the values of const parameters: `<u8>`.
///
/// Packages with the same name share their namespaces. Separate two services that are both called `server` by
/// `Client::with_prefix`.
///
/// The default namespace changes when the function is renamed or, within another function, moved, and may change with the
/// compiler. Name the namespace of locks that must exclude each other across releases: `namespace = "billing"` is used as it
/// is, and cannot contain `{`, `}` or `,`. Functions with the same namespace and key exclude each other. They share values
/// only if they have the same `schema`, too. `namespace = ""` makes a *bare* key, which Python's `HashDSpinlock(key)` shares.
///
/// Some type parameters, also those of the `Self` type, do not tell the instances of a function apart. All closures of one
/// function have the same type name, as do types that are declared in a closure or an async block, and a function pointer or
/// a trait object stands for any function or type. The first call of such an instance returns an error of kind `Misuse`.
/// Write a `namespace` there, with `cached` also a `schema`, and put what must be kept apart into the key. This is not
/// detected for types of the same name in two blocks of one function, or in two crates of the same name.
#[proc_macro_attribute]
pub fn dspinlock(args: TokenStream, item: TokenStream) -> TokenStream {
    attribute::attribute(args.into(), item.into()).into()
}

/// Makes a struct or an enum a key, for `#[dspinlock(key = report)]`, for `client.lock(&report)`, or as a part of other keys.
///
/// # Examples
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
/// All fields must be keys themselves. Type parameters get the bounds that they need. A union cannot be a key, because
/// nothing says which of its fields is valid.
///
/// # Stable keys
///
/// The key encodes the name of the type, the name of the variant of an enum, and the fields: named fields by their names,
/// in the order of the names, and unnamed fields in their own order.
///
/// The key stays the same when named fields or variants are reordered, when the integer type of a field changes, and when a
/// `String` becomes a `&str`, or a `Box<T>` a `T`. So processes of both releases lock the same key.
///
/// The key changes when a field is added, removed or renamed, and when the type or the variant is renamed. The module, the
/// crate and the type arguments do not matter.
///
/// # Attributes
///
/// | attribute | on | effect |
/// | --- | --- | --- |
/// | `#[lock_key(skip)]` | field | Leaves the field out: values that differ only there are the same key. |
/// | `#[lock_key(name = "…")]` | type, variant, named field | Sets the name in the key, to keep the key after a renaming. |
/// | `#[lock_key(transparent)]` | struct | Uses the key of the only field that is not skipped: for ids, and for keys that Python shares. |
/// | `#[lock_key(crate = path)]` | type | The path of this library if another crate re-exports it; `::dspinlock` by default. |
#[proc_macro_derive(LockKey, attributes(lock_key))]
pub fn derive_lock_key(input: TokenStream) -> TokenStream {
    derive::derive(input.into()).into()
}
