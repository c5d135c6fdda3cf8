use super::query::fits;
use super::table::{Parameter, QUERIES};
use super::*;
use crate::api::fields::{self, Kind};
use crate::api::sections::{Route, SCOPED};

fn bounds(min: &str, max: &str) -> Bounds {
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    Bounds::read(some(min), some(max)).expect("bounds")
}

fn target(method: &str, line: &str) -> Target {
    Target::from_line(method, line).expect("a target")
}

fn raised(method: &str, line: &str, lowest: Version) -> String {
    let raised = bounds("1.24", "").raise(target(method, line), lowest);
    raised.path_and_query().to_string()
}

#[test]
fn bounds_are_versions_in_order_from_1_24() {
    for (min, max, told) in [
        ("1.23", "", "API_VERSION_MIN: 1.23 is lower than 1.24"),
        ("", "1.9", "API_VERSION_MAX: 1.9 is lower than 1.24"),
        ("x", "", "API_VERSION_MIN: x is not a version"),
        ("v1.24", "", "API_VERSION_MIN: v1.24 is not a version"),
        ("1.024", "", "is not a version"),
        ("1.24.0", "", "is not a version"),
        ("2.0", "", "is not a version"),
        ("1", "", "is not a version"),
        (
            "1.44",
            "1.40",
            "API_VERSION_MAX: 1.40 is lower than API_VERSION_MIN, which is 1.44",
        ),
    ] {
        let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let mistakes = Bounds::read(some(min), some(max)).expect_err(told);
        let found: Vec<String> = mistakes
            .iter()
            .map(|(variable, mistake)| format!("{variable}: {mistake}"))
            .collect();
        assert!(found.join("\n").contains(told), "{found:?}");
    }
    for (min, max) in [
        ("1.24", "1.24"),
        ("1.24", "1.44"),
        ("1.44", ""),
        ("", "1.55"),
    ] {
        bounds(min, max);
    }
}

#[test]
fn only_what_is_too_old_for_the_engine_and_within_the_bounds_is_raised() {
    let engine = Version(1, 44);
    for (min, max, sent, forwarded) in [
        ("1.24", "", "/v1.24/info", "/v1.44/info"),
        ("1.24", "1.44", "/v1.24/info", "/v1.44/info"),
        ("1.24", "1.52", "/v1.43/info", "/v1.44/info"),
        ("1.24", "", "/v1.024/info?a=b", "/v1.44/info?a=b"),
        (
            "1.24",
            "",
            "/v1.41.9/images/a%2Fb/json",
            "/v1.44/images/a%2Fb/json",
        ),
        ("1.24", "", "/v1.44/info", "/v1.44/info"),
        ("1.24", "", "/v1.45/info", "/v1.45/info"),
        ("1.24", "", "/info", "/info"),
        ("1.24", "", "/v1.23/info", "/v1.23/info"),
        ("1.24", "", "/v1..41/info", "/v1..41/info"),
        ("1.24", "", "/v5.0.0/libpod/info", "/v5.0.0/libpod/info"),
        ("1.30", "", "/v1.24/info", "/v1.24/info"),
        // Never above what clients are told, and not without a lower bound.
        ("1.24", "1.43", "/v1.24/info", "/v1.24/info"),
        ("1.24", "1.44", "/v1.45/info", "/v1.45/info"),
        ("", "1.44", "/v1.24/info", "/v1.24/info"),
        // No client spells it so.
        ("1.24", "", "/%761.24/info", "/%761.24/info"),
        ("1.24", "", "/v1%2e24/info", "/v1%2e24/info"),
    ] {
        let before = target("GET", sent);
        let path = before.path().to_vec();
        let after = bounds(min, max).raise(before.clone(), engine);
        assert_eq!(
            after.path_and_query().as_str(),
            forwarded,
            "{min} {max} {sent}"
        );
        assert_eq!(after.path(), path, "{sent}");
        let asked = (sent != forwarded).then(|| before.version()).flatten();
        assert_eq!(after.asked(), asked, "{sent}");
    }
}

