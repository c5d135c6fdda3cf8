//! What a request's head says: what it names, whether its query is harmless, and whether its body
//! counts.

use super::others::Others;
use super::{DENY_ROOT, Subject, middleware, query, unreadable, unreadable_by};
use crate::api::sections::{CONTROLS, Check, Route};
use crate::body::demands::Demands;
use crate::body::draft::Draft;
use crate::body::facts::Name;
use crate::policy::{Body, Inspection, Term, Unmet};

/// What comes of it.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// What it names.
    pub(super) subjects: Vec<Subject>,
    /// Whether its body is read.
    pub(super) reads: bool,
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
            Term::Middleware => middleware::head(&mut head, inspection, draft, demands)?,
            Term::Limits(_) | Term::Rules => {
                return Err(unreadable("it cannot be judged"));
            }
        }
    }
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
            no_form(DENY_ROOT, inspection)?;
        }
        match check {
            Check::Body => self.reads = true,
            Check::Name => query::name(target, others)?,
            Check::Build => query::build(target)?,
            Check::Start => query::start(target, Body::from(message))?,
            Check::Update => {
                if let Some(version) = query::rollback(target)? {
                    let name = named(inspection, check)?.0;
                    self.subjects.push(Subject::Rollback(name, version));
                }
            }
            Check::Commit => self.subjects.push(Subject::Commit(query::commit(target)?)),
            Check::Container => {
                let (name, route) = named(inspection, check)?;
                self.subjects.push(Subject::Container(name, route));
            }
            Check::Exec => {
                let (name, route) = named(inspection, check)?;
                self.subjects.push(Subject::Exec(name, route));
            }
            Check::Network => {
                let name = named(inspection, check)?.0;
                self.subjects.push(Subject::Network(name));
            }
        }
        Ok(())
    }
}

/// The engine prefers the values of a form to those of the query.
pub(super) fn no_form(by: &'static str, inspection: &Inspection) -> Result<(), Unmet> {
    let message = inspection.message();
    match message.is_form() && message.length() != Some(0) {
        true => Err(unreadable_by(
            by,
            "its Content-Type is that of a form, whose values the engine would prefer to those \
             of the query",
        )),
        false => Ok(()),
    }
}

/// What the path of a request names, and the route that says so.
fn named(inspection: &Inspection, check: Check) -> Result<(Name, &'static Route), Unmet> {
    let target = inspection.target();
    let controls = CONTROLS.iter().filter(|one| one.judged.contains(&check));
    let mut routes = controls.flat_map(|control| control.routes);
    let found = routes.find_map(|route| {
        let fits = route.method.is_none() || route.method == target.method();
        let name = route.name_in(target.path()).filter(|_| fits)?;
        Some((Name::of(str::from_utf8(name).ok()?)?, route))
    });
    found.ok_or_else(|| unreadable("its path names nothing that the engine could have"))
}
