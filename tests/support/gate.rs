//! A scripted engine and the real dockgate in front of it.

use std::net::SocketAddr;

use super::dockgate::{Dockgate, free_address};
use super::engine::Engine;
use super::wire::{End, Message, Wire};

/// Grants everything.
pub(crate) const OPEN: &[(&str, &str)] = &[
    ("AUTH", "1"),
    ("BUILD", "1"),
    ("COMMIT", "1"),
    ("CONFIGS", "1"),
    ("CONTAINERS", "1"),
    ("DISTRIBUTION", "1"),
    ("EXEC", "1"),
    ("GRPC", "1"),
    ("IMAGES", "1"),
    ("INFO", "1"),
    ("NETWORKS", "1"),
    ("NODES", "1"),
    ("PLUGINS", "1"),
    ("POST", "1"),
    ("SECRETS", "1"),
    ("SERVICES", "1"),
    ("SESSION", "1"),
    ("SWARM", "1"),
    ("SYSTEM", "1"),
    ("TASKS", "1"),
    ("VOLUMES", "1"),
];

/// Grants reading containers, and what is granted without a word: events, ping and version.
pub(crate) const OPEN_READS: &[(&str, &str)] = &[("CONTAINERS", "1")];

/// An answer without a body.
pub(crate) const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// An engine, a dockgate, and where clients reach it.
pub(crate) struct Gate {
    /// Where dockgate connects to.
    pub(crate) engine: Engine,
    /// The process.
    pub(crate) dockgate: Dockgate,
    /// Its listener.
    pub(crate) address: SocketAddr,
}

impl Gate {
    /// Grants everything.
    #[track_caller]
    pub(crate) fn open() -> Gate {
        Gate::with(OPEN)
    }

    /// Everything granted, and some settings.
    #[track_caller]
    pub(crate) fn open_with(settings: &[(&str, &str)]) -> Gate {
        Gate::with(&[OPEN, settings].concat())
    }

    /// Only this environment, beside the engine's socket and the listener.
    #[track_caller]
    pub(crate) fn with(environment: &[(&str, &str)]) -> Gate {
        Gate::before(Engine::start(), environment)
    }

    /// In front of an engine that the test has made.
    #[track_caller]
    pub(crate) fn before(engine: Engine, environment: &[(&str, &str)]) -> Gate {
        let address = free_address();
        let listen = format!("tcp://{address}");
        let path = engine.path().to_str().expect("a plain path").to_owned();
        let own = [("LISTEN", listen.as_str()), ("SOCKET_PATH", path.as_str())];
        let dockgate = Dockgate::start(&[&own, environment].concat());
        dockgate.listens(&listen);
        Gate {
            engine,
            dockgate,
            address,
        }
    }

    /// A new client.
    #[track_caller]
    pub(crate) fn client(&self) -> Wire {
        Wire::tcp(self.address)
    }

    /// A new client that has sent these bytes.
    #[track_caller]
    pub(crate) fn sent(&self, bytes: impl AsRef<[u8]>) -> Wire {
        let mut client = self.client();
        client.send(bytes);
        client
    }

    /// A new client whose request has wholly reached the engine: both ends, and the request.
    #[track_caller]
    pub(crate) fn asked(&self, request: impl AsRef<[u8]>) -> (Wire, Wire, Message) {
        let client = self.sent(request);
        let (engine, request) = self.engine.request();
        (client, engine, request)
    }

    /// A request and its answer on a new connection: what reached the engine, what the client got.
    #[track_caller]
    pub(crate) fn exchange(
        &self,
        request: impl AsRef<[u8]>,
        answer: impl AsRef<[u8]>,
    ) -> (Message, Message) {
        let (mut client, mut engine, request) = self.asked(request);
        engine.send(answer);
        (request, client.response())
    }

    /// An answer that dockgate gives by itself, without the engine.
    #[track_caller]
    pub(crate) fn refusal(&self, request: impl AsRef<[u8]>) -> Message {
        self.sent(request).response()
    }

    /// The end of every test: nothing that nobody expected has reached the engine, and a clean
    /// request on a new connection is answered.
    #[track_caller]
    pub(crate) fn still_works(&self) {
        let mut client = self.sent("GET /_ping HTTP/1.1\r\nHost: clean\r\n\r\n");
        let (mut engine, request) = self.engine.request();
        assert_eq!(
            request.head.line, "GET /_ping HTTP/1.1",
            "something else reached the engine"
        );
        assert_eq!(request.head.sorted(), [("host", "clean")]);
        engine.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
        let response = client.response();
        assert_eq!((response.status(), response.text().as_str()), (200, "OK"));
        client.half_close();
        assert_eq!(client.ends(), End::Closed);
        assert_eq!(engine.ends(), End::Closed);
    }
}
