//! Tests of the lexer, the parser and expansion; whole scripts are in `tests/sh.rs`.

use super::ast::{Command, Compound, Link, List, Piece, Place, RedirectKind};
use super::lexer::SyntaxError;
use super::parser::Parser;
use super::shell::{Level, Shell, Stop};

fn parse(text: &str) -> Result<List, SyntaxError> {
    Parser::new(text).whole()
}

/// The fields that the words of `echo WORDS` become.
fn fields(shell: &mut Shell, words: &str) -> Vec<String> {
    let list = parse(&format!("echo {words}")).unwrap();
    let Command::Simple(simple) = &list[0].chain.first.commands[0] else { panic!("{list:?}") };
    let mut fields = shell.fields(&simple.words).unwrap();
    fields.remove(0);
    fields
}

fn shell() -> Shell {
    let mut shell = Shell::new(Level::Script);
    shell.set("x", "a b".to_owned());
    shell.set("empty", String::new());
    shell.set("HOME", "/home/me".to_owned());
    shell.arguments = vec!["one".to_owned(), "two words".to_owned()];
    shell
}

fn one(text: &str) -> String {
    fields(&mut shell(), text).join("|")
}

#[test]
fn a_line_is_chains_of_pipelines() {
    let list = parse("a | b && ! c || d & e; f # g").unwrap();
    assert_eq!(list.len(), 3);
    assert_eq!(list[0].place, Place::Background);
    assert_eq!(list[0].chain.first.commands.len(), 2);
    assert_eq!(list[0].chain.rest[0].0, Link::And);
    assert!(list[0].chain.rest[0].1.negated);
    assert_eq!(list[0].chain.rest[1].0, Link::Or);
    assert_eq!(list[2].place, Place::Foreground);
}

#[test]
fn redirections_have_a_descriptor_and_a_target() {
    let list = parse("x=1 cmd <in >out 2>>log 2>&1 >&2 a").unwrap();
    let Command::Simple(simple) = &list[0].chain.first.commands[0] else { panic!() };
    let found: Vec<_> = simple.redirects.iter().map(|r| (r.descriptor, r.kind)).collect();
    assert_eq!(
        found,
        [
            (0, RedirectKind::Read),
            (1, RedirectKind::Write),
            (2, RedirectKind::Append),
            (2, RedirectKind::Share),
            (1, RedirectKind::Share),
        ]
    );
    assert_eq!(simple.words.len(), 2);
    assert_eq!(simple.assignments[0].0, "x");
}

#[test]
fn colons_and_digits_in_words_mean_nothing() {
    let list = parse("cat disk:0 /scheme/disk/0 a2>x null:").unwrap();
    let Command::Simple(simple) = &list[0].chain.first.commands[0] else { panic!() };
    assert_eq!(simple.words[1], [Piece::Bare("disk:0".to_owned())]);
    assert_eq!(simple.words[3], [Piece::Bare("a2".to_owned())]);
    assert_eq!(simple.redirects[0].descriptor, 1);
}

#[test]
fn compound_commands_are_read_whole() {
    let text = "if a; then b; elif c; then d; else e; fi\nwhile a; do b; done; until a\ndo b\ndone\n\
                for x in 1 2; do b; done\ncase $x in a|b) c;; *) d; esac; { a; b; }; ( a; b ) >f\n\
                f() { a; }\nfor x do a; done";
    let kinds: Vec<_> = parse(text)
        .unwrap()
        .iter()
        .map(|item| match &item.chain.first.commands[0] {
            Command::Simple(_) => "simple",
            Command::Function(..) => "function",
            Command::Compound(compound, _) => match compound {
                Compound::Brace(_) => "brace",
                Compound::Subshell(_) => "subshell",
                Compound::If { arms, .. } if arms.len() == 2 => "if",
                Compound::If { .. } => "short if",
                Compound::Loop { .. } => "loop",
                Compound::For { .. } => "for",
                Compound::Case { arms, .. } if arms.len() == 2 => "case",
                Compound::Case { .. } => "short case",
            },
        })
        .collect();
    let wanted = ["if", "loop", "loop", "for", "case", "brace", "subshell", "function", "for"];
    assert_eq!(kinds, wanted);
}

