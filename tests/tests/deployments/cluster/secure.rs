//! A cluster that speaks TLS: its nodes are connected to as the first one is.

use super::*;
use dspinlock::{Config, Tls};
use dspinlock_testkit::Authority;

#[test]
fn every_node_is_reached_over_tls_under_the_name_that_it_has() {
    let authority = Authority::new();
    // A node that has met no other one does not know its address, and so leaves it out. With TLS on its bus it names the port
    // that speaks TLS.
    let options = ["--cluster-enabled", "yes", "--tls-cluster", "yes"];
    let node = Server::start_tls_with(&authority.issue(&["localhost"]), None, &options);
    let slots: Vec<String> = (0..16_384).map(|slot: u16| slot.to_string()).collect();
    let words: Vec<&str> =
        ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
    assert!(node.command(&words).is_ok());
    let url = format!("rediss-cluster://localhost:{}", node.tls_port());
    let config = Config::from_url(&url).unwrap().with_connect_timeout(SOON).with_response_timeout(SOON);
    let client = Client::from_config(&config.with_tls(Tls::new().with_ca_pem(authority.pem()))).unwrap();
    for api in APIS {
        let rig = Rig { client: client.clone(), api };
        let guard = rig.acquire(&rig.lock("secure").wait(MINUTE)).unwrap();
        rig.release(guard).unwrap();
    }
    assert!(looks(&node) > 0);
}
