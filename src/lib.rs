//! dockgate stands between a program and the Docker Engine's Unix socket and lets through only
//! what its environment variables grant.
//!
//! The map of the house, in the order in which a request meets it:
//!
//! | module | what it knows |
//! |---|---|
//! | [`api`] | facts about the Docker API: sections, actions, routes, fields, request targets; no policy |
//! | [`body`] | what the body of a request asks for; pure |
//! | [`policy`] | rules compiled to one decision tree, and verdicts; pure |
//! | [`config`] | environment to typed settings and rules; decides nothing |
//! | [`learn`] | what clients asked for, and the smallest grants for it |
//! | [`proxy`] | listeners, connections, forwarding, tunnels; hyper lives here only |
//! | [`observe`] | what is logged, and how the log never blocks |
//! | [`cli`] | the commands |
//!
//! Layer rule: `api ← policy ← proxy`; `config` sees `api` and `policy`, `learn` these three; only
//! `cli` sees `proxy`.

#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod api;
pub mod body;
pub mod cli;
pub mod config;
pub mod learn;
pub mod observe;
pub mod policy;
pub mod proxy;
