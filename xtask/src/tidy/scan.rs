//! Rust text with comments and literals blanked out, so that a rule looks at code alone.

/// The text with the same lines and columns, but spaces for the insides of comments, strings and characters.
pub(super) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = chars.get(at..).unwrap_or_default();
        let (kept, blanked) = match rest {
            ['/', '/', ..] => (0, until(rest, 2, |rest| rest.starts_with(&['\n']))),
            ['/', '*', ..] => (0, block_comment(rest)),
            ['r', ..] if !is_word_before(&chars, at) && raw_string(rest).is_some() => {
                (0, raw_string(rest).unwrap_or(1))
            }
            ['"', ..] => (0, string(rest)),
            ['\'', ..] => character(rest).map_or((1, 0), |length| (0, length)),
            _ => (1, 0),
        };
        code.extend(rest.iter().take(kept));
        code.extend(rest.iter().skip(kept).take(blanked).map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at += (kept + blanked).max(1);
    }
    code
}

fn is_word_before(chars: &[char], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| chars.get(before))
        .is_some_and(|c| c.is_alphanumeric() && *c != 'b' || *c == '_')
}

/// The length up to where `ends` holds, or all of it.
fn until(rest: &[char], from: usize, ends: impl Fn(&[char]) -> bool) -> usize {
    (from..rest.len()).find(|at| ends(rest.get(*at..).unwrap_or_default())).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        match here {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// `r"…"` or `r#"…"#`; `None`: an identifier.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().skip(1).take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    Some((until(rest, 2 + hashes, |rest| rest.starts_with(&end)) + end.len()).min(rest.len()))
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while let Some(c) = rest.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'x'` or `'\n'`; `None`: a lifetime.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        [_, '\\', _, tail @ ..] => tail.iter().position(|c| *c == '\'').map(|at| at + 4),
        [_, _, '\'', ..] => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn only_code_is_left() {
        let blanked = |text: &str| code(text).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(blanked("a /* b /* c */ d */ e // f\ng"), "a e g");
        assert_eq!(blanked(r#"x = "unsafe \" { "; y"#), "x = ; y");
        assert_eq!(blanked("x = r#\"a \" b\"#; for y in r"), "x = ; for y in r");
        assert_eq!(
            blanked(r"match c { '\'' => 1, '\\' => 2, 'x' => 3, '\u{7f}' => 4 } &'static str"),
            "match c { => 1, => 2, => 3, => 4 } &'static str"
        );
        assert_eq!(code("a\n/*\n\n*/b\"\n\"c").lines().count(), 5, "lines stay where they are");
    }
}
