//! The command line: `dockgate [serve] | check | explain METHOD PATH | learn FILE... | healthcheck |
//! version`.

mod health;
mod lines;
mod presets;

use std::{
    ffi::{OsStr, OsString},
    fmt::{Display, Write as _},
    fs::File,
    io::{self, BufRead, BufReader, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use lexopt::{Arg, Parser, ValueExt as _};

use crate::{
    api::{
        Target,
        sections::{ACTIONS, REQUIRES, Route, SECTIONS},
    },
    config::{FLAGS, Line, PROFILE_VARIABLES, Preset, Settings, Snapshot, VARIABLES, shown_path},
    learn::Learner,
    observe::{access, log as log_writer},
    policy::{Body, Verdict, printable},
    proxy::{self, End},
};

const OK: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
/// The watchdog did not find the engine's socket.
const ENGINE_GONE: u8 = 10;
/// A command, and the name under which the program is that command alone.
const HEALTHCHECK: &str = "healthcheck";
/// The configuration is bad: `EX_CONFIG` of sysexits.h.
const BAD_CONFIGURATION: u8 = 78;

/// Runs the command that a command line names, the program's own name first, and returns the exit
/// code.
pub fn run(words: impl IntoIterator<Item = OsString>, environment: &Snapshot) -> u8 {
    let mut words = words.into_iter();
    // wollomatic/socket-proxy has its health check in a program of its own.
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name();
    let command = name.filter(|name| *name == HEALTHCHECK);
    let args = command.map(OsStr::to_owned).into_iter().chain(words);
    let mut environment = environment.clone();
    let command = environment
        .take_flags(args)
        .map_err(lexopt::Error::from)
        .and_then(parse);
    let cmdline = std::fs::read("/proc/1/cmdline").unwrap_or_default();
    let of_process_1 = flags_in(&cmdline);
    if std::process::id() == 1 || !of_process_1.is_empty() {
        environment = environment.of_process_1();
    }
    if !environment.has_flags() && !matches!(command, Ok(Command::Serve)) {
        // `docker exec` and health checks know the environment, but not the command line.
        let _ = environment.take_flags(of_process_1);
    }
    let environment = &environment;
    match command {
        Ok(Command::Serve) => serve(environment),
        Ok(Command::Check) => with_settings(environment, |settings| print(&table(settings))),
        Ok(Command::Explain { method, path }) => {
            with_settings(environment, |settings| explain(settings, &method, &path))
        }
        Ok(Command::Presets { name }) => show_presets(name.as_deref()),
        Ok(Command::Learn { files }) => learn(&files),
        Ok(Command::Healthcheck) => healthcheck(environment),
        Ok(Command::Version) => print(concat!("dockgate ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Help) => print(&help()),
        Err(error) => {
            complain(&error);
            complain(&"`dockgate --help` tells how it is used");
            WRONG_USAGE
        }
    }
}

/// The arguments of a dockgate that runs by this command line, perhaps under a small init.
fn flags_in(cmdline: &[u8]) -> Vec<OsString> {
    let words = cmdline.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let program = |word: &&OsStr| Path::new(word).file_name() != Some(OsStr::new("dockgate"));
    let words = words.skip_while(program).skip(1);
    words.map(OsStr::to_owned).collect()
}

enum Command {
    Serve,
    Check,
    Presets { name: Option<String> },
    Explain { method: String, path: String },
    Learn { files: Vec<String> },
    Healthcheck,
    Version,
    Help,
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = Parser::from_args(args);
    let mut words = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(word) => words.push(word.string()?),
            Arg::Short(_) | Arg::Long(_) => return Err(arg.unexpected()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        [] | ["serve"] => Ok(Command::Serve),
        ["check"] => Ok(Command::Check),
        ["explain", method, path] => Ok(Command::Explain {
            method: method.to_owned(),
            path: path.to_owned(),
        }),
        ["presets"] => Ok(Command::Presets { name: None }),
        ["presets", name] => Ok(Command::Presets {
            name: Some(name.to_owned()),
        }),
        ["explain", ..] => Err("explain takes a method and a path".into()),
        ["presets", _, extra, ..] => Err(unexpected(extra)),
        ["learn"] => Err("learn takes the files of a log, or - for stdin".into()),
        ["learn", ref files @ ..] => Ok(Command::Learn {
            files: files.iter().map(|&file| file.to_owned()).collect(),
        }),
        [HEALTHCHECK] => Ok(Command::Healthcheck),
        ["version"] => Ok(Command::Version),
        ["help"] => Ok(Command::Help),
        [
            "serve" | "check" | HEALTHCHECK | "version" | "help",
            extra,
            ..,
        ]
        | [extra, ..] => Err(unexpected(extra)),
    }
}

fn unexpected(extra: &str) -> lexopt::Error {
    format!("unexpected argument {}", printable(extra)).into()
}

fn serve(environment: &Snapshot) -> u8 {
    let settings = match Settings::load(environment) {
        Ok(settings) => settings,
        Err(diagnostics) => return refuse(&diagnostics),
    };
    match proxy::serve(settings) {
        Ok(End::Signal) => OK,
        Ok(End::Watchdog) => ENGINE_GONE,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

fn with_settings(environment: &Snapshot, command: impl FnOnce(&Settings) -> u8) -> u8 {
    match Settings::load(environment) {
        Ok(settings) => command(&settings),
        Err(diagnostics) => refuse(&diagnostics),
    }
}

/// Tells every mistake at once.
fn refuse(diagnostics: &[crate::config::Diagnostic]) -> u8 {
    for diagnostic in diagnostics {
        complain(&format_args!("{}: {diagnostic}", diagnostic.severity));
    }
    BAD_CONFIGURATION
}

fn explain(settings: &Settings, method: &str, path: &str) -> u8 {
    match Target::from_line(method, path_of(path)) {
        Ok(target) => {
            let verdict = settings.policy.decide(target.clone(), Body::Empty);
            let text = verdict.to_string();
            let printed = print(&format!("{text}\n"));
            for warning in settings.warnings_about(&target) {
                // A denial may have said it already.
                if !text.contains(&warning.problem) {
                    complain(&format_args!("warning: {warning}"));
                }
            }
            if matches!(verdict, Verdict::Allow(_)) {
                printed
            } else {
                FAILED
            }
        }
        Err(bad) => {
            complain(&format_args!("refused with 400 under every policy: {bad}"));
            WRONG_USAGE
        }
    }
}

/// What a client sends for an address that somebody copied whole: `tcp://dockgate:2375/info`.
fn path_of(address: &str) -> &str {
    let schemes = ["http://", "https://", "tcp://"];
    let behind = schemes
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    match behind {
        Some(behind) => behind.find('/').map_or("/", |start| &behind[start..]),
        None => address,
    }
}

fn show_presets(name: Option<&str>) -> u8 {
    let text = match name {
        None => presets::list(),
        Some(name) => match Preset::find(name) {
            Some(preset) => presets::show(preset),
            None => {
                let help = Preset::meant_by(name);
                complain(&format_args!(
                    "no preset is called {}; {help}",
                    printable(name)
                ));
                return WRONG_USAGE;
            }
        },
    };
    print(&text)
}

/// Prints the smallest grants for what an access log holds.
fn learn(files: &[String]) -> u8 {
    let learner = Learner::new();
    let (mut unchanged, mut foreign, mut others) = (0_u64, 0_u64, 0_u64);
    let mut unknown_bodies = false;
    // Before whose lines of the log a name stands, if one does.
    let mut whose: Option<Option<String>> = None;
    for file in files {
        let lines: Box<dyn BufRead> = match file.as_str() {
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
            let line = lines::plain(str::from_utf8(&line).unwrap_or_default());
            let (name, line) = match lines::named(&line) {
                Some((name, line)) => (Some(name), line),
                None => (None, &*line),
            };
            let line = lines::undated(line);
            let plain = log_writer::plain_line(line);
            let line = access::Line::read(plain.as_deref().unwrap_or(line));
            match line {
                // What another container writes is no log of dockgate, whatever it looks like. Which
                // one is meant is not known, so it is told.
                Some(_) if whose.get_or_insert(name.map(str::to_owned)).as_deref() != name => {
                    foreign += 1;
                }
                Some(line) => match Target::from_line(line.method, &line.target) {
                    Ok(target)
                        if line.verdict != access::Verdict::None && target.method().is_some() =>
                    {
                        let length = (!line.broke_off).then_some(line.received);
                        let denied = line.verdict == access::Verdict::Denied;
                        unknown_bodies |= denied && learner.minds_body(&target);
                        // What a form is, the log does not say.
                        learner.saw(&target, Body::of(length, false));
                    }
                    _ => unchanged += 1,
                },
                None => others += 1,
            }
        }
    }
    let counts = [
        (unchanged, "requests that no grant would have changed"),
        (foreign, "lines of other containers that look the same"),
        (others, "lines of another kind"),
    ];
    let left_out = counts.iter().filter(|(count, _)| *count > 0);
    let left_out: Vec<String> = left_out
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let mut more = match whose.flatten() {
        Some(name) => format!(" of {}", printable(&name)),
        None => String::new(),
    };
    if !left_out.is_empty() {
        more += &format!(", leaving out {}", left_out.join(" and "));
    }
    if unknown_bodies {
        more += "; those denied are taken to have had no body";
    }
    print(&learner.report(&more))
}

fn unreadable(file: &str, error: &io::Error) -> u8 {
    complain(&format_args!("cannot read {}: {error}", printable(file)));
    FAILED
}

fn healthcheck(environment: &Snapshot) -> u8 {
    let health = match Settings::load(environment) {
        Ok(settings) => {
            if let Some(why) = settings.unprotected {
                // Whether it is healthy, its exit code says.
                let _ = print(&format!("{why}\n"));
            }
            health::check(settings.listen, settings.socket_path)
        }
        Err(_) => Err("the configuration is bad: `dockgate check` tells how".to_owned()),
    };
    match health {
        Ok(()) => OK,
        Err(reason) => {
            complain(&format_args!("unhealthy: {reason}"));
            FAILED
        }
    }
}

/// What `check` prints.
fn table(settings: &Settings) -> String {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let grants = &settings.grants;
    let from = |variable: &str| match grants.switch(variable).and_then(|one| one.value.as_deref()) {
        Some(value) => format!("{variable}={}", printable(value)),
        None => "default".to_owned(),
    };
    let post = grants.on("POST");
    let mut rows = vec![["SECTION", "READS", "WRITES", "FROM"].map(str::to_owned)];
    for section in SECTIONS {
        let on = grants.on(section.name);
        let and_post = if on && post {
            ", ".to_owned() + &from("POST")
        } else {
            String::new()
        };
        rows.push([
            section.name.to_owned(),
            yes_no(on).to_owned(),
            yes_no(on && post).to_owned(),
            from(section.name) + &and_post,
        ]);
    }
    let sections = aligned(&rows);
    let mut rows = vec![["ACTION", "EFFECT", "FROM", "ROUTES"].map(str::to_owned)];
    for action in ACTIONS {
        let set = |variable| {
            grants
                .switch(variable)
                .is_some_and(|one| one.value.is_some())
        };
        let mut row = |variable: &str, effect: String, routes: String| {
            rows.push([variable.to_owned(), effect, from(variable), routes]);
        };
        if set(action.allow) {
            let besides = settings.granted_besides(action);
            let effect = match (grants.on(action.allow), grants.on(action.deny)) {
                (_, true) => "denied".to_owned(),
                (true, false) => "allow".to_owned(),
                (false, false) if besides.is_empty() => "none".to_owned(),
                (false, false) => format!("allowed by {}", besides.join(", ")),
            };
            row(action.allow, effect, Route::list(action.routes));
        }
        if set(action.deny) {
            let effect = if grants.on(action.deny) {
                "deny"
            } else {
                "not denied"
            };
            row(action.deny, effect.to_owned(), Route::list(action.denied()));
        }
    }
    let mut text = String::new();
    if grants.active {
        text.push_str(&format!("{sections}\n"));
    }
    let (set, all) = (rows.len() - 1, 2 * ACTIONS.len());
    if set > 0 {
        text.push_str(&aligned(&rows));
    }
    if set > 0 || grants.active {
        line(
            &mut text,
            format_args!("{set} of {all} action variables are set\n"),
        );
    }
    for lines in [&settings.regexes.lines, &settings.profile.lines] {
        if !lines.is_empty() {
            text.push_str(&patterns(lines));
            text.push('\n');
        }
    }
    for preset in settings.presets_granted() {
        line(&mut text, format_args!("{preset}\n"));
    }
    let mut rows = vec![["DIALECT", "ACTIVE", "CONTRIBUTES"].map(str::to_owned)];
    for (dialect, active, contributes) in settings.dialects() {
        rows.push([dialect.to_owned(), yes_no(active).to_owned(), contributes]);
    }
    text.push_str(&aligned(&rows));
    text.push('\n');
    for hole in REQUIRES
        .iter()
        .filter(|hole| grants.on(hole.section) && !grants.on(hole.also))
    {
        let (section, also, routes) = (hole.section, hole.also, Route::list(hole.routes));
        line(
            &mut text,
            format_args!("{section} leaves out {routes} without {also}=1"),
        );
    }
    let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    line(&mut text, format_args!("listens on {}", listen.join(" ")));
    if let Some(list) = &settings.allow_from {
        let from = printable(&list.text);
        line(
            &mut text,
            format_args!("lets clients in by TCP from {from}"),
        );
    }
    line(
        &mut text,
        format_args!("guards the engine at {}", shown_path(&settings.socket_path)),
    );
    for note in settings.notes() {
        line(&mut text, note);
    }
    for diagnostic in &settings.warnings {
        let severity = diagnostic.severity;
        line(&mut text, format_args!("{severity}: {diagnostic}"));
    }
    for warning in settings
        .root_on_host()
        .into_iter()
        .chain(settings.unprotected.map(|why| why.to_string()))
    {
        line(&mut text, format_args!("warning: {warning}"));
    }
    text
}

/// Patterns as they are written, to be copied from there.
fn patterns(lines: &[Line]) -> String {
    let mut rows = vec![["FROM", "METHODS", "PATTERN"].map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let Line {
            origin,
            methods,
            pattern,
            ..
        } = line;
        [origin, methods, pattern].map(|text| visible(text))
    }));
    aligned(&rows)
}

/// A pattern on one line: what would not be seen there is escaped as every regex takes it.
fn visible(pattern: &str) -> String {
    let start = pattern.len() - pattern.trim_start_matches(' ').len();
    let end = start + pattern.trim_matches(' ').len();
    let mut text = String::with_capacity(pattern.len());
    for (at, c) in pattern.char_indices() {
        if c.is_control() || at < start || at >= end {
            text.push_str(&format!("\\x{{{:02x}}}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

fn help() -> String {
    let mut text = concat!(
        "dockgate ", env!("CARGO_PKG_VERSION"), "\n",
        "Stands before the Docker Engine's socket and lets through only what its environment grants.\n",
        "\n",
        "dockgate [serve]              guard the engine\n",
        "dockgate check                show the effective policy; exit 0, or 78 with every mistake\n",
        "dockgate explain METHOD PATH  is that allowed without a body, or what would grant it; exit 0 or 1\n",
        "dockgate presets [NAME]       list the presets, or show one as rules, variables and regexes\n",
        "dockgate learn FILE...        the smallest grants for what its logs hold (-: stdin)\n",
        "dockgate healthcheck          do dockgate and the engine answer; exit 0 or 1\n",
        "dockgate version              print the version (-V, --version)\n",
        "dockgate help                 print this (-h, --help)\n",
        "\n",
        "It is configured by environment variables, shown here with their defaults. Names are upper\n",
        "case. 1 grants; 0 does not, nor does a word like true. `check` shows how they were read,\n",
        "and a denied client is told what would grant its request. An empty section or action is 0;\n",
        "an empty setting is as if it were not set. Wrong usage exits 2.\n",
    )
    .to_owned();
    let mut group = |title: &str, rows: Vec<[String; 2]>| {
        line(&mut text, format_args!("\n{title}"));
        text.push_str(&aligned(&rows));
    };
    let sections = SECTIONS.iter().map(|section| {
        let path = section.paths.join(" ");
        // Nearly all are called as their path is.
        let doc = if path == format!("/{}", section.name.to_lowercase()) {
            section.doc.to_owned()
        } else {
            format!("{} ({path})", section.doc)
        };
        [
            format!("  {}={}", section.name, u8::from(section.default)),
            doc,
        ]
    });
    group(
        "Sections: GET and HEAD, and with POST=1 every method",
        sections.collect(),
    );
    let actions = ACTIONS
        .iter()
        .map(|action| [format!("  {}", action.name), action.doc.to_owned()]);
    group(
        "Actions: ALLOW_x=1 grants one without its section and without POST, DENY_x=1 takes it away",
        actions.collect(),
    );
    group(
        "Presets: what a program needs, and nothing else",
        vec![["  PRESET=", "A comma list; `dockgate presets` lists them"].map(str::to_owned)],
    );
    let settings = VARIABLES.iter().map(|variable| {
        [
            format!("  {}={}", variable.name, variable.default),
            variable.doc.to_owned(),
        ]
    });
    group("Settings", settings.collect());
    let patterns = [
        [
            "  SP_ALLOW_GET=, SP_ALLOW_POST_2=",
            "GET or POST on the paths that match a pattern",
        ],
        [
            "  -allowGET=, -allowPOST=",
            "The same as flags, which may be repeated",
        ],
    ];
    group(
        "Regex allowlists: whole paths with their version, without the query",
        patterns.map(|row| row.map(str::to_owned)).to_vec(),
    );
    let profile = PROFILE_VARIABLES.iter().map(|variable| {
        let name = format!("  {}={}", variable.name, variable.default);
        [name, variable.doc.to_owned()]
    });
    group(
        "Profile files: lines of METHOD-regex URL-regex, whole targets as sent",
        profile.collect(),
    );
    let flags = FLAGS.iter().map(|flag| {
        let name = format!("  {}={}", flag.variable, flag.default);
        [name, flag.doc.to_owned()]
    });
    group(
        "Settings that go with SP_ALLOW_GET, as variables or as flags (-listenip=0.0.0.0, -logjson)",
        flags.collect(),
    );
    group(
        "For example",
        [
            "CONTAINERS=1 NETWORKS=1 dockgate",
            "CONTAINERS=1 dockgate explain POST /containers/create",
        ]
        .map(|example| [format!("  {example}"), String::new()])
        .to_vec(),
    );
    text
}

/// Rows with their columns in line. The last one may be any length.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        line(&mut text, cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

fn line(text: &mut String, line: impl Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Prints what was asked for. [`FAILED`] if it cannot be written, to a full disk for one.
#[must_use]
fn print(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format_args!("cannot write to stdout: {e}"));
            FAILED
        }
        // A reader that went away (`dockgate check | head`) is no failure.
        _ => OK,
    }
}

fn complain(problem: &dyn Display) {
    let problem = problem.to_string();
    let _ = writeln!(io::stderr(), "dockgate: {}", log_writer::one_line(&problem));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_running_dockgate_are_found() {
        for (cmdline, flags) in [
            (
                &b"/dockgate\0-allowGET=/x\0-logjson\0"[..],
                &["-allowGET=/x", "-logjson", ""][..],
            ),
            (b"/sbin/docker-init\0--\0/dockgate\0serve\0", &["serve", ""]),
            (b"/sbin/init\0-allowGET=/x\0", &[]),
            (b"", &[]),
        ] {
            assert_eq!(flags_in(cmdline), flags);
        }
    }
}
