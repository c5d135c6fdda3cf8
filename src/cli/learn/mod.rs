//! `dockgate learn FILE...`: the smallest grants for the requests in an access log.

mod collected;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use clap::{Arg, ArgMatches, Command, ValueHint};

use super::FAILED;
use super::output::{complain, line, print};
use crate::api::Target;
use crate::config::Snapshot;
use crate::config::file::DEFAULT;
use crate::learn::{Home, Learner};
use crate::observe::{access, log as log_writer};
use crate::policy::{Body, printable};

pub(super) fn command() -> Command {
    let files = Arg::new("files")
        .value_name("FILE")
        .help("A dockgate log; - reads stdin")
        .required(true)
        .num_args(1..)
        .value_hint(ValueHint::FilePath);
    Command::new("learn")
        .about("Find the smallest grants for the requests in an access log")
        .arg(files)
        .after_help(
            "Examples:\n  \
             docker logs dockgate 2>&1 | dockgate learn -\n  \
             docker compose logs dockgate | dockgate learn -",
        )
}

pub(super) fn run(matches: &ArgMatches, _: &Snapshot) -> u8 {
    let files = matches.get_many::<String>("files").into_iter().flatten();
    learn(files.map(String::as_str))
}

fn learn<'a>(files: impl Iterator<Item = &'a str>) -> u8 {
    let empty = Learner::new();
    // Of each policy that lines name, and of those lines that name none.
    let mut found: BTreeMap<Option<String>, Found> = BTreeMap::new();
    let (mut unchanged, mut foreign, mut others) = (0_u64, 0_u64, 0_u64);
    // The container name in front of dockgate's lines, if any.
    let mut whose: Option<Option<String>> = None;
    for file in files {
        let lines: Box<dyn BufRead> = match file {
            "-" => Box::new(io::stdin().lock()),
            path => match File::open(path) {
                Ok(file) => Box::new(BufReader::new(file)),
                Err(error) => return unreadable(file, &error),
            },
        };
        for line in lines.split(b'\n') {
            let line = match line {
                Ok(line) => line,
                Err(error) => return unreadable(file, &error),
            };
            let line = collected::plain(str::from_utf8(&line).unwrap_or_default());
            let (name, line) = match collected::named(&line) {
                Some((name, line)) => (Some(name), line),
                None => (None, &*line),
            };
            let line = collected::undated(line);
            let plain = log_writer::plain_line(line);
            let line = access::Logged::read(plain.as_deref().unwrap_or(line));
            match line {
                // Lines of another container are not dockgate's, whatever they look like. Which
                // container is dockgate is unknown, so the report names it.
                Some(_) if whose.get_or_insert(name.map(str::to_owned)).as_deref() != name => {
                    foreign += 1;
                }
                Some(line) => match Target::from_line(line.method, &line.target) {
                    Ok(target)
                        if line.verdict != access::LoggedVerdict::None
                            && target.method().is_some() =>
                    {
                        let length = (!line.broke_off).then_some(line.received);
                        let denied = line.verdict == access::LoggedVerdict::Denied;
                        let found = found.entry(line.policy.map(str::to_owned));
                        let found = found.or_insert_with(|| Found::nothing(&empty));
                        found.unknown_bodies |= denied && empty.minds_body(&target);
                        // The log does not say what was a form.
                        found.learner.saw(&target, Body::of(length, false));
                    }
                    _ => unchanged += 1,
                },
                None => others += 1,
            }
        }
    }
    let counts = [
        (unchanged, "request", " that no grant affects"),
        (foreign, "line", " of other containers"),
        (others, "line", " without a request"),
    ];
    let skipped = counts.iter().filter(|(count, ..)| *count > 0);
    let skipped: Vec<String> = skipped
        .map(|(count, what, which)| {
            let s = if *count == 1 { "" } else { "s" };
            format!("{count} {what}{s}{which}")
        })
        .collect();
    let mut more = match whose.flatten() {
        Some(name) => format!(" of {}", printable(&name)),
        None => String::new(),
    };
    if !skipped.is_empty() {
        more += &format!(", skipping {}", skipped.join(" and "));
    }
    print(&match found.last_key_value() {
        None => empty.report(Home::Environment, &more),
        Some((None, only)) => only.report(Home::Environment, &more),
        Some((Some(_), _)) => of_each(&found, &more),
    })
}

/// What was learned for one policy.
struct Found {
    learner: Learner,
    /// Whether it depends on what is not known of the bodies of denied requests.
    unknown_bodies: bool,
}

impl Found {
    fn nothing(learner: &Learner) -> Found {
        Found {
            learner: learner.another(),
            unknown_bodies: false,
        }
    }

    fn report(&self, home: Home<'_>, more: &str) -> String {
        let bodies = match self.unknown_bodies {
            true => "; denied requests are treated as having no body",
            false => "",
        };
        self.learner.report(home, &format!("{more}{bodies}"))
    }
}

/// One result for each policy. `more` holds for all of them.
fn of_each(found: &BTreeMap<Option<String>, Found>, more: &str) -> String {
    let mut text = format!("# Learned for each policy{more}.\n");
    for (policy, found) in found {
        let (heading, home) = match policy.as_deref() {
            None => (
                "Requests without a policy name".to_owned(),
                Home::Environment,
            ),
            Some(DEFAULT) => (format!("Policy {DEFAULT}"), Home::Environment),
            Some(name) => (format!("Policy {name}"), Home::File(name)),
        };
        line(&mut text, format_args!("\n# {heading}:"));
        text += &found.report(home, "");
    }
    text
}

fn unreadable(file: &str, error: &io::Error) -> u8 {
    complain(&format_args!("cannot read {}: {error}", printable(file)));
    FAILED
}