#[test]
fn wrong_syntax_is_a_sentence_with_its_place() {
    for (text, message) in [
        ("a\nb )", "syntax error at line 2, column 3: `)` is not expected here"),
        ("fi", "syntax error at line 1, column 1: `fi` is not expected here"),
        ("a ;; b", "syntax error at line 1, column 3: `;;` is not expected here"),
        ("| a", "syntax error at line 1, column 1: `|` is not expected here"),
        ("if ; then a; fi", "syntax error at line 1, column 4: `;` is not expected here"),
        (
            "a 5> b",
            "syntax error at line 1, column 3: descriptor 5: only 0, 1 and 2 can be redirected",
        ),
        ("a << b", "syntax error at line 1, column 4: here-documents (`<<`) are not supported"),
        (
            "${x!}",
            "syntax error at line 1, column 5: `${` must be followed by a name and `}`, or one of - = + ? # %",
        ),
        (
            "for 1 in; do a; done",
            "syntax error at line 1, column 5: `a variable's name` is missing here",
        ),
        ("(a", "syntax error at line 1, column 3: the input ends where `)` is missing"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn input_that_could_go_on_is_incomplete() {
    for text in [
        "'a",
        "\"a",
        "a &&",
        "a |",
        "if a",
        "if a; then",
        "while a; do b",
        "case x in",
        "{ a",
        "(",
        "$(a",
        "`a",
        "${x",
        "$((1",
        "for x in a",
        "f() {",
        "echo \"$(\"",
    ] {
        assert!(parse(text).unwrap_err().incomplete, "{text}");
    }
    for text in ["a )", "done", "${x!}", "a >"] {
        assert_eq!(parse(text).unwrap_err().incomplete, text == "a >", "{text}");
    }
}

#[test]
fn quotes_keep_texts_together() {
    assert_eq!(one(r#"a'b  c'd "e f" \" \$x '$x' "" """#), r#"ab  cd|e f|"|$x|$x||"#);
    assert_eq!(one(r#""a\"b\\c\$d\e""#), r#"a"b\c$d\e"#);
    assert_eq!(one("a\\\nb"), "ab");
    assert_eq!(one("$ a$ $/ \"$\""), "$|a$|$/|$");
}

#[test]
fn variables_split_unless_quoted() {
    assert_eq!(one("$x"), "a|b");
    assert_eq!(one("\"$x\""), "a b");
    assert_eq!(one("-$x-"), "-a|b-");
    assert_eq!(one("$empty \"$empty\" ${none}x"), "|x");
    assert_eq!(one("${x}y $1 $2 \"$2\" $# ${3}"), "a|by|one|two|words|two words|2");
    assert_eq!(one("\"$@\""), "one|two words");
    assert_eq!(one("a\"$@\"b"), "aone|two wordsb");
    assert_eq!(one("\"$*\""), "one two words");
    assert_eq!(one("$?"), "0");
}

#[test]
fn no_arguments_make_no_field() {
    let mut shell = shell();
    shell.arguments.clear();
    assert_eq!(fields(&mut shell, "\"$@\""), [""; 0]);
    assert_eq!(fields(&mut shell, "$@ a"), ["a"]);
}

#[test]
fn separators_come_from_ifs() {
    let mut shell = shell();
    shell.set("IFS", ": ".to_owned());
    shell.set("path", "a::b : c:".to_owned());
    assert_eq!(fields(&mut shell, "$path"), ["a", "", "b", "c"]);
}

#[test]
fn values_can_be_changed_on_the_way() {
    assert_eq!(one("${none:-d} ${empty-d}. ${empty:-\"d e\"}"), "d|.|d e");
    assert_eq!(one("${x:+set} ${none:+set}. ${#x}"), "set|.|3");
    assert_eq!(one("${new:=v} $new"), "v|v");
    let mut shell = shell();
    shell.set("f", "a/b.tar.gz".to_owned());
    let trimmed = fields(&mut shell, "${f#*/} ${f##*.} ${f%.*} ${f%%.*} ${f%x} \"${f%'.gz'}\"");
    assert_eq!(trimmed, ["b.tar.gz", "gz", "a/b.tar", "a/b", "a/b.tar.gz", "a/b.tar"]);
}

#[test]
fn arithmetic_and_tilde_are_expanded() {
    assert_eq!(one("$((1 + 2 * (3 - 1))) $(( $# + 1 ))"), "5|3");
    assert_eq!(one("~ ~/a a~ '~'"), "/home/me|/home/me/a|a~|~");
}

#[test]
fn a_required_variable_stops_the_script() {
    let list = parse("echo ${none:?is needed}").unwrap();
    let Command::Simple(simple) = &list[0].chain.first.commands[0] else { panic!() };
    assert_eq!(shell().fields(&simple.words), Err(Stop::Exit(1)));
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    for open in ["(", "$(", "{ ", "${x:-", "if ", "\"$(", "! ", "$((", "f() ", "\"${x-"] {
        let error = parse(&open.repeat(20_000)).map(|list| list.len());
        assert!(error.is_err(), "{open}");
    }
}

/// A small generator of numbers with a fixed start, so that each run is the same.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0.checked_rem(u64::try_from(limit).unwrap()).unwrap_or(0)).unwrap()
    }
}

#[test]
fn broken_scripts_neither_panic_nor_hang_the_parser() {
    let script = "for f in *.rs \"$@\"; do if [ -n \"${f%.rs}\" ] && ! grep -q 'x y' <\"$f\"; then \
                  echo \"$(basename `pwd`)/$((1+2))\" >>log 2>&1 & fi; done | ( cat; wait ) || \
                  case ${x:-a} in a|[b-d]*) exit 1;; esac # end\nf() { local; }\n";
    let signs: Vec<char> = "'\"`$(){}[];&|<>\\#\n !*=-+%:0a".chars().collect();
    let mut random = Random(0x5eed);
    for _ in 0..20_000 {
        let mut text: Vec<char> = script.chars().collect();
        for _ in 0..=random.below(4) {
            let at = random.below(text.len());
            match random.below(4) {
                0 => text.truncate(at),
                1 => drop(text.get(at).is_some().then(|| text.remove(at))),
                2 => text.insert(at, signs[random.below(signs.len())]),
                _ => text
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|c| *c = signs[random.below(signs.len())]),
            }
        }
        let text: String = text.into_iter().collect();
        // Either is fine; to come back is what counts.
        drop(parse(&text));
        let mut parser = Parser::new(&text);
        while let Ok(Some(_)) = parser.line() {}
    }
}
