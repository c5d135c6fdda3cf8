use dockgate::proxy::Outgoing;

pub fn change(outgoing: &mut Outgoing) {
    let _ = outgoing.request().method();
}

fn main() {}
