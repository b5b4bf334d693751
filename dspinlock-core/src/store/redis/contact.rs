//! A server that a tool asks anything: what it answers to each command, over the connections of the library.

use super::link::{Batch, Lane};
use super::server::Server;
use crate::error::{Error, ErrorKind, Result};
use redis::{Cmd, RedisError, Value};

/// The servers of a store.
#[derive(Default)]
pub(crate) struct Contacts {
    pub(crate) all: Vec<Contact>,
    /// In a cluster, the index of the primary of each slot.
    owners: Vec<Option<usize>>,
}

impl Contacts {
    pub(super) fn one(server: Server) -> Self {
        Self { all: vec![Contact(server)], owners: Vec::new() }
    }

    /// The servers of a cluster, by the primary of each slot.
    pub(super) fn of_slots<'a>(slots: impl Iterator<Item = Option<&'a Server>>) -> Self {
        let mut contacts = Self::default();
        for owner in slots {
            let at = owner.map(|server| {
                let known = contacts.all.iter().position(|contact| contact.0.name() == server.name());
                known.unwrap_or_else(|| {
                    contacts.all.push(Contact(server.clone()));
                    contacts.all.len() - 1
                })
            });
            contacts.owners.push(at);
        }
        contacts
    }

    /// The server that has this slot.
    pub(crate) fn owner(&self, slot: u16) -> Option<&Contact> {
        if self.owners.is_empty() {
            return self.all.first();
        }
        self.all.get((*self.owners.get(usize::from(slot))?)?)
    }
}

/// One server.
#[derive(Clone)]
pub(crate) struct Contact(Server);

impl Contact {
    /// The address, as people may see it.
    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }

    /// Sends commands by one write. Each may be refused for itself.
    ///
    /// # Errors
    ///
    /// The server is out of reach.
    pub(crate) async fn ask(&self, commands: Vec<Cmd>) -> Result<Vec<Result<Value>>> {
        let number = commands.len();
        // What a tool asks says nothing about the server as a place for locks, and is asked although that is known to be out of
        // reach: the tool is there to find out.
        let batch = Batch { begins: false, ..Batch::of_values(commands, Lane::Values) };
        let value = self.0.exchange(&batch, false).await.map_err(|failure| failure.error)?.value;
        let values = match (number, value) {
            (1, value) => vec![value],
            (_, Value::Array(values)) if values.len() == number => values,
            _ => return Err(Error::new(ErrorKind::Backend, "the server gave another number of replies")),
        };
        Ok(values
            .into_iter()
            .zip(batch.commands)
            .map(|(value, command)| self.answer(value, command))
            .collect())
    }

    fn answer(&self, value: Value, command: Cmd) -> Result<Value> {
        match value {
            Value::ServerError(refusal) => {
                Err(self.0.refused(&RedisError::from(refusal), &Batch::plain(command)))
            }
            value => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Wakeups;
    use crate::store::redis::link::Limits;
    use crate::store::redis::link::testing::Answers;
    use crate::store::redis::server::Peer;
    use crate::worker::Worker;
    use std::time::Duration;

    fn server(name: &str) -> Server {
        let limits =
            Limits { connect_timeout: Duration::ZERO, response_timeout: Duration::ZERO, pool_size: 0 };
        let worker = Worker::get().unwrap();
        Server::new(Answers { is_current: true }, worker, limits, Peer::named(name), Wakeups::default())
    }

    #[test]
    fn a_slot_leads_to_its_primary() {
        let (a, b) = (server("a"), server("b"));
        let contacts = Contacts::of_slots([Some(&a), None, Some(&b), Some(&a)].into_iter());
        let owner = |slot| contacts.owner(slot).map(Contact::name);
        assert_eq!(
            [owner(0), owner(1), owner(2), owner(3), owner(4)],
            [Some("a"), None, Some("b"), Some("a"), None]
        );
        assert_eq!(contacts.all.len(), 2);
        assert_eq!(Contacts::one(a).owner(16_383).map(Contact::name), Some("a"), "one server has all");
    }
}
