use super::*;
use crate::body::json::{self, Limits, Untyped};

fn redaction(what: &str) -> Redaction {
    Redaction::read(what, None).expect(what)
}

fn left(redaction: &Redaction, line: &str, answer: &str) -> String {
    let mut tree = json::read(answer.as_bytes(), Limits::default(), Untyped).expect("JSON");
    let (method, path) = line.split_once(' ').expect("a request line");
    let target = Target::from_line(method, path).expect("a target");
    redaction.apply(&target, &mut tree).expect("an answer");
    tree.to_json()
}

#[test]
fn what_is_wrong_is_told() {
    for (redact, environment, told) in [
        (
            "",
            None,
            "REDACT: \"\" is empty; list what to redact, or unset REDACT",
        ),
        (
            "envs",
            None,
            "REDACT: envs is unknown; use env, commands, mounts, labels:KEY, tokens, configs, network, host",
        ),
        (
            "labels",
            None,
            "REDACT: labels does not say which labels; use labels:KEY, or labels:* for all labels",
        ),
        (
            "labels:",
            None,
            "REDACT: labels: names no label; use labels:KEY",
        ),
        (
            "host",
            Some("*"),
            "REDACT_ENV: * is about variables; add env to REDACT",
        ),
        (
            "env",
            Some(" "),
            "REDACT_ENV: \" \" is empty; use * for all variables",
        ),
    ] {
        let mistakes = Redaction::read(redact, environment).expect_err(redact);
        let text = mistakes
            .iter()
            .map(|(variable, one)| format!("{variable}: {one}"));
        let text: Vec<String> = text.collect();
        assert!(
            text.iter().any(|one| one.starts_with(told)),
            "{told}: {text:?}"
        );
    }
    for redact in ["env,commands", "labels:a, labels:b.*\nhost", " tokens ,"] {
        redaction(redact);
    }
}

