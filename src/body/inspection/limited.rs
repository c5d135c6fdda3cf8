//! What limits say of a request's query: which images it brings, and what names it gives.

use super::finding::Finding;
use super::{Request, build, query, unreadable};
use crate::api::Target;
use crate::api::fields::Reach;
use crate::api::sections::Check;
use crate::body::limits::{self, Limits};
use crate::body::reach::{Claim, What};
use crate::policy::{Term, Unmet};

/// Judges the query, as mutators have left it.
pub(super) fn judge(request: &Request) -> Finding {
    let Some(limits) = &request.demands.limits else {
        return Finding::Nothing;
    };
    let checks = request
        .inspection
        .terms()
        .iter()
        .filter_map(|term| match term {
            Term::Limits(check) => Some(*check),
            _ => None,
        });
    let mut judged = checks.map(|check| of(check, request.draft.target(), limits));
    match judged.find_map(Result::err) {
        Some(unmet) => Finding::Refused(unmet),
        None => Finding::Nothing,
    }
}

fn of(check: Check, target: &Target, limits: &Limits) -> Result<(), Unmet> {
    let one = |key| query::one(target, key);
    match check {
        Check::Load => within(limits.loaded()),
        Check::Pull => match (&*one("fromImage")?, &*one("fromSrc")?) {
            ("", _) => {
                within(limits.imported())?;
                match &*one("repo")? {
                    "" => Ok(()),
                    repository => within(limits.tagged("repo", repository, &one("tag")?)),
                }
            }
            (image, "") => within(limits.pulled(image, &one("tag")?)),
            // Engines take the image, but they need not.
            _ => Err(unreadable("its query has both fromImage and fromSrc")),
        },
        Check::Tag => within(limits.tagged("repo", &one("repo")?, &one("tag")?)),
        Check::Commit => match &*one("repo")? {
            "" => Ok(()),
            repository => within(limits.tagged("repo", repository, &one("tag")?)),
        },
        Check::Build => {
            let tags = build::read(target)?.tags;
            let mut judged = tags.iter().map(|tag| within(limits.tagged("t", tag, "")));
            judged.find(Result::is_err).unwrap_or(Ok(()))
        }
        Check::Name => within(limits.renamed(&one("name")?)),
        Check::Body
        | Check::Container
        | Check::Exec
        | Check::Import
        | Check::JoinTokens
        | Check::Joins
        | Check::Network
        | Check::Start
        | Check::Update => Ok(()),
    }
}

fn within(excess: Option<limits::Excess>) -> Result<(), Unmet> {
    match excess {
        None => Ok(()),
        Some(excess) => Err(Unmet::Excess("the limits", vec![(&excess).into()])),
    }
}

/// The image in the path of a tag.
pub(super) fn tagged(target: &Target) -> Result<Claim, Unmet> {
    let path = str::from_utf8(target.path()).ok();
    let name = path.and_then(|path| path.strip_prefix("/images/")?.strip_suffix("/tag"));
    let name = name.ok_or_else(|| unreadable("its path names no image"))?;
    Ok(Claim {
        path: "the image".to_owned(),
        value: name.to_owned(),
        reach: Reach::SUPPLY,
        what: What::Image(name.to_owned()),
        unsettled: false,
    })
}
