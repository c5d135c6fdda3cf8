use dockgate::config::Waiver;
use dockgate::policy::{Policy, Unprotected};

pub fn give_up(policy: Policy, waiver: Waiver, why: Unprotected) -> Policy {
    let _ = (waiver, why);
    policy.unprotected(Waiver::by_user(why))
}

fn main() {}
