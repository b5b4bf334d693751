//! A server with a million keys, of which few are locks.

use crate::{ELSEWHERE, on, set};
use dspinlock_testkit::Server;

#[test]
fn a_million_keys_are_gone_through_a_thousand_at_a_time() {
    let server = Server::start();
    // `DEBUG POPULATE` is off by default since 7.0.
    let fill = "for i = ARGV[1], ARGV[1] + 49999 do redis.call('SET', 'other:' .. i, '') end";
    for from in (0..1_000_000).step_by(50_000) {
        server.command(&["EVAL", fill, "0", &from.to_string()]);
    }
    for number in 0..300 {
        set(&server, &format!("dspinlock,n,{number}"), &format!("{ELSEWHERE}0"));
    }
    let scans = || server.calls("scan");
    let listed = on(&server, &["ls", "--json"]);
    let json = listed.json();
    assert_eq!((json["locks"].as_array().unwrap().len(), &json["complete"]), (300, &true.into()));
    assert_eq!(listed.err, "", "no progress where nobody looks");
    let all = scans();
    assert!((1_000..1_300).contains(&all), "{all}");
    assert!(server.calls("getrange") <= 301, "only what matches is read");
    assert_eq!(server.calls("keys"), 0);

    let few = on(&server, &["ls", "--json", "--scan-limit", "10000"]);
    assert_eq!((scans() - all, &few.json()["complete"]), (10, &false.into()));
    assert!(few.err.contains("these are not all"), "{few:?}");

    let before = scans();
    let limited = on(&server, &["ls", "--json", "--limit", "5"]).json();
    assert_eq!((limited["locks"].as_array().unwrap().len(), &limited["complete"]), (5, &false.into()));
    assert!(scans() - before < all / 4, "it ends when it has as many as were asked for");

    let before = scans();
    assert_eq!(on(&server, &["show", "dspinlock,n,7"]).code, Some(0));
    assert_eq!(on(&server, &["why", "dspinlock,n,7", "--no-scan"]).code, Some(0));
    assert_eq!(scans(), before, "one lock needs no scan");
}
