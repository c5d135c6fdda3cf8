//! dockgate stands between programs and the Docker Engine's Unix socket and forwards only the
//! requests that its environment variables allow.
//!
//! The modules, from the bottom up:
//!
//! | module | what it contains |
//! |---|---|
//! | [`api`] | facts about the Docker API: sections, actions, routes, fields, request targets; no policy |
//! | [`policy`] | rules compiled to one decision tree, and verdicts; pure |
//! | [`body`] | what the engine would read in a body, and what that reaches outside its container; pure |
//! | [`config`] | the environment and the files as typed settings and rules; decides nothing |
//! | [`clients`] | who a client is, and which rule is for it; pure |
//! | [`tls`] | certificates, keys, and what is said over TLS with them |
//! | [`learn`] | what clients requested, and the smallest grants for it |
//! | [`proxy`] | listeners, connections, forwarding, tunnels; the only user of hyper |
//! | [`observe`] | what is logged, and how the log never blocks |
//! | [`cli`] | the commands, one file each |
//!
//! Layer rule: `api ← policy ← body ← proxy`; `config` sees `api`, `policy` and `clients`, `learn`
//! `api`, `policy`, `body` and `config`; only `cli` sees `proxy`.

#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod api;
pub mod body;
pub mod cli;
pub mod clients;
pub mod config;
pub mod learn;
pub mod observe;
pub mod policy;
pub mod proxy;
pub mod tls;
