//! Recorded decisions of Tecnativa's proxy, and the contract on targets that no recording has.

use std::collections::{BTreeMap, HashMap};

use dockgate::{
    api::Target,
    config::{Settings, Snapshot},
    policy::{Policy, Verdict},
};

const ROWS: &str = include_str!("conformance/tecnativa.tsv");

fn settings(env: &[(&str, &str)]) -> Settings {
    Settings::load(&env.iter().copied().collect()).expect("a configuration that starts")
}

/// What reaches the engine.
fn allowed(policy: &Policy, method: &str, target: &str) -> bool {
    match Target::from_line(method, target) {
        Ok(target) => matches!(policy.decide(target, true), Verdict::Allow(_)),
        Err(_) => false,
    }
}

/// Every row, by the column `expect`.
#[test]
fn every_recorded_decision_is_as_expected() {
    let mut settings_of: HashMap<&str, Settings> = HashMap::new();
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in ROWS.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let &[kind, env, method, target, _, expect, why] = columns.as_slice() else {
            panic!("not seven columns: {row}");
        };
        let settings = settings_of.entry(env).or_insert_with(|| {
            let env: BTreeMap<String, String> = serde_json::from_str(env).expect("env is JSON");
            Settings::load(&env.into_iter().collect::<Snapshot>()).expect("it starts")
        });
        let verdict = if allowed(&settings.policy, method, target) {
            "allow"
        } else {
            "deny"
        };
        if verdict != expect {
            wrong.push(format!(
                "{verdict}, expected {expect} {why}: {env} {method} {target}"
            ));
        }
        *counts.entry((kind, expect)).or_default() += 1;
    }
    println!(
        "recorded decisions: {counts:?}, policies: {}",
        settings_of.len()
    );
    assert!(
        wrong.is_empty(),
        "{} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        counts.values().sum::<usize>() > 7000,
        "rows are missing: {counts:?}"
    );
}
