//! Checks `sections.toml`, `fields.toml` and `presets/*.toml`, and emits them as the static tables
//! that `api::sections`, `api::fields` and `config::dialect::presets` include.
//!
//! Strict, because a slip in these files is a slip in every policy: unknown keys, duplicate names,
//! overlapping paths, undocumented entries and malformed routes are refused with file and line.
//! The tests include this folder to try each refusal.

mod check;
mod emit;
mod fields;
mod presets;
mod routes;
mod table;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use fields::FIELDS;
pub(crate) use fields::fields;
use presets::PRESETS;
pub(crate) use presets::presets;
use table::FILE;
pub(crate) use table::table;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={FILE}");
    println!("cargo::rerun-if-changed={FIELDS}");
    println!("cargo::rerun-if-changed={PRESETS}");
    let text = fs::read_to_string(FILE).expect("sections.toml stands beside Cargo.toml");
    let bodies = fs::read_to_string(FIELDS).expect("fields.toml stands beside Cargo.toml");
    let entries = fs::read_dir(PRESETS).expect("presets stand beside Cargo.toml");
    let files = entries.map(|entry| {
        let path = entry.expect("a readable folder").path();
        let file = path.file_name().expect("a name").to_string_lossy();
        let name = file.strip_suffix(".toml").unwrap_or(&file).to_owned();
        (name, fs::read_to_string(&path).expect("a readable preset"))
    });
    // In the order of their names, whatever the file system's is.
    let files: BTreeMap<String, String> = files.collect();
    let made =
        table(&text).and_then(|sections| Ok([sections, fields(&bodies)?, presets(&text, &files)?]));
    match made {
        Ok([sections, fields, presets]) => {
            let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
            let folder = Path::new(&folder);
            fs::write(folder.join("sections.rs"), sections).expect("OUT_DIR is writable");
            fs::write(folder.join("fields.rs"), fields).expect("OUT_DIR is writable");
            fs::write(folder.join("presets.rs"), presets).expect("OUT_DIR is writable");
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            for mistake in mistakes {
                println!("cargo::error={mistake}");
            }
            ExitCode::FAILURE
        }
    }
}
