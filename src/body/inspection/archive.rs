//! The archive of a build, in which the images are looked for that its Dockerfile uses, and labels of
//! dockgate that it sets. It streams, and its end is held back until all of these are judged.

use std::sync::Arc;

use super::others::CHOOSES;
use super::reserved::denied;
use super::{Answer, DENY_ROOT, Fact, MOST_FACTS, too_much, unreadable};
use crate::body::context::Context;
use crate::body::demands::Demands;
use crate::body::dockerfile::{self, BuildArgs, Contents};
use crate::body::facts::Facts;
use crate::body::json::{Object, Value};
use crate::body::limits::Ruling;
use crate::body::reach::{Claim, What};
use crate::body::scope::CREATED_BY;
use crate::policy::{Denial, Term, Unmet, Watched};

/// The limit that is about it.
const IMAGE_FROM: &str = "IMAGE_FROM";

/// An archive that is about to come.
#[derive(Debug)]
pub(super) struct Archive {
    context: Context,
    args: BuildArgs,
}

impl Archive {
    pub(super) fn new(dockerfile: &str, args: BuildArgs) -> Result<Archive, Unmet> {
        let context = Context::new(dockerfile).map_err(unreadable)?;
        Ok(Archive { context, args })
    }

    /// What is to be done while it streams. `reserved` is whether labels of dockgate are looked for.
    pub(super) fn watch(
        self,
        watched: Watched,
        demands: Arc<Demands>,
        facts: Facts,
        reserved: bool,
    ) -> Watch {
        Watch {
            archive: self,
            watched,
            demands,
            facts,
            reserved,
            contents: None,
        }
    }
}

/// An archive on its way.
#[derive(Debug)]
pub struct Watch {
    archive: Archive,
    watched: Watched,
    demands: Arc<Demands>,
    facts: Facts,
    reserved: bool,
    /// What its Dockerfile has, once all has come.
    contents: Option<Contents>,
}

/// What comes of an archive once all of it has come.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    /// What was held back may follow.
    Passes,
    /// The engine must be asked.
    Asks(Vec<Fact>),
}

impl Watch {
    /// Reads what comes next. Returns how much of all that has come may be forwarded.
    ///
    /// # Errors
    /// Why nothing more of it is.
    pub fn read(&mut self, bytes: &[u8]) -> Result<u64, Denial> {
        let read = self.archive.context.read(bytes);
        read.map_err(|refusal| self.denial(unreadable(refusal)))
    }

    /// Where the zeros of its end begin, if they have come.
    pub fn end_of_content(&self) -> Option<u64> {
        self.archive.context.end()
    }

    /// Whether nothing is being protected, so that all is forwarded.
    pub fn is_waived(&self) -> bool {
        self.watched.is_waived()
    }

    /// Roughly how much memory it takes.
    pub fn size(&self) -> usize {
        self.archive.context.size() + self.facts.size()
    }

    /// Keeps what the engine says.
    pub fn learn(&mut self, fact: Fact, answer: Answer) {
        self.facts.learn(fact, answer);
    }

    /// Judges it once all has come, by what is known so far.
    ///
    /// # Errors
    /// Why what was held back does not follow.
    pub fn end(&mut self) -> Result<Ended, Denial> {
        self.judge().map_err(|unmet| self.denial(unmet))
    }

    fn judge(&mut self) -> Result<Ended, Unmet> {
        let Archive { context, args } = &self.archive;
        let contents = match self.contents.take() {
            Some(contents) => contents,
            None => {
                let file = context.dockerfile().map_err(unreadable)?;
                dockerfile::contents(file, args).map_err(unreadable)?
            }
        };
        if let Some(label) = contents.label.as_ref().filter(|_| self.reserved) {
            let place = format!("Dockerfile line {}", label.line);
            return Err(denied(&place, "", label.why));
        }
        let limits = self.demands.limits.as_ref();
        let (mut needs, mut excesses) = (Vec::new(), Vec::new());
        let mut judge = |claim: &Claim| match limits.map(|limits| limits.ruling(claim, &self.facts))
        {
            Some(Ruling::Depends(fact, _)) if !needs.contains(&fact) => needs.push(fact),
            Some(Ruling::Refused(excess)) => excesses.push((&excess).into()),
            Some(Ruling::Depends(..) | Ruling::Allowed | Ruling::Silent) | None => {}
        };
        for image in &contents.images {
            judge(image);
            for trigger in self.triggers_of(image)? {
                judge(&trigger);
            }
        }
        for image in contents.images.iter().filter(|_| self.reserved) {
            match self.is_labelled(image) {
                Err(fact) if !needs.contains(&fact) => needs.push(fact),
                Ok(true) => {
                    let why = "has a label that only dockgate can set, which the build's containers would take over";
                    return Err(denied(&image.path, &image.value, why));
                }
                Ok(false) | Err(_) => {}
            }
        }
        needs.extend(
            self.other_scope(&contents)?
                .filter(|fact| !needs.contains(fact)),
        );
        self.contents = Some(contents);
        match (excesses.is_empty(), needs.is_empty()) {
            (false, _) => Err(Unmet::Excess(IMAGE_FROM, excesses)),
            (true, true) => Ok(Ended::Passes),
            (true, false) if self.facts.len() + needs.len() > MOST_FACTS => {
                let why = "uses too many images";
                Err(too_much("its Dockerfile", "", why))
            }
            (true, false) => Ok(Ended::Asks(needs)),
        }
    }

