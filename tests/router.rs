//! The model of the engine's router that fuzzing holds dockgate against: it does what a real
//! engine was seen to do.

#[path = "support/router.rs"]
#[expect(dead_code, reason = "the fuzz targets use all of it")]
mod router;

use router::{Served, routes, served};

/// The routes that a request reaches; `400` and `301` where it reaches none.
fn reached(method: &str, target: &str) -> Vec<&'static str> {
    match served(target.as_bytes()) {
        Served::Not => vec!["400"],
        Served::Moved => vec!["301"],
        Served::Path(path) => routes(method, &path).iter().map(|row| row.path).collect(),
    }
}

macro_rules! reaches {
    ($($name:ident: $method:literal $($target:literal)* => $route:expr;)*) => {$(
        #[test]
        fn $name() {
            for target in [$($target),*] {
                let route: &[&str] = &$route;
                assert_eq!(reached($method, target), route, "{target}");
            }
        }
    )*};
}

reaches! {
    decoded_once: "GET" "/%63ontainers/json" "/containers%2Fjson" "/%76%31.41/containers/json"
        "/v1%2e41/containers/json" "/containers/json?x=%zz" => ["/containers/json"];
    any_version: "GET" "/v1/_ping" "/v./_ping" "/v1..41/_ping" "/v9999/_ping" => ["/_ping"];
    no_version: "GET" "/V1.41/_ping" "/v/_ping" "/v1.41/v1.41/_ping" "/v1.41_ping" "/v1.41" => [];
    cleaned: "GET" "//_ping" "/./_ping" "/x/../_ping" "/containers/%2e%2e/_ping"
        "/containers/..%2f..%2fimages/json" "/containers/%2Fc1/json" "/_ping/." "/.." => ["301"];
    malformed: "GET" "" "*" "_ping" "/%zz" "/%4" "/a b" "/\u{1}" => ["400"];
    exact: "GET" "/CONTAINERS/json" "/containers/json/" "/_ping/" "/containers/json;x"
        "/containers/a%0Ab/json" "/services/a%2Fb" => [];
    with_a_slash: "GET" "/networks/" => ["/networks/", "/networks/{id}"];
    names_span_segments: "GET" "/containers/x/y/z/json" "/containers/a%00b/json"
        "/containers/json/json" => ["/containers/{id}/json"];
    the_last_segments_choose: "POST" "/containers/create/start" "/containers/x/exec/start"
        => ["/containers/{id}/start"];
    an_exec_start: "POST" "/exec/x/y/start" => ["/exec/{id}/start"];
    an_empty_name: "DELETE" "/containers/" => ["/containers/{id}"];
    methods_are_exact: "get" "/_ping" => [];
    options_go_anywhere: "OPTIONS" "/x/y" "/v1.41/x" "/" => ["/{path}"];
}

#[test]
fn an_exact_route_and_a_pattern_are_both_told() {
    assert_eq!(
        reached("POST", "/plugins/pull/push"),
        ["/plugins/{name}/push"]
    );
    let both = reached("GET", "/plugins/privileges");
    assert_eq!(both, ["/plugins/privileges", "/plugins/{name}"]);
}
