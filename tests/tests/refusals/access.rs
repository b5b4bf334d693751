//! `docs/access.md`: a user that has the rights of the page and no more, and users that lack one of them.

use crate::{APIS, PATIENCE};
use dspinlock::{Client, Config, Error, ErrorKind, dspinlock};
use dspinlock_testkit::{Reply, Server};
use dspinlock_tests::{Log, Rig, block_on, eventually, ms};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const PAGE: &str = include_str!("../../../docs/access.md");

/// A section of the page's list: a name, and rights.
type Section = (&'static str, Vec<&'static str>);

fn sections() -> Vec<Section> {
    let list = PAGE.split("```").nth(1).and_then(|block| block.strip_prefix("text\n")).expect("the list");
    let sections = list.split("# ").skip(1);
    sections
        .map(|section| {
            let (name, rights) = section.split_once('\n').expect("a name");
            (name, rights.split_whitespace().collect())
        })
        .collect()
}

/// The rights of the command that the page shows.
fn rights_of_the_command() -> Vec<&'static str> {
    let command = PAGE.split("```").nth(3).and_then(|block| block.strip_prefix("sh\n")).expect("the command");
    let words = command.split_whitespace().map(|word| word.trim_matches('\''));
    words.filter(|word| word.starts_with(['~', '+'])).collect()
}

/// What a run without one of the rights comes to.
enum Trouble {
    Refused(Error),
    /// A value was computed again.
    NotShared,
    Own,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::NotShared => f.write_str("not shared"),
            Self::Own => f.write_str("the body's own"),
        }
    }
}

#[dspinlock(key = name, namespace = "values", cached, client = client)]
fn value(client: &Client, name: &str, length: usize, runs: &AtomicU32) -> Result<String, Trouble> {
    runs.fetch_add(1, Ordering::Relaxed);
    Ok("v".repeat(length))
}

#[dspinlock(key = name, namespace = "copies", cached(local = "1m"), client = client)]
async fn copied(client: &Client, name: &str, runs: &AtomicU32) -> Result<u32, Trouble> {
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

#[dspinlock(key = name, namespace = "ahead", cached(refresh_ahead = "9m 59s 990ms"), expire = "10m", client = client)]
fn ahead(client: &Client, name: &str, length: usize, runs: &AtomicU32) -> Result<String, Trouble> {
    runs.fetch_add(1, Ordering::Relaxed);
    Ok("v".repeat(length))
}

#[dspinlock(key = name, namespace = "failures", cached(err_expire = "1m"), client = client)]
fn failing(client: &Client, name: &str, runs: &AtomicU32) -> Result<u32, Trouble> {
    runs.fetch_add(1, Ordering::Relaxed);
    Err(Trouble::Own)
}

/// Two processes of one user, with keys that no other pair has.
struct Pair<'a> {
    server: &'a Server,
    config: Config,
    first: Client,
    second: Client,
    user: String,
}

impl<'a> Pair<'a> {
    fn new(server: &'a Server, user: &str, prefix: &str, rights: &[&str]) -> Self {
        let rules = ["ACL", "SETUSER", user, "reset", "on", ">right"];
        let reply = server.command(&[&rules, rights].concat());
        assert!(reply.is_ok(), "{reply:?}");
        let config = Config::new().with_port(server.port()).with_username(user).with_password("right");
        let config = config.with_connect_timeout(PATIENCE).with_response_timeout(PATIENCE);
        let client = || Client::from_config(&config).unwrap().with_prefix(prefix);
        let (first, second) = (client(), client());
        Self { server, config, first, second, user: user.to_owned() }
    }

