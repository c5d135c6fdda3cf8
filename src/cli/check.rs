//! `dockgate check`: the effective policy.

use clap::{ArgMatches, Command};

use super::FAILED;
use super::output::{aligned, complain, line, print, visible};
use super::whose::{self, Client, Whose};
use super::with_settings;
use crate::api::sections::{ACTIONS, CONTROLS, REQUIREMENTS, Route, SECTIONS};
use crate::config::{
    ConfiguredPolicy, Endpoint, LabelLists, Listen, PatternLine, RuleOn, Settings, Snapshot,
};
use crate::policy::printable;

pub(super) fn command() -> Command {
    Command::new("check")
        .about("Check the configuration and show the effective policies")
        .arg(whose::option().help("Show the policy for an address or unix:UID[:GID,...]"))
        .after_help(
            "Exit codes:\n  \
             0   good configuration\n  \
             1   --client: no policy can be named now\n  \
             78  bad configuration\n\n\
             Examples:\n  \
             CONTAINERS=1 ALLOW_START=1 dockgate check\n  \
             docker exec dockgate /dockgate check\n  \
             docker exec dockgate /dockgate check --client 172.20.0.5",
        )
}

pub(super) fn run(matches: &ArgMatches, environment: &Snapshot) -> u8 {
    with_settings(environment, |settings| {
        match matches.get_one::<Client>("client") {
            Some(client) => held(settings, client),
            None => print(&table(settings)),
        }
    })
}

/// Shows which policy holds for a client, and why.
fn held(settings: &Settings, client: &Client) -> u8 {
    let name = |id| settings.policies.name(id);
    match client.whose(settings, None) {
        Whose::Policy(id, why) => print(&format!("policy {}: {why}\n", name(id))),
        Whose::List(_, why) => print(&format!("a list of its own: {why}\n")),
        Whose::Endpoints(endpoints) => {
            let mut text = "no client rule matches; the endpoint's policy holds\n".to_owned();
            for Endpoint { listen, policy, .. } in endpoints {
                line(
                    &mut text,
                    format_args!("policy {}: {listen}", name(*policy)),
                );
            }
            print(&text)
        }
        Whose::Refused(why) => {
            complain(&why);
            FAILED
        }
    }
}

/// What `check` prints.
fn table(settings: &Settings) -> String {
    let mut text = String::new();
    let in_file = settings.origin.is_some();
    for policy in settings.used_policies() {
        if in_file {
            let place = match &policy.place {
                Some(place) => place.to_string(),
                None => "the environment".to_owned(),
            };
            line(
                &mut text,
                format_args!("policy {} ({place}):\n", policy.name),
            );
        }
        of_policy(&mut text, policy);
        if in_file {
            text.truncate(text.trim_end().len());
            text.push_str("\n\n");
        }
    }
    if in_file {
        text.push_str(&endpoints(settings));
        text.push('\n');
        if !settings.rules.is_empty() {
            text.push_str(&rules(settings));
            text.push('\n');
        }
    } else {
        let listen = settings.endpoints.iter();
        let listen: Vec<String> = listen.map(|one| one.listen.to_string()).collect();
        line(&mut text, format_args!("listens on {}", listen.join(" ")));
    }
    if let Some(list) = &settings.clients {
        let from = printable(&list.text);
        line(&mut text, format_args!("accepts TCP clients from {from}"));
    }
    if let Some(prefix) = &settings.process.label_prefix {
        let stem = LabelLists::stem(prefix);
        line(
            &mut text,
            format_args!("containers with labels {stem}.* have lists of their own"),
        );
    }
    for engine in settings.engines() {
        let (address, tls) = (&engine.address, engine.tls.is_some());
        let by = if tls { " by TLS" } else { "" };
        line(
            &mut text,
            format_args!("forwards to {engine} at {address}{by}"),
        );
    }
    for note in settings.notes() {
        line(&mut text, note);
    }
    for diagnostic in &settings.warnings {
        let severity = diagnostic.severity;
        line(&mut text, format_args!("{severity}: {diagnostic}"));
    }
    for warning in settings.dangers().chain(settings.alarms()) {
        line(&mut text, format_args!("warning: {warning}"));
    }
    text
}

/// Where it listens, and the policy and engine of clients that no rule is for.
fn endpoints(settings: &Settings) -> String {
    let row = |endpoint: &Endpoint| {
        let mode = match endpoint.listen {
            Listen::Unix(_) => format!("{:04o}", endpoint.mode),
            Listen::Tcp { .. } => "-".to_owned(),
        };
        let policy = settings.policies.get(endpoint.policy);
        let engine = policy.map(|policy| policy.engine_at(endpoint, &settings.engine));
        let engine = engine.map_or("-", |engine| &engine.name).to_owned();
        let policy = settings.policies.name(endpoint.policy).to_owned();
        [endpoint.listen.to_string(), mode, policy, engine]
    };
    let mut rows = vec![["ENDPOINT", "MODE", "POLICY", "ENGINE"].map(str::to_owned)];
    rows.extend(settings.endpoints.iter().map(row));
    if settings.engine.is_named {
        return aligned(&rows);
    }
    let rows = rows
        .into_iter()
        .map(|[listen, mode, policy, _]| [listen, mode, policy]);
    aligned(&rows.collect::<Vec<_>>())
}

/// The rules in the order in which they are tried.
fn rules(settings: &Settings) -> String {
    let mut rows = vec![["CLIENTS", "POLICY", "FROM"].map(str::to_owned)];
    rows.extend(settings.rules.iter().enumerate().map(|(at, rule)| {
        let policy = settings.policies.name(rule.policy).to_owned();
        // The others are those of labels that choose.
        let place = settings.rule_places.get(at).map(ToString::to_string);
        [
            rule.who.to_string(),
            policy,
            place.unwrap_or_else(|| "by_label".to_owned()),
        ]
    }));
    aligned(&rows)
}

