//! dockgate in front of a real Docker Engine, driven by real clients: the docker CLI, docker-py,
//! dockerode, docker-compose. Black box: the binary and its environment variables.
//!
//! `scripts/test` runs all of it. To run one test by hand:
//!
//! ```sh
//! scripts/engine start /tmp/an-engine
//! DOCKGATE_TEST_ENGINE=/tmp/an-engine cargo test --test engine -- --ignored NAME
//! scripts/engine stop /tmp/an-engine
//! ```
//!
//! With `DOCKGATE_TEST_DIRECT=1` socat stands in dockgate's place: that tells a mistake in a test
//! from one in dockgate (whatever expects a denial then fails, of course).

// Of the other tests' support, what is of use without their scripted engine.
#[allow(dead_code, reason = "likewise")]
#[path = "../support/authority.rs"]
mod authority;
#[allow(
    dead_code,
    clippy::print_stderr,
    reason = "it is a part, and prints when a test fails"
)]
#[path = "../support/dockgate.rs"]
mod dockgate;
#[allow(dead_code, reason = "likewise")]
#[path = "../support/wire.rs"]
mod wire;

mod attacks;
mod bodies;
mod clients;
mod commands;
mod container;
mod containers;
mod engines;
mod files;
mod grants;
mod harness;
mod images;
mod labels;
#[allow(dead_code, reason = "likewise")]
#[path = "../support/learned.rs"]
mod learned;
mod learning;
mod limits;
mod middleware;
mod podman;
mod policies;
mod presets;
mod registry;
mod restarts;
mod scope;
mod scope_clients;
mod sharing;
mod streams;
mod swarm;
mod terms;
mod tls;