#[test]
fn queries_say_what_they_said_to_the_older_version() {
    let new = Version(1, 44);
    for (method, sent, forwarded) in [
        (
            "POST",
            "/v1.40/containers/create?name=a&platform=linux%2Farm64",
            "/v1.44/containers/create?name=a",
        ),
        (
            "POST",
            "/v1.41/containers/create?platform=x",
            "/v1.44/containers/create?platform=x",
        ),
        (
            "POST",
            "/v1.40/containers/create?platform=x",
            "/v1.44/containers/create",
        ),
        (
            "POST",
            "/v1.41/containers/x/stop?signal=9&t=1",
            "/v1.44/containers/x/stop?t=1",
        ),
        (
            "POST",
            "/v1.24/containers/x/wait?condition=removed",
            "/v1.44/containers/x/wait",
        ),
        (
            "POST",
            "/v1.30/containers/x/wait?condition=removed",
            "/v1.44/containers/x/wait?condition=removed",
        ),
        (
            "GET",
            "/v1.24/containers/x/attach/ws?stream=1&stdin=0",
            "/v1.44/containers/x/attach/ws?stream=1&stdin=1&stdout=1&stderr=1",
        ),
        (
            "POST",
            "/v1.41/volumes/prune",
            "/v1.44/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D",
        ),
        ("POST", "/v1.42/volumes/prune", "/v1.44/volumes/prune"),
        (
            "GET",
            "/v1.24/images/json?filter=busybox&all=1",
            "/v1.44/images/json?all=1&filters=%7B%22reference%22%3A%5B%22busybox%22%5D%7D",
        ),
        // Engines do not agree on it: it is left to the engine, which refuses its version.
        (
            "POST",
            "/v1.24/volumes/prune?a;b",
            "/v1.24/volumes/prune?a;b",
        ),
        (
            "POST",
            "/v1.24/volumes/prune?filters=x",
            "/v1.24/volumes/prune?filters=x",
        ),
    ] {
        assert_eq!(raised(method, sent, new), forwarded, "{sent}");
    }
    // What the engine still reads as the older version is left to it.
    let sent = "/v1.24/volumes/prune";
    assert_eq!(raised("POST", sent, Version(1, 40)), "/v1.40/volumes/prune");
}

