//! What becomes of a request under a policy, in front of an engine that is played: its bodies are
//! judged as dockgate judges them, and questions to the engine get these answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockgate::api::{Framing, Message, Target};
use dockgate::body::inspection::{Answer, Others, Step, Told, begin};
use dockgate::body::json::Value;
use dockgate::config::ConfiguredPolicy;
use dockgate::policy::{Judged, Passage, Verdict};

/// What the engine has: answers by path. All else is missing.
#[derive(Default)]
pub(crate) struct Engine(pub(crate) BTreeMap<String, String>);

impl Engine {
    pub(crate) fn has(&mut self, path: impl Into<String>, answer: impl Into<String>) {
        self.0.insert(path.into(), answer.into());
    }

    /// A local volume of such options, which these containers have mounted.
    pub(crate) fn volume(&mut self, name: &str, options: &str, users: &str) {
        self.has(
            format!("/volumes/{name}"),
            format!(r#"{{"Name":"{name}","Driver":"local","Options":{options},"Scope":"local"}}"#),
        );
        self.has(
            format!("/containers/json?all=1&filters=%7B%22volume%22%3A%5B%22{name}%22%5D%7D"),
            users,
        );
    }

    /// Whether a request passes, or why not.
    pub(crate) fn judge(
        &self,
        policy: &ConfiguredPolicy,
        line: &str,
        body: &str,
    ) -> Result<(), String> {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let target = Target::from_line(method, target).expect("a clean target");
        let framing = match body.len() {
            0 => Framing::Empty,
            length => Framing::Sized(length as u64),
        };
        let permit = match policy.decide(target, Message::new(framing)) {
            Verdict::Allow(permit) => permit,
            Verdict::Deny(denial) | Verdict::WouldDeny(_, denial) => {
                return Err(denial.message());
            }
        };
        let inspection = match permit.passage() {
            Passage::Stream(_) => return Ok(()),
            Passage::Inspect(inspection) => inspection,
        };
        let mut step = begin(
            inspection,
            policy.demands.clone(),
            Arc::new(Others::default()),
            Value::default,
        );
        loop {
            step = match step {
                Step::Read(reading) => reading.read(body.as_bytes().to_vec()),
                Step::Ask(asking) => {
                    let answers: Vec<_> = (asking.needs().iter())
                        .map(|fact| {
                            let found = self.0.get(&fact.path());
                            let missing = r#"{"message":"no such thing"}"#;
                            let (status, bytes) = match found {
                                Some(answer) => (200, answer.as_str()),
                                None => (404, missing),
                            };
                            (fact.clone(), Answer::read(fact, status, bytes.as_bytes()))
                        })
                        .collect();
                    asking.answered(answers)
                }
                Step::Answer(Told::Missing(words) | Told::Dangling(words) | Told::Taken(words)) => {
                    return Err(words);
                }
                Step::Make(making) => panic!("{:?} has to be made first", making.makes()),
                // An archive passes as far as it is not judged on its way.
                Step::Judged(Judged::Clear(_)) | Step::Watch(..) => return Ok(()),
                Step::Judged(Judged::Deny(denial) | Judged::WouldDeny(_, denial)) => {
                    return Err(denial.message());
                }
            };
        }
    }
}
