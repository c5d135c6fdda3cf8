use dockgate::proxy::Headers;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

pub fn add(mut map: HeaderMap, mut headers: Headers) -> (HeaderMap, Headers) {
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let _ = (&mut map, &mut headers);
    headers.insert(CONTENT_TYPE, form);
    (map, headers)
}

fn main() {}
