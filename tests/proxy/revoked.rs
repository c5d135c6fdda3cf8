//! What a reload denies ends, however busy it is.

use std::thread;
use std::time::Duration;

use crate::policies::Many;
use crate::reload::{ALL, EVENTS, STREAM, SWITCHED, reload};
use crate::support::Wire;
use crate::support::wire::chunk;

static BLOCK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

#[test]
fn no_stream_is_too_busy_to_be_ended() {
    let many = Many::start(ALL);
    let ask = |what: &str, header: &str| {
        let mut client = Wire::tcp(many.tcp);
        client.send(format!(
            "POST /containers/c/{what} HTTP/1.1\r\nHost: docker\r\n{header}\r\n"
        ));
        let mut engine = many.engine.accept();
        engine.head();
        (client, engine)
    };
    thread::scope(|scope| {
        let (mut client, mut engine) = ask("stream", "");
        engine.send(STREAM);
        scope.spawn(move || engine.send_until_refused(chunk(BLOCK)));
        scope.spawn(move || client.drain());

        let (mut client, mut engine) = ask("attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n");
        engine.send(SWITCHED);
        assert_eq!(client.head().status(), 101);
        let (mut to_client, mut to_engine) = (engine.twin(), client.twin());
        scope.spawn(move || to_client.send_until_refused(BLOCK));
        scope.spawn(move || client.drain());
        scope.spawn(move || to_engine.send_until_refused(BLOCK));
        scope.spawn(move || engine.drain());

        let (mut client, mut engine) = ask("upload", "Transfer-Encoding: chunked\r\n");
        let mut to_engine = client.twin();
        scope.spawn(move || to_engine.send_until_refused(chunk(BLOCK)));
        scope.spawn(move || engine.drain());
        let refused = scope.spawn(move || client.head().status());

        // What is still allowed goes on.
        reload(&many, ALL);
        thread::sleep(Duration::from_millis(1500));
        assert!(!refused.is_finished());
        reload(&many, EVENTS);
        assert_eq!(refused.join().expect("an answer"), 403);
    });
    for target in ["stream 200", "attach 101", "upload 403"] {
        many.dockgate.line(|line| {
            line.contains(&format!("/containers/c/{target} "))
                && line.ends_with("(denied since the configuration was reloaded)")
        });
    }
}
