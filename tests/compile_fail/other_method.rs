use dockgate::policy::Cleared;
use dockgate::proxy::{Headers, Outgoing};
use http::Method;

pub fn send(cleared: Cleared, headers: Headers) -> Outgoing {
    let _ = Method::POST;
    Outgoing::new(cleared, (Method::POST, headers))
}

fn main() {}
