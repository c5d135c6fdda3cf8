//! The one law, as the compiler keeps it: nothing is forwarded but what was decided on, and nobody
//! but a user gives up the protection. Each case fails to compile, and has a twin that compiles and
//! differs from it in one expression: so it fails for that one alone.
//!
//! A new compiler may put an error in other words: `TRYBUILD=overwrite cargo test --test
//! compile_fail` writes them down.

use std::fs;
use std::path::Path;

/// The twins, compiled with this test itself.
#[path = "compile_fail"]
mod twins {
    #![allow(
        dead_code,
        unreachable_pub,
        unused_must_use,
        reason = "only that they compile matters"
    )]

    macro_rules! twins {
        ($($name:ident: $file:literal,)*) => {
            $(#[path = $file] mod $name;)*
            pub(super) const ALL: &[&str] = &[$(stringify!($name)),*];
        };
    }

    twins! {
        cleared_made: "cleared_made_twin.rs",
        content_type_added: "content_type_added_twin.rs",
        denied_passes: "denied_passes_twin.rs",
        head_changed: "head_changed_twin.rs",
        headers_raw: "headers_raw_twin.rs",
        length_added: "length_added_twin.rs",
        other_method: "other_method_twin.rs",
        permit_made: "permit_made_twin.rs",
        permit_sent: "permit_sent_twin.rs",
        proof_made: "proof_made_twin.rs",
        sent_twice: "sent_twice_twin.rs",
        term_unmet: "term_unmet_twin.rs",
        upgrade_undecided: "upgrade_undecided_twin.rs",
        waiver_by_user: "waiver_by_user_twin.rs",
        waiver_made: "waiver_made_twin.rs",
    }
}

#[test]
fn nothing_undecided_can_be_forwarded() {
    let cases = trybuild::TestCases::new();
    for name in twins::ALL {
        cases.compile_fail(format!("tests/compile_fail/{name}.rs"));
    }
}

#[test]
fn each_case_differs_from_its_twin_in_one_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let read = |name: String| fs::read_to_string(folder.join(name)).expect("a source file");
    for name in twins::ALL {
        let (case, twin) = (read(format!("{name}.rs")), read(format!("{name}_twin.rs")));
        let differing = case
            .lines()
            .zip(twin.lines())
            .filter(|(case, twin)| case != twin);
        assert_eq!(differing.count(), 1, "{name}");
        assert_eq!(case.lines().count(), twin.lines().count(), "{name}");
    }
    let files = fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(
        files,
        3 * twins::ALL.len(),
        "each with its twin and its error"
    );
}
