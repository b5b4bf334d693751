use super::*;
use redis::{ConnectionLike, cmd};

/// A connection over which these replies come.
struct Replies(Vec<Value>);

impl ConnectionLike for Replies {
    fn req_packed_command(&mut self, _: &[u8]) -> RedisResult<Value> {
        Ok(self.0.remove(0))
    }

    fn req_packed_commands(&mut self, _: &[u8], _: usize, _: usize) -> RedisResult<Vec<Value>> {
        Ok(std::mem::take(&mut self.0))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        true
    }
}

fn busy() -> Value {
    redis::parse_redis_value(b"-BUSY Redis is busy running a script.\r\n").unwrap()
}

/// Whether the refusal of some commands of a batch says that its script has done nothing.
fn is_untouched(batch: &Batch, before: Option<&Cmd>, replies: Vec<Value>) -> bool {
    let values = batch.pipeline(before).query(&mut Replies(replies));
    let received = batch.received(values, before.is_some());
    assert!(received.value.is_err());
    received.is_untouched(Some(Passing::Busy))
}

#[test]
fn the_refusal_of_another_command_says_nothing_of_the_script() {
    let confirmed = Batch { commands: vec![cmd("EVALSHA"), cmd("WAIT")], ..Batch::plain(cmd("")) };
    let granted = || Value::Int(1);
    assert!(is_untouched(&confirmed, None, vec![busy(), busy()]));
    assert!(is_untouched(&confirmed, None, vec![busy(), Value::Int(0)]));
    assert!(!is_untouched(&confirmed, None, vec![granted(), busy()]));
    let (tracked, caching) = (Batch::plain(cmd("EVALSHA")), cmd("CLIENT"));
    assert!(is_untouched(&tracked, Some(&caching), vec![Value::Okay, busy()]));
    assert!(!is_untouched(&tracked, Some(&caching), vec![busy(), granted()]));
    let asked = Batch { asking: true, ..Batch::plain(cmd("EVALSHA")) };
    assert!(is_untouched(&asked, None, vec![Value::Okay, busy()]));
    assert!(!is_untouched(&asked, None, vec![busy(), granted()]));
}
