//! Asks the nodes which of them has which slot: at first use, and in the background when a node fails or sends a request to
//! another one.

use super::nodes::{Node, Nodes};
use super::slots::{self, Ranges};
use crate::clock::Tick;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::store::last_failure::LastFailure;
use crate::store::redis::link::{Batch, Limits};
use crate::store::redis::server::Failure;
use crate::worker::Worker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// The pause between two questions for the slots. Whoever comes sooner makes do with the last answer.
const PAUSE: Duration = Duration::from_millis(50);

/// The nodes, and what keeps the knowledge of their slots fresh.
pub(super) struct SlotMap {
    pub(super) nodes: Nodes,
    seeds: Vec<Host>,
    worker: Worker,
    limits: Limits,
    /// Locked by the one caller that asks while others wait for the answer.
    asking: Mutex<Asked>,
    /// Whether a task asks at present, and whether it is to ask once more.
    refreshing: AtomicBool,
    wanted: AtomicBool,
}

/// What came of the last question.
#[derive(Default)]
struct Asked {
    answered: Option<Tick>,
    failure: LastFailure<Error>,
}

impl SlotMap {
    pub(super) fn new(nodes: Nodes, seeds: Vec<Host>, worker: Worker, limits: Limits) -> Self {
        let (refreshing, wanted) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { nodes, seeds, worker, limits, asking: Mutex::default(), refreshing, wanted }
    }

    /// Asks for the slots, once for all callers that want to know them.
    pub(super) async fn load(&self) -> Result<()> {
        let now = Tick::now();
        let mut asked = self.asking.lock().await;
        if asked.answered.is_some_and(|answered| answered + PAUSE > now) {
            return Ok(());
        }
        if let Some(error) = asked.failure.since(now) {
            return Err(error.again());
        }
        let answer = self.refresh().await.inspect_err(|error| asked.failure.note(error.again()));
        asked.answered = answer.is_ok().then(Tick::now).or(asked.answered);
        answer
    }

    /// [`load`](Self::load), for as long as there is time.
    pub(super) async fn load_until(&self, until: Tick) -> Result<()> {
        let late =
            || Err(Error::new(ErrorKind::Backend, "no node of the cluster told in time who has its slots"));
        self.worker.limit(until, self.load()).await.unwrap_or_else(late)
    }

    /// Takes in a failure. That a node is out of reach passes in a cluster: another one will have its slots, or has them by now.
    pub(super) fn note(self: &Arc<Self>, failure: Failure) -> Error {
        if !failure.outage && !failure.error.passes() {
            return failure.error;
        }
        self.refresh_soon();
        failure.error.passing()
    }

    /// Asks for the slots in the background, one question at a time.
    pub(super) fn refresh_soon(self: &Arc<Self>) {
        self.wanted.store(true, Ordering::SeqCst);
        if self.refreshing.swap(true, Ordering::SeqCst) {
            return;
        }
        let weak = Arc::downgrade(self);
        self.worker.detach(async move {
            while let Some(this) = weak.upgrade() {
                if this.wanted.swap(false, Ordering::SeqCst) {
                    if let Err(error) = this.refresh().await {
                        tracing::debug!(target: "dspinlock", %error, "could not ask for the slots of the cluster");
                    }
                    drop(this);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                this.refreshing.store(false, Ordering::SeqCst);
                // A call in between saw this task still at work.
                if !this.wanted.load(Ordering::SeqCst) || this.refreshing.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
        });
    }

    /// Asks one node after the other, those first that answered last, and the ones that were named by the user at the end.
    async fn refresh(&self) -> Result<()> {
        let mut last = None;
        let known = self.nodes.all().into_iter().map(Ok);
        for node in known.chain(self.seeds.iter().map(|seed| self.nodes.seed(seed))) {
            let asked = match node {
                Ok(node) => self.ask(&node).await.map(|ranges| (ranges, node)),
                Err(error) => Err(error),
            };
            match asked {
                Ok((ranges, node)) => {
                    self.nodes.apply(ranges, node);
                    return Ok(());
                }
                // That a server is no node of a cluster says more than that another one is out of reach.
                Err(error) => {
                    last = last.filter(|last: &Error| last.kind() == ErrorKind::Config).or(Some(error));
                }
            }
        }
        let error = last.unwrap_or_else(|| {
            Error::new(ErrorKind::Config, "no address is given; write `redis-cluster://host,host`")
        });
        Err(error.of("no node of the cluster tells who has its slots"))
    }

    async fn ask(&self, node: &Node) -> Result<Ranges> {
        let (server, limits) = (&node.redis.server, self.limits);
        let mut question = ::redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let batch = Batch::plain(question);
        let at_the_latest = Tick::now() + limits.connect_timeout + limits.response_timeout;
        let reply = match self.worker.limit(at_the_latest, server.exchange(&batch, false)).await {
            Some(Ok(exchanged)) => exchanged.value,
            Some(Err(Failure { error, .. })) if error.to_string().contains("cluster support disabled") => {
                let what = "is no node of a cluster; write `redis://` in place of `redis-cluster://`";
                return Err(Error::new(ErrorKind::Config, format!("{} {what}", server.shown())));
            }
            Some(Err(failure)) => return Err(failure.error),
            None => {
                let what = format!("{}: no reply in time", server.shown());
                return Err(Error::new(ErrorKind::Backend, what));
            }
        };
        let ranges = slots::ranges(&reply, &node.address).ok_or_else(|| server.unreadable())?;
        if ranges.is_empty() {
            let what = format!(
                "{} knows of no slots, since its cluster is not made yet; make it by `redis-cli --cluster create`",
                server.shown()
            );
            return Err(Error::new(ErrorKind::Backend, what));
        }
        Ok(ranges)
    }
}
