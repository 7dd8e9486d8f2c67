//! What is around every page.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use crate::admin::access::{By, Visitor};
use crate::admin::assets::{SCRIPT, STYLE};
use crate::admin::gate::{LOGIN, LOGOUT};

/// Where in the navigation a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Here {
    Sessions,
    Migrations,
    Work,
    Refusals,
    Approvals,
    Search,
    Nowhere,
}

/// In this order. A page that is to be found gets a line here.
const NAVIGATION: [(Here, &str, &str); 6] = [
    (Here::Sessions, "/", "Sessions"),
    (Here::Migrations, "/migrations", "Migrations"),
    (Here::Work, "/work", "After-commit work"),
    (Here::Refusals, "/refusals", "Refusals"),
    (Here::Approvals, "/approvals", "Approvals"),
    (Here::Search, "/search", "Search"),
];

pub(super) fn page(title: &str, here: Here, visitor: Option<&Visitor>, body: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · pgairlock" }
                link rel="stylesheet" href=(STYLE.path);
                link rel="icon" href="data:,";
                script src=(SCRIPT.path) {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    div {
                        a.brand href="/" { "pgairlock" }
                        @if visitor.is_some() { (navigation(here)) }
                        div.who {
                            @if let Some(visitor) = visitor { (who(visitor)) }
                            button type="button" data-choose-theme hidden { "Dark" }
                        }
                    }
                }
                main id="main" tabindex="-1" { (body) }
            }
        }
    };
    Html(page.into_string())
}

fn navigation(here: Here) -> Markup {
    html! {
        nav aria-label="Pages" {
            ul {
                @for (place, path, name) in NAVIGATION {
                    li { a href=(path) aria-current=[(place == here).then_some("page")] { (name) } }
                }
            }
        }
    }
}

fn who(visitor: &Visitor) -> Markup {
    html! {
        span {
            @match &visitor.name {
                Some(name) => { (name) " (" (visitor.role.label()) ")" }
                None => { "not logged in (" (visitor.role.label()) ")" }
            }
        }
        @if visitor.by == By::Cookie {
            form method="post" action=(LOGOUT) {
                (csrf(visitor))
                button type="submit" { "Log out" }
            }
        }
    }
}

/// The field without which no form of ours is taken; see `gate::Posted`.
pub(super) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

/// The page on which a token is asked for.
pub(in crate::admin) fn login_page(next: &str, wrong: Option<&str>) -> Html<String> {
    let body = html! {
        h1 { "Log in" }
        @if let Some(wrong) = wrong { p.mark.bad role="alert" { (wrong) } }
        form.login method="post" action=(LOGIN) {
            input type="hidden" name="next" value=(next);
            div {
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
            }
            div { button.main type="submit" { "Log in" } }
        }
        p.soft { "Tokens are made with " code { "pgairlock admin token NAME" } "." }
    };
    page("Log in", Here::Nowhere, None, &body)
}