    fn run(&self, section: &str) -> Result<(), Trouble> {
        // Each script has to be sent again.
        self.server.command(&["SCRIPT", "FLUSH"]);
        match section {
            "keys" | "locks" | "turns between processes" | "wake-ups" => self.locks(),
            "keys of others" => self.key_of_another(),
            "ping" => Ok(self.first.ping_blocking()?),
            "cached" | "quick hits" => self.values(),
            "advice" => Ok(self.first.lock(&*self.user).inspect_blocking().map(drop)?),
            "replicas" => self.replicas(),
            "databases" => Ok(Client::from_config(&self.config.clone().with_db(1))?.ping_blocking()?),
            _ => panic!("the page has a section {section:?} that no test knows"),
        }
    }

    fn locks(&self) -> Result<(), Trouble> {
        for api in APIS {
            let rig = |client: &Client| Rig { client: client.clone(), api };
            let (first, second) = (rig(&self.first), rig(&self.second));
            let lock = |rig: &Rig| rig.lock(&self.user).sleep(ms(20)).wait(PATIENCE).expire(None);
            first.inspect(&lock(&first))?;
            second.release(second.acquire(&lock(&second))?)?;
            let guard = first.acquire(&lock(&first))?;
            first.inspect(&lock(&first))?;
            let before = self.server.calls("evalsha");
            let granted = thread::scope(|scope| {
                let waiter = scope.spawn(|| second.acquire(&lock(&second)));
                // It looks, and looks again to be woken.
                eventually("the other one waits", || {
                    waiter.is_finished() || self.server.calls("evalsha") > before + 1
                });
                let released = first.release(guard);
                let granted = waiter.join().unwrap();
                released.and(granted)
            })?;
            second.abandon(granted)?;
            // One that stays computed.
            first.release(first.acquire(&first.lock(&self.user))?)?;
            first.forget(&lock(&first))?;
        }
        Ok(())
    }

    fn key_of_another(&self) -> Result<(), Trouble> {
        let lock = self.first.lock(("of another", &*self.user));
        self.server.command(&["RPUSH", lock.record_key().unwrap(), "element"]);
        match lock.acquire_blocking() {
            Err(error) if error.kind() == ErrorKind::Foreign => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => panic!("it is a list"),
        }
    }

    fn values(&self) -> Result<(), Trouble> {
        let runs = AtomicU32::new(0);
        let once = |what: Result<(), Trouble>| match what {
            Ok(()) if runs.swap(0, Ordering::Relaxed) > 1 => Err(Trouble::NotShared),
            other => other,
        };
        for length in [10, 20 << 10, 2 << 20] {
            let name = format!("{} {length}", self.user);
            for client in [&self.first, &self.first, &self.second, &self.second] {
                assert_eq!(value(client, &name, length, &runs)?.len(), length);
            }
            once(Ok(()))?;
            ahead(&self.first, &name, length, &runs)?;
            // The time until it is due, and not for anybody's work.
            thread::sleep(ms(20));
            ahead(&self.first, &name, length, &runs)?;
            runs.store(0, Ordering::Relaxed);
        }
        for client in [&self.first, &self.first, &self.second] {
            block_on(copied(client, &self.user, &runs))?;
        }
        once(Ok(()))?;
        for client in [&self.first, &self.second] {
            match failing(client, &self.user, &runs) {
                Err(Trouble::Own) => {}
                Err(Trouble::Refused(error)) if error.kind() == ErrorKind::LeaderFailed => {}
                other => return other.map(drop),
            }
        }
        once(Ok(()))
    }