#[test]
fn filters_keep_their_form() {
    let prune = |filters: &str| {
        let line = format!("/v1.24/volumes/prune?filters={filters}");
        let raised = bounds("1.24", "").raise(target("POST", &line), Version(1, 44));
        let query = crate::api::query::pairs(raised.query().expect("a query")).expect("pairs");
        query[0].1.clone()
    };
    for (sent, forwarded) in [
        (r#"{"label":["a"]}"#, r#"{"label":["a"],"all":["true"]}"#),
        (
            r#"{"label":{"a":true}}"#,
            r#"{"label":{"a":true},"all":{"true":true}}"#,
        ),
        (r#"{"all":["false"]}"#, r#"{"all":["false","true"]}"#),
        ("{}", r#"{"all":["true"]}"#),
    ] {
        assert_eq!(prune(&sent.replace('"', "%22")), forwarded, "{sent}");
    }
}

fn written(route: &str, asked: u32, now: u32, body: &str) -> Result<String, String> {
    facts(route, asked, now, body, &Facts::default())
}

fn facts(route: &str, asked: u32, now: u32, body: &str, facts: &Facts) -> Result<String, String> {
    let (method, path) = route.split_once(' ').expect("a route");
    let mut draft = Draft::new(target(method, path));
    draft.read(body.as_bytes()).expect("JSON");
    let versions = (Version(1, asked), Version(1, now));
    match write(&mut draft, versions, false, facts) {
        Ok(()) => Ok(draft.tree().to_json()),
        Err(Unwritten::Asks(fact)) => Err(format!("asks {}", fact.path())),
        Err(Unwritten::Gone(place, value, _)) => Err(format!("{place} {value}")),
    }
}

#[test]
fn bodies_say_what_they_said_to_the_older_version() {
    let create = "POST /containers/create";
    for (route, asked, now, sent, forwarded) in [
        (
            create,
            24,
            40,
            "{}",
            r#"{"HostConfig":{"IpcMode":"shareable"}}"#,
        ),
        (
            create,
            40,
            44,
            r#"{"HostConfig":{"CgroupnsMode":"private"}}"#,
            r#"{"HostConfig":{"CgroupnsMode":"private"}}"#,
        ),
        (
            create,
            24,
            40,
            r#"{"HostConfig":{"IpcMode":"private","AutoRemove":true}}"#,
            r#"{"HostConfig":{"IpcMode":"private","AutoRemove":null}}"#,
        ),
        (
            create,
            41,
            44,
            r#"{"HostConfig":{"ConsoleSize":[1,2],"Annotations":{"a":"b"}}}"#,
            r#"{"HostConfig":{"ConsoleSize":null,"Annotations":null}}"#,
        ),
        (
            create,
            43,
            44,
            r#"{"Healthcheck":{"StartInterval":5,"Interval":6}}"#,
            r#"{"Healthcheck":{"StartInterval":null,"Interval":6}}"#,
        ),
        (
            create,
            41,
            44,
            r#"{"HostConfig":{"Mounts":[{"Type":"volume","VolumeOptions":{"NoCopy":true},"TmpfsOptions":{}}]}}"#,
            r#"{"HostConfig":{"Mounts":[{"Type":"volume","VolumeOptions":{"NoCopy":true}}]}}"#,
        ),
        (
            create,
            41,
            44,
            r#"{"HostConfig":{"Mounts":[{"Type":"bind","ReadOnly":true},{"Type":"bind"}]}}"#,
            r#"{"HostConfig":{"Mounts":[{"Type":"bind","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}},{"Type":"bind"}]}}"#,
        ),
        (
            create,
            43,
            44,
            r#"{"NetworkingConfig":{"EndpointsConfig":{"a":{"MacAddress":"x"}}}}"#,
            r#"{"NetworkingConfig":{"EndpointsConfig":{"a":{"MacAddress":null}}}}"#,
        ),
        (
            "POST /containers/x/update",
            39,
            44,
            r#"{"PidsLimit":5,"Memory":1}"#,
            r#"{"PidsLimit":null,"Memory":1}"#,
        ),
        (
            "POST /containers/x/exec",
            41,
            44,
            r#"{"ConsoleSize":[1,2]}"#,
            r#"{"ConsoleSize":null}"#,
        ),
        (
            "POST /services/create",
            40,
            44,
            r#"{"Networks":[{"Target":"a"}],"Mode":{"GlobalJob":{}}}"#,
            r#"{"Mode":{"GlobalJob":null},"TaskTemplate":{"Networks":[{"Target":"a"}]}}"#,
        ),
        (
            "POST /services/x/update",
            40,
            44,
            r#"{"Networks":[{"Target":"a"}],"TaskTemplate":{"Networks":[{"Target":"b"}]}}"#,
            r#"{"TaskTemplate":{"Networks":[{"Target":"b"}]}}"#,
        ),
        (
            "POST /volumes/create",
            41,
            44,
            r#"{"ClusterVolumeSpec":{"Group":"a"}}"#,
            r#"{"ClusterVolumeSpec":null}"#,
        ),
        // The engine itself reads it so.
        (
            create,
            41,
            41,
            r#"{"HostConfig":{"ConsoleSize":[1,2]}}"#,
            r#"{"HostConfig":{"ConsoleSize":[1,2]}}"#,
        ),
        (
            "POST /services/create",
            30,
            40,
            r#"{"Networks":[{"Target":"a"}]}"#,
            r#"{"Networks":[{"Target":"a"}]}"#,
        ),
    ] {
        let found = written(route, asked, now, sent);
        assert_eq!(found.as_deref(), Ok(forwarded), "{route} {asked} {sent}");
    }
    let capabilities = r#"{"HostConfig":{"CgroupnsMode":"host","Capabilities":["CHOWN"]}}"#;
    for (route, asked, body, told) in [
        (create, 40, "{}", "asks /info"),
        (create, 40, capabilities, "HostConfig.Capabilities"),
        (
            "POST /secrets/create",
            36,
            r#"{"Templating":{"Name":"golang"}}"#,
            "Templating",
        ),
    ] {
        let found = written(route, asked, 44, body).expect_err(told);
        assert!(found.starts_with(told), "{found}");
    }
}

#[test]
fn the_host_s_control_groups_are_the_default_where_they_were() {
    let host = r#"{"HostConfig":{"CgroupnsMode":"host"}}"#;
    for (info, forwarded) in [
        (r#"{"CgroupVersion":"1"}"#, host),
        (r#"{"CgroupVersion":"2"}"#, "{}"),
        ("{}", "{}"),
    ] {
        let mut known = Facts::default();
        let answer = Answer::read(&Fact::Info, 200, info.as_bytes());
        known.learn(Fact::Info, answer);
        let found = facts("POST /containers/create", 40, 44, "{}", &known);
        assert_eq!(found.as_deref(), Ok(forwarded), "{info}");
    }
}

#[test]
fn what_version_tells_is_within_the_bounds() {
    let engine = r#"{"Version":"29.7.2","ApiVersion":"1.55","MinAPIVersion":"1.40","Components":[{"Name":"Engine","Details":{"ApiVersion":"1.55","MinAPIVersion":"1.40","Os":"linux"}},{"Name":"runc","Details":{"GitCommit":"x"}}]}"#;
    for (min, max, newest, oldest) in [
        ("1.24", "", "1.55", "1.24"),
        ("1.24", "1.44", "1.44", "1.24"),
        ("", "1.44", "1.44", "1.40"),
        ("1.41", "", "1.55", "1.41"),
        ("1.56", "", "1.55", "1.55"),
        ("", "1.60", "1.55", "1.40"),
    ] {
        let mut tree = crate::body::json::read(
            engine.as_bytes(),
            crate::body::json::Limits::default(),
            crate::body::json::Untyped,
        )
        .expect("JSON");
        bounds(min, max).tell(&mut tree);
        let told = engine
            .replace("1.55", newest)
            .replace(r#""1.40""#, &format!("\"{oldest}\""));
        assert_eq!(tree.to_json(), told, "{min} {max}");
    }
    // Nothing is made up.
    let mut odd = Value::default();
    bounds("1.24", "1.44").tell(&mut odd);
    assert_eq!(odd, Value::Null);
}

#[test]
fn the_page_lists_every_difference() {
    let page = include_str!("../../../docs/api-versions.md");
    let rewritten = page
        .split("## What is rewritten")
        .nth(1)
        .expect("a chapter");
    let rewritten = rewritten.split("## What isn't").next().expect("a chapter");
    let has = |name: &str, since: Version| {
        let rows = rewritten
            .lines()
            .filter(|line| line.contains(&format!("| {since} |")));
        rows.into_iter().any(|row| row.contains(name))
    };
    for older in BODIES.iter().flat_map(|(_, all)| *all) {
        let name = match older.difference {
            Difference::OnlyOf { options, .. } => options,
            Difference::OnReadOnlyBinds(option) => option,
            _ => older.place.rsplit('.').next().expect("a name"),
        };
        assert!(has(name, older.since), "{} {}", older.place, older.since);
    }
    for (route, since, name, _) in QUERIES {
        let name = if *name == "filters" { "all" } else { name };
        assert!(has(name, *since), "{route} {name} {since}");
    }
}

#[test]
fn every_route_and_every_place_of_the_table_exists() {
    for (routes, all) in BODIES {
        for route in *routes {
            let body = fields::BODIES.iter().find(|body| body.route.text == *route);
            let body = body.unwrap_or_else(|| panic!("{route}"));
            for older in *all {
                let places = [
                    Some(older.place),
                    match older.difference {
                        Difference::Instead(of) => Some(of),
                        _ => None,
                    },
                ];
                for place in places.into_iter().flatten() {
                    let mut kind = &body.root.kind;
                    for key in place.split('.') {
                        let key = key.trim_end_matches("[]").trim_end_matches("{}");
                        let Kind::Object(object) = kind else {
                            panic!("{route}: {place}");
                        };
                        let field = object.any_field(key);
                        kind = &field.unwrap_or_else(|| panic!("{route}: {place}")).0.kind;
                        while let Kind::List(item) | Kind::Map(item) = kind {
                            kind = item;
                        }
                    }
                }
            }
        }
    }
    for (route, ..) in QUERIES {
        let (method, _) = route.split_once(' ').expect("a route");
        let known = SCOPED.iter().flat_map(|scoped| scoped.routes);
        let mut samples = known.flat_map(Route::samples);
        assert!(
            samples.any(|(of, path)| of.as_str() == method && fits(route, method, path.as_bytes())),
            "{route}"
        );
    }
    let set = QUERIES
        .iter()
        .filter(|(.., older)| !matches!(older, Parameter::Ignored));
    assert_eq!(set.count(), 5);
}
