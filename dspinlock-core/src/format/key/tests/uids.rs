//! Known answers for the two text forms. py-dspinlock 0.3.1 computed those of bare keys.

use crate::format::key::{Key, LockKey};

#[track_caller]
fn bare(value: impl LockKey, expected: &str) {
    assert_eq!(Key::new(&value).bare_uid(), expected);
}

#[test]
fn bare_text_and_bytes_are_a_digest_of_the_octets() {
    bare("example", "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c");
    bare("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    bare("grüße ☃", "47b6f74b2ef7afff74f7addb366b44583113852bf34b1f966e194f6d199565e4");
    bare(b"\0\xff", "06eb7d6a69ee19e5fbdf749018d3d2abfa04bcbd1365db312eb86dc7169389b8");
    bare(*b"example", "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c");
}

#[test]
fn bare_integers_are_their_python_hash() {
    bare(0, "0");
    bare(5_u128, "5");
    bare(-1, "-2");
    bare(-2, "-2");
    bare(2_i64.pow(61) - 2, "2305843009213693950");
    bare(2 - 2_i64.pow(61), "-2305843009213693950");
}

#[test]
fn bare_integers_beyond_python_hashes_are_a_digest_of_the_encoding() {
    for value in [2_i128.pow(61) - 1, 1 - 2_i128.pow(61), i128::MAX, i128::MIN] {
        let key = Key::new(&value);
        assert_eq!(key.bare_uid(), format!("v1-{}", sha256_of(key.canonical())));
    }
    assert!(Key::new(&u128::MAX).bare_uid().starts_with("v1-"));
}

/// The digest of bytes: the uid of bare bytes, which another test pins.
fn sha256_of(bytes: &[u8]) -> String {
    Key::new(bytes).bare_uid()
}

#[test]
fn other_values_are_a_digest_of_the_encoding() {
    // sha256(b"\x01b\0\0\0\0\0\0\0\x01\x01") and of the others, by Python's hashlib.
    bare(true, "v1-38efb63f873c5112da0029b38fd18b7120542674bb45e615cd8b2dd57fa71bf0");
    bare(("acme", 5), "v1-56c29fe3248908522dc373d77d4a2cb27af9af8b84f389a8adf95b61981e2187");
    assert_eq!(Key::new(&true).namespaced_uid(), Key::new(&true).bare_uid());
    assert_eq!(
        Key::new("acme").namespaced_uid(),
        "v1-3e23cf52b6a95b79caf20e12a2bd2f1ad32776a3e59ddf658f9b9167bfc4e796"
    );
}

#[test]
fn namespaced_integers_are_their_decimal() {
    assert_eq!(Key::new(&-1).namespaced_uid(), "-1");
    assert_eq!(Key::new(&-2).namespaced_uid(), "-2");
    assert_eq!(Key::new(&u128::MAX).namespaced_uid(), u128::MAX.to_string());
}
