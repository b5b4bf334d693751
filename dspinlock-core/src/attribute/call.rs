//! How one call of an annotated function locks: what its attribute says, with the attribute's defaults.

use crate::api::client::Client;
use crate::api::entry::CachedEntry;
use crate::api::global;
use crate::attribute::site::{self, Site};
use crate::engine::attempt::Attempt;
use crate::engine::fallback::Fallback;
use crate::engine::memo::{Identity, Known, Same};
use crate::engine::spec::Spec;
use crate::engine::spin::Policy;
use crate::engine::waits::check_recursion;
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::Label;
use crate::format::key::{Key, LockKey};
use crate::options::{Budget, Caching, OnLost, OnOutage, Options};
use crate::value::request::Wish;
use crate::value::sharing::Sharing;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What a call does where its key is held or COMPUTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Waits, then runs the body.
    Lock,
    /// Does not run the body where the key is held.
    Skip,
    /// Does not run the body where the key is held or COMPUTED.
    Once,
    /// Fails where the key is held or COMPUTED.
    FailIfKeyExists,
    /// Waits where the key is held, and takes what was computed.
    Cached,
}

/// One call. It borrows nothing: the body may take the arguments of which the attribute speaks.
#[derive(Debug)]
pub struct Call {
    site: &'static Site,
    mode: Mode,
    closure: Option<&'static str>,
    qualifiers: Vec<Cow<'static, str>>,
    namespace: Option<String>,
    key: Key,
    client: Option<Client>,
    options: Options,
    budget: Option<Budget>,
    expire: Option<Duration>,
    on_lost: Option<OnLost>,
    on_outage: Option<OnOutage>,
    caching: Caching,
    schema: Option<&'static str>,
}

impl Call {
    /// How long a call waits that says nothing else, as py-dspinlock's does: ten tries with half a second in between.
    const WAIT: Duration = Duration::from_secs(5);
    /// How long COMPUTED is remembered by the modes that ask for it.
    const EXPIRE: Duration = Duration::from_secs(60 * 60);

