//! What sentinels and servers say, and what follows from it.

use super::super::refusal::{describe, lasts, misconfigured};
use crate::host::Host;
use redis::{ErrorKind, RedisError, RedisResult, Value};
use std::fmt::Display;
use std::io;

/// The answer of a sentinel that was asked for the primary.
#[derive(Debug)]
pub(super) enum Answer {
    At(Host),
    /// It watches no primary of this name.
    Unknown,
    Failed(RedisError),
}

impl Answer {
    pub(super) fn of(reply: RedisResult<Option<(String, u16)>>) -> Self {
        match reply {
            Ok(Some((name, port))) => Self::At(Host { name, port }),
            Ok(None) => Self::Unknown,
            Err(error) => Self::Failed(error),
        }
    }

    fn lasts(&self) -> bool {
        match self {
            Self::At(_) => false,
            Self::Unknown => true,
            Self::Failed(error) => lasts(error),
        }
    }
}

/// The error after all sentinels were asked, and none has an address. What they say is repeated without the secret.
pub(super) fn failure(primary: &str, answers: &[(&Host, Answer)], secret: Option<&str>) -> RedisError {
    if answers.iter().all(|(_, answer)| matches!(answer, Answer::Unknown)) {
        let asked = list(answers.iter().map(|(host, _)| host));
        return misconfigured(format!("the sentinels at {asked} know no primary named `{primary}`"));
    }
    let said = list(answers.iter().map(|(host, answer)| match answer {
        Answer::Failed(error) => format!("{host}: {}", describe(error, secret).0.trim_end_matches('.')),
        _ => format!("{host} knows no primary of this name"),
    }));
    let what = format!("no sentinel tells where the primary `{primary}` is ({said})");
    if answers.iter().all(|(_, answer)| matches!(answer, Answer::Failed(error) if is_no_sentinel(error))) {
        return misconfigured(format!(
            "{what}; what answers there is no sentinel: correct the hosts and the ports, or write `redis://` for a server itself"
        ));
    }
    if answers.iter().all(|(_, answer)| answer.lasts()) {
        return misconfigured(format!(
            "{what}; they have credentials of their own, `sentinel_user` and `sentinel_password`"
        ));
    }
    unreachable(format!("{what}; start the sentinels, or correct their addresses"))
}

/// Whether something else than a sentinel has answered.
fn is_no_sentinel(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Parse
        || error.detail().is_some_and(|text| text.to_lowercase().contains("unknown command"))
}

/// An error that passes by itself.
pub(super) fn unreachable(what: String) -> RedisError {
    io::Error::new(io::ErrorKind::HostUnreachable, what).into()
}

fn list<T: Display>(parts: impl Iterator<Item = T>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}

/// Whether a server says that it is a primary, by its reply to `ROLE`; what it is otherwise.
///
/// # Errors
///
/// If there is no telling, for now.
pub(super) fn confirms_primary(role: RedisResult<Value>) -> RedisResult<Result<(), &'static str>> {
    let Value::Array(role) = (match role {
        Ok(role) => role,
        // A user who may not ask. A replica refuses the first lock.
        Err(error) if error.code().is_some() && lasts(&error) => return Ok(Ok(())),
        Err(error) => return Err(error),
    }) else {
        return Ok(Err("no server of this kind"));
    };
    Ok(match role.first() {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        Some(Value::BulkString(role)) if role == b"slave" => Err("a replica"),
        _ => Err("no server of this kind"),
    })
}

/// Whether what a sentinel announces ends the connections to `reached`. One that is behind, and says the same again and
/// again, ends them once at most.
pub(super) fn is_news(announced: &Host, before: Option<&Host>, reached: Option<&Host>) -> bool {
    reached.is_some_and(|reached| reached != announced) && before != Some(announced)
}

/// The primary that a message on the channel `+switch-master` names as the next one of `primary`. The message is the name,
/// the old and the new address.
pub(super) fn switched_to(primary: &str, message: &str) -> Option<Host> {
    let [name, port] =
        *message.strip_prefix(primary)?.strip_prefix(' ')?.split(' ').skip(2).collect::<Vec<_>>()
    else {
        return None;
    };
    Some(Host::new(name, port.parse().ok()?))
}

