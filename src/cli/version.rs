//! `dockgate version`, `-V` and `--version`.

use clap::{ArgMatches, Command};

use super::output::print;
use crate::config::Snapshot;

pub(super) const NUMBER: &str = env!("CARGO_PKG_VERSION");
pub(super) const TEXT: &str = concat!("dockgate ", env!("CARGO_PKG_VERSION"), "\n");

pub(super) fn command() -> Command {
    Command::new("version").about("Print the version")
}

pub(super) fn run(_: &ArgMatches, _: &Snapshot) -> u8 {
    print(TEXT)
}
