//! Labels that everything new gets: containers, networks, volumes and images of the classic builder.
//! They take the place of the client's.

use std::fmt::{self, Display, Formatter};

use crate::body::draft::{Act, Draft, Objection};
use crate::body::json::{self, Kind, Limits, Object, Shape, Value};

/// Labels to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddLabels(Vec<(String, String)>);

impl AddLabels {
    /// These labels, each a key and a value.
    pub fn new(labels: Vec<(String, String)>) -> AddLabels {
        AddLabels(labels)
    }

    pub(super) fn edit(&self, draft: &mut Draft) -> Result<(), Objection> {
        match draft.act() {
            Act::CreateContainer | Act::CreateNetwork | Act::CreateVolume => {
                let labels = draft.tree_mut().at_mut("Labels");
                let labels = labels.and_then(Value::object_mut);
                let unclear = || Objection::new("Labels", "", "must be an object");
                self.set(labels.ok_or_else(unclear)?);
                Ok(())
            }
            Act::Build => {
                let mut labels = match draft.parameter(PARAMETER)? {
                    None => Value::Null,
                    Some(sent) => {
                        let read = json::read(sent.as_bytes(), Limits::default(), Labels::All);
                        read.map_err(|error| {
                            let place = format!("the parameter {PARAMETER}");
                            let why = format!("is not JSON of labels: {error}");
                            Objection::new(place, "", why)
                        })?
                    }
                };
                if let Some(labels) = labels.object_mut() {
                    self.set(labels);
                }
                draft.set_parameters(&[(PARAMETER, &labels.to_json())])
            }
            _ => Ok(()),
        }
    }

    fn set(&self, labels: &mut Object) {
        for (key, value) in &self.0 {
            labels.set(key.clone(), value.as_str());
        }
    }
}

/// Of a build.
const PARAMETER: &str = "labels";

/// Labels as a body of their own.
#[derive(Clone, Copy)]
enum Labels {
    All,
    One,
}

impl Shape for Labels {
    fn kind(self) -> Kind {
        match self {
            Labels::All => Kind::Map,
            Labels::One => Kind::Text,
        }
    }

    fn field(self, _: &str) -> Option<(&'static str, Labels)> {
        None
    }

    fn element(self) -> Labels {
        Labels::One
    }
}

/// `addLabels: a=b, c=d`
impl Display for AddLabels {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let labels = self.0.iter().map(|(key, value)| format!("{key}={value}"));
        write!(f, "addLabels: {}", labels.collect::<Vec<_>>().join(", "))
    }
}
