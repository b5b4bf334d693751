//! What only a server can do.

use super::*;

#[test]
fn another_type_is_reported_and_stays() {
    let rig = Rig::redis(false);
    let server = rig.server.as_ref().unwrap();
    server.command(&["RPUSH", &rig.names.record, "x"]);
    assert_eq!(rig.acquire(&tag(1)), Acquired::WrongType("list".into()));
    assert_eq!(rig.release(&tag(1), None), Released::WrongType("list".into()));
    assert!(!rig.abandon(&tag(1)));
    assert_eq!(rig.call(&Read(&rig.names)), Found::WrongType("list".into()));
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::WrongType("list".into()));
    assert_eq!(server.command(&["LLEN", &rig.names.record]).int(), Some(1));
}

#[test]
fn another_type_at_the_fences_key_is_reported_and_stays() {
    let rig = Rig::redis(false);
    let (server, fence) = (rig.server.as_ref().unwrap(), rig.names.fence());
    server.command(&["RPUSH", &fence, "x"]);
    assert_eq!(rig.acquire(&tag(1)), Acquired::StrangeFence("list".into()));
    assert_eq!(server.command(&["EXISTS", &rig.names.record]).int(), Some(0), "nobody holds the key");
    server.command(&["DEL", &fence]);
    rig.granted(&tag(1));
    server.command(&["DEL", &fence]);
    server.command(&["RPUSH", &fence, "x"]);
    assert_eq!(rig.acquire(&tag(1)), Acquired::StrangeFence("list".into()));
    assert!(matches!(rig.call(&Read(&rig.names)), Found::Held { fence: None, .. }));
    assert!(rig.abandon(&tag(1)));
    assert_eq!(server.command(&["LLEN", &fence]).int(), Some(1));
}

#[test]
fn a_forgotten_script_is_loaded_again() {
    for by_async in [false, true] {
        let rig = Rig::redis(by_async);
        rig.granted(&tag(1));
        rig.server.as_ref().unwrap().command(&["SCRIPT", "FLUSH"]);
        assert_eq!(rig.release(&tag(1), None), Released::Done { others: 0 });
        rig.granted(&tag(2));
    }
}

#[test]
fn every_key_of_a_lock_expires() {
    let rig = Rig::redis(false);
    rig.granted(&tag(1));
    rig.release(&tag(1), Some(30 * S));
    let server = rig.server.as_ref().unwrap();
    for key in [&rig.names.record, &rig.names.fence()] {
        assert!(server.command(&["PTTL", key]).int().unwrap() > 0, "{key}");
    }
    assert_eq!(server.command(&["DBSIZE"]).int(), Some(2));
}

#[test]
fn an_operation_is_one_command() {
    let rig = Rig::redis(false);
    rig.granted(&tag(1));
    rig.release(&tag(1), None);
    let before = rig.server.as_ref().unwrap().command_stats();
    rig.granted(&tag(2));
    rig.release(&tag(2), None);
    let after = rig.server.as_ref().unwrap().command_stats();
    let calls = |stats: &std::collections::BTreeMap<String, u64>| stats.get("evalsha").copied().unwrap_or(0);
    assert_eq!(calls(&after) - calls(&before), 2);
}

/// Of records with separators of one's own, the script and the parser of the other stores take the same for one.
#[test]
fn other_separators_are_told_apart() {
    #[derive(Debug)]
    struct Separated(&'static str);
    impl crate::Scheme for Separated {
        fn value_separator(&self) -> &str {
            self.0
        }
    }
    let rig = Rig::redis(false);
    for separator in ["::", "%", ";"] {
        let names = Names::derive(&Separated(separator), None, &Key::new("separated")).unwrap();
        let fields = |owner: &str| [owner, "2026-01-31T23:59:59.000123+00:00", "1"].join(separator);
        for (content, is_record) in [
            (fields("0b8e@host,1"), true),
            (fields(&format!("0b8e@host{separator}1")), false),
            (fields("0b8e@host") + separator, false),
            (fields("0b8e@host").replacen(separator, ",", 1), false),
        ] {
            assert_eq!(
                crate::record::Record::parse(content.as_bytes(), separator).is_ok(),
                is_record,
                "{content}"
            );
            rig.put_at(&names.record, content.as_bytes(), None);
            let forgotten = rig.call(&Forget(&names));
            assert_eq!(forgotten == Forgotten::Done(true), is_record, "{content}: {forgotten:?}");
        }
    }
}
