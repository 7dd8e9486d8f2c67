//! `[[webhook]]`.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;

use super::super::file::{self, Maybe, WebhookFormat};
use super::super::keys::suggestion;
use super::super::problem::Problems;
use super::super::settings::{WebhookSettings, WebhookUrl};
use super::{Context, optional, required, text};
use crate::notify::Format;
use crate::notify::event::Kind;

const SECTION: &str = "[[webhook]]";

/// Every webhook that could be read.
pub(super) fn all(written: Vec<(file::Webhook, Range<usize>)>, context: &Context<'_>, problems: &mut Problems<'_>) -> Vec<WebhookSettings> {
    let mut names = BTreeSet::new();
    written.into_iter().filter_map(|(webhook, at)| one(webhook, &at, &mut names, context, problems)).collect()
}

fn one(
    written: file::Webhook,
    at: &Range<usize>,
    names: &mut BTreeSet<String>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<WebhookSettings> {
    let name = text(written.name, SECTION, "name", at, problems);
    if let Some((name, span)) = &name
        && !names.insert(name.clone())
    {
        problems.at(span, format!("{SECTION} name: \"{name}\" names another webhook already"));
    }
    let url = url(written.url, at, problems);
    let format = required(written.format, SECTION, "format", at, problems);
    let secret_file = optional(written.secret_file, "[[webhook]] secret_file", problems);
    let ca = optional(written.ca, "[[webhook]] ca", problems);
    if let (Some(url), Some((_, span))) = (&url, &ca)
        && !url.https
    {
        // Believing in a check that does not happen is worse than none.
        problems.at(span, "[[webhook]] ca: certificates are checked only where url begins with https://");
    }
    Some(WebhookSettings {
        events: events(written.events, problems),
        databases: filter(written.databases, "databases", problems),
        roles: filter(written.roles, "roles", problems),
        secret_file: secret_file.map(|(path, _)| context.directory.join(path)),
        ca: ca.map(|(path, _)| context.directory.join(path)),
        name: name?.0,
        url: url?,
        format: match format?.0 {
            WebhookFormat::Json => Format::Json,
            WebhookFormat::Slack => Format::Slack,
        },
    })
}

/// Not repeated in a problem: it may be a secret.
fn url(written: Maybe<String>, at: &Range<usize>, problems: &mut Problems<'_>) -> Option<WebhookUrl> {
    let (url, span) = required(written, SECTION, "url", at, problems)?;
    WebhookUrl::read(&url).map_err(|why| problems.at(&span, format!("{SECTION} url: {why}"))).ok()
}

fn events(written: Maybe<Vec<Spanned<String>>>, problems: &mut Problems<'_>) -> Vec<Kind> {
    let Some((names, span)) = optional(written, "[[webhook]] events", problems) else { return Kind::ALL.to_vec() };
    if names.is_empty() {
        problems.at(&span, "[[webhook]] events: is empty; name events, or leave the key out for all");
    }
    let mut kinds = Vec::new();
    for name in names {
        match Kind::named(name.get_ref()) {
            Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
            Some(_) => {}
            None => {
                let known = Kind::ALL.map(Kind::name);
                problems.at(&name.span(), format!("unknown event \"{}\" in {SECTION}{}", name.get_ref(), suggestion(name.get_ref(), &known)));
            }
        }
    }
    kinds
}

fn filter(written: Maybe<Vec<String>>, key: &str, problems: &mut Problems<'_>) -> Vec<String> {
    let Some((names, span)) = optional(written, &format!("{SECTION} {key}"), problems) else { return Vec::new() };
    if names.is_empty() {
        problems.at(&span, format!("{SECTION} {key}: is empty; name some, or leave the key out for all"));
    }
    names
}
