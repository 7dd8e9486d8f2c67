//! What psql does not send: its own commands, and the rows of a COPY.

/// The same text, in which that is blank; every byte stays where it is.
#[must_use]
pub(super) fn without_its_commands(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut in_rows = false;
    for line in text.split_inclusive('\n') {
        if in_rows || line.starts_with('\\') {
            in_rows &= line.trim_end() != "\\.";
            kept.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            let lower = line.trim_end().to_ascii_lowercase();
            in_rows = lower.starts_with("copy ") && lower.ends_with("from stdin;");
            kept.push_str(line);
        }
    }
    kept
}

/// Makes a part of the text blank; lines stay lines.
pub(super) fn blank(text: &mut String, span: std::ops::Range<usize>) {
    if let Some(part) = text.get(span.clone()) {
        let spaces: String = part.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        text.replace_range(span, &spaces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_rows_are_blank() {
        let text = "\\set ON_ERROR_STOP on\nSELECT 1;\nCOPY public.t (a) FROM stdin;\n1\tü\n\\.\nSELECT 2;\n";
        let kept = without_its_commands(text);
        assert_eq!(kept.len(), text.len());
        assert_eq!(kept.split_whitespace().collect::<Vec<_>>().join(" "), "SELECT 1; COPY public.t (a) FROM stdin; SELECT 2;");
    }
}
