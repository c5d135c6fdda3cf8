//! Names of which clients see nothing: in place of one, the engine is asked for something that does not
//! exist, so that its answer is the one that it gives for that.

/// A name that a client gave, and what was forwarded in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What the engine was asked for: nothing that exists.
    pub decoy: String,
    /// The client's name, as it was understood.
    pub name: String,
}
