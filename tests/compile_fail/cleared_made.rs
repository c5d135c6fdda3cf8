use dockgate::policy::Cleared;
use dockgate::proxy::{Headers, Outgoing};

pub fn send(cleared: Cleared, headers: Headers) -> Outgoing {
    Outgoing::new(Cleared { ..cleared }, headers)
}

fn main() {}
