//! What a policy's clients make comes into no other policy's scope, unless their own scope says so.

use super::*;
use crate::api::sections::Role;
use crate::body::scope::Scope;

/// What becomes of a request in a policy of this scope, beside these.
fn beside(own: &str, others: &[&str], roles: &[Role], line: &str, body: &str) -> String {
    told_by_scope(own, false, others, roles, line, body, &Engine::default())
}

fn told_by_scope(
    own: &str,
    images: bool,
    others: &[&str],
    roles: &[Role],
    line: &str,
    body: &str,
    engine: &Engine,
) -> String {
    let scope = |text: &str| {
        // What has an image in front has images in scope.
        let (text, images) = match text.strip_prefix("images ") {
            Some(text) => (text, true),
            None => (text, images),
        };
        Arc::new(Scope::read("ci", text, Some("volume:shop-models"), images).expect("a scope"))
    };
    let others: Vec<Arc<Scope>> = others.iter().map(|text| scope(text)).collect();
    let own = scope(own).beside(others.iter().map(|one| ("web", one)));
    let demands = Demands {
        scope: Some(Arc::new(own)),
        ..Demands::default()
    };
    let terms: Vec<Term> = roles.iter().copied().map(Term::Scope).collect();
    let message = match body {
        "" => Message::new(Framing::Empty),
        _ => Message::new(Framing::Chunked),
    };
    let (told, _) = told_by(&terms, demands, line, message, body, engine);
    told.replace("%22", "\"")
        .replace("%7B", "{")
        .replace("%7D", "}")
        .replace("%3A", ":")
        .replace("%2C", ",")
        .replace("%3D", "=")
}

const CREATED: &[Role] = &[Role::Created, Role::Body];
const CREATE: &str = "POST /containers/create?name=x";