    /// Whether an image has a label by which a container would belong to somebody, or would choose a policy.
    ///
    /// # Errors
    /// What has to be asked first.
    fn is_labelled(&self, image: &Claim) -> Result<bool, Fact> {
        let What::Image(name) = &image.what else {
            return Ok(false);
        };
        // What can have no such name, no engine finds.
        let Some(fact) = Fact::image(name) else {
            return Ok(false);
        };
        let Some(answer) = self.facts.answer(&fact) else {
            return Err(fact);
        };
        let labels = answer
            .found()
            .map_or(Value::NULL, |found| found.at("Config.Labels"));
        let labels = labels.as_object();
        Ok([CREATED_BY, CHOOSES].iter().any(|key| {
            let own = labels.and_then(|labels| labels.get(key));
            own.is_some_and(|own| own.as_str() != Some(""))
        }))
    }

    /// Its containers come into no other policy's scope, by labels of its Dockerfile and of the images that it
    /// starts from, if these are there. Whether something has to be asked first.
    fn other_scope(&self, contents: &Contents) -> Result<Option<Fact>, Unmet> {
        let scope = self.demands.scope.as_deref();
        let Some(scope) = scope.filter(|scope| scope.keeps_builds()) else {
            return Ok(None);
        };
        let mut labels = contents.labels.clone();
        let mut given = Vec::new();
        for image in &contents.images {
            let What::Image(name) = &image.what else {
                continue;
            };
            let Some(fact) = Fact::image(name) else {
                continue;
            };
            let Some(answer) = self.facts.answer(&fact) else {
                return Ok(Some(fact));
            };
            let Some(found) = answer.found() else {
                continue;
            };
            given.extend(found.at("Config.Labels").as_object());
            let triggers = found.at("Config.OnBuild").items().iter();
            let texts = triggers.map(|one| one.as_str().unwrap_or("?"));
            labels.extend(dockerfile::triggers(texts).map_err(unreadable)?.labels);
        }
        let could_have = |key: &str, value: &str| {
            let is_given = |all: &&Object| all.get(key).and_then(Value::as_str) == Some(value);
            given.iter().any(is_given) || labels.iter().any(|one| one.could_be(key, value))
        };
        match scope.other_built(could_have) {
            Some(other) => {
                let why = format!("would put the build's containers into the scope of {other}");
                let place = "the labels of the Dockerfile and its base images";
                Err(denied(place, "", &why))
            }
            None => Ok(None),
        }
    }

    /// The images that are used by what an image has the engine do in builds from it.
    fn triggers_of(&self, image: &Claim) -> Result<Vec<Claim>, Unmet> {
        let What::Image(name) = &image.what else {
            return Ok(Vec::new());
        };
        let answer = Fact::image(name).and_then(|fact| self.facts.answer(&fact));
        let triggers = match answer.and_then(Answer::found) {
            // An image that the engine pulls is as its registry has it.
            None => return Ok(Vec::new()),
            Some(found) => found.at("Config.OnBuild").items(),
        };
        let texts = triggers.iter().map(|one| one.as_str().unwrap_or("?"));
        let contents = dockerfile::triggers(texts)
            .map_err(|refusal| unreadable(format_args!("the ONBUILD of {name}: {refusal}")))?;
        if let Some(label) = contents.label.filter(|_| self.reserved) {
            return Err(denied("the ONBUILD of", name, label.why));
        }
        let claims = contents.images.into_iter().map(|claim| Claim {
            path: format!("ONBUILD of {name}"),
            ..claim
        });
        Ok(claims.collect())
    }

    fn denial(&self, unmet: Unmet) -> Denial {
        let limits = self.demands.limits.as_ref();
        let by = match limits.is_some_and(|limits| limits.image_from.entries.is_some()) {
            true => IMAGE_FROM,
            false => Term::Reserved.variable(),
        };
        self.watched.denies(match unmet {
            Unmet::Excess(DENY_ROOT, excesses) => Unmet::Excess(by, excesses),
            Unmet::Unreadable(DENY_ROOT, why) => Unmet::Unreadable(by, why),
            other => other,
        })
    }
}