    /// A call of the function at `site` with all defaults, and `()` as its key.
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
        }
    }

    /// The attribute's mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The type name of a closure in the function, which says where that stands.
    #[must_use]
    pub fn place(mut self, closure: &'static str) -> Self {
        self.closure = Some(closure);
        self
    }

    /// The name of a type, or the text of a constant, that a parameter of the function stands for.
    #[must_use]
    pub fn qualifier(mut self, part: impl Into<Cow<'static, str>>) -> Self {
        self.qualifiers.push(part.into());
        self
    }

    /// A namespace in place of the default one; `""` is bare.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// What is locked.
    #[must_use]
    pub fn key(mut self, key: &(impl LockKey + ?Sized)) -> Self {
        self.key = Key::new(key);
        self
    }

    /// The client to use in place of the one in force.
    #[must_use]
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// See [`Options::with_sleep`].
    #[must_use]
    pub fn sleep(mut self, sleep: Duration) -> Self {
        self.options.sleep = sleep;
        self
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

    /// See [`Options::with_expire`].
    #[must_use]
    pub fn expire(mut self, expire: Duration) -> Self {
        self.expire = Some(expire);
        self
    }

    /// See [`Options::with_max_block`].
    #[must_use]
    pub fn max_block(mut self, max_block: Duration) -> Self {
        self.options.max_block = max_block;
        self
    }

    /// See [`Options::with_lease`].
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease;
        self
    }

    /// What to do if the lock was lost.
    #[must_use]
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.on_lost = Some(on_lost);
        self
    }

    /// What to do while the server can't be asked, in place of the client's own default.
    #[must_use]
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = Some(on_outage);
        self
    }

    /// What to do if the lock was lost: a value that others may have by now is worth returning, work under a lock is not.
    pub(super) fn lost(&self) -> OnLost {
        let default = if self.mode == Mode::Cached { OnLost::Continue } else { OnLost::Error };
        self.on_lost.unwrap_or(default)
    }

    /// See [`run_cached`](super::run_cached): this long before its expiry, one caller computes the next value.
    #[must_use]
    pub fn refresh_ahead(mut self, rest: Duration) -> Self {
        self.caching.refresh_ahead = Some(rest);
        self
    }

    /// How long past its expiry the last good value may stand in for a failure.
    #[must_use]
    pub fn stale_if_error(mut self, more: Duration) -> Self {
        self.caching.stale_if_error = Some(more);
        self
    }

    /// How long a failure is the answer to everybody.
    #[must_use]
    pub fn err_expire(mut self, life: Duration) -> Self {
        self.caching.err_expire = Some(life);
        self
    }

    /// How long a copy of the value may be served from this process.
    #[must_use]
    pub fn local(mut self, life: Duration) -> Self {
        self.caching.local = Some(life);
        self
    }

    /// The most bytes that a stored value may have.
    #[must_use]
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.caching.max_value = bytes;
        self
    }

    /// A name for the form of the value, in place of the names of its type and of the function that makes it.
    #[must_use]
    pub fn schema(mut self, schema: &'static str) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Resolves names and options, and makes ready to lock.
    pub(super) fn attempt(self) -> Result<(Attempt, Fallback)> {
        let client = self.in_force()?;
        let Resolved { fallback, policy } = self.resolve(&client)?;
        let (core, spec) = (Arc::clone(&fallback.core), Arc::clone(&fallback.spec));
        check_recursion(core.address(), &spec)?;
        let wait = spec.options.wait();
        Ok((Attempt::new(core, spec, policy, wait), fallback))
    }

    /// Resolves names and options, and makes ready to share a value.
    pub(super) fn wish(self, sharing: &impl Sharing) -> Result<Wish> {
        let client = self.in_force()?;
        let (core, caching, on_lost) = (client.core(), self.caching.clone(), self.lost());
        let on_outage = self.on_outage.unwrap_or(client.on_outage());
        // Who asks the server has time to derive names.
        let identity = caching.local.map(|_| self.identity(&client, sharing));
        let known = if let Some(known) = identity.as_ref().and_then(|identity| core.memo.get(identity)) {
            known
        } else {
            let label = self.label(sharing)?;
            let spec = self.resolve(&client)?.fallback.spec;
            caching.validate(spec.options.expire).map_err(|error| spec.name(error))?;
            let known = Arc::new(Known { spec, label });
            if let Some(identity) = identity {
                core.memo.keep(identity, Arc::clone(&known));
            }
            known
        };
        check_recursion(core.address(), &known.spec)?;
        let lock = Fallback { core, spec: Arc::clone(&known.spec), on_outage };
        Ok(Wish::new(lock, known.label.clone(), caching, on_lost))
    }

    fn identity(&self, client: &Client, sharing: &impl Sharing) -> Identity {
        Identity {
            site: std::ptr::from_ref(self.site).addr(),
            closure: self.closure,
            qualifiers: self.qualifiers.clone(),
            namespace: self.namespace.clone(),
            schema: self.schema,
            kind: sharing.kind(),
            options: self.options(client),
            caching: self.caching.clone(),
            scheme: Same(client.scheme()),
            key: self.key.clone(),
        }
    }

    /// What is stored for this call, to look at and to forget.
    ///
    /// # Errors
    ///
    /// `Config` or `Misuse`, as the call itself would give.
    pub fn entry<S: Sharing>(self, sharing: S) -> Result<CachedEntry<S::Return>> {
        let label = self.label(&sharing)?;
        let client = self.in_force()?;
        let Fallback { core, spec, .. } = self.resolve(&client)?.fallback;
        Ok(CachedEntry::new(core, spec, label, sharing))
    }

    /// What a stored value must be to be the one that this call asks for. Functions that share a namespace share a lock;
    /// a value belongs to the function that makes it, unless a schema says that several make the same.
    fn label(&self, sharing: &impl Sharing) -> Result<Option<Label>> {
        let Some((codec, kind)) = sharing.kind() else { return Ok(None) };
        let schema = match self.schema {
            Some(schema) => Cow::Borrowed(schema),
            None => Cow::Owned(format!("{kind} of {}", self.name()?)),
        };
        Ok(Some(Label::new(codec, schema, &self.key)))
    }

    /// The name of the function in the whole fleet.
    fn name(&self) -> Result<Arc<str>> {
        self.site.name(self.closure, &self.qualifiers).map_err(|why| {
            let advice = match (&self.namespace, self.mode) {
                (Some(_), _) => "`cached(schema = \"…\")`",
                (None, Mode::Cached) if self.schema.is_none() => {
                    "`namespace = \"…\"` and `cached(schema = \"…\")`"
                }
                (None, _) => "`namespace = \"…\"`",
            };
            let message = format!("{why}; write {advice}, and tell apart by the key what must not meet");
            Error::new(ErrorKind::Misuse, message)
        })
    }

    fn in_force(&self) -> Result<Client> {
        self.client.clone().map_or_else(global::current_client, Ok).map_err(|error| error.with_key(&self.key))
    }

    /// The attribute's options, with its defaults.
    fn options(&self, client: &Client) -> Options {
        let remembers = matches!(self.mode, Mode::Once | Mode::FailIfKeyExists | Mode::Cached);
        // Who wants a computed value waits as long as somebody computes it.
        let patience = if self.mode == Mode::Cached { self.options.max_block } else { Self::WAIT };
        Options {
            replicas: client.defaults().replicas,
            budget: self.budget.unwrap_or(Budget::Wait(patience)),
            expire: self.expire.or(remembers.then_some(Self::EXPIRE)),
            ..self.options.clone()
        }
    }

    fn resolve(self, client: &Client) -> Result<Resolved> {
        let (scheme, options) = (client.scheme(), self.options(client));
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => site::namespace(&self.name()?, scheme.key_separator()),
        };
        let namespace = Some(namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let policy = match self.mode {
            Mode::Lock => Policy::WAIT,
            Mode::Skip => Policy::TRY,
            Mode::Once => Policy::ONCE,
            Mode::FailIfKeyExists => Policy::FAIL,
            Mode::Cached => Policy::CACHED,
        };
        let mut spec = Spec::resolve(scheme, namespace, &self.key, options)?;
        // A daily job must not be later each day by as long as it takes.
        spec.expire_from_grant = self.mode == Mode::Once;
        spec.function = Some(self.site.path());
        let on_outage = self.on_outage.unwrap_or(client.on_outage());
        Ok(Resolved { fallback: Fallback { core: client.core(), spec: Arc::new(spec), on_outage }, policy })
    }
}

/// A call with everything derived.
struct Resolved {
    /// Where the lock is, and what; and the way in without it.
    fallback: Fallback,
    policy: Policy,
}
