//! One call of an annotated function: the arguments of its attribute, and their defaults.

use crate::api::client::Client;
use crate::api::entry::CachedEntry;
use crate::api::global;
use crate::attribute::site::{self, Site};
use crate::engine::attempt::Attempt;
use crate::engine::fallback::Resolved;
use crate::engine::spec::Spec;
use crate::engine::spin::Policy;
use crate::engine::waits::check_recursion;
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::Label;
use crate::format::key::{Key, LockKey};
use crate::observe::Subject;
use crate::options::{Budget, Caching, CallId, DEFAULT_WAIT, OnLost, OnOutage, Options};
use crate::value::request::CacheRequest;
use crate::value::sharing::Sharing;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// What a call does if its key is held or COMPUTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Waits, then runs the body.
    Lock,
    /// Does not run the body if the key is held.
    Skip,
    /// Does not run the body if the key is held or COMPUTED.
    Once,
    /// Fails if the key is held or COMPUTED.
    FailIfKeyExists,
    /// Waits if the key is held, and returns the computed value.
    Cached,
}

impl Mode {
    fn policy(self) -> Policy {
        match self {
            Self::Lock => Policy::WAIT,
            Self::Skip => Policy::TRY,
            Self::Once => Policy::ONCE,
            Self::FailIfKeyExists => Policy::FAIL,
            Self::Cached => Policy::CACHED,
        }
    }
}

/// One call. It borrows nothing: the body may take the arguments that the attribute uses.
#[derive(Debug)]
pub struct Call {
    site: &'static Site,
    mode: Mode,
    pub(super) closure: Option<&'static str>,
    qualifiers: Vec<Cow<'static, str>>,
    pub(super) namespace: Option<String>,
    key: Key,
    pub(super) client: Option<Client>,
    options: Options,
    budget: Option<Budget>,
    expire: Option<Duration>,
    on_lost: Option<OnLost>,
    on_outage: Option<OnOutage>,
    caching: Caching,
    pub(super) schema: Option<&'static str>,
    /// Its identity, by which a copy of its value is found.
    id: Option<CallId>,
}

