//! The `dockgate` program: a command line, the library, an exit code.

use std::process::ExitCode;

use dockgate::cli;
use dockgate::config::Snapshot;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os(), &Snapshot::of_environment()))
}
