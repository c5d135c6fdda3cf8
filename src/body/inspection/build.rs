//! The query of a build by the classic builder, as limits see it: what a create would ask for, the
//! images that it uses, and the names that it gives.

use super::archive::Archive;
use super::{query, too_much, unreadable};
use crate::api::Target;
use crate::api::fields::Reach;
use crate::body::dockerfile::BuildArgs;
use crate::body::facts::{self, full_id};
use crate::body::json::{self, Limits, Object, Untyped, Value};
use crate::body::reach::{self, Claim, Engine, What};
use crate::policy::Unmet;

/// What a build asks for.
#[derive(Debug)]
pub(super) struct Build {
    /// The names that its image gets.
    pub(super) tags: Vec<String>,
    /// What limits are about.
    pub(super) claims: Vec<Claim>,
    /// The network of its containers.
    network: String,
    /// Whether its context is fetched from elsewhere.
    remote: String,
    dockerfile: String,
    args: BuildArgs,
}

/// What of its query a create has too, and where.
const OF_CREATE: [(&str, &str); 3] = [
    ("networkmode", "NetworkMode"),
    ("cgroupparent", "CgroupParent"),
    ("isolation", "Isolation"),
];

/// Reads the query of a build. BuildKit, and what the classic builder does not know, cannot be judged.
pub(super) fn read(target: &Target) -> Result<Build, Unmet> {
    query::classic(target)?;
    let one = |key| query::one(target, key);
    let mut config = Object::default();
    for (key, field) in OF_CREATE {
        config.set(field, one(key)?.as_str());
    }
    config.set("SecurityOpt", list(&one("securityopt")?)?);
    let mut create = Object::default();
    create.set("HostConfig", Value::from(config));
    let body = facts::create().ok_or_else(|| unreadable("a build cannot be judged"))?;
    let claims = reach::asked(body, &create.into(), &Engine::default());
    let mut claims = claims.map_err(unreadable)?;
    for claim in &mut claims {
        let field = claim.path.strip_prefix("HostConfig.").unwrap_or_default();
        let own = OF_CREATE.iter().find(|(_, known)| *known == field);
        let parameter = own.map_or("securityopt", |(key, _)| key);
        claim.path = format!("the parameter {parameter}");
    }
    for image in list(&one("cachefrom")?)?.items() {
        let image = image.as_str().ok_or_else(|| unreadable(NOT_TEXTS))?;
        claims.push(Claim {
            path: "the parameter cachefrom".to_owned(),
            value: image.to_owned(),
            reach: Reach::SUPPLY,
            what: What::Image(image.to_owned()),
            unsettled: false,
        });
    }
    let mut args = BuildArgs::new();
    let given = json(&one("buildargs")?)?;
    let given = match &given {
        Value::Null => &Object::default(),
        given => given.as_object().ok_or_else(|| unreadable(NOT_TEXTS))?,
    };
    for (name, value) in given.iter() {
        let value = match value {
            Value::Null => None,
            value => Some(
                value
                    .as_str()
                    .ok_or_else(|| unreadable(NOT_TEXTS))?
                    .to_owned(),
            ),
        };
        args.insert(name.to_owned(), value);
    }
    Ok(Build {
        tags: query::all(target, "t")?,
        claims,
        network: one("networkmode")?,
        remote: one("remote")?,
        dockerfile: one("dockerfile")?,
        args,
    })
}

impl Build {
    /// Whether the container that has its network stays the one that was judged: the engine looks it
    /// up for each step, when a name may have changed hands.
    pub(super) fn stays(&self) -> Result<(), Unmet> {
        let container = self.network.strip_prefix("container:");
        match container.map(|container| full_id(&container.into())) {
            Some(None) => {
                let why = "is not allowed: name the container by its full ID";
                Err(too_much("the parameter networkmode", &self.network, why))
            }
            Some(Some(_)) | None => Ok(()),
        }
    }

    /// The archive that follows, whose Dockerfile is read.
    pub(super) fn archive(&self) -> Result<Archive, Unmet> {
        match &*self.remote {
            "" => Archive::new(&self.dockerfile, self.args.clone()),
            remote => {
                let why = "is not allowed: a Dockerfile from elsewhere cannot be judged";
                Err(too_much("the parameter remote", remote, why))
            }
        }
    }
}

const NOT_TEXTS: &str = "a parameter of the build is not the JSON that the engine reads";

fn json(text: &str) -> Result<Value, Unmet> {
    match text {
        "" => Ok(Value::Null),
        text => json::read(text.as_bytes(), Limits::default(), Untyped).map_err(unreadable),
    }
}

/// A JSON list; none is an empty one.
fn list(text: &str) -> Result<Value, Unmet> {
    match json(text)? {
        Value::Null => Ok(Value::List(Vec::new())),
        list @ Value::List(_) => Ok(list),
        _ => Err(unreadable(NOT_TEXTS)),
    }
}
