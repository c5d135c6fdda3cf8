use dockgate::api::Message;
use dockgate::policy::Cleared;
use http::HeaderValue;

pub fn upgrade(cleared: Cleared, undecided: Message) -> Message {
    let _ = (&undecided, &cleared);
    cleared.with_upgrade(HeaderValue::from_static("tcp"))
}

fn main() {}
