//! `presets/*.toml`: their form, and that what they grant exists.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::check::{Check, parse};
use super::table::{Action, FILE, File, Section};

/// The folder of presets, one file each.
pub(super) const PRESETS: &str = "presets";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    doc: Spanned<String>,
    grants: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    unconditional: Vec<Spanned<String>>,
    #[serde(default)]
    option: Vec<PresetOption>,
    deny_root: Option<DenyRoot>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetOption {
    doc: Spanned<String>,
    grants: Spanned<Vec<Spanned<String>>>,
}

/// What `DENY_ROOT` makes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyRoot {
    #[serde(default)]
    set: bool,
    allowed: Spanned<Vec<Spanned<String>>>,
    refused: Spanned<Vec<Spanned<String>>>,
}

/// The presets as Rust source, or every mistake as `presets/NAME.toml:LINE: what is wrong`. They
/// are made of the actions of `sections`, and of its sections that have no action.
pub(crate) fn presets(
    sections: &str,
    files: &BTreeMap<String, String>,
) -> Result<String, Vec<String>> {
    let sections: File = parse(FILE, sections)?;
    let mut rust = "/// Every preset, by name.\npub static PRESETS: &[Preset] = &[\n".to_owned();
    let mut mistakes = Vec::new();
    for (name, text) in files {
        let path = format!("{PRESETS}/{name}.toml");
        let mut check = Check {
            file: &path,
            text,
            mistakes: Vec::new(),
        };
        let made = parse(&path, text).and_then(|preset: Preset| {
            let rust = check.preset(name, &preset, &sections);
            check.result(rust)
        });
        match made {
            Ok(preset) => rust += &preset,
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() {
        Ok(rust + "];\n")
    } else {
        Err(mistakes)
    }
}

impl Check<'_> {
    /// A preset's name is its file's, and the comment at its start describes it.
    fn preset(&mut self, name: &str, preset: &Preset, sections: &File) -> String {
        let whole = Spanned::new(0..0, ());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            self.mistake(
                &whole,
                "the name of a preset file may contain only a-z, 0-9 and -, before .toml",
            );
        }
        let about = self.text.lines().map_while(|line| line.strip_prefix('#'));
        let about: Vec<&str> = about
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let about = about.join("\n");
        if about.is_empty() {
            self.mistake(
                &whole,
                "must begin with a comment: what the program calls, and since when",
            );
        }
        let doc = self.text_of(&preset.doc);
        let grants = self.grants(&preset.grants, sections);
        for name in &preset.unconditional {
            let conditional =
                |action: &&Action| action.unread_body || !action.without_query.is_empty();
            let mut actions = sections.action.iter().filter(conditional);
            let own = preset.grants.get_ref().contains(name);
            if !own || !actions.any(|action| action.name == *name) {
                self.mistake(
                    name,
                    "must be an action with conditions that this preset grants",
                );
            }
        }
        let unconditional: Vec<&String> =
            preset.unconditional.iter().map(Spanned::get_ref).collect();
        let mut options = String::new();
        for option in &preset.option {
            let (doc, grants) = (
                self.text_of(&option.doc),
                self.grants(&option.grants, sections),
            );
            options += &format!("PresetOption {{ doc: {doc:?}, grants: &{grants:?} }},");
        }
        let deny_root = match &preset.deny_root {
            None => "None".to_owned(),
            Some(DenyRoot {
                set,
                allowed,
                refused,
            }) => {
                let [allowed, refused] = [allowed, refused].map(|texts| self.texts(texts));
                format!(
                    "Some(UnderDenyRoot {{ set: {set}, allowed: &{allowed:?}, \
                     refused: &{refused:?} }})"
                )
            }
        };
        format!(
            "Preset {{ name: {name:?}, doc: {doc:?}, about: {about:?}, grants: &{grants:?}, \
             unconditional: &{unconditional:?}, options: &[{options}], deny_root: {deny_root} }},\n"
        )
    }

    /// Lines of text, at least one.
    fn texts(&mut self, texts: &Spanned<Vec<Spanned<String>>>) -> Vec<String> {
        self.not_empty(texts);
        let texts = texts.get_ref().iter();
        texts.map(|text| self.text_of(text)).collect()
    }

    /// Names of actions, and of sections that have none.
    fn grants(&mut self, grants: &Spanned<Vec<Spanned<String>>>, sections: &File) -> Vec<String> {
        self.not_empty(grants);
        let mut seen: Vec<String> = Vec::new();
        for grant in grants.get_ref() {
            let section = |section: &&Section| section.routes.is_some() && section.name == *grant;
            if !sections.action.iter().any(|action| action.name == *grant)
                && !sections.section.iter().any(|one| section(&one))
            {
                self.mistake(
                    grant,
                    "must be an action, or a section that lists its own routes",
                );
            }
            if seen.contains(grant.get_ref()) {
                self.mistake(grant, "granted twice");
            }
            seen.push(grant.get_ref().clone());
        }
        seen
    }
}
