//! The look-up of a local copy, which comes before everything else: a hit copies no options, no client and no name, and
//! allocates nothing.

use crate::api::client::Client;
use crate::api::global;
use crate::attribute::call::Call;
use crate::attribute::site::Site;
use crate::clock::Tick;
use crate::engine::waits::is_inside;
use crate::format::key::{Key, LockKey};
use crate::observe::{self, Layer, Subject};
use crate::store::LocalCopy;
use crate::value::sharing::Sharing;
use std::cell::Cell;
use std::fmt::{self, Debug, Write};
use std::sync::Arc;

/// A call of a function with local copies: what identifies its value. The names of the record and of the value's form follow
/// from that, so they are derived only if there is no copy.
#[derive(Debug)]
pub struct Lookup<'a> {
    site: &'static Site,
    closure: Option<&'static str>,
    client: Option<&'a Client>,
    namespace: Option<&'a str>,
    schema: Option<&'static str>,
    id: IdBytes,
}

/// The result of a look-up.
#[derive(Debug)]
pub enum Sought<R> {
    /// The value of a copy.
    Found(R),
    /// The call to make, since there is no copy.
    Call(Box<Call>),
}

impl<'a> Lookup<'a> {
    /// A call of the function at `site`.
    pub fn new(site: &'static Site) -> Self {
        let mut id = IdBytes::default();
        id.number(std::ptr::from_ref(site).addr());
        Self { site, closure: None, client: None, namespace: None, schema: None, id }
    }

    /// See [`Call::place`].
    #[must_use]
    pub fn place(mut self, closure: &'static str) -> Self {
        self.id.text(closure);
        self.closure = Some(closure);
        self
    }

    /// See [`Call::qualifier`].
    #[must_use]
    pub fn qualifier(mut self, part: &'static str) -> Self {
        self.id.text(part);
        self
    }

    /// See [`Call::constant`].
    #[must_use]
    pub fn constant(mut self, value: &impl Debug) -> Self {
        self.id.part(|id| {
            // Writing to a buffer does not fail.
            let _ = write!(id, "{value:?}");
        });
        self
    }

    /// See [`Call::namespace`].
    #[must_use]
    pub fn namespace(mut self, namespace: &'a str) -> Self {
        self.id.text(namespace);
        self.namespace = Some(namespace);
        self
    }

    /// See [`Call::client`].
    #[must_use]
    pub fn client(mut self, client: &'a Client) -> Self {
        self.client = Some(client);
        self
    }

    /// See [`Call::schema`].
    #[must_use]
    pub fn schema(mut self, schema: &'static str) -> Self {
        self.id.text(schema);
        self.schema = Some(schema);
        self
    }

    /// Looks for a copy of the value for this key.
    ///
    /// Without one, the call has all that this look-up has, except the qualifiers.
    pub fn find<S: Sharing>(mut self, key: &(impl LockKey + ?Sized), sharing: &S) -> Sought<S::Return> {
        let start = self.id.0.len();
        self.id.0 = Key::append(std::mem::take(&mut self.id.0), key);
        let end = self.id.0.len();
        if let Some((codec, _)) = sharing.kind() {
            self.id.text(codec);
        }
        if let Some(copy) = self.copy() {
            let was_decoded = copy.payload.decoded().is_some();
            // No lock is held here: it may run code of the user's. A value that can't be read is the business of the call.
            if let Ok(returned) = sharing.decode(&copy.payload) {
                if !was_decoded && copy.payload.decoded().is_some() {
                    self.weigh(&copy);
                }
                observe::cache_request(&Subject::function(self.site.path()), Layer::Local);
                return Sought::Found(returned);
            }
        }
        Sought::Call(Box::new(self.call(&self.id.0[start..end])))
    }

