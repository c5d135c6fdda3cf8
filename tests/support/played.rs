//! What becomes of a request under a policy, in front of an engine that is played: its bodies are
//! judged as dockgate judges them, and questions to the engine get these answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockgate::api::{Framing, Message, Target};
use dockgate::body::inspection::{Answer, Others, Step, begin};
use dockgate::config::ConfiguredPolicy;
use dockgate::policy::{Judged, Passage, Verdict};

/// What the engine has: answers by path. All else is missing.
#[derive(Default)]
pub(crate) struct Engine(pub(crate) BTreeMap<String, String>);

impl Engine {
    pub(crate) fn has(&mut self, path: impl Into<String>, answer: impl Into<String>) {
        self.0.insert(path.into(), answer.into());
    }

    /// What it answers: the lists of containers and of networks are of all that it has by an ID.
    fn answer(&self, path: &str) -> Option<String> {
        let all = |start: &str, end: &str| {
            let own = self.0.iter().filter(|(path, _)| {
                let name = path.strip_prefix(start).and_then(|it| it.strip_suffix(end));
                name.is_some_and(|name| name.len() == 64)
            });
            let own: Vec<&str> = own.map(|(_, answer)| answer.as_str()).collect();
            Some(format!("[{}]", own.join(",")))
        };
        match (self.0.get(path), path) {
            (Some(answer), _) => Some(answer.clone()),
            (None, "/containers/json?all=1") => all("/containers/", "/json"),
            (None, "/networks") => all("/networks/", ""),
            _ => None,
        }
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
            dockgate::body::json::Value::default,
        );
        loop {
            step = match step {
                Step::Read(reading) => reading.read(body.as_bytes().to_vec()),
                Step::Ask(asking) => {
                    let answers: Vec<_> = (asking.needs().iter())
                        .map(|fact| {
                            let found = self.answer(&fact.path());
                            let missing = r#"{"message":"no such thing"}"#;
                            let (status, bytes) = match found {
                                Some(answer) => (200, answer),
                                None => (404, missing.to_owned()),
                            };
                            (fact.clone(), Answer::read(fact, status, bytes.as_bytes()))
                        })
                        .collect();
                    asking.answered(answers)
                }
                Step::Missing(words) => return Err(words),
                // An archive passes as far as it is not judged on its way.
                Step::Judged(Judged::Clear(_)) | Step::Watch(..) => return Ok(()),
                Step::Judged(Judged::Deny(denial) | Judged::WouldDeny(_, denial)) => {
                    return Err(denial.message());
                }
            };
        }
    }
}
