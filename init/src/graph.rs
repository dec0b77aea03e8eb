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
        let (name, uses) = (&unit.name, unit.uses.join(", "));
        plan.refused.push(format!("{name} is not started: what it uses ({uses}) is not either"));
    }
    plan
}

/// Units by name, without those whose name or scheme another one has already.
fn distinct(units: Vec<Unit>, refused: &mut Vec<String>) -> BTreeMap<String, Unit> {
    let mut kept: BTreeMap<String, Unit> = BTreeMap::new();
    for unit in units {
        let rival = kept.values().find_map(|other| {
            let shared = other.schemes.iter().find(|scheme| unit.schemes.contains(scheme));
            if other.name == unit.name {
                Some(format!("there are two services called {}", unit.name))
            } else {
                shared.map(|scheme| format!("{} provides {scheme}: already", other.name))
            }
        });
        if let Some(reason) = rival {
            refused.push(format!("{} ({}) is not started: {reason}", unit.name, unit.program));
        } else {
            kept.insert(unit.name.clone(), unit);
        }
    }
    kept
}

/// Takes out what uses a scheme that nobody provides, and what uses those in turn.
fn refuse_unprovided(waiting: &mut BTreeMap<String, Unit>, refused: &mut Vec<String>) {
    loop {
        let missing = waiting.values().find_map(|unit| {
            let lacks = unit.uses.iter().find(|name| !provided(waiting, name))?;
            Some((unit.name.clone(), lacks.clone()))
        });
        let Some((name, lacks)) = missing else { return };
        refused.push(format!("{name} is not started: it uses {lacks}:, which no service provides"));
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
            format!("{name} uses {}: of {next}", shared.map_or("?", String::as_str))
        })
        .collect();
    format!("not started, as they use each other in a circle: {}", steps.join(", "))
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::unit::Unit;

    fn unit(name: &str, schemes: &[&str], uses: &[&str]) -> Unit {
        let text = format!("name = '{name}'\nprogram = '/bin/{name}'");
        let mut unit = Unit::parse("test", &text).unwrap();
        unit.schemes = schemes.iter().map(|&name| name.to_owned()).collect();
        unit.uses = uses.iter().map(|&name| name.to_owned()).collect();
        unit
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
                "not started, as they use each other in a circle: \
                 a uses bs: of b, b uses cs: of c, c uses as: of a"
            )
        );
        assert!(refused[1].starts_with("user is not started"), "{refused:?}");
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
        assert_eq!(refused[0], "a is not started: it uses none:, which no service provides");
        assert_eq!(refused[1], "b is not started: it uses as:, which no service provides");
    }

    #[test]
    fn two_of_a_name_or_a_scheme_are_one_too_many() {
        let (order, refused) =
            names(vec![unit("a", &["s"], &[]), unit("a", &[], &[]), unit("b", &["s"], &[])]);
        assert_eq!(order, ["a"]);
        assert!(refused[0].contains("two services called a"));
        assert!(refused[1].contains("a provides s: already"));
    }
}
