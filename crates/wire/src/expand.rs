//! Values that refer to variables, and files of variables: what a program's environment is made of, as pure functions of text.

use crate::spec::Problem;

/// `text` with `${NAME}` and `%NAME%` replaced by what `lookup` knows; a name it doesn't know stays as written. `$${` stands for `${`.
/// What is put in is not looked at again.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut made = String::with_capacity(text.len());
    for piece in Pieces(text) {
        match piece {
            Piece::Text(text) => made.push_str(text),
            Piece::Escape => made.push_str("${"),
            Piece::Name { name, written } => match lookup(name) {
                Some(value) => made.push_str(&value),
                None => made.push_str(written),
            },
        }
    }
    made
}

/// The names that `text` refers to, in its order.
pub fn references(text: &str) -> impl Iterator<Item = &str> {
    Pieces(text).filter_map(|piece| match piece {
        Piece::Name { name, .. } => Some(name),
        Piece::Text(_) | Piece::Escape => None,
    })
}

/// A part of a text.
enum Piece<'t> {
    Text(&'t str),
    /// `$${`.
    Escape,
    /// `${NAME}` or `%NAME%`.
    Name {
        name: &'t str,
        written: &'t str,
    },
}

/// What is left of a text.
struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        if let Some(rest) = text.strip_prefix("$${") {
            self.0 = rest;
            return Some(Piece::Escape);
        }
        if let Some(name) = reference(text, "${", "}").or_else(|| reference(text, "%", "%")) {
            let length = name.len() + if text.starts_with('%') { 2 } else { 3 };
            let (written, rest) = text.split_at_checked(length)?;
            self.0 = rest;
            return Some(Piece::Name { name, written });
        }
        // Up to the next character that may begin something.
        let begin = |c: char| matches!(c, '$' | '%');
        let first = text.chars().next().map_or(0, char::len_utf8);
        let length = text.get(first..).and_then(|rest| rest.find(begin)).map_or(text.len(), |at| at + first);
        let (plain, rest) = text.split_at_checked(length)?;
        self.0 = rest;
        Some(Piece::Text(plain))
    }
}

/// The name at the beginning of `text` between these: `[A-Za-z_][A-Za-z0-9_()]*`, as in `%ProgramFiles(x86)%`.
fn reference<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(open)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | ')')))?;
    let (name, behind) = rest.split_at_checked(end)?;
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins_well && behind.starts_with(close)).then_some(name)
}

/// The variables of a file of `NAME=value` lines (dotenv), in its order; a name may come again.
///
/// Empty lines and lines that begin with `#` are left out, `export` before a name too. Values: in single quotes as they are; in double
/// quotes with `\n`, `\t`, `\"` and `\\`, also over several lines; else without the white space around and without a comment (` #`).
/// Nothing is put in: that is for [`expand`].
///
/// # Errors
/// The first line that can't be read.
pub fn env_file(text: &str) -> Result<Vec<(String, String)>, Problem> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut file = EnvFile { text, rest: body };
    let mut vars = Vec::new();
    while !file.rest.is_empty() {
        let line = file.line();
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let trimmed = line.trim_start();
        let exported = trimmed.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
        let assignment = exported.map_or(trimmed, str::trim_start);
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(file.problem(line, "there is no `=`: write NAME=value"));
        };
        let name = name.trim_end();
        if !is_name(name) {
            return Err(file.problem(line, &format!("`{name}` cannot be a variable's name")));
        }
        let value = file.value(line, value.trim_start())?;
        if value.contains('\0') {
            return Err(file.problem(line, "the value contains a NUL character, which no program can receive"));
        }
        vars.push((name.to_owned(), value));
    }
    Ok(vars)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '=' | '"' | '\''))
}

/// A file of variables and what of it was not read yet.
struct EnvFile<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> EnvFile<'t> {
    /// The next line without its end, which is then read.
    fn line(&mut self) -> &'t str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// About a part of the text.
    fn problem(&self, part: &str, message: &str) -> Problem {
        let start = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        Problem::new(self.text, start..start + part.len(), message.to_owned(), None)
    }

    /// The value that begins on `line`, which has been read.
    fn value(&mut self, line: &'t str, value: &'t str) -> Result<String, Problem> {
        if let Some(quoted) = value.strip_prefix('\'') {
            let (inside, behind) = quoted
                .split_once('\'')
                .ok_or_else(|| self.problem(line, "the single quote is not closed on its line"))?;
            self.only_a_comment(behind)?;
            return Ok(inside.to_owned());
        }
        if let Some(quoted) = value.strip_prefix('"') {
            return self.double_quoted(line, quoted);
        }
        let comment = value.char_indices().find(|(at, c)| {
            let before = value.get(..*at).unwrap_or_default();
            *c == '#' && (before.ends_with([' ', '\t']) || (before.is_empty() && begins_apart(line, value)))
        });
        let value = comment.and_then(|(at, _)| value.get(..at)).unwrap_or(value);
        Ok(value.trim_end().to_owned())
    }

    /// Up to the closing quote, over lines.
    fn double_quoted(&mut self, line: &'t str, first: &'t str) -> Result<String, Problem> {
        let mut made = String::new();
        let mut current = first;
        loop {
            let mut chars = current.char_indices();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        self.only_a_comment(current.get(at + 1..).unwrap_or_default())?;
                        return Ok(made);
                    }
                    '\\' => match chars.next() {
                        Some((_, 'n')) => made.push('\n'),
                        Some((_, 't')) => made.push('\t'),
                        Some((_, c @ ('"' | '\\'))) => made.push(c),
                        Some((_, other)) => made.extend(['\\', other]),
                        None => made.push('\\'),
                    },
                    c => made.push(c),
                }
            }
            if self.rest.is_empty() {
                return Err(self.problem(line, "the double quote is never closed"));
            }
            made.push('\n');
            current = self.line();
        }
    }

    /// Nothing else may stand behind a closing quote.
    fn only_a_comment(&self, behind: &str) -> Result<(), Problem> {
        let left = behind.trim();
        if left.is_empty() || left.starts_with('#') {
            return Ok(());
        }
        Err(self.problem(behind, "there is something behind the closing quote"))
    }
}

