//! The ways of writing a policy. Each is lowered to rules.

pub(super) mod sections;
