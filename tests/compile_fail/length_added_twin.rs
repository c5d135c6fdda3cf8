use dockgate::proxy::Headers;
use http::{HeaderMap, HeaderValue, header::CONTENT_LENGTH};

pub fn add(mut map: HeaderMap, mut headers: Headers) -> (HeaderMap, Headers) {
    let _ = (&mut map, &mut headers);
    map.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
    (map, headers)
}

fn main() {}
