//! [`Output`]: what a command says goes to the log, line by line, and not without end.

/// Longer lines are cut into pieces of this many bytes.
const LINE_BYTES_MAX: usize = 1000;

/// Takes in bytes as they come.
pub(super) struct Output {
    who: String,
    line: Vec<u8>,
    left: u64,
    say: fn(&str, &str),
}

impl Output {
    /// `who` stands before each line; what is more than `bytes_max` is left out.
    pub(super) fn new(who: String, bytes_max: u64) -> Self {
        let say = |who: &str, line: &str| log::info!("post process of {who}: {line}");
        Self { who, line: Vec::new(), left: bytes_max, say }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line();
            } else {
                self.line.push(*byte);
                if self.line.len() >= LINE_BYTES_MAX {
                    self.end_line();
                }
            }
            self.left -= 1;
            if self.left == 0 {
                self.finish();
                (self.say)(&self.who, "(what else it says is left out)");
                return;
            }
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let mut safe = String::with_capacity(line.len());
        for c in line.trim_end_matches('\r').chars() {
            if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
        }
        (self.say)(&self.who, &safe);
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn said(bytes_max: u64, pieces: &[&[u8]]) -> Vec<String> {
        let mut output = Output::new("f".to_owned(), bytes_max);
        output.say = |who, line| SAID.with_borrow_mut(|said| said.push(format!("{who} {line}")));
        for piece in pieces {
            output.take(piece);
        }
        output.finish();
        SAID.take()
    }

    #[test]
    fn lines_are_told_one_by_one_and_cannot_forge_others() {
        assert_eq!(said(99, &[b"one\ntw", b"o\r\nthree"]), ["f one", "f two", "f three"]);
        assert_eq!(said(99, &[b"a\x1b[2J\rb\xff\n"]), ["f a\\u{1b}[2J\\rb\u{fffd}"]);
        assert_eq!(said(99, &[b"\n"]), ["f "]);
        assert!(said(99, &[b""]).is_empty());
    }

    #[test]
    fn neither_a_line_nor_the_whole_is_endless() {
        let long = said(5000, &[&[b'x'; 2500]]);
        assert_eq!(long.iter().map(String::len).collect::<Vec<_>>(), [1002, 1002, 502]);
        let end = "f (what else it says is left out)";
        assert_eq!(said(4, &[b"a\nbcdef\n", b"g\n"]), ["f a", "f bc", end]);
    }
}
