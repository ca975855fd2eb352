//! [`read`]: which build of a Maven snapshot a file is of (spec gitlab §6.4).
//!
//! Deliberately absent: the grammar of other names, and which build is served.

/// A build of a snapshot: the one with the higher number is the later one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build {
    /// The how many-th build it is said to be.
    pub number: u64,
    /// When the client made it: `20181107.152550`.
    pub stamp: String,
}

/// Digits of the day, and of the time.
const STAMP: (usize, usize) = (8, 6);

/// Takes `app-1.0-20181107.152550-1-sources.jar` of version `1.0-SNAPSHOT` of `com/acme/app` apart:
/// what is behind the build, and the build. `None` for a file that is called otherwise.
#[must_use]
pub fn read(name: &str, version: &str, file: &str) -> Option<(String, Build)> {
    let artifact = name.rsplit_once('/').map_or(name, |(_, artifact)| artifact);
    let base = version.strip_suffix("-SNAPSHOT")?;
    let rest = file.strip_prefix(artifact)?.strip_prefix('-')?.strip_prefix(base)?;
    let (stamp, rest) = rest.strip_prefix('-')?.split_at_checked(STAMP.0 + 1 + STAMP.1)?;
    let (day, time) = stamp.split_once('.')?;
    let are_digits = [day, time].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let rest = rest.strip_prefix('-').filter(|_| day.len() == STAMP.0 && are_digits)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    let number = number.parse().ok().filter(|_| rest.starts_with(['-', '.']))?;
    Some((rest.to_owned(), Build { number, stamp: stamp.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str) -> Option<(String, Build)> {
        read("com/acme/app", "1.0-rc1-SNAPSHOT", file)
    }

    #[test]
    fn a_time_stamped_name_tells_its_build_and_its_kind() {
        for (file, stamp, number, kind) in [
            ("app-1.0-rc1-20181107.152550-1.jar", "20181107.152550", 1, ".jar"),
            ("app-1.0-rc1-20181107.152550-12-src.jar", "20181107.152550", 12, "-src.jar"),
            ("app-1.0-rc1-20181107.152551-3.tar.gz", "20181107.152551", 3, ".tar.gz"),
        ] {
            let build = Build { number, stamp: stamp.to_owned() };
            assert_eq!(of(file), Some((kind.to_owned(), build)), "{file}");
        }
    }

    #[test]
    fn other_names_have_none() {
        for file in [
            "app-1.0-rc1-SNAPSHOT.jar",
            "app-1.0-20181107.152550-1.jar",
            "lib-1.0-rc1-20181107.152550-1.jar",
            "app-1.0-rc1-20181107.152550.jar",
            "app-1.0-rc1-20181107.152550-.jar",
            "app-1.0-rc1-20181107.152550-1x.jar",
            "app-1.0-rc1-20181107.152550-1",
            "app-1.0-rc1-2018110.7152550-1.jar",
            "app-1.0-rc1-2018110\u{e9}.15255-1.jar",
            "app-1.0-rc1-20181107.152550-99999999999999999999.jar",
            "",
        ] {
            assert_eq!(of(file), None, "{file}");
        }
    }
}
