use dockgate::policy::{Cleared, Passage, Permit};

pub fn pass(permit: Permit) -> Cleared {
    let permit: Permit = permit;
    let Passage::Stream(cleared) = permit.passage() else {
        panic!()
    };
    cleared
}

fn main() {}
