//! What was sent beside what ran.

use std::time::Duration;

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

/// Longer texts are shown one after the other: to compare them takes longer than anybody waits.
const LONGEST: usize = 100_000;

/// What differs everywhere is not compared to the end: a session may wait for this thread.
const LONGEST_COMPARED: Duration = Duration::from_millis(20);

/// Line by line: what was taken out with a minus before it, what came in with a plus. Only the text where it ran as it came.
pub(super) fn diff(sent: &str, ran: &[String]) -> Markup {
    if ran.is_empty() {
        return html! { pre { code { (sent) } } };
    }
    let ran = ran.iter().map(|step| format!("{};\n", step.trim_end().trim_end_matches(';'))).collect::<String>();
    let sent = format!("{};\n", sent.trim_end().trim_end_matches(';'));
    if sent.len() + ran.len() > LONGEST {
        return html! { ul.diff { li { del { "− " (sent) } } li { ins { "+ " (ran) } } } };
    }
    let compared = TextDiff::configure().timeout(LONGEST_COMPARED).diff_lines(&sent, &ran);
    html! {
        ul.diff {
            @for change in compared.iter_all_changes() {
                li {
                    @match change.tag() {
                        ChangeTag::Equal => { "  " (line(change.value())) }
                        ChangeTag::Delete => del { "− " (line(change.value())) },
                        ChangeTag::Insert => ins { "+ " (line(change.value())) },
                    }
                }
            }
        }
    }
}

fn line(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_became_of_them() {
        let made =
            diff("ALTER TABLE t\n  ADD CHECK (a > 0)", &["ALTER TABLE t\n  ADD CHECK (a > 0) NOT VALID".into(), "ALTER TABLE t VALIDATE".into()]);
        let text = made.into_string();
        assert!(text.contains("<li>  ALTER TABLE t</li>"), "{text}");
        assert!(text.contains("<del>−   ADD CHECK (a &gt; 0);</del>") && text.contains("<ins>+ ALTER TABLE t VALIDATE;</ins>"), "{text}");
        assert_eq!(diff("SELECT 1 < 2", &[]).into_string(), "<pre><code>SELECT 1 &lt; 2</code></pre>");
        assert!(diff(&"x\n".repeat(LONGEST), &["y".into()]).into_string().ends_with("<ins>+ y;\n</ins></li></ul>"));
    }
}
