//! What a screen would show, and what the line is, after keys were pressed.

use super::{Editor, LONGEST};

/// A screen of one line: bytes move its cursor and overwrite.
fn screen(output: &[u8]) -> (String, usize) {
    let (mut cells, mut at) = (Vec::new(), 0_usize);
    for &byte in output {
        match byte {
            8 => at = at.checked_sub(1).expect("the cursor left the line"),
            7 => {}
            _ => {
                if at == cells.len() {
                    cells.push(b' ');
                }
                cells[at] = byte;
                at = at.saturating_add(1);
            }
        }
    }
    (String::from_utf8_lossy(&cells).trim_end().to_owned(), at)
}

fn press(editor: &mut Editor, keys: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in keys.bytes() {
        if !editor.sequence(byte, &mut out) {
            match byte {
                b'<' => editor.erase(&mut out),
                b'#' => editor.erase_word(&mut out),
                b'!' => editor.kill(&mut out),
                _ => editor.insert(byte, &mut out),
            }
        }
    }
    out
}

/// The line and the cursor's column, checked against the screen.
fn typed(keys: &str) -> (String, usize) {
    let mut editor = Editor::default();
    let out = press(&mut editor, keys);
    let text = String::from_utf8(editor.text.clone()).unwrap();
    let (shown, column) = screen(&out);
    assert_eq!(shown, text.trim_end(), "the screen shows something else after {keys:?}");
    (text, column)
}

#[test]
fn typing_and_erasing_at_the_end() {
    assert_eq!(typed("abc"), ("abc".into(), 3));
    assert_eq!(typed("abc<<x"), ("ax".into(), 2));
    assert_eq!(typed("<<<a"), ("a".into(), 1));
    assert_eq!(typed("one two  #"), ("one ".into(), 4));
    assert_eq!(typed("one##"), (String::new(), 0));
    assert_eq!(typed("one two!x"), ("x".into(), 1));
}

#[test]
fn arrow_keys_move_and_change_the_middle() {
    assert_eq!(typed("ac\x1b[Db"), ("abc".into(), 2));
    assert_eq!(typed("abc\x1b[D\x1b[D<"), ("bc".into(), 0));
    assert_eq!(typed("abc\x1b[D\x1b[D\x1b[3~"), ("ac".into(), 1));
    assert_eq!(typed("abc\x1b[H>\x1b[F."), (">abc.".into(), 5));
    assert_eq!(typed("ab\x1b[D\x1b[D\x1b[D\x1b[D\x1b[C."), ("a.b".into(), 2));
    assert_eq!(typed("one two\x1b[D\x1b[D#"), ("one wo".into(), 4));
    assert_eq!(typed("abc\x1b[D!"), (String::new(), 0));
    assert_eq!(typed("a\x1bOD\x1b[1;5Cb"), ("ab".into(), 2));
    assert_eq!(typed("a\x1b[200~b\x1bxc"), ("abc".into(), 3));
}

#[test]
fn a_wide_character_is_erased_whole() {
    let mut editor = Editor::default();
    press(&mut editor, "aä€");
    let out = press(&mut editor, "<<");
    assert_eq!(editor.text.as_slice(), b"a");
    assert_eq!(out, b"\x08 \x08\x08 \x08");
}

#[test]
fn history_goes_up_and_down_and_keeps_what_was_typed() {
    let mut editor = Editor::default();
    for line in ["one", "two", "two", ""] {
        editor.remember(line.as_bytes());
    }
    let mut out = press(&mut editor, "new");
    out.extend(press(&mut editor, "\x1b[A\x1b[A"));
    assert_eq!((editor.text.as_slice(), screen(&out).0.as_str()), (b"one".as_slice(), "one"));
    out.extend(press(&mut editor, "\x1b[A"));
    assert_eq!(out.last(), Some(&7));
    out.extend(press(&mut editor, "\x1b[B\x1b[B"));
    assert_eq!((editor.text.as_slice(), screen(&out).0.as_str()), (b"new".as_slice(), "new"));
}

#[test]
fn a_line_and_the_history_have_an_end() {
    let mut editor = Editor::default();
    press(&mut editor, &"x".repeat(LONGEST + 10));
    assert_eq!(editor.text.len(), LONGEST);
    for line in 0..200 {
        editor.remember(format!("{line}").as_bytes());
    }
    assert_eq!(editor.history.len(), super::REMEMBERED);
}

#[test]
fn any_bytes_leave_the_cursor_between_characters_of_the_line() {
    let mut seed = 0x5eed_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(seed >> 56).unwrap()
    };
    let mut editor = Editor::default();
    let mut out = Vec::new();
    for _round in 0..50_000 {
        let byte = match random() % 8 {
            0 => 27,
            1 => b'[',
            2 => b"ABCDHF~3"[usize::from(random() % 8)],
            _ => random(),
        };
        if !editor.sequence(byte, &mut out) {
            match random() % 16 {
                0 => editor.erase(&mut out),
                1 => editor.erase_word(&mut out),
                2 => drop(editor.take()),
                _ => editor.insert(byte, &mut out),
            }
        }
        assert!(editor.cursor <= editor.text.len());
    }
}
