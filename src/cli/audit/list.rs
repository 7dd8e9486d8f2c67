//! `pgairlock audit list`.

use super::Format;
use crate::audit::line::{Line, Listing, csv, guess};
use crate::audit::listed::Listed;
use crate::cli::deferred::{one_line, utc};

/// A cell of a table is cut after so many characters; the SQL at the end of a line is not.
const WIDEST: usize = 32;
/// But of the SQL no more than this.
const SQL: usize = 100;
const COLUMNS: [&str; 9] = ["ID", "WHEN", "TOOL", "VERSION", "ROLE", "DECISION", "RULE", "OUTCOME", "SQL"];

/// All of it.
pub(super) fn list(found: &[Listed], format: Format) -> Result<String, serde_json::Error> {
    let lines = || found.iter().map(|listed| Line::of(listed, None));
    Ok(match format {
        Format::Text if found.is_empty() => "nothing was found\n".into(),
        Format::Text => table(found),
        Format::Json => serde_json::to_string_pretty(&Listing::of(found))? + "\n",
        Format::Jsonl => lines().map(|line| serde_json::to_string(&line).map(|text| text + "\n")).collect::<Result<_, _>>()?,
        Format::Csv => {
            let rows = lines().map(|line| csv(line.cells().iter().map(String::as_str)));
            csv(Line::COLUMNS) + &rows.collect::<String>()
        }
    })
}

fn table(found: &[Listed]) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(found.iter().map(row));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// The cells of one decision.
pub(super) fn row(listed: &Listed) -> [String; 9] {
    let unknown = || "-".to_owned();
    let version = listed.version.as_ref().map_or_else(unknown, |version| match listed.direction.as_deref() {
        _ if listed.unfinished => format!("{version} (unfinished)"),
        Some("down") => format!("{version} (down)"),
        _ => version.clone(),
    });
    let cells = [
        listed.id.to_string(),
        utc(listed.at_unix_micros),
        listed.tool.clone().or_else(|| guess(listed).map(|tool| format!("{tool} (guessed)"))).unwrap_or_else(unknown),
        version,
        listed.role.clone(),
        listed.decision.clone(),
        if listed.rules.is_empty() { unknown() } else { listed.rules.clone() },
        listed.standing.words(),
    ];
    let [a, b, c, d, e, f, g, h] = cells.map(|cell| cut(&one_line(&cell), WIDEST));
    [a, b, c, d, e, f, g, h, cut(&one_line(&listed.head), SQL)]
}

/// One line of a table with columns of these widths.
pub(super) fn line(row: &[String; 9], widths: &[usize]) -> String {
    let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    format!("{}\n", cells.join("  ").trim_end())
}

pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(std::iter::once('…')).collect()
}
