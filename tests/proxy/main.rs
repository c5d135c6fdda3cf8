//! The proxy, black box: the real binary between a raw client and a scripted engine. Each test
//! looks at the bytes that reached the engine and at the bytes that the client got, and ends with
//! a clean request on a new connection ([`Gate::still_works`](support::Gate::still_works)).

#![expect(
    clippy::print_stderr,
    reason = "shown with a test that fails, and only then"
)]

#[path = "../support/learned.rs"]
mod learned;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod browsers;
mod cetusguard;
mod connections;
mod containers;
mod denials;
mod engines;
mod facts;
mod fairness;
mod filters;
mod harness;
mod headers;
mod health;
mod hijacks;
mod labels;
mod learning;
mod limits;
mod listeners;
mod logs;
mod malformed;
mod middleware;
mod openings;
mod patience;
mod policies;
mod profiles;
mod redact;
mod reload;
mod revoked;
mod rules;
mod scope;
mod scope_images;
mod signals;
mod socket_proxy;
mod strangers;
mod terms;
mod tls;
mod unreachable;
mod upgrades;
mod uploads;
mod versions;