/// In which order the sentinels are asked, by their indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order(Vec<usize>);

impl Order {
    pub(super) fn new(number: usize) -> Self {
        Self((0..number).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied()
    }

    pub(super) fn put_first(&mut self, sentinel: usize) {
        self.0.sort_by_key(|&other| other != sentinel);
    }

    pub(super) fn put_last(&mut self, sentinel: usize) {
        self.0.sort_by_key(|&other| other == sentinel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(port: u16) -> Host {
        Host::new("h", port)
    }

    fn refused(code: &'static str, text: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(text.to_owned()))
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn the_last_to_answer_is_asked_first_and_a_wrong_one_last() {
        let mut order = Order::new(4);
        order.put_first(2);
        assert_eq!(order.iter().collect::<Vec<_>>(), [2, 0, 1, 3]);
        order.put_last(0);
        assert_eq!(order.iter().collect::<Vec<_>>(), [2, 1, 3, 0]);
    }

    #[test]
    fn only_a_primary_counts_and_a_user_who_may_not_ask_is_let_in() {
        let says = |role: &str| confirms_primary(Ok(Value::Array(vec![bulk(role), Value::Int(0)]))).unwrap();
        assert_eq!(says("master"), Ok(()));
        assert_eq!(says("slave"), Err("a replica"));
        assert!(says("sentinel").is_err() && confirms_primary(Ok(Value::Nil)).unwrap().is_err());
        let forbidden = refused("NOPERM", "this user has no permissions to run the 'role' command");
        assert_eq!(confirms_primary(Err(forbidden)).unwrap(), Ok(()));
        confirms_primary(Err(refused("LOADING", "Redis is loading the dataset in memory"))).unwrap_err();
        confirms_primary(Err(io::Error::from(io::ErrorKind::ConnectionReset).into())).unwrap_err();
    }

    #[test]
    fn a_switch_concerns_the_primary_of_this_very_name() {
        assert_eq!(switched_to("main", "main 10.0.0.1 1 h 2"), Some(host(2)));
        assert_eq!(switched_to("main", "main2 10.0.0.1 1 h 2"), None);
        assert_eq!(switched_to("main", "main 10.0.0.1 1 h"), None);
        assert_eq!(switched_to("main", "main 10.0.0.1 1 h x"), None);
        // A name may have blanks in it.
        assert_eq!(switched_to("ma in", "ma in 10.0.0.1 1 h 2"), Some(host(2)));
    }

    #[test]
    fn a_sentinel_that_is_behind_ends_the_connections_once() {
        let (old, new) = (host(1), host(2));
        assert!(!is_news(&new, None, None), "nothing was connected to");
        assert!(!is_news(&new, Some(&old), Some(&new)));
        assert!(is_news(&new, Some(&old), Some(&old)));
        assert!(is_news(&old, None, Some(&new)));
        assert!(!is_news(&old, Some(&old), Some(&new)));
    }

    #[test]
    fn a_failure_says_who_was_asked_and_whether_it_lasts() {
        let down = || Answer::Failed(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        let wrong = || Answer::Failed(refused("WRONGPASS", "invalid username-password pair: hunter2"));
        let (a, b) = (host(1), host(2));
        for (answers, expected, is_lasting) in [
            (
                [Answer::Unknown, Answer::Unknown],
                "the sentinels at h:1, h:2 know no primary named `main`",
                true,
            ),
            ([down(), down()], "h:1: connection refused, h:2: connection refused", false),
            ([down(), Answer::Unknown], "h:1: connection refused, h:2 knows no primary of this name", false),
            ([wrong(), down()], "h:1: Extension; the server's own words are left out", false),
            ([wrong(), wrong()], "`sentinel_password`", true),
        ] {
            let answers: Vec<_> = [&a, &b].into_iter().zip(answers).collect();
            let error = failure("main", &answers, Some("hunter2"));
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(lasts(&error), is_lasting, "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