/// Writes setters, each for one field of [`Call`].
macro_rules! setters {
    ($($(#[$doc:meta])+ $name:ident($kind:ty) => $($field:ident).+;)+) => {$(
        $(#[$doc])+
        #[must_use]
        pub fn $name(mut self, value: $kind) -> Self {
            self.$($field).+ = value.into();
            self
        }
    )+};
}

impl Call {
    /// The default `expire` of the modes that use the COMPUTED state.
    const EXPIRE: Duration = Duration::from_secs(60 * 60);

    /// A call of the function at `site`, with all defaults and `()` as its key.
    pub fn new(site: &'static Site) -> Self {
        Self {
            site,
            mode: Mode::Lock,
            closure: None,
            qualifiers: Vec::new(),
            namespace: None,
            key: Key::new(&()),
            client: None,
            options: Options::new(),
            budget: None,
            expire: None,
            on_lost: None,
            on_outage: None,
            caching: Caching::new(),
            schema: None,
            id: None,
        }
    }

    /// The call of a cached function for which there is no local copy.
    pub(super) fn sought(site: &'static Site, key: Key, id: CallId) -> Self {
        Self { mode: Mode::Cached, key, id: Some(id), ..Self::new(site) }
    }

    setters! {
        /// The attribute's mode.
        mode(Mode) => mode;
        /// The type name of a closure in the function, which says what encloses the function.
        place(&'static str) => closure;
        /// See [`Options::with_sleep`].
        sleep(Duration) => options.sleep;
        /// See [`Options::with_expire`].
        expire(Duration) => expire;
        /// See [`Options::with_max_block`].
        max_block(Duration) => options.max_block;
        /// See [`Options::with_lease`].
        lease(Duration) => options.lease;
        /// What happens if the lock was lost.
        on_lost(OnLost) => on_lost;
        /// What happens while the server is out of reach, instead of the client's own default.
        on_outage(OnOutage) => on_outage;
        /// This long before a value expires, one caller computes the next; the others get the old one.
        refresh_ahead(Duration) => caching.refresh_ahead;
        /// How long past its expiry the last good value may stand in for a failure.
        stale_if_error(Duration) => caching.stale_if_error;
        /// How long a failure is cached for all callers.
        err_expire(Duration) => caching.err_expire;
        /// How long this process may serve a copy of the value.
        local(Duration) => caching.local;
        /// The largest stored value, in bytes.
        max_value(usize) => caching.max_value;
        /// The name of the value's form, instead of the names of its type and of its function.
        schema(&'static str) => schema;
    }

    /// See [`Options::with_wait`].
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.budget = Some(Budget::Wait(wait));
        self
    }

    /// See [`Options::with_tries`].
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.budget = Some(Budget::Tries(tries));
        self
    }

    /// The name of a type that fills in a parameter of the function.
    #[must_use]
    pub fn qualifier(mut self, part: &'static str) -> Self {
        self.qualifiers.push(Cow::Borrowed(part));
        self
    }

    /// A constant that fills in a parameter of the function.
    #[must_use]
    pub fn constant(mut self, value: &impl Debug) -> Self {
        self.qualifiers.push(Cow::Owned(format!("{value:?}")));
        self
    }

    /// The namespace, instead of the default one; `""` is bare.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The key to lock.
    #[must_use]
    pub fn key(mut self, key: &(impl LockKey + ?Sized)) -> Self {
        self.key = Key::new(key);
        self
    }

    /// The client, instead of the current one.
    #[must_use]
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// What happens if the lock was lost. By default, a cached value is still returned, since other callers may have it by
    /// now, and work under a lock is an error.
    pub(super) fn lost(&self) -> OnLost {
        let default = if self.mode == Mode::Cached { OnLost::Continue } else { OnLost::Error };
        self.on_lost.unwrap_or(default)
    }

    /// Makes the attempt at the lock.
    pub(super) fn attempt(self) -> Result<(Attempt, Resolved)> {
        let site = self.site;
        self.make_attempt().map_err(|error| error.with_function(Some(site.path())))
    }

    fn make_attempt(self) -> Result<(Attempt, Resolved)> {
        let client = self.client_in_use()?;
        let lock = self.on(&client, self.spec(&client)?);
        let (core, spec) = (Arc::clone(&lock.core), Arc::clone(&lock.spec));
        check_recursion(core.address(), &spec)?;
        let wait = spec.options.wait();
        Ok((Attempt::new(core, spec, self.mode.policy(), wait), lock))
    }

    /// Makes the request for a value.
    pub(super) fn request(self, sharing: &impl Sharing) -> Result<CacheRequest> {
        let site = self.site;
        self.make_request(sharing).map_err(|error| error.with_function(Some(site.path())))
    }

    fn make_request(self, sharing: &impl Sharing) -> Result<CacheRequest> {
        let client = self.client_in_use()?;
        let label = self.label(sharing)?;
        let lock = self.on(&client, self.spec(&client)?);
        self.caching.validate(lock.spec.options.expire).map_err(|error| lock.spec.name(error))?;
        check_recursion(lock.core.address(), &lock.spec)?;
        let on_lost = self.lost();
        Ok(CacheRequest::new(lock, label, Caching { call: self.id, ..self.caching }, on_lost))
    }

    /// The stored value of this call, to look at and to forget.
    ///
    /// # Errors
    ///
    /// `Config` or `Misuse`, as the call itself would return.
    pub fn entry<S: Sharing>(self, sharing: S) -> Result<CachedEntry<S::Return>> {
        let site = self.site;
        self.make_entry(sharing).map_err(|error| error.with_function(Some(site.path())))
    }

    fn make_entry<S: Sharing>(self, sharing: S) -> Result<CachedEntry<S::Return>> {
        let label = self.label(&sharing)?;
        let client = self.client_in_use()?;
        let spec = self.spec(&client)?;
        Ok(CachedEntry::new(client.core(), spec, label, sharing))
    }

    fn client_in_use(&self) -> Result<Client> {
        self.client.clone().map_or_else(global::current_client, Ok).map_err(|error| error.with_key(&self.key))
    }

    /// The lock on a client, with the way in without it.
    fn on(&self, client: &Client, spec: Arc<Spec>) -> Resolved {
        let on_outage = self.on_outage.unwrap_or(client.on_outage());
        Resolved { core: client.core(), spec, on_outage }
    }

    /// The label of the value. Functions that share a namespace share a lock, but a value belongs to the function that
    /// computes it, unless a schema says that several functions compute the same.
    fn label(&self, sharing: &impl Sharing) -> Result<Option<Label>> {
        let Some((codec, kind)) = sharing.kind() else { return Ok(None) };
        let schema = match self.schema {
            Some(schema) => Cow::Borrowed(schema),
            None => Cow::Owned(format!("{kind} of {}", self.name()?)),
        };
        Ok(Some(Label::new(codec, schema, &self.key)))
    }

    /// The name of the function, which is unique in the fleet.
    fn name(&self) -> Result<Arc<str>> {
        self.site.name(self.closure, &self.qualifiers).map_err(|why| {
            let advice = match (&self.namespace, self.mode) {
                (Some(_), _) => "`cached(schema = \"…\")`",
                (None, Mode::Cached) if self.schema.is_none() => {
                    "`namespace = \"…\"` and `cached(schema = \"…\")`"
                }
                (None, _) => "`namespace = \"…\"`",
            };
            let message = format!("{why}; write {advice}, and let the key tell apart what must stay apart");
            Error::new(ErrorKind::Misuse, message)
        })
    }

    /// The options of the lock, with the defaults of the mode.
    fn options(&self, client: &Client) -> Options {
        let remembers = matches!(self.mode, Mode::Once | Mode::FailIfKeyExists | Mode::Cached);
        // A cached call waits for as long as another caller computes the value.
        let budget = if self.mode == Mode::Cached { Budget::Computation } else { Budget::Wait(DEFAULT_WAIT) };
        Options {
            replicas: client.defaults().replicas,
            budget: self.budget.unwrap_or(budget),
            expire: self.expire.or(remembers.then_some(Self::EXPIRE)),
            ..self.options.clone()
        }
    }

    fn spec(&self, client: &Client) -> Result<Arc<Spec>> {
        let scheme = client.scheme();
        let namespace = match &self.namespace {
            Some(namespace) => Cow::Borrowed(namespace.as_str()),
            None => Cow::Owned(site::namespace(&self.name()?, scheme.key_separator())),
        };
        let namespace = Some(&*namespace).filter(|namespace| !namespace.is_empty());
        let mut spec = Spec::resolve(scheme, namespace, &self.key, self.options(client))?;
        // Otherwise, a daily job would start later each day, by its own duration.
        spec.expire_from_grant = self.mode == Mode::Once;
        spec.function = Some(self.site.path());
        spec.subject = Subject::function(self.site.path());
        Ok(Arc::new(spec))
    }
}
