//! In which order services start: whoever is used comes first.

use std::collections::{BTreeMap, BTreeSet};

use crate::unit::{KERNEL, Unit};

/// The services in the order of their start, and why others are left out.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Each after those that it uses; by name where that leaves a choice.
    pub(crate) order: Vec<Unit>,
    /// A sentence for each service that cannot be started.
    pub(crate) refused: Vec<String>,
}

/// Puts `units` into order. One bad service never keeps the others from starting.
pub(crate) fn plan(units: Vec<Unit>) -> Plan {
    let mut plan = Plan::default();
    let mut waiting = distinct(units, &mut plan.refused);
    refuse_unprovided(&mut waiting, &mut plan.refused);
    loop {
        let open: BTreeSet<&str> =
            waiting.values().flat_map(|unit| &unit.schemes).map(String::as_str).collect();
        let ready = waiting
            .values()
            .find(|unit| !unit.uses.iter().any(|name| open.contains(name.as_str())));
        let Some(name) = ready.map(|unit| unit.name.clone()) else { break };
        plan.order.extend(waiting.remove(&name));
    }
    while let Some(circle) = circle(&waiting) {
        plan.refused.push(circle_sentence(&waiting, &circle));
        for name in &circle {
            waiting.remove(name);
        }
    }
    for unit in waiting.values() {
        let (place, name, uses) = (unit.place("uses"), &unit.name, unit.uses.join(", "));
        plan.refused
            .push(format!("{place}: {name} is not started: what it uses ({uses}) is not either"));
    }
    plan
}

/// Units by name, without those whose name or scheme another one has already.
fn distinct(units: Vec<Unit>, refused: &mut Vec<String>) -> BTreeMap<String, Unit> {
    let mut kept: BTreeMap<String, Unit> = BTreeMap::new();
    for unit in units {
        let rival = kept.values().find_map(|other| rivalry(&unit, other));
        if let Some((key, reason)) = rival {
            refused.push(format!("{}: {} is not started: {reason}", unit.place(key), unit.name));
        } else {
            kept.insert(unit.name.clone(), unit);
        }
    }
    kept
}

/// Why two services cannot both be: the key of the later one that says it, and a reason.
fn rivalry(unit: &Unit, other: &Unit) -> Option<(&'static str, String)> {
    if other.name == unit.name {
        let place = other.place("name");
        return Some(("name", format!("{place} has this name too; give one another")));
    }
    let scheme = other.schemes.iter().find(|scheme| unit.schemes.contains(scheme))?;
    let (place, name) = (other.place("schemes"), &other.name);
    Some(("schemes", format!("{name} ({place}) provides {scheme}: already; only one can")))
}

/// Takes out what uses a scheme that nobody provides, and what uses those in turn.
fn refuse_unprovided(waiting: &mut BTreeMap<String, Unit>, refused: &mut Vec<String>) {
    loop {
        let missing = waiting.values().find_map(|unit| {
            let lacks = unit.uses.iter().find(|name| !provided(waiting, name))?;
            let (place, name) = (unit.place("uses"), &unit.name);
            let sentence = format!(
                "{place}: {name} is not started: it uses {lacks}:, which no service that can \
                 start provides; take {lacks} out of its uses, or provide it"
            );
            Some((name.clone(), sentence))
        });
        let Some((name, sentence)) = missing else { return };
        refused.push(sentence);
        waiting.remove(&name);
    }
}

fn provided(units: &BTreeMap<String, Unit>, scheme: &str) -> bool {
    KERNEL.contains(&scheme)
        || scheme == "svc"
        || units.values().any(|unit| unit.schemes.iter().any(|own| own == scheme))
}

/// The service that provides `scheme`.
fn provider<'a>(units: &'a BTreeMap<String, Unit>, scheme: &str) -> Option<&'a Unit> {
    units.values().find(|unit| unit.schemes.iter().any(|own| own == scheme))
}

/// Names along a circle of uses, if there is one.
fn circle(units: &BTreeMap<String, Unit>) -> Option<Vec<String>> {
    units.values().find_map(|start| {
        let mut path: Vec<String> = Vec::new();
        let mut at = start;
        // Each step is a new service or closes the circle, so this ends.
        loop {
            if let Some(first) = path.iter().position(|name| *name == at.name) {
                return Some(path.split_off(first));
            }
            path.push(at.name.clone());
            at = at.uses.iter().find_map(|scheme| provider(units, scheme))?;
        }
    })
}

