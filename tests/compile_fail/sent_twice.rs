use dockgate::policy::Cleared;
use dockgate::proxy::{Headers, Outgoing};

pub fn send(cleared: Cleared, again: Cleared, both: [Headers; 2]) -> [Outgoing; 2] {
    let [first, second] = both;
    let _ = &again;
    [Outgoing::new(cleared, first), Outgoing::new(cleared, second)]
}

fn main() {}
