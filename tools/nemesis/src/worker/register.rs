//! The resource that the locks protect: a register that refuses lower fencing tokens, on a server without faults.

use std::io;
use std::sync::{Mutex, PoisonError};

use dspinlock_testkit::Connection;

/// Accepted writes are also kept in a list, for the checker.
const WRITE: &str = r"
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) < last then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
return 1
";

pub(super) struct Register(Mutex<Connection>);

impl Register {
    pub(super) fn open(port: u16) -> io::Result<Self> {
        Ok(Self(Mutex::new(Connection::open(("127.0.0.1", port))?)))
    }

    /// Writes with a fencing token, and returns whether the register accepted it.
    pub(super) fn write(&self, key: u64, fence: u64, op: &str) -> bool {
        let (fence, register, accepted) =
            (fence.to_string(), format!("register:{key}"), format!("accepted:{key}"));
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = connection.command(&["EVAL", WRITE, "2", &register, &accepted, &fence, op]);
        let reply = reply.expect("the register's server has no faults");
        reply.int().expect("the register's script answers a number") == 1
    }
}
