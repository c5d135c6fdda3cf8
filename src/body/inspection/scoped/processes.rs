//! `GET /containers/{id}/top`: that `ps` shows the processes of the container alone.
//!
//! The engine runs `ps` for the whole host, and keeps the rows whose field below `PID` is a process of
//! the container. Who gives a column that name, or moves the fields of a row by a column with spaces,
//! chooses which processes of the host these are.

use super::denied;
use crate::api::Target;
use crate::body::inspection::query;
use crate::policy::Unmet;

/// Options whose columns in front of `PID` have names and values of one word each. None has an argument.
const PLAIN: &[u8] = b"AFHLNPTXacdefjlmruvwxy";

/// Whether the arguments of `ps` in a query are harmless.
pub(super) fn settle(target: &Target) -> Result<(), Unmet> {
    let all = query::read(target)?;
    let mut own = all
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case("ps_args"));
    match own.find(|(_, value)| !is_harmless(value)) {
        Some((_, value)) => Err(denied(
            "the parameter ps_args",
            value,
            "could show processes of other containers; use -ef, aux or -o pid,…",
        )),
        None => Ok(()),
    }
}

fn is_harmless(arguments: &str) -> bool {
    let mut words = arguments.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').unwrap_or(word);
        let format = letters.strip_suffix('o');
        let options = format.unwrap_or(letters).bytes();
        if !options.into_iter().all(|byte| PLAIN.contains(&byte)) {
            return false;
        }
        if format.is_some() {
            return words.next().is_some_and(begins_with_pid) && words.next().is_none();
        }
    }
    true
}

/// Whether `pid` is the first of a list of columns, and no other one is called like that.
fn begins_with_pid(columns: &str) -> bool {
    let mut columns = columns.split(',');
    columns.next() == Some("pid")
        && columns.all(|one| one != "pid" && one.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_column_decides_whose_processes_are_shown() {
        for harmless in [
            "",
            " ",
            "-ef",
            "aux",
            "auxww",
            "-o pid,cmd",
            "ax -o pid,rss,args",
            "-eo pid",
        ] {
            assert!(is_harmless(harmless), "{harmless}");
        }
        for other in [
            "-orss=PID -oargs e",
            " -orss=PID",
            "-o rss=PID",
            "-o args,pid",
            "-o pid,args,pid",
            "-o pid,rss=PID",
            "-o pid -o rss=PID",
            "-o",
            "-opid",
            "-o %p",
            "-o pid,x:9",
            "auxh",
            "--no-headers",
            "axZ",
            "-e -p 1",
            "-ef\u{a0}x",
        ] {
            assert!(!is_harmless(other), "{other}");
        }
    }
}