    fn copy(&mut self) -> Option<Arc<LocalCopy>> {
        let Self { id, client, .. } = self;
        let mut look = |client: &Client| {
            id.number(client.scheme_address());
            let core = client.shared();
            Some((core.store.wakeups().copy(&id.0)?, core.address()))
        };
        // An error, as of a recursive call, is the business of the call itself.
        let (copy, core) = match *client {
            Some(client) => look(client),
            None => global::with_client(look).ok()?,
        }?;
        (copy.is_good(Tick::now()) && !is_inside(core, &copy.record)).then_some(copy)
    }

    /// Weighs a copy again, which was decoded and keeps that value from now on.
    #[cold]
    fn weigh(&self, copy: &LocalCopy) {
        if let Ok(client) = self.client.map_or_else(global::current_client, |client| Ok(client.clone())) {
            let wakeups = client.shared().store.wakeups();
            wakeups.weigh_copy(&(*self.id.0).into(), &copy.record, &copy.payload);
        }
    }

    /// The call for this key.
    #[cold]
    fn call(&self, key: &[u8]) -> Call {
        let mut call = Call::sought(self.site, Key::from_canonical(key), (*self.id.0).into());
        call.closure = self.closure;
        call.namespace = self.namespace.map(ToOwned::to_owned);
        call.client = self.client.cloned();
        call.schema = self.schema;
        call
    }
}

/// The identity of a call as bytes. All calls of a function write the same parts in the same order, and each part shows its own
/// end, so the identities of two calls are equal only if all parts are.
struct IdBytes(Vec<u8>);

/// The most bytes that a thread keeps for its next call.
const SPARE: usize = 4096;

thread_local! {
    /// The bytes of the last call on this thread, to be used again.
    static LAST: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl IdBytes {
    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&number.to_ne_bytes());
    }

    /// Writes a text. Its address would not do: the compiler may have several copies of a name.
    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Writes a part after its length.
    fn part(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.number(0);
        write(self);
        let (length, content) = self.0[start..].split_at_mut(size_of::<usize>());
        length.copy_from_slice(&content.len().to_ne_bytes());
    }
}

impl Write for IdBytes {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Default for IdBytes {
    fn default() -> Self {
        // At the end of a thread there are none.
        Self(LAST.try_with(Cell::take).unwrap_or_default())
    }
}

impl Drop for IdBytes {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        if bytes.capacity() <= SPARE {
            bytes.clear();
            let _ = LAST.try_with(|last| last.set(bytes));
        }
    }
}

impl Debug for IdBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::sharing::Nothing;

    static SITE: Site = Site::new("lookup::tests::load", "lookup.rs", 1);

    fn id(lookup: &Lookup<'_>) -> Vec<u8> {
        lookup.id.0.clone()
    }

    #[test]
    fn parts_of_different_lengths_stay_apart() {
        let named = |namespace, schema| id(&Lookup::new(&SITE).namespace(namespace).schema(schema));
        assert_eq!(named("a", "bc"), named("a", "bc"));
        assert_ne!(named("a", "bc"), named("ab", "c"));
        let constants = |first: u8, second: u8| id(&Lookup::new(&SITE).constant(&first).constant(&second));
        assert_ne!(constants(1, 12), constants(11, 2));
        // An address of its own is no difference.
        let leaked = |name: &str| id(&Lookup::new(&SITE).qualifier(name.to_owned().leak()));
        assert_eq!(leaked("u8"), leaked("u8"));
        assert_ne!(leaked("u8"), leaked("u16"));
    }

    #[test]
    fn a_thread_keeps_few_bytes_and_uses_them_again() {
        let client = Client::memory();
        let key = "k".repeat(2 * SPARE);
        for (key, kept) in [(&key[..100], 100..=SPARE), (&key, 0..=0), (&key[..0], 1..=SPARE)] {
            let lookup = Lookup::new(&SITE).client(&client);
            assert!(matches!(lookup.find(key, &Nothing), Sought::Call(_)));
            let last = LAST.take();
            assert!(kept.contains(&last.capacity()), "{} bytes", last.capacity());
            LAST.set(last);
        }
    }
}
