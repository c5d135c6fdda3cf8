//! What a request's head says: what it names, whether its query is harmless, and whether its body
//! counts.

use super::archive::Archive;
use super::others::Others;
use super::scoped::{self, Scoped};
use super::{
    Subject, build, limited, middleware, older, query, reserved, returned, rules, unreadable,
};
use crate::api::sections::{CONTROLS, Check, LIMITED, Route};
use crate::body::demands::Demands;
use crate::body::draft::Draft;
use crate::body::facts::{Fact, Name};
use crate::body::limits::Limits;
use crate::body::reach::Claim;
use crate::policy::{Body, Inspection, Term, Unmet};

/// What comes of it.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// What it names.
    pub(super) subjects: Vec<Subject>,
    /// What limits are about in its path and its query.
    pub(super) claims: Vec<Claim>,
    /// Whether its body is read.
    pub(super) reads: bool,
    /// The archive of a build whose Dockerfile is read.
    pub(super) archive: Option<Archive>,
    /// What its policy's scope makes of it.
    pub(super) scoped: Scoped,
}

/// Judges a head, term by term.
pub(super) fn judge(
    inspection: &Inspection,
    draft: &Draft,
    demands: &Demands,
    others: &Others,
) -> Result<Head, Unmet> {
    if inspection.target().behind_other_version().is_some() {
        return Err(unreadable(
            "its path has another version than those of Docker",
        ));
    }
    let mut head = Head::default();
    for term in inspection.terms() {
        match *term {
            Term::DenyRoot(check) => head.deny_root(inspection, check, others)?,
            Term::Limits(check) => match &demands.limits {
                Some(limits) => head.limits(inspection, check, limits)?,
                None => return Err(unreadable("it cannot be judged")),
            },
            Term::Middleware => middleware::head(&mut head, inspection, draft, demands)?,
            Term::Rule(number) => {
                let needs = rules::head(inspection, demands, number)?;
                head.reads |= needs.reads;
                head.subjects.extend(needs.subjects);
            }
            Term::Scope(_) | Term::LabelFilter(_) => {
                head.reads |= scoped::head(&mut head.scoped, inspection, demands, *term)?;
                let scope = demands.scope.as_ref();
                if head.archive.is_none() && scope.is_some_and(|scope| scope.keeps_builds()) {
                    head.archive = reserved::archive(inspection.target(), demands)?;
                }
            }
            // It is about the answer alone.
            Term::Redact | Term::Versions => {}
            Term::Placeholder => {
                returned::query(inspection)?;
                // The archive of a build has no field that was ever shown.
                head.reads |= draft.body().is_some();
            }
            Term::Reserved => {
                no_form(inspection)?;
                head.reads |= draft.body().is_some();
                if head.archive.is_none() {
                    head.archive = reserved::archive(inspection.target(), demands)?;
                }
            }
            Term::Older => head.reads |= older::head(inspection, draft)?,
        }
    }
    scoped::is_known(&head.scoped, inspection)?;
    Ok(head)
}

impl Head {
    fn deny_root(
        &mut self,
        inspection: &Inspection,
        check: Check,
        others: &Others,
    ) -> Result<(), Unmet> {
        let (target, message) = (inspection.target(), inspection.message());
        // A form of up to 7 bytes has no room for what a start must not have.
        if check != Check::Start {
            no_form(inspection)?;
        }
        match check {
            Check::Body => self.reads = true,
            Check::Name => {
                query::name(target, others)?;
                if others.keep_names() && renames(inspection) {
                    let (name, route) = named(inspection, check)?;
                    self.subjects
                        .push(Subject::Object(Fact::Container(name), route));
                }
            }
            Check::Build => {
                let in_network = query::build(target)?;
                self.subjects.push(Subject::Build { in_network });
            }
            Check::Import => query::import(target)?,
            Check::Joins => {
                let (name, route) = named(inspection, check)?;
                self.subjects.push(Subject::Start(name, route));
            }
            Check::Start => query::start(target, Body::from(message))?,
            Check::Update => self.rollback(inspection)?,
            Check::Commit => self.subjects.push(Subject::Commit(query::commit(target)?)),
            Check::Container => self.container(inspection)?,
            Check::Exec => self.exec(inspection)?,
            Check::Network => self.network(inspection)?,
            // What it may show is in its answer.
            Check::JoinTokens => {}
            Check::Load | Check::Pull | Check::Tag => {
                return Err(unreadable("it gives no control that could be judged"));
            }
        }
        Ok(())
    }