    fn replicas(&self) -> Result<(), Trouble> {
        match self.first.lock(("confirmed", &*self.user)).replicas(1, ms(10)).acquire_blocking() {
            Err(error) if error.to_string().contains("0 of 1 replica") => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// The commands and the keys that this user was denied so far.
    fn denied(&self) -> Vec<String> {
        let Reply::List(entries) = self.server.command(&["ACL", "LOG", "128"]) else { panic!("no list") };
        let field = |entry: &Reply, name: &str| {
            let Reply::List(fields) = entry else { panic!("{entry:?}") };
            let at = fields.iter().position(|field| field.text() == Some(name)).expect("the field");
            fields[at + 1].text().unwrap_or_default().to_owned()
        };
        let of_this_user = entries.iter().filter(|entry| field(entry, "username") == self.user);
        of_this_user.map(|entry| field(entry, "object")).collect()
    }

    /// Whether this user was denied the right, or its keys.
    fn was_denied(&self, right: &str) -> bool {
        let (kind, name) = right.split_at(1);
        self.denied().iter().any(|object| match kind {
            "~" => object.starts_with(name.trim_end_matches('*')),
            // Redis 6.2 logs the command without its subcommand.
            _ => object.eq_ignore_ascii_case(name) || Some(&**object) == name.split('|').next(),
        })
    }
}

impl Drop for Pair<'_> {
    /// Ends the connections, and with them what the clients still try in the background.
    fn drop(&mut self) {
        self.server.command(&["ACL", "DELUSER", &self.user]);
    }
}

#[test]
fn the_rights_of_the_page_are_enough() {
    let listed: Vec<&str> = sections().into_iter().flat_map(|(_, rights)| rights).collect();
    assert_eq!(rights_of_the_command(), listed);
    let server = Server::start();
    for prefix in ["dspinlock", "staging"] {
        let rights: Vec<String> = sections()
            .iter()
            .flat_map(|(_, rights)| rights.iter().map(|right| right.replace("dspinlock", prefix)))
            .collect();
        let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
        let pair = Pair::new(&server, &format!("user-of-{prefix}"), prefix, &rights);
        for (section, _) in sections() {
            if let Err(trouble) = pair.run(section) {
                panic!("{section}, {prefix}: {trouble}; denied: {:?}", pair.denied());
            }
        }
        // Redis 6.2 counts no subcommands.
        let asked = || server.calls("config|get") + server.calls("config") > 0;
        eventually("the settings were read", asked);
        // Each connection tries to tell the library's name. Redis 6.2 logs no subcommands.
        let mut denied = pair.denied();
        denied.retain(|object| !matches!(&**object, "client" | "client|setinfo"));
        assert_eq!(denied, [""; 0], "{prefix}");
    }
}

/// Each is needed: without it, something is refused in words that name it, or is lost as the page says.
#[test]
fn no_right_of_the_page_can_be_left_out() {
    let log = Log::of_this_process();
    let (server, mut users) = (Server::start(), 0);
    let all: Vec<&str> = sections().into_iter().flat_map(|(_, rights)| rights).collect();
    for (section, rights) in sections() {
        for right in rights {
            let rest: Vec<&str> = all.iter().copied().filter(|other| *other != right).collect();
            users += 1;
            // No name that says which right it lacks: what is checked is what else does.
            let pair = Pair::new(&server, &format!("user-{users}"), "dspinlock", &rest);
            let outcome = pair.run(section);
            eventually(&format!("{right} is denied"), || pair.was_denied(right));
            let name = right.trim_start_matches('+');
            let names = |text: &str| text.to_lowercase().contains(name);
            match (section, outcome) {
                ("turns between processes" | "wake-ups" | "advice" | "quick hits", Ok(())) => {}
                ("cached", Err(Trouble::NotShared)) => {
                    let told = |line: &String| line.contains("did not take the value") && names(line);
                    assert!(log.all().iter().any(told), "{right}: {:?}", log.all());
                }
                (
                    "keys" | "locks" | "keys of others" | "ping" | "replicas" | "databases",
                    Err(Trouble::Refused(error)),
                ) => {
                    assert!(error.kind() == ErrorKind::Backend && !error.is_retryable(), "{right}: {error}");
                    assert!(names(&error.to_string()), "{right}: {error}");
                }
                (_, outcome) => {
                    let what =
                        outcome.err().map_or("nothing is lost".to_owned(), |trouble| trouble.to_string());
                    panic!("{section}, {right}: {what}")
                }
            }
        }
    }
}