#[test]
fn variables_are_redacted_by_their_names() {
    let answer = r#"{"Config":{"Env":["PATH=/bin","db_password=a=b","Api_Key=","TOKEN","GITHUB_TOKEN=x",null,"=y"]}}"#;
    let web = "GET /v1.41/containers/web/json";
    assert_eq!(
        left(&redaction("env"), web, answer),
        r#"{"Config":{"Env":["PATH=/bin","db_password=[redacted by dockgate]","Api_Key=","TOKEN","GITHUB_TOKEN=[redacted by dockgate]",null,"=y"]}}"#
    );
    let all = Redaction::read("env", Some("*")).expect("all");
    let redacted = left(&all, web, answer);
    assert!(
        !redacted.contains("/bin") && !redacted.contains("=y"),
        "{redacted}"
    );
    let one = Redaction::read("env", Some("path")).expect("one");
    assert!(
        left(&one, web, answer).contains(r#"["PATH=[redacted by dockgate]","db_password=a=b""#)
    );
    let plugin = r#"{"Config":{"Env":[{"Name":"DB_SECRET","Value":"s","Settable":["value"]},{"Name":"DEBUG","Value":"1"}]},"Settings":{"Env":["DB_SECRET=s","DEBUG=1"]}}"#;
    assert_eq!(
        left(&redaction("env"), "GET /plugins/a/b:c/json", plugin),
        r#"{"Config":{"Env":[{"Name":"DB_SECRET","Value":"[redacted by dockgate]","Settable":["[redacted by dockgate]"]},{"Name":"DEBUG","Value":"1"}]},"Settings":{"Env":["DB_SECRET=[redacted by dockgate]","DEBUG=1"]}}"#
    );
}

#[test]
fn other_values_keep_their_types() {
    let all = redaction("commands, mounts, labels:secret.*, network, configs, tokens");
    for (line, answer, expected) in [
        (
            "GET /containers/a/json",
            r#"{"Path":"sh","Args":["-c","x"],"Config":{"Cmd":null,"Entrypoint":[],"Labels":{"secret.a":"x","b":"y"}},"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"80"}]},"Networks":{"n":{"IPAddress":"10.0.0.2","IPPrefixLen":24,"Aliases":null,"NetworkID":"i"}}},"HostConfig":{"Binds":["/srv:/x:ro","/odd"],"ContainerIDFile":"","Dns":["1.1.1.1"],"ExtraHosts":["a:1.1.1.1"]}}"#,
            r#"{"Path":"[redacted by dockgate]","Args":["[redacted by dockgate]","[redacted by dockgate]"],"Config":{"Cmd":null,"Entrypoint":[],"Labels":{"secret.a":"[redacted by dockgate]","b":"y"}},"NetworkSettings":{"Ports":{},"Networks":{"n":{"IPAddress":"","IPPrefixLen":0,"Aliases":null,"NetworkID":"i"}}},"HostConfig":{"Binds":["[redacted by dockgate]:/x:ro","[redacted by dockgate]"],"ContainerIDFile":"[redacted by dockgate]","Dns":[],"ExtraHosts":["[redacted by dockgate]"]}}"#,
        ),
        (
            "GET /configs",
            r#"[{"Spec":{"Name":"c","Data":"YQ==","Labels":{"secret.a":""}}}]"#,
            r#"[{"Spec":{"Name":"c","Data":"W3JlZGFjdGVkIGJ5IGRvY2tnYXRlXQ==","Labels":{"secret.a":""}}}]"#,
        ),
        ("GET /containers/json", "null", "null"),
        (
            "GET /networks/",
            r#"[{"IPAM":{"Config":[{"Subnet":"10.0.0.0/8"}]}}]"#,
            r#"[{"IPAM":{"Config":[]}}]"#,
        ),
        (
            "POST /volumes/create",
            r#"{"Name":"v","Mountpoint":"/var/lib/x","Options":{"o":"password=x"}}"#,
            r#"{"Name":"v","Mountpoint":"[redacted by dockgate]","Options":{"o":"[redacted by dockgate]"}}"#,
        ),
        (
            "GET /info",
            r#"{"Labels":["secret.a=x","b=y"]}"#,
            r#"{"Labels":["secret.a=[redacted by dockgate]","b=y"]}"#,
        ),
    ] {
        assert_eq!(left(&all, line, answer), expected, "{line}");
    }
    let host = redaction("host");
    let info = r#"{"Name":"n","DriverStatus":[["Backing Filesystem","/dev/x"]],"Labels":["a=b"],"Swarm":{"NodeAddr":"10.0.0.1"},"NCPU":4}"#;
    assert_eq!(
        left(&host, "GET /info", info),
        r#"{"Name":"[redacted by dockgate]","DriverStatus":[["Backing Filesystem","[redacted by dockgate]"]],"Labels":["[redacted by dockgate]"],"Swarm":{"NodeAddr":""},"NCPU":4}"#
    );
}

/// Watchtower leaves out of a new container what its image has as well.
#[test]
fn nothing_redacted_in_a_container_looks_like_its_image() {
    let answer = r#"{"Config":{"Env":["A_KEY=x"],"Cmd":["x"],"Labels":{"l":"x"}}}"#;
    let all = redaction("env, commands, labels:*");
    let image = left(&all, "GET /images/a/json", answer);
    let own = left(&all, "GET /containers/a/json", answer);
    let image = json::read(image.as_bytes(), Limits::default(), Untyped).expect("JSON");
    let own = json::read(own.as_bytes(), Limits::default(), Untyped).expect("JSON");
    for place in ["Config.Env", "Config.Cmd", "Config.Labels"] {
        assert_ne!(image.at(place), own.at(place), "{place}");
    }
    assert!(returned(&image).is_some() && returned(&own).is_some());
}

/// What is emptied beside it would be lost.
#[test]
fn what_is_emptied_has_a_mark_beside_it() {
    let network = redaction("network");
    for (line, answer) in [
        (
            "GET /containers/a/json",
            r#"{"HostConfig":{"ContainerIDFile":"","PortBindings":{"80/tcp":[]}}}"#,
        ),
        (
            "GET /containers/a/json",
            r#"{"NetworkSettings":{"Networks":{"n":{"EndpointID":"","IPAMConfig":{"IPv4Address":"10.0.0.9"}}}}}"#,
        ),
        (
            "GET /services/a",
            r#"{"Spec":{"EndpointSpec":{"Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080}]}}}"#,
        ),
    ] {
        let redacted = left(&network, line, answer);
        assert!(
            !redacted.contains("80") && !redacted.contains("10.0"),
            "{redacted}"
        );
        let tree = json::read(redacted.as_bytes(), Limits::default(), Untyped).expect("JSON");
        assert!(returned(&tree).is_some(), "{redacted}");
    }
    // Nothing is lost by what is merely hidden of a host.
    let answer = r#"{"HostConfig":{"ContainerIDFile":""}}"#;
    assert_eq!(
        left(&redaction("host"), "GET /containers/a/json", answer),
        answer
    );
}

#[test]
fn an_event_keeps_what_happened() {
    let all = redaction("commands, labels:*, mounts, host");
    for (event, expected) in [
        (
            r#"{"status":"exec_create: sh -c x","Type":"container","Action":"exec_create: sh -c x","Actor":{"ID":"i","Attributes":{"name":"web","image":"a","execID":"e","secret":"s"}}}"#,
            r#"{"status":"exec_create: [redacted by dockgate]","Type":"container","Action":"exec_create: [redacted by dockgate]","Actor":{"ID":"i","Attributes":{"name":"web","image":"a","execID":"e","secret":"[redacted by dockgate]"}}}"#,
        ),
        (
            r#"{"Action":"health_status: healthy"}"#,
            r#"{"Action":"health_status: healthy"}"#,
        ),
        (r#"{"action":"exec_die"}"#, r#"{"action":"exec_die"}"#),
        (
            r#"{"Type":"volume","Action":"mount","Actor":{"ID":"v","Attributes":{"destination":"/x","driver":"local"}}}"#,
            r#"{"Type":"volume","Action":"mount","Actor":{"ID":"v","Attributes":{"destination":"[redacted by dockgate]","driver":"[redacted by dockgate]"}}}"#,
        ),
        (
            r#"{"Type":"daemon","Action":"reload","Actor":{"ID":"d","Attributes":{"name":"host1","runtimes":"/x"}}}"#,
            r#"{"Type":"daemon","Action":"reload","Actor":{"ID":"[redacted by dockgate]","Attributes":{"name":"[redacted by dockgate]","runtimes":"[redacted by dockgate]"}}}"#,
        ),
        (
            r#"{"Type":"container","Actor":null}"#,
            r#"{"Type":"container","Actor":null}"#,
        ),
    ] {
        assert_eq!(left(&all, "GET /events", event), expected);
    }
    let target = |path| Target::from_line("GET", path).expect("a target");
    assert!(Redaction::of_records(&target("/v1.41/events?since=1")));
    assert!(!Redaction::of_records(&target("/containers/json")));
    let host = redaction("host");
    let exec = r#"{"Type":"container","Action":"exec_start: sh","Actor":{"ID":"i","Attributes":{"a":"b"}}}"#;
    assert_eq!(left(&host, "GET /events", exec), exec);
}

#[test]
fn processes_keep_the_columns_that_hold_no_command() {
    let table =
        |titles: &str, row: &str| format!(r#"{{"Titles":[{titles}],"Processes":[[{row}]]}}"#);
    let default = table(r#""UID","PID","CMD""#, r#""root","1","sh -c x""#);
    let hidden = table(
        r#""UID","PID","CMD""#,
        r#""root","1","[redacted by dockgate]""#,
    );
    let commands = redaction("commands");
    let top = "GET /containers/a/top";
    assert_eq!(left(&commands, top, &default), hidden);
    assert_eq!(
        left(&commands, "GET /containers/a/top?ps_args=-ef", &default),
        hidden
    );
    assert_eq!(left(&redaction("env"), top, &default), default);
    assert_eq!(left(&redaction("host"), top, &default), default);
    // `e` shows the environment behind the command.
    for arguments in ["axe", "auxe", "-ef%20e", "e&ps_args=-ef"] {
        let line = format!("{top}?ps_args={arguments}");
        assert_eq!(
            left(&redaction("env"), &line, &default),
            hidden,
            "{arguments}"
        );
    }
    let unread = left(
        &redaction("env"),
        "GET /containers/a/top?ps_args=a;b",
        &default,
    );
    assert!(!unread.contains("root"), "{unread}");
    // The words of a command are in the columns behind it.
    let middle = table(r#""PID","COMMAND","USER""#, r#""1","sh","-c secret""#);
    let redacted = left(
        &commands,
        "GET /containers/a/top?ps_args=-o%20pid,args,user",
        &middle,
    );
    assert!(
        redacted.contains(r#"["1","[redacted by dockgate]","[redacted by dockgate]"]"#),
        "{redacted}"
    );
    // A column may have any name.
    let named = table(r#""PID","PID""#, r#""1","sh -c secret""#);
    let redacted = left(
        &commands,
        "GET /containers/a/top?ps_args=-o%20pid,args%3DPID",
        &named,
    );
    assert!(!redacted.contains("secret"), "{redacted}");
}

#[test]
fn a_placeholder_that_comes_back_is_found() {
    for (body, place) in [
        (
            r#"{"Env":["A=1","B=[redacted by dockgate]"]}"#,
            Some("Env[1]"),
        ),
        (
            r#"{"Labels":{"[redacted by dockgate]":"x"}}"#,
            Some("Labels[\"[redacted by dockgate]\"]"),
        ),
        (
            r#"{"Data":"W3JlZGFjdGVkIGJ5IGRvY2tnYXRlXQ=="}"#,
            Some("Data"),
        ),
        (
            r#"{"HostConfig":{"Binds":["[redacted by dockgate]:/x"]}}"#,
            Some("HostConfig.Binds[0]"),
        ),
        (r#"{"Env":["A=redacted by dockgate"]}"#, None),
        ("null", None),
    ] {
        let tree = json::read(body.as_bytes(), Limits::default(), Untyped).expect("JSON");
        assert_eq!(returned(&tree).as_deref(), place, "{body}");
    }
}
