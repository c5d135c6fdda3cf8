use dockgate::policy::{Passage, Verdict};

pub fn pass(verdict: Verdict) -> Option<Passage> {
    match verdict {
        Verdict::Allow(permit) => Some(permit.passage()),
        _ => None,
    }
}

fn main() {}
