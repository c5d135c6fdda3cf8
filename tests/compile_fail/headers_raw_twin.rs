use dockgate::policy::Cleared;
use dockgate::proxy::{Headers, Outgoing};
use http::HeaderMap;

pub fn send(cleared: Cleared, raw: HeaderMap) -> Outgoing {
    let _ = Headers::new;
    Outgoing::new(cleared, Headers::new(raw))
}

fn main() {}
