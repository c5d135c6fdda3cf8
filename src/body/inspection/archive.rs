//! The archive of a build, in which the images are looked for that its Dockerfile uses. It streams, and
//! its end is held back until all of these are judged.

use std::sync::Arc;

use super::{Answer, Fact, MOST_FACTS, too_much, unreadable};
use crate::body::context::Context;
use crate::body::demands::Demands;
use crate::body::dockerfile::{self, BuildArgs};
use crate::body::facts::Facts;
use crate::body::limits::Ruling;
use crate::body::reach::{Claim, What};
use crate::policy::{Denial, Unmet, Watched};

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

    /// What is to be done while it streams.
    pub(super) fn watch(self, watched: Watched, demands: Arc<Demands>, facts: Facts) -> Watch {
        Watch {
            archive: self,
            watched,
            demands,
            facts,
            images: None,
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
    /// What its Dockerfile uses, once all has come.
    images: Option<Vec<Claim>>,
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
        let images = match self.images.take() {
            Some(images) => images,
            None => {
                let file = context.dockerfile().map_err(unreadable)?;
                dockerfile::images(file, args).map_err(unreadable)?
            }
        };
        let limits = self.demands.limits.as_ref();
        let limits = limits.ok_or_else(|| unreadable("it cannot be judged"))?;
        let (mut needs, mut excesses) = (Vec::new(), Vec::new());
        let mut judge = |claim: &Claim| match limits.ruling(claim, &self.facts) {
            Ruling::Depends(fact, _) if !needs.contains(&fact) => needs.push(fact),
            Ruling::Refused(excess) => excesses.push((&excess).into()),
            Ruling::Depends(..) | Ruling::Allowed | Ruling::Silent => {}
        };
        for image in &images {
            judge(image);
            for trigger in self.triggers_of(image)? {
                judge(&trigger);
            }
        }
        self.images = Some(images);
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
        let claims = dockerfile::triggers(texts)
            .map_err(|refusal| unreadable(format_args!("the ONBUILD of {name}: {refusal}")))?;
        let claims = claims.into_iter().map(|claim| Claim {
            path: format!("ONBUILD of {name}"),
            ..claim
        });
        Ok(claims.collect())
    }

    fn denial(&self, unmet: Unmet) -> Denial {
        self.watched.denies(match unmet {
            Unmet::Excess(_, excesses) => Unmet::Excess(IMAGE_FROM, excesses),
            Unmet::Unreadable(_, why) => Unmet::Unreadable(IMAGE_FROM, why),
            other @ Unmet::Broken(_) => other,
        })
    }
}