/// Whether white space stands before `value` in `line`.
fn begins_apart(line: &str, value: &str) -> bool {
    line.strip_suffix(value).is_some_and(|before| before.ends_with([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".to_owned()),
            "ProgramFiles(x86)" => Some("C:\\P".to_owned()),
            "LOOP" => Some("${A}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn names_are_replaced_and_everything_else_stays() {
        for (text, made) in [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "1"),
            ("%A%", "1"),
            ("x${A}y%A%z", "x1y1z"),
            ("%ProgramFiles(x86)%\\b", "C:\\P\\b"),
            ("${LOOP}", "${A}"),
            ("[${EMPTY}]", "[]"),
            ("${UNKNOWN} %UNKNOWN%", "${UNKNOWN} %UNKNOWN%"),
            ("%UNKNOWN%A%", "%UNKNOWN%A%"),
            ("100% of %A%", "100% of 1"),
            ("100%%A%", "100%1"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$A $ ${ ${} ${1A} ${A", "$A $ ${ ${} ${1A} ${A"),
            ("${a b} %a b%", "${a b} %a b%"),
            ("ä${A}字", "ä1字"),
            ("%", "%"),
            ("%%", "%%"),
        ] {
            assert_eq!(expand(text, known), made, "{text}");
        }
        assert_eq!(references("${A}%B%$${C} ${D}").collect::<Vec<_>>(), ["A", "B", "D"]);
    }

    #[test]
    fn files_of_variables_are_read() {
        for (text, expected) in [
            ("", vec![]),
            ("A=1", vec![("A", "1")]),
            ("\u{feff}A=1\r\nB=2\r\n", vec![("A", "1"), ("B", "2")]),
            ("# note\n\n  \t\n  # more\nA=1\n", vec![("A", "1")]),
            ("export A=1\nexport\tB=2\nexported=3", vec![("A", "1"), ("B", "2"), ("exported", "3")]),
            ("A = 1 \nB=  x y  ", vec![("A", "1"), ("B", "x y")]),
            (
                "A=1 # note\nB=1#2\nC=#2\nD= # note\nE=a\t#b",
                vec![("A", "1"), ("B", "1#2"), ("C", "#2"), ("D", ""), ("E", "a")],
            ),
            ("A=\nB=''\nC=\"\"", vec![("A", ""), ("B", ""), ("C", "")]),
            ("A='a \\n #b \"c\" ${X}' # note", vec![("A", "a \\n #b \"c\" ${X}")]),
            (r#"A="a\tb\n\"c\" \\ \x" # note"#, vec![("A", "a\tb\n\"c\" \\ \\x")]),
            ("A=\"one\r\ntwo\n\" \nB=2", vec![("A", "one\ntwo\n"), ("B", "2")]),
            ("A=x=y", vec![("A", "x=y")]),
            ("A=it's\nB=a\"b\"", vec![("A", "it's"), ("B", "a\"b\"")]),
            ("A=1\nA=2", vec![("A", "1"), ("A", "2")]),
            ("A.b-C=ä", vec![("A.b-C", "ä")]),
        ] {
            let expected: Vec<(String, String)> =
                expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(env_file(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_has_its_line() {
        for (text, expected) in [
            ("A=1\nB", "2:1: there is no `=`: write NAME=value"),
            ("A=1\n\n=2", "3:1: `` cannot be a variable's name"),
            ("a b=2", "1:1: `a b` cannot be a variable's name"),
            ("A='x\nB=2'", "1:1: the single quote is not closed on its line"),
            ("A=1\r\nB=\"x\nC=1\n", "2:1: the double quote is never closed"),
            ("A=\"x\"y", "1:6: there is something behind the closing quote"),
            ("A=x\0", "1:1: the value contains a NUL character, which no program can receive"),
        ] {
            assert_eq!(env_file(text).expect_err(text).to_string(), expected);
        }
    }
}