/// What one policy grants, and by what. In a file every default is 0, so only what is written there
/// is shown.
fn of_policy(text: &mut String, policy: &ConfiguredPolicy) {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let sources = &policy.sources;
    let notation = policy.notation();
    let grants = &sources.grants;
    let in_file = policy.place.is_some();
    let is_set = |variable: &str| {
        let switch = grants.switch(variable);
        switch.is_some_and(|one| one.value.is_some())
    };
    let from = |variable: &str| match grants.switch(variable).and_then(|one| one.value.as_deref()) {
        Some(value) => notation.set(variable, printable(value)),
        None => "default".to_owned(),
    };
    let post = grants.on("POST");
    let mut rows = vec![["SECTION", "READS", "WRITES", "FROM"].map(str::to_owned)];
    let shown = SECTIONS.iter();
    for section in shown.filter(|section| !in_file || is_set(section.name)) {
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
    if grants.active && rows.len() > 1 {
        text.push_str(&aligned(&rows));
        text.push('\n');
    }
    let mut rows = vec![["ACTION", "EFFECT", "FROM", "ROUTES"].map(str::to_owned)];
    for action in ACTIONS {
        let mut row = |variable: &str, effect: String, routes: String| {
            rows.push([variable.to_owned(), effect, from(variable), routes]);
        };
        if is_set(action.allow) {
            let besides = policy.granted_besides(action);
            let effect = match (grants.on(action.allow), grants.on(action.deny)) {
                (_, true) => "denied".to_owned(),
                (true, false) => "allow".to_owned(),
                (false, false) if besides.is_empty() => "none".to_owned(),
                (false, false) => format!("allowed by {}", besides.join(", ")),
            };
            row(action.allow, effect, Route::list(action.routes));
        }
        if is_set(action.deny) {
            let effect = if grants.on(action.deny) {
                "deny"
            } else {
                "not denied"
            };
            row(action.deny, effect.to_owned(), Route::list(action.denied()));
        }
    }
    let (set, all) = (rows.len() - 1, 2 * ACTIONS.len());
    if set > 0 {
        text.push_str(&aligned(&rows));
    }
    if in_file {
        text.push_str(if set > 0 { "\n" } else { "" });
    } else if set > 0 || grants.active {
        line(
            text,
            format_args!("{set} of {all} action variables are set\n"),
        );
    }
    for lines in [
        &sources.regexes.lines,
        &sources.profile.lines,
        &sources.rule_lines.lines,
    ] {
        if !lines.is_empty() {
            text.push_str(&patterns(lines));
            text.push('\n');
        }
    }
    let mut rows = vec![["KIND", "MIDDLEWARE"].map(str::to_owned)];
    let middleware = sources.middleware.shown();
    rows.extend(middleware.map(|(kind, told)| [kind.to_owned(), visible(&told)]));
    if rows.len() > 1 {
        text.push_str(&aligned(&rows));
        text.push('\n');
    }
    if sources.deny_root {
        let routes = Route::list(CONTROLS.iter().flat_map(|control| control.routes));
        let set = notation.set("DENY_ROOT", 1);
        line(text, format_args!("{set} denies or judges {routes}\n"));
    }
    if let Some(limits) = &sources.limits {
        let mut rows = vec![["LIMIT", "ALLOWS"].map(str::to_owned)];
        let limits = limits.in_force().into_iter();
        rows.extend(limits.map(|(variable, entries)| [variable.to_owned(), entries]));
        text.push_str(&aligned(&rows));
        text.push('\n');
    }
    if let Some(versions) = &sources.versions {
        line(text, format_args!("{}\n", versions.told()));
    }
    if !sources.rules.is_empty() {
        text.push_str(&rules_in_cel(&sources.rules));
        text.push('\n');
    }
    for preset in sources.presets_granted() {
        line(text, format_args!("{preset}\n"));
    }
    let mut rows = vec![["DIALECT", "ACTIVE", "CONTRIBUTES"].map(str::to_owned)];
    for (dialect, active, contributes) in sources.dialects() {
        if in_file && !active {
            continue;
        }
        rows.push([dialect.to_owned(), yes_no(active).to_owned(), contributes]);
    }
    text.push_str(&aligned(&rows));
    text.push('\n');
    for one in REQUIREMENTS
        .iter()
        .filter(|one| grants.on(one.section) && !grants.on(one.also))
    {
        let (section, also, routes) = (one.section, one.also, Route::list(one.routes));
        line(
            text,
            format_args!(
                "{section} does not allow {routes} without {}",
                notation.set(also, 1)
            ),
        );
    }
}

/// The rules in CEL, and which requests they judge.
fn rules_in_cel(rules: &[RuleOn]) -> String {
    let mut rows = vec![["RULE", "JUDGES", "EXPRESSION", "TEXT"].map(str::to_owned)];
    rows.extend(rules.iter().map(|RuleOn { rule, on, .. }| {
        let told = match &*rule.told {
            "" => "-",
            told => told,
        };
        let (on, expression) = (on.join(", "), visible(&rule.source));
        [rule.name.to_string(), on, expression, visible(told)]
    }));
    aligned(&rows)
}

/// Patterns as they are written, to be copied from there.
fn patterns(lines: &[PatternLine]) -> String {
    let mut rows = vec![["FROM", "METHODS", "PATTERN"].map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let PatternLine {
            origin,
            methods,
            pattern,
            ..
        } = line;
        [origin, methods, pattern].map(|text| visible(text))
    }));
    aligned(&rows)
}
