//! Bodies: what they ask for. Pure: values in, facts out; nothing here reads from a connection.

pub mod reach;
