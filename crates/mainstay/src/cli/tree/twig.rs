//! How a tree looks as text.

/// What its lines are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Lines,
    Ascii,
}

/// One line of a tree and those below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Twig {
    pub(super) name: String,
    /// In a column of their own.
    pub(super) details: String,
    pub(super) below: Vec<Twig>,
}

impl Twig {
    pub(super) fn leaf(name: String, details: String) -> Self {
        Self { name, details, below: Vec::new() }
    }
}

impl Style {
    /// Before one with others after it, before the last, and below each of these.
    fn pieces(self) -> [&'static str; 4] {
        match self {
            Self::Lines => ["├─ ", "└─ ", "│  ", "   "],
            Self::Ascii => ["|- ", "`- ", "|  ", "   "],
        }
    }
}

/// All twigs, one a line, their details lined up.
pub(super) fn text(twigs: &[Twig], style: Style) -> String {
    let mut rows = Vec::new();
    for twig in twigs {
        rows.push((twig.name.clone(), twig.details.as_str()));
        grow(&twig.below, "", style, &mut rows);
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, details)| {
        let gap = if details.is_empty() { 0 } else { width - name.chars().count() + 2 };
        format!("{name}{:gap$}{details}", "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn grow<'t>(twigs: &'t [Twig], above: &str, style: Style, rows: &mut Vec<(String, &'t str)>) {
    let [more, last, past, clear] = style.pieces();
    for (number, twig) in twigs.iter().enumerate() {
        let is_last = number + 1 == twigs.len();
        rows.push((format!("{above}{}{}", if is_last { last } else { more }, twig.name), &twig.details));
        grow(&twig.below, &format!("{above}{}", if is_last { clear } else { past }), style, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lead_from_each_to_its_own() {
        let leaf = |name: &str| Twig::leaf(name.to_owned(), "up".to_owned());
        let middle = Twig { below: vec![leaf("c")], ..leaf("b") };
        let tree = [Twig { below: vec![middle, leaf("d")], ..leaf("a") }, leaf("alone")];
        assert_eq!(text(&tree, Style::Lines), "a        up\n├─ b     up\n│  └─ c  up\n└─ d     up\nalone    up");
        assert_eq!(text(&tree, Style::Ascii).lines().nth(2), Some("|  `- c  up"));
    }
}
