//! Service files, good and bad.

use super::{Matches, Part, Restart, Stdio, Unit};

const FULL: &str = r#"
name = "tty"
program = "/bin/ttyd"
args = ["-v"]
env = ["TERM=ansi"]
schemes = ["tty"]
sees = ["debug", "file=ramfs"]
uses = ["log"]
machine = ["io 3f8 8 as com1", "irq 4 as irq4"]
pci = "1af4:1001, 1af4:1042"
priority = 6
restart = "on-failure"
stdio = "debug"
policy = { reissue = true, orphan = 3 }
uid = 7
"#;

fn refusal(text: &str) -> String {
    Unit::parse("x.toml", text).expect_err("it was accepted")
}

#[test]
fn a_full_file_says_what_it_means() {
    let unit = Unit::parse("tty.toml", FULL).unwrap();

    let io = Part::Words { words: [4, 0x3F8, 8], name: "com1".into() };
    assert_eq!(unit.machine.first(), Some(&io));
    assert_eq!((unit.restart, unit.stdio), (Restart::OnFailure, Stdio::Debug));
    assert!(unit.policy.reissue && !unit.policy.stream);
    assert_eq!(unit.policy.orphan().as_secs(), 3);
    assert!(unit.pci.unwrap().covers("vendor=1af4 device=1042 class=010000"));
}

#[test]
fn a_driver_may_be_for_all_devices_of_a_class() {
    let text = "name = 'a'\nprogram = '/bin/a'\npci = '1af4:1001, class:010802'";
    let pci = Unit::parse("x.toml", text).unwrap().pci.unwrap();
    assert!(pci.covers("vendor=1b36 device=0010 class=010802"));
    assert!(pci.covers("vendor=1af4 device=1001 class=010000"));
    assert!(!pci.covers("vendor=1b36 device=0010 class=010601"));
    assert!(!pci.covers("vendor=1af4 device=1042"));
}

#[test]
fn what_is_left_out_has_the_least_rights() {
    let unit = Unit::parse("x.toml", "name = 'a'\nprogram = '/bin/a'").unwrap();

    assert!(unit.machine.is_empty() && unit.pci.is_none());
    let view = unit.view(&["debug", "disk", "memory"].map(String::from)).unwrap();
    assert!(view.iter().all(|(new, _)| new != "debug" && new != "disk"));
    assert!(view.iter().any(|(new, _)| new == "memory"));
}

#[test]
fn an_unknown_key_names_file_and_line() {
    let sentence = refusal("name = 'a'\nprogram = '/bin/a'\ncolour = 1\n");
    assert!(sentence.starts_with("x.toml:3: "), "{sentence}");
    assert!(sentence.contains("colour") && sentence.contains("expected one of"), "{sentence}");
    assert!(sentence.ends_with("correct this line, the service is not started"), "{sentence}");
}

#[test]
fn what_is_wrong_is_found_by_its_line() {
    let begin = "# a comment\nname = 'a'\nprogram = '/bin/a'\n";
    for (line, wrong) in [
        (4, "priority = 8"),
        (4, "name"),
        (4, "name = 'b'"),
        (5, "args = [\n  1]"),
        (4, "sees = ['a/b']"),
        (5, "\nenv = [\n'X']"),
        (6, "uid = 1\n\nschemes = ['x', 'x']"),
    ] {
        let sentence = refusal(&format!("{begin}{wrong}\n"));
        assert!(sentence.starts_with(&format!("x.toml:{line}: ")), "{wrong}: {sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    }
    assert!(refusal("name = 'a'").starts_with("x.toml:1: "));
}

#[test]
fn what_no_service_can_be_is_refused_with_a_reason() {
    let with = |line: &str| refusal(&format!("name = 'a'\nprogram = '/bin/a'\n{line}"));
    assert!(with("machine = ['io 3f8 as x']").contains("is no part of the machine"));
    assert!(with("machine = ['io 3g8 8 as x']").contains("hexadecimal"));
    assert!(with("pci = '1af4'").contains("PCI functions"));
    assert!(with("pci = 'class:0108'").contains("PCI functions"));
    assert!(with("priority = 8").contains("above 7"));
    assert!(with("schemes = ['a:b']").contains("cannot be a scheme's name"));
    assert!(with("schemes = ['memory']").contains("exists already"));
    assert!(with("schemes = ['a', 'a']").contains("exists already"));
    assert!(with("env = ['X']").contains("NAME=value"));
    assert!(with("args = [\"a\\u0000\"]").contains("NUL"));
    assert!(with("restart = 'sometimes'").starts_with("x.toml:3: "));
    assert!(refusal("name = 'a b'\nprogram = '/x'").contains("service's name"));
    assert!(refusal("name = 'a'\nprogram = 'x'").contains("absolute"));
}

#[test]
fn a_star_shares_the_namespace_until_something_is_renamed() {
    let all = ["disk".to_owned(), "ramfs".to_owned()];
    let unit = |sees: &str| {
        Unit::parse("x", &format!("name = 'a'\nprogram = '/a'\nsees = {sees}")).unwrap()
    };

    assert_eq!(unit("['*']").view(&all), None);
    let view = unit("['*', 'file=ramfs']").view(&all).unwrap();
    assert!(view.contains(&("file".into(), "ramfs".into())));
    assert!(view.contains(&("disk".into(), "disk".into())));
}

#[test]
fn a_device_must_match_both_numbers() {
    let matches = Matches::try_from("1af4:1001".to_owned()).unwrap();
    assert!(matches.covers("class=01 vendor=0x1af4 device=1001\n"));
    assert!(!matches.covers("vendor=1af4 device=1000"));
    assert!(!matches.covers("device=1001"));
    assert!(!matches.covers(""));
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    let mut seed = 0x5eed_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut refused = 0;
    for _round in 0..2000 {
        let mut bytes = FULL.as_bytes().to_vec();
        let at = random(bytes.len());
        bytes[at] = u8::try_from(random(128)).unwrap();
        bytes.truncate(random(bytes.len()).max(at));
        let text = String::from_utf8(bytes).unwrap();
        refused += usize::from(Unit::parse("x.toml", &text).is_err());
    }
    assert!(refused > 500, "only {refused} were refused");
}
