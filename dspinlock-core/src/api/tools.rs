//! What the command line needs beyond the public API: the servers behind a client, and what stands at a key whose name is known.
//! It is no part of the public API, and may change with any version.

use crate::api::client::Client;
use crate::api::inspect::RecordInfo;
use crate::api::lock::DSpinlock;
use crate::error::Result;
use crate::format::key::Key;
use crate::format::record::{Record, State, Tag, describe};
use crate::format::scheme::{Names, Scheme};
use crate::store::redis::{Contact, Contacts};
use crate::store::{Abandon, Store};
use crate::worker::Worker;
use redis::{Cmd, Value};
use std::fmt;
use std::sync::Arc;

/// The servers that have the locks of a client: one, or all primaries of a cluster; none for the embedded store.
pub struct Servers {
    contacts: Contacts,
    worker: Worker,
}

impl Servers {
    /// Finds them. In a cluster that asks for the slots.
    ///
    /// # Errors
    ///
    /// `Backend` if no node of a cluster answers.
    pub fn of_blocking(client: &Client) -> Result<Self> {
        let core = client.core();
        let worker = core.worker.clone();
        let contacts = worker.block_on(async move { core.store.contacts().await })?;
        Ok(Self { contacts, worker })
    }

    /// Returns all of them.
    pub fn all(&self) -> impl Iterator<Item = Server> {
        self.contacts.all.iter().map(|contact| self.server(contact))
    }

    /// Returns the one that has this record; `None` if the slot has no primary at present.
    pub fn of_record(&self, names: &LockNames) -> Option<Server> {
        self.contacts.owner(names.slot).map(|contact| self.server(contact))
    }

    fn server(&self, contact: &Contact) -> Server {
        Server { contact: contact.clone(), worker: self.worker.clone() }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

/// One server.
#[derive(Clone)]
pub struct Server {
    contact: Contact,
    worker: Worker,
}

impl Server {
    /// Returns its address, without credentials.
    pub fn name(&self) -> &str {
        self.contact.name()
    }

    /// Sends commands by one write, and returns what the server replies to each. A connection that fails is replaced, and the
    /// commands are sent once more: they must not do harm when they run twice.
    ///
    /// # Errors
    ///
    /// `Backend` if the server can't be reached, `Config` for settings that can't be used. The inner ones are refusals.
    pub fn ask_blocking(&self, commands: Vec<Cmd>) -> Result<Vec<Result<Value>>> {
        let contact = self.contact.clone();
        self.worker.block_on(async move { contact.ask(commands).await })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The names of the keys of one lock, as far as the name of its record says them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockNames {
    /// Holds the record.
    pub record: String,
    /// The cluster slot of all of them.
    pub slot: u16,
    /// Holds the value.
    pub value: String,
    /// Holds the note of a turn without a value.
    pub error: String,
    /// Held by the caller that refreshes the value ahead.
    pub refresh: String,
    /// Holds the processes that wait.
    pub wait: String,
    /// Holds the last fencing token of the slot.
    pub fence: String,
}

impl LockNames {
    /// Returns the names around `record`, in a scheme with this prefix.
    pub fn of(record: &str, prefix: &str) -> Self {
        let names = Names::around(record, prefix);
        Self {
            value: names.value(),
            error: names.error(),
            refresh: names.refresh(),
            wait: names.beside("wait"),
            record: names.record,
            slot: names.hash_slot,
            fence: names.fence,
        }
    }
}

/// Reads the string at a record's key.
///
/// # Errors
///
/// The reason why it is not a lock's record, without showing it.
pub fn parse_record(raw: &[u8]) -> Result<RecordInfo, String> {
    match Record::parse(raw, ",") {
        Ok(record) => Ok(RecordInfo::of(&record)),
        Err(why) => Err(describe(raw, &why)),
    }
}

/// Returns the lock whose record has this name, to look at and to forget. It is not acquired: the scheme of those who do so is not
/// known.
pub fn lock_of(client: &Client, record: &str) -> DSpinlock {
    client.lock(record).scheme(RecordNamed(record.to_owned()))
}

/// The scheme in which the key is the name of the record.
#[derive(Debug)]
struct RecordNamed(String);

impl Scheme for RecordNamed {
    fn key(&self, _: Option<&str>, _: &str) -> String {
        self.0.clone()
    }

    fn uid(&self, _: Option<&str>, _: &Key) -> String {
        self.0.clone()
    }
}

/// Removes a BLOCKED record if it is still this one, byte for byte, and says whether it was.
///
/// # Errors
///
/// `Backend` without a reply.
pub fn break_blocking(client: &Client, record: &str, raw: &[u8]) -> Result<bool> {
    let turn =
        str::from_utf8(raw).ok().and_then(|raw| raw.strip_suffix(State::Blocked.digit())?.strip_suffix(','));
    let Some(turn) = turn else { return Ok(false) };
    let (names, tag) = (Names::around(record, "dspinlock"), Tag::new(turn.to_owned(), ","));
    let core = client.core();
    let store: &Arc<Store> = &core.store;
    let removed = store.call_blocking(&Abandon { names: &names, tag: &tag })?;
    core.overtake(record);
    Ok(removed)
}