fn circle_sentence(units: &BTreeMap<String, Unit>, circle: &[String]) -> String {
    let next = circle.iter().cycle().skip(1);
    let steps: Vec<String> = circle
        .iter()
        .zip(next)
        .map(|(name, next)| {
            let shared = units.get(name).zip(units.get(next)).and_then(|(unit, next)| {
                unit.uses.iter().find(|scheme| next.schemes.contains(scheme))
            });
            let place = units.get(name).map(|unit| unit.place("uses")).unwrap_or_default();
            format!("{name} uses {}: of {next} ({place})", shared.map_or("?", String::as_str))
        })
        .collect();
    let steps = steps.join(", ");
    format!("not started, as they use each other in a circle: {steps}; take one of these out")
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::unit::Unit;

    fn unit(name: &str, schemes: &[&str], uses: &[&str]) -> Unit {
        let text = format!(
            "name = '{name}'\nprogram = '/bin/{name}'\nuses = {uses:?}\nschemes = {schemes:?}"
        );
        Unit::parse(&format!("{name}.toml"), &text).unwrap()
    }

    fn names(units: Vec<Unit>) -> (Vec<String>, Vec<String>) {
        let plan = plan(units);
        (plan.order.into_iter().map(|unit| unit.name).collect(), plan.refused)
    }

    #[test]
    fn the_used_come_first_and_names_decide_the_rest() {
        let (order, refused) = names(vec![
            unit("console", &[], &["tty", "file"]),
            unit("virtio-blk", &["disk"], &["pci"]),
            unit("tty", &["tty"], &["log"]),
            unit("ramfs", &["file"], &["memory"]),
            unit("pci", &["pci"], &[]),
            unit("log", &["log"], &[]),
        ]);
        assert_eq!(order, ["log", "pci", "ramfs", "tty", "console", "virtio-blk"]);
        assert!(refused.is_empty(), "{refused:?}");
    }

    #[test]
    fn a_circle_is_named_and_only_it_and_its_users_stay_out() {
        let (order, refused) = names(vec![
            unit("a", &["as"], &["bs"]),
            unit("b", &["bs"], &["cs"]),
            unit("c", &["cs"], &["as"]),
            unit("user", &[], &["as"]),
            unit("free", &[], &[]),
        ]);
        assert_eq!(order, ["free"]);
        assert_eq!(
            refused.first().map(String::as_str),
            Some(
                "not started, as they use each other in a circle: a uses bs: of b (a.toml:3), \
                 b uses cs: of c (b.toml:3), c uses as: of a (c.toml:3); take one of these out"
            )
        );
        assert!(refused[1].starts_with("user.toml:3: user is not started"), "{refused:?}");
    }

    #[test]
    fn a_service_that_uses_itself_is_a_circle() {
        let (order, refused) = names(vec![unit("a", &["as"], &["as"])]);
        assert!(order.is_empty());
        assert!(refused[0].contains("a uses as: of a"), "{refused:?}");
    }

    #[test]
    fn a_scheme_that_nobody_provides_keeps_its_users_out() {
        let (order, refused) = names(vec![
            unit("a", &["as"], &["none"]),
            unit("b", &[], &["as"]),
            unit("c", &[], &[]),
        ]);
        assert_eq!(order, ["c"]);
        let sentence = "a.toml:3: a is not started: it uses none:, which no service that can start \
                        provides; take none out of its uses, or provide it";
        assert_eq!(refused[0], sentence);
        assert!(refused[1].starts_with("b.toml:3: b is not started: it uses as:"), "{refused:?}");
    }

    #[test]
    fn two_of_a_name_or_a_scheme_are_one_too_many() {
        let (order, refused) =
            names(vec![unit("a", &["s"], &[]), unit("a", &[], &[]), unit("b", &["s"], &[])]);
        assert_eq!(order, ["a"]);
        assert_eq!(
            refused[0],
            "a.toml:1: a is not started: a.toml:1 has this name too; give one another"
        );
        assert!(refused[1].starts_with("b.toml:4: b is not started: a (a.toml:4) provides s:"));
    }
}