    fn limits(
        &mut self,
        inspection: &Inspection,
        check: Check,
        limits: &Limits,
    ) -> Result<(), Unmet> {
        let target = inspection.target();
        if check != Check::Start {
            no_form(inspection)?;
        }
        match check {
            Check::Body => self.reads = true,
            Check::Build => {
                let build = build::read(target)?;
                if limits.namespaces.entries.is_some() || limits.networks_joined.entries.is_some() {
                    build.stays()?;
                }
                if limits.image_from.entries.is_some() {
                    self.archive = Some(build.archive()?);
                }
                self.claims.extend(build.claims);
            }
            Check::Start => query::start(target, Body::from(inspection.message()))?,
            Check::Update => self.rollback(inspection)?,
            // Its user is what a command has that names none.
            Check::Container if limits.run_as.entries.is_some() => self.container(inspection)?,
            Check::Container => {}
            Check::Exec => self.exec(inspection)?,
            Check::Network => self.network(inspection)?,
            Check::Tag => self.claims.push(limited::tagged(target)?),
            Check::Commit
            | Check::Import
            | Check::JoinTokens
            | Check::Joins
            | Check::Load
            | Check::Pull
            | Check::Name => {}
        }
        Ok(())
    }

    fn container(&mut self, inspection: &Inspection) -> Result<(), Unmet> {
        let (name, route) = named(inspection, Check::Container)?;
        let is_one = |subject: &Subject| matches!(subject, Subject::Container(..));
        if !self.subjects.iter().any(is_one) {
            self.subjects.push(Subject::Container(name, route));
        }
        Ok(())
    }

    fn exec(&mut self, inspection: &Inspection) -> Result<(), Unmet> {
        let (id, route) = named(inspection, Check::Exec)?;
        let is_one = |subject: &Subject| matches!(subject, Subject::Exec(..));
        if !self.subjects.iter().any(is_one) {
            self.subjects.push(Subject::Exec(id, route));
        }
        Ok(())
    }

    fn network(&mut self, inspection: &Inspection) -> Result<(), Unmet> {
        let (name, route) = named(inspection, Check::Network)?;
        let is_one = |subject: &Subject| matches!(subject, Subject::Network(..));
        if !self.subjects.iter().any(is_one) {
            self.subjects.push(Subject::Network(name, route));
        }
        Ok(())
    }

    fn rollback(&mut self, inspection: &Inspection) -> Result<(), Unmet> {
        let is_one = |subject: &Subject| matches!(subject, Subject::Rollback(..));
        if let Some(version) = query::rollback(inspection.target())?
            && !self.subjects.iter().any(is_one)
        {
            let (name, _) = named(inspection, Check::Update)?;
            self.subjects.push(Subject::Rollback(name, version));
        }
        Ok(())
    }
}

/// The engine prefers the values of a form to those of the query.
pub(super) fn no_form(inspection: &Inspection) -> Result<(), Unmet> {
    let message = inspection.message();
    match message.is_form() && message.length() != Some(0) {
        true => Err(unreadable(
            "its Content-Type is that of a form, whose values the engine would prefer to those \
             of the query",
        )),
        false => Ok(()),
    }
}

/// The container that a request gives another name.
pub(super) fn renamed(inspection: &Inspection) -> Result<Option<Name>, Unmet> {
    match renames(inspection) {
        true => named(inspection, Check::Name).map(|(name, _)| Some(name)),
        false => Ok(None),
    }
}

fn renames(inspection: &Inspection) -> bool {
    let path = inspection.target().path();
    path.starts_with(b"/containers/") && path.ends_with(b"/rename")
}

/// What the path of a request names, and the route that says so.
fn named(inspection: &Inspection, check: Check) -> Result<(Name, &'static Route), Unmet> {
    let target = inspection.target();
    let controls = CONTROLS.iter().map(|one| (one.judged, one.routes));
    let limited = LIMITED.iter().map(|one| (one.judged, one.routes));
    let judged = controls
        .chain(limited)
        .filter(|(judged, _)| judged.contains(&check));
    let mut routes = judged.flat_map(|(_, routes)| routes);
    let found = routes.find_map(|route| {
        let fits = route.method.is_none() || route.method == target.method();
        let name = route.name_in(target.path()).filter(|_| fits)?;
        let name = str::from_utf8(name).ok()?;
        let name = match check {
            Check::Network => Name::wide(name)?,
            _ => Name::of(name)?,
        };
        Some((name, route))
    });
    found.ok_or_else(|| unreadable("its path names nothing that the engine could have"))
}
