//! Closures have no names of their own. A function that has one as a type parameter needs a namespace and a schema.

use dspinlock::{Client, Error, ErrorKind, dspinlock, testing};

#[dspinlock(key = id, cached)]
fn load_with<F: Fn(u64) -> String>(id: u64, compute: F) -> Result<String, Error> {
    Ok(compute(id))
}

#[dspinlock(key = (), once)]
fn run_with(compute: impl Fn()) -> Result<(), Error> {
    compute();
    Ok(())
}

#[dspinlock(key = id, cached, namespace = "closures")]
fn load_in_a_namespace<F: Fn(u64) -> String>(id: u64, compute: F) -> Result<String, Error> {
    Ok(compute(id))
}

#[dspinlock(key = id, cached(schema = "text", entry = text_entry), namespace = "closures")]
fn load_a_schema<F: Fn(u64) -> String>(id: u64, compute: F) -> Result<String, Error> {
    Ok(compute(id))
}

// Functions have names.
fn double(id: u64) -> String {
    (2 * id).to_string()
}

fn triple(id: u64) -> String {
    (3 * id).to_string()
}

/// The compiler gives all closures of one function one name.
#[test]
fn a_closure_as_a_type_parameter_is_refused() {
    let client = Client::memory();
    testing::scope(&client, || {
        let closure = |id: u64| id.to_string();
        // A function pointer or a trait object may be any function of its form.
        for chosen_later in
            [load_with::<fn(u64) -> String>(1, double), load_with::<&dyn Fn(u64) -> String>(1, &double)]
        {
            assert_eq!(chosen_later.unwrap_err().kind(), ErrorKind::Misuse);
        }
        for (error, advice) in [
            (load_with(1, closure).unwrap_err(), "`namespace = \"…\"` and `cached(schema = \"…\")`"),
            (run_with(|| ()).unwrap_err(), "`namespace = \"…\"`,"),
            (load_in_a_namespace(1, closure).unwrap_err(), "write `cached(schema = \"…\")`"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Misuse);
            let text = error.to_string();
            assert!(text.contains("{{closure}}") && text.contains(advice), "{text}");
        }
        assert_eq!(load_a_schema(1, closure).unwrap(), "1");
        assert_eq!(text_entry(1, closure).unwrap().get_ok_blocking().unwrap().as_deref(), Some("1"));
        assert_eq!((load_with(1, double).unwrap(), load_with(1, triple).unwrap()), ("2".into(), "3".into()));
    });
}
