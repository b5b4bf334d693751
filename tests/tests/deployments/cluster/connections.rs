//! How many connections a client has to each node, and that they end.

use super::*;

/// The connections of clients that a node has, without the one that asks.
fn connections(node: &Server) -> usize {
    let list = node.command(&["CLIENT", "LIST", "TYPE", "normal"]);
    list.text().unwrap().lines().filter(|line| !line.contains("cmd=client|list")).count()
}

#[test]
fn every_node_has_a_bounded_number_of_connections_and_none_at_the_end() {
    const THREADS: usize = 3;
    // Not the one of other tests, whose connections would count.
    let cluster = Cluster::start_with(3, 0, MINUTE);
    let client = client(&cluster);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let use_all = |number: usize| {
        let key = format!("connects {number}");
        let lock = client.lock(&*key).wait(MINUTE);
        lock.acquire_blocking().unwrap().release_blocking().unwrap();
        let value =
            client.lock(format!("{key}, value")).get_or_compute_blocking(|| Ok::<_, dspinlock::Error>(7));
        assert_eq!(value.unwrap(), 7);
        runtime.block_on(async { lock.acquire().await.unwrap().release().await.unwrap() });
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let use_all = &use_all;
            scope.spawn(move || (0..40).for_each(|at| use_all(thread * 40 + at)));
        }
    });
    // Of the library's thread for locks, renewals, values and copies; of the runtime for locks and values; and of each thread
    // for locks and values.
    let most = 4 + 2 + 2 * THREADS;
    for node in cluster.nodes() {
        let open = connections(node);
        assert!((2..=most).contains(&open), "{open} connections to one node");
    }
    drop(client);
    for node in cluster.nodes() {
        eventually("the connections end", || connections(node) == 0);
    }
}