#[test]
fn labels_of_another_scope_are_refused() {
    const OTHERS: &[&str] = &["label:team=b,label:tier=web", "compose:shop"];
    let both = r#"{"team":"b","tier":"web"}"#;
    let project = r#"{"com.docker.compose.project":"shop"}"#;
    let mounts = format!(r#"[{{"Type":"volume","VolumeOptions":{{"Labels":{both}}}}}]"#);
    let service = |labels: &str, mounts: &str| {
        format!(
            r#"{{"Name":"s","TaskTemplate":{{"ContainerSpec":{{"Image":"a","Labels":{labels},"Mounts":{mounts}}}}}}}"#
        )
    };
    for (roles, line, body, place) in [
        (
            CREATED,
            CREATE,
            format!(r#"{{"Labels":{both}}}"#),
            "Labels[\"tier\"]: web",
        ),
        (
            CREATED,
            CREATE,
            format!(r#"{{"labels":{both}}}"#),
            "Labels[\"tier\"]: web",
        ),
        (
            CREATED,
            CREATE,
            format!(r#"{{"Labels":{project}}}"#),
            "Labels[\"com.docker.compose.project\"]: shop",
        ),
        (
            CREATED,
            CREATE,
            format!(r#"{{"HostConfig":{{"Mounts":{mounts}}}}}"#),
            "VolumeOptions.Labels[\"tier\"]: web",
        ),
        (
            CREATED,
            "POST /networks/create",
            format!(r#"{{"Name":"n","Labels":{both}}}"#),
            "Labels[\"tier\"]: web",
        ),
        (
            CREATED,
            "POST /volumes/create",
            format!(r#"{{"Labels":{both}}}"#),
            "Labels[\"tier\"]: web",
        ),
        (
            &[Role::Created],
            "POST /secrets/create",
            format!(r#"{{"Name":"n","Labels":{both}}}"#),
            "Labels[\"tier\"]: web",
        ),
        (
            &[Role::Created],
            "POST /configs/create",
            format!(r#"{{"Name":"n","Labels":{both}}}"#),
            "Labels[\"tier\"]: web",
        ),
        (
            CREATED,
            "POST /services/create",
            service(both, "[]"),
            "TaskTemplate.ContainerSpec.Labels[\"tier\"]: web",
        ),
        (
            CREATED,
            "POST /services/create",
            service("{}", &mounts),
            "VolumeOptions.Labels[\"tier\"]: web",
        ),
    ] {
        let told = beside("label:team=a", &[OTHERS[1]], roles, line, &body);
        let is_project = place.contains("compose");
        assert_eq!(told.contains("scope of policy web"), is_project, "{told}");
        let told = beside("label:own=a", OTHERS, roles, line, &body);
        let scope = if is_project { OTHERS[1] } else { OTHERS[0] };
        let why = format!("{place} is in the scope of policy web ({scope}); remove the label");
        assert_eq!(told, why, "{line} {body}");
    }
    // One of them alone is no scope.
    let one = r#"{"Name":"n","Labels":{"tier":"web"}}"#;
    let told = beside("label:own=a", OTHERS, CREATED, "POST /networks/create", one);
    assert_eq!(
        told,
        r#"/networks/create {"Name":"n","Labels":{"tier":"web","own":"a"}}"#
    );
    let told = beside(
        "label:own=a",
        &["label:com.docker.swarm.service.name=s"],
        CREATED,
        "POST /services/create",
        &service("{}", "[]"),
    );
    assert!(told.contains("scope of policy web"), "{told}");
}

#[test]
fn names_of_another_scope_are_refused() {
    let own = super::id('1');
    let engine = || {
        let inspect =
            format!(r#"{{"Id":"{own}","Name":"/x","Config":{{"Labels":{{"team":"a"}}}}}}"#);
        Engine::default()
            .with("/containers/x/json", inspect)
            .with("/volumes/shop-models", r#"{"Name":"shop-models"}"#)
            .with(
                "/volumes/shop-b",
                r#"{"Name":"shop-b","Labels":{"team":"b"}}"#,
            )
            .with(
                "/volumes/shop-a",
                r#"{"Name":"shop-a","Labels":{"team":"a"}}"#,
            )
    };
    let named = |name: &str| format!(r#"{{"Name":"{name}"}}"#);
    let binds = |name: &str| format!(r#"{{"HostConfig":{{"Binds":["{name}:/v"]}}}}"#);
    let service =
        |name: &str| format!(r#"{{"Name":"{name}","TaskTemplate":{{"ContainerSpec":{{}}}}}}"#);
    let create = "POST /containers/create?name=";
    let rename = "POST /containers/x/rename?name=";
    let others = &["name:shop-*,web.*"];
    for (roles, line, body, place) in [
        (
            CREATED,
            format!("{create}shop-x"),
            "{}".to_owned(),
            "the parameter name: shop-x",
        ),
        (
            CREATED,
            format!("{create}%2Fshop-x"),
            "{}".to_owned(),
            "the parameter name: /shop-x",
        ),
        (
            &[Role::Object, Role::Named],
            format!("{rename}shop-x"),
            String::new(),
            "the parameter name: shop-x",
        ),
        (
            CREATED,
            "POST /networks/create".to_owned(),
            named("shop-x"),
            "Name: shop-x",
        ),
        (
            CREATED,
            "POST /volumes/create".to_owned(),
            named("shop-x"),
            "Name: shop-x",
        ),
        (
            &[Role::Created],
            "POST /secrets/create".to_owned(),
            named("shop-x"),
            "Name: shop-x",
        ),
        (
            CREATED,
            "POST /services/create".to_owned(),
            service("shop-x"),
            "Name: shop-x",
        ),
        // So are its containers called.
        (
            CREATED,
            "POST /services/create".to_owned(),
            service("web"),
            "Name: web",
        ),
        // Whether it is there or not.
        (
            CREATED,
            CREATE.to_owned(),
            binds("shop-b"),
            "a volume: shop-b",
        ),
        (
            CREATED,
            CREATE.to_owned(),
            binds("shop-x"),
            "a volume: shop-x",
        ),
    ] {
        let told = told_by_scope(
            "label:team=a",
            false,
            others,
            roles,
            &line,
            &body,
            &engine(),
        );
        let why = format!(
            "{place} is in the scope of policy web ({}); use another name",
            others[0]
        );
        assert_eq!(told, why, "{line} {body}");
        // Those of its own scope are free to it.
        let told = told_by_scope(
            "name:**p-*,web*",
            false,
            others,
            roles,
            &line,
            &body,
            &engine(),
        );
        assert!(!told.contains("policy web"), "{told}");
    }
    for name in ["shop-models", "shop-a"] {
        let told = told_by_scope(
            "label:team=a",
            false,
            others,
            CREATED,
            CREATE,
            &binds(name),
            &engine(),
        );
        assert!(told.contains(&format!("{name}:/v")), "{told}");
    }
    let nameless = |others: &[&str]| {
        beside(
            "label:team=a",
            others,
            CREATED,
            "POST /containers/create",
            "{}",
        )
    };
    for other in ["name:shop-*", "name:web", "name:*", "name:Web*"] {
        assert!(!nameless(&[other]).contains("policy web"), "{other}");
    }
    assert_eq!(
        nameless(&["name:web*"]),
        "the parameter name is missing, and the engine could choose one in the scope of policy \
         web (name:web*); set it"
    );
}

#[test]
fn no_image_brings_labels_of_another_scope() {
    let others = &[
        // Its label is reserved for the clients of all policies.
        "created",
        "label:team=b",
        "compose:shop",
        "label:team=a,label:tier=web",
        "label:own=a",
    ];
    for (own, given, written) in [
        (
            "label:own=a",
            r#""x":"y""#,
            r#""x":"y","com.docker.compose.project":"","team":"","own":"a""#,
        ),
        (
            "label:own=a",
            r#""com.docker.compose.project":"blog","team":"c""#,
            r#""com.docker.compose.project":"blog","team":"c","own":"a""#,
        ),
        // What the narrower scope goes by besides, no image brings.
        (
            "label:team=a",
            r#""x":"y""#,
            r#""x":"y","com.docker.compose.project":"","own":"","tier":"","team":"a""#,
        ),
        // But the client may give it.
        (
            "label:team=a",
            r#""tier":"web""#,
            r#""tier":"web","com.docker.compose.project":"","own":"","team":"a""#,
        ),
    ] {
        let body = format!(r#"{{"Image":"a","Labels":{{{given}}}}}"#);
        let told = beside(own, others, CREATED, CREATE, &body);
        let line = CREATE.strip_prefix("POST ").expect("a line");
        let start = format!(r#"{line} {{"Image":"a","Labels":{{{written}}}"#);
        assert!(told.starts_with(&start), "{own} {given}: {told}");
    }
    let told = beside(
        "name:x",
        &["label:team=b"],
        CREATED,
        CREATE,
        r#"{"Image":"a"}"#,
    );
    assert!(told.contains(r#""Labels":{"team":""}"#), "{told}");
    let service = r#"{"Name":"s","TaskTemplate":{"ContainerSpec":{"Image":"a"}}}"#;
    let told = beside(
        "label:own=a",
        &["label:team=b"],
        CREATED,
        "POST /services/create",
        service,
    );
    let labels = r#""ContainerSpec":{"Image":"a","Labels":{"team":"","own":"a"}}}"#;
    assert!(told.contains(labels), "{told}");
    assert!(told.contains(r#","Labels":{"own":"a"}"#), "{told}");
    // The same scope twice is no other one.
    let told = beside(
        "label:own=a",
        &["label:own=a"],
        CREATED,
        CREATE,
        r#"{"Image":"a"}"#,
    );
    assert!(told.contains(r#""Labels":{"own":"a"}"#), "{told}");
}

#[test]
fn images_come_into_no_other_scope_that_has_images() {
    let all = "/images/create?fromSrc=-";
    let pulled = "/images/create?fromImage=corp/x";
    let others = &["images name:corp/**", "images label:team=b"];
    let inspect = format!(
        r#"{{"Id":"{}","Name":"/a","Config":{{"Labels":{{"own":"a"}}}}}}"#,
        super::id('1')
    );
    let engine = Engine::default().with("/containers/a/json", inspect);
    let beside = |others: &[&str], role, line: &str, body: &str| {
        told_by_scope("label:own=a", false, others, &[role], line, body, &engine)
    };
    for (role, line, place) in [
        (
            Role::Tag,
            "/images/a/tag?repo=corp/x&tag=1",
            "the parameter repo: corp/x is",
        ),
        (
            Role::Commit,
            "/commit?container=a&repo=corp/x",
            "the parameter repo: corp/x is",
        ),
        (
            Role::Build,
            "/build?t=a&t=corp/x:1",
            "the parameter t: corp/x:1 is",
        ),
        (Role::Pull, pulled, "the parameter fromImage: corp/x is"),
        (Role::Pull, all, "an archive of images could"),
        (Role::Load, "/images/load", "an archive of images could"),
        (
            Role::Build,
            "/build?labels={\"team\":\"b\"}",
            "the parameter labels[\"team\"]: b is",
        ),
    ] {
        let line = format!(
            "POST {}",
            line.replace('{', "%7B")
                .replace('}', "%7D")
                .replace('"', "%22")
        );
        let body = if role == Role::Commit { "{}" } else { "" };
        let told = beside(others, role, &line, body);
        assert!(told.starts_with(&place.to_string()), "{told}");
        assert!(told.contains("the scope of policy web"), "{told}");
        let without = others.map(|one| one.trim_start_matches("images "));
        let told = beside(&without, role, &line, body);
        assert!(!told.contains("policy web"), "{told}");
    }
    let told = beside(others, Role::Build, "POST /build?t=x", "");
    assert_eq!(told, r#"/build?t=x&labels={"team":""} passes"#);
}

#[test]
fn an_update_brings_nothing_into_another_scope() {
    let spec = |labels: &str| {
        format!(
            r#"{{"Name":"s","Labels":{{{labels}}},"TaskTemplate":{{"ContainerSpec":{{"Image":"a","Labels":{{{labels}}}}}}}}}"#
        )
    };
    let update = "POST /services/s/update?version=1";
    let told = |before: &str, labels: &str| {
        let id = format!("svc{}", "1".repeat(22));
        let found = format!(r#"{{"ID":"{id}","Spec":{}}}"#, spec(before));
        let engine = Engine::default().with("/services/s", found);
        let roles = &[Role::Object, Role::Created, Role::Body];
        told_by_scope(
            "label:team=a",
            false,
            &["label:tier=web"],
            roles,
            update,
            &spec(labels),
            &engine,
        )
    };
    let (plain, both) = (r#""team":"a""#, r#""team":"a","tier":"web""#);
    assert_eq!(
        told(plain, both),
        "Labels[\"tier\"]: web is in the scope of policy web (label:tier=web); remove the label"
    );
    // What is there already stays.
    assert!(
        told(both, both).ends_with(&spec(both)),
        "{}",
        told(both, both)
    );
    let freed = told(plain, plain);
    assert!(
        freed.contains(r#""Labels":{"team":"a","tier":""}}}"#),
        "{freed}"
    );
}

#[test]
fn containers_of_a_build_come_into_no_other_scope() {
    let image = |labels: &str, triggers: &str| {
        format!(r#"{{"Id":"sha256:1","Config":{{"Labels":{{{labels}}},"OnBuild":[{triggers}]}}}}"#)
    };
    let engine = Engine::default()
        .with("/images/base/json", image("", ""))
        .with("/images/team/json", image(r#""team":"b","x":"y""#, ""))
        .with("/images/later/json", image("", r#""LABEL team=b""#));
    let others = &["label:team=b", "label:tier=web,label:team=c"];
    let told = |own: &str, file: &str| {
        told_by_scope(
            own,
            false,
            others,
            &[Role::Build],
            "POST /build",
            file,
            &engine,
        )
    };
    for file in [
        "FROM base\nLABEL team=b",
        "FROM base\nLABEL team b",
        "FROM base\nLABEL a=b \"te\"am='b'",
        "FROM base\nLABEL $x=b",
        "FROM base\nARG x\nLABEL team=$x",
        "FROM base\nONBUILD LABEL team=b",
        "FROM base\nLABEL team=c\nRUN x\nLABEL tier=web",
        "FROM team",
        "FROM later",
    ] {
        let refused = told("label:own=a", file);
        let why = "would put the build's containers into the scope of policy web";
        assert!(refused.contains(why), "{file}: {refused}");
    }
    for file in [
        "FROM base\nLABEL team=c",
        "FROM base\nLABEL tier=web x=b",
        "FROM absent\nRUN echo team=b",
    ] {
        let passes = told("label:own=a", file);
        assert!(!passes.contains("scope of"), "{file}: {passes}");
    }
    let same = told_by_scope(
        "label:team=b",
        false,
        &["label:team=b"],
        &[Role::Build],
        "POST /build",
        "FROM team",
        &engine,
    );
    assert!(!same.contains("scope of"), "{same}");
}
