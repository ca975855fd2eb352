//! Rust text without its comments and literals, line for line, so that rules see code only.

use std::iter::repeat_n;

/// `text` with every comment, string and character literal replaced by spaces.
pub fn code(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = comment(rest).or_else(|| literal(rest, &kept)).unwrap_or(0);
        if length == 0 {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            kept.push_str(&blank(&rest[..length]));
            rest = &rest[length..];
        }
    }
    kept
}

/// `code` without the blocks that are compiled for tests only.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let end = at + item_end(&rest[at..]);
        kept.push_str(&rest[..at]);
        kept.push_str(&blank(&rest[at..end]));
        rest = &rest[end..];
    }
    kept + rest
}

/// Spaces, and the line ends of `text`.
fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { ' ' }).collect()
}

/// Where the item at the start of `code` ends: after its `;` or its block.
fn item_end(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The length of the comment at the start of `text`.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if depth == 0 {
            return None;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

/// The length of the string or character literal at the start of `text`; `before` tells an `r`
/// that opens a raw string from the end of a name.
fn literal(text: &str, before: &str) -> Option<usize> {
    let in_name = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    if text.starts_with('r') && !in_name || text.starts_with("br\"") || text.starts_with("br#") {
        let opening = text.trim_start_matches('b').strip_prefix('r')?;
        let marks = opening.len() - opening.trim_start_matches('#').len();
        let body = opening[marks..].strip_prefix('"')?;
        let closing: String = std::iter::once('"').chain(repeat_n('#', marks)).collect();
        let end = body.find(&closing)? + closing.len();
        return Some(text.len() - body.len() + end);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    let inside = text.strip_prefix('\'')?;
    let one = inside.chars().next()?;
    // A quote without its partner is a lifetime.
    (one == '\\' || inside[one.len_utf8()..].starts_with('\'')).then(|| quoted(text, '\''))?
}

fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[test]
fn comments_and_literals_go_and_lines_stay() {
    for (text, kept) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"x // y\")", "f(        )"),
        (r#"f("a\"b")"#, "f(      )"),
        ("f(r\"a\\\")", "f(     )"),
        ("f(r#\"a\"b\"#)", "f(        )"),
        ("f(br\"a\")", "f(     )"),
        ("var(\"a\")", "var(   )"),
        ("'a' '\\'' '\"'", "            "),
        ("&'a str", "&'a str"),
        ("\"one\ntwo\" x", "    \n     x"),
        ("r#type", "r#type"),
    ] {
        assert_eq!(code(text), kept, "{text}");
    }
}

#[test]
fn test_blocks_go() {
    let text = "a;\n#[cfg(test)]\nmod tests {\n  fn f() { x }\n}\nb;";
    assert_eq!(without_tests(text).split_whitespace().collect::<Vec<_>>(), ["a;", "b;"]);
    assert_eq!(without_tests(text).lines().count(), 6);
    let text = "#[cfg(test)]\nmod tests;\nfn f() { x }";
    assert_eq!(without_tests(text).trim(), "fn f() { x }");
}
