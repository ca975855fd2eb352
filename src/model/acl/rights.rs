//! [`Rights`]: a set of rights, and the letters for it.

use std::fmt;

use crate::model::Right;

const ALL: [Right; 4] = [Right::Read, Right::Add, Right::Update, Right::Delete];

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);

    /// Only this one.
    #[must_use]
    pub fn only(right: Right) -> Self {
        Self(match right {
            Right::Read => 1,
            Right::Add => 2,
            Right::Update => 4,
            Right::Delete => 8,
        })
    }

    /// What either has.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn has(self, right: Right) -> bool {
        self.0 & Self::only(right).0 != 0
    }

    /// Reads the first word of a line: `r`, and any of `a`, `d`, `u`, `w` (these three) and `o`,
    /// which means nothing.
    ///
    /// # Errors
    /// Why these are not such letters, as a sentence.
    pub fn parse(token: &str) -> Result<Self, String> {
        let mut rights = Self::NONE;
        for letter in token.chars() {
            let granted: &[Right] = match letter {
                'r' => &[Right::Read],
                'o' => &[],
                'w' => &[Right::Add, Right::Delete, Right::Update],
                'a' => &[Right::Add],
                'd' => &[Right::Delete],
                'u' => &[Right::Update],
                _ => return Err(format!("{token:?} are not rights: write letters of rowadu")),
            };
            rights = granted.iter().fold(rights, |rights, right| rights.and(Self::only(*right)));
        }
        if !rights.has(Right::Read) {
            return Err(format!(
                "{token:?} lacks the letter r, without which a line has no effect"
            ));
        }
        Ok(rights)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ALL.iter().filter(|right| self.has(**right)).map(Right::to_string);
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}
