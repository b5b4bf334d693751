//! Connections that the user brings, of version 1 of the `redis` crate.

use dspinlock::{Client, ErrorKind, redis_1};
use dspinlock_testkit::Server;
use dspinlock_tests::{Api, Rig, await_renewal, eventually, ms, timed};
use redis::{Connection, RedisError};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn redis_client(server: &Server) -> redis::Client {
    redis::Client::open(server.url()).unwrap()
}

/// A minimal pool.
#[derive(Clone)]
struct Pool {
    client: redis::Client,
    idle: Arc<Mutex<Vec<Connection>>>,
}

struct Pooled {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Pool {
    fn get(&self) -> Result<Pooled, RedisError> {
        let idle = self.idle.lock().unwrap().pop();
        let connection = idle.map_or_else(|| self.open(), Ok)?;
        Ok(Pooled { connection: Some(connection), idle: Arc::clone(&self.idle) })
    }

    fn open(&self) -> Result<Connection, RedisError> {
        let connection = self.client.get_connection_with_timeout(ms(1_000))?;
        connection.set_read_timeout(Some(ms(1_000)))?;
        Ok(connection)
    }
}

impl Deref for Pooled {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection.as_ref().unwrap()
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().unwrap()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.idle.lock().unwrap().extend(self.connection.take());
    }
}

/// Everything that goes over the wire: grants, refusals, waiting, renewals and giving back.
fn exercise(name: &str, client: &Client) {
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig { client: client.clone(), api };
        rig.ping().unwrap_or_else(|error| panic!("{name}: {error}"));
        let lock = rig.lock(name).lease(ms(450));
        let guard = rig.acquire(&lock).unwrap();
        assert!(rig.try_acquire(&rig.lock(name)).unwrap().is_none());
        await_renewal(&guard);
        rig.release(guard).unwrap();
        drop(rig.acquire(&lock).unwrap());
        eventually("given back", || rig.inspect(&lock).unwrap().is_none());
        assert!(!rig.forget(&lock).unwrap());
    }
}

#[test]
fn every_kind_of_connection_can_be_brought() {
    let server = Server::start();
    let runtime = runtime();
    let redis = redis_client(&server);
    let multiplexed = runtime.block_on(redis.get_multiplexed_async_connection()).unwrap();
    let manager = runtime.block_on(redis.get_connection_manager()).unwrap();
    let pool = Pool { client: redis.clone(), idle: Arc::default() };
    exercise("a client", &redis_1::from_client(redis.clone()).unwrap());
    exercise("a multiplexed connection", &redis_1::from_async(multiplexed).unwrap());
    exercise("a connection manager", &redis_1::from_async(manager).unwrap());
    exercise("a pool", &redis_1::from_pool(move || pool.get()).unwrap());
    // A connection for each call.
    let client = redis_1::from_pool(move || redis.get_connection().map(Box::new)).unwrap();
    exercise("a function", &client);
}

#[test]
fn the_error_of_a_pool_is_passed_on() {
    let empty = || Err::<Box<Connection>, _>("all 10 connections are in use");
    let client = redis_1::from_pool(empty).unwrap();
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig { client: client.clone(), api };
        let refused = rig.acquire(&rig.lock("empty")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Backend);
        assert!(refused.to_string().contains("all 10 connections are in use"), "{refused}");
        assert!(refused.key().is_some());
    }
}

#[test]
fn a_brought_connection_has_a_time_limit() {
    let server = Server::start();
    let runtime = runtime();
    let redis = redis_client(&server);
    let multiplexed = runtime.block_on(redis.get_multiplexed_async_connection()).unwrap();
    let pool = Pool { client: redis, idle: Arc::default() };
    let clients =
        [redis_1::from_async(multiplexed).unwrap(), redis_1::from_pool(move || pool.get()).unwrap()];
    for client in &clients {
        for api in [Api::Blocking, Api::Async] {
            let rig = Rig { client: client.clone(), api };
            rig.ping().unwrap();
            server.pause();
            let (refused, took) = timed(|| rig.acquire(&rig.lock("paused")).unwrap_err());
            server.resume();
            assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
            assert!(took < Duration::from_secs(20), "{took:?}");
        }
    }
}

/// Sends each command twice and returns the second reply, as the client of a cluster does when a reply is lost.
#[derive(Clone)]
struct Twice(redis::aio::MultiplexedConnection);

impl redis::aio::ConnectionLike for Twice {
    fn req_packed_command<'a>(&'a mut self, command: &'a redis::Cmd) -> redis::RedisFuture<'a, redis::Value> {
        Box::pin(async move {
            let _ = self.0.req_packed_command(command).await;
            self.0.req_packed_command(command).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<redis::Value>> {
        Box::pin(async move {
            let _ = self.0.req_packed_commands(commands, offset, count).await;
            self.0.req_packed_commands(commands, offset, count).await
        })
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

/// No command that is sent twice takes a lock twice or leaves one behind.
#[test]
fn a_connection_that_sends_twice_leaves_no_lock_behind() {
    let server = Server::start();
    let runtime = runtime();
    let multiplexed = runtime.block_on(redis_client(&server).get_multiplexed_async_connection()).unwrap();
    let client = redis_1::from_async(Twice(multiplexed)).unwrap();
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig { client: client.clone(), api };
        let lock = rig.lock("twice").lease(ms(450));
        let mut last = 0;
        for _ in 0..5 {
            let guard = rig.acquire(&lock).expect("the same turn is granted again");
            assert!(guard.fencing_token() > last, "with the same token, and a later turn with a higher one");
            last = guard.fencing_token();
            assert!(rig.try_acquire(&rig.lock("twice")).unwrap().is_none());
            await_renewal(&guard);
            rig.release(guard).expect("COMPUTED by its own tag is released");
        }
        rig.abandon(rig.acquire(&lock).unwrap()).unwrap();
        assert!(rig.inspect(&lock).unwrap().is_none(), "free at once");
    }
}
