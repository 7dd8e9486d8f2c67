//! Approvals by a click, over HTTP: who may, as whom, and how often.

use super::board_tests::{Lab, record};
use super::*;
use crate::audit::approval::{RecordedApproval, Request, Word};
use crate::audit::record::Record;
use crate::config::admin::{AdminUser, DashboardSettings, Role, Who};

const FINGERPRINT: &str = "3f9a2c81d04b00112233445566778899aabbccddeeff00112233445566778899";
const PAGE: &str = "/approvals/3f9a2c81d04b";

impl Lab {
    /// A refusal that so many persons may lift.
    async fn with_a_refusal(&self, people: i64) {
        let approval = RecordedApproval { fingerprint: FINGERPRINT.into(), rules: vec!["drop-table".into()], people, given: Vec::new(), used: None };
        let refused = Record { approval: Some(approval), ..record("DROP TABLE <orders>", "refuse") };
        self.store.record(refused).await.unwrap();
        while self.store.underived().await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Whom a proxy before it names is an approver.
    async fn behind_a_proxy() -> Self {
        Self::with(DashboardSettings {
            identity_header: Some("x-forwarded-user".into()),
            trusted_proxies: vec![crate::config::network::Network::read("127.0.0.1").unwrap()],
            users: vec![AdminUser { who: Who::Name("*".into()), role: Role::Approver }],
            ..DashboardSettings::default()
        })
        .await
    }

    async fn request(&self) -> Request {
        self.store.request(FINGERPRINT.into()).await.unwrap().pop().unwrap()
    }

    async fn words(&self) -> Vec<Word> {
        self.request().await.words
    }

    /// The fields of a form that the page has filled in by itself.
    async fn hidden(&self, who: &str) -> String {
        let page = self.get(PAGE, who).await;
        assert_eq!(page.status, 200, "{}", page.body);
        ["csrf", "seen"].map(|name| format!("{name}={}", value(&page.body, name))).join("&")
    }
}

fn value<'a>(page: &'a str, name: &str) -> &'a str {
    page.split(&format!("name=\"{name}\" value=\"")).nth(1).map_or("", |rest| rest.split('"').next().unwrap())
}

fn named(name: &str) -> String {
    format!("X-Forwarded-User: {name}\r\n")
}

const APPROVE: &str = "/approvals/3f9a2c81d04b/approve";
const REVOKE: &str = "/approvals/3f9a2c81d04b/revoke";

#[tokio::test]
async fn a_click_is_an_approval_in_the_name_that_is_known() {
    let (lab, [viewer, approver]) = Lab::with_tokens().await;
    lab.with_a_refusal(1).await;
    let (looks, decides) = (lab.logged_in(&viewer).await, lab.logged_in(&approver).await);
    lab.get("/approvals", &looks).await.has(&["waits for a person", PAGE, "deployer, shop", "drop-table"]);
    let page = lab.get(PAGE, &looks).await;
    page.has(&["DROP TABLE &lt;orders&gt;", "loses all of it", "Who has the role approver decides here", FINGERPRINT]);
    assert!(!page.body.contains("<textarea") && !page.body.contains("DROP TABLE <orders>"), "{}", page.body);
    let form = format!("{}&reason=unread+since+March&expires=7d&uses=3", lab.hidden(&decides).await);
    assert_eq!(lab.post(APPROVE, &looks, &form).await.status, 403, "a viewer");
    let answer = lab.post(APPROVE, &decides, &form).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/approvals/3f9a2c81d04b?said=approved"));
    let words = lab.words().await;
    let [word] = words.as_slice() else { panic!("{words:?}") };
    assert_eq!((word.by.as_str(), word.known_by.as_str(), word.reason.as_str()), ("adam", "token", "unread since March"));
    assert_eq!((word.uses, word.left, word.expires_unix_micros - word.at_unix_micros > 6 * 86_400_000_000), (3, 3, true));
    lab.get(answer.header("location"), &decides).await.has(&["Your approval stands in the log", "3 of 3 left", "Nothing is left to do here"]);
    lab.get("/approvals", &looks).await.has(&["<span class=\"mark good\">approved</span>"]);
}

#[tokio::test]
async fn two_clicks_are_one_approval() {
    let (lab, [_, approver]) = Lab::with_tokens().await;
    lab.with_a_refusal(1).await;
    let cookie = lab.logged_in(&approver).await;
    let form = format!("{}&reason=r&uses=1", lab.hidden(&cookie).await);
    let (one, other) = tokio::join!(lab.post(APPROVE, &cookie, &form), lab.post(APPROVE, &cookie, &form));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    [one, other].iter().find(|answer| answer.status == 409).unwrap().has(&["or your first click", "role=\"alert\""]);
    assert_eq!(lab.words().await.len(), 1);
    let anew = format!("{}&reason=once+more", lab.hidden(&cookie).await);
    assert_eq!(lab.post(APPROVE, &cookie, &anew).await.status, 303, "on purpose");
    assert_eq!(lab.words().await.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_told_and_what_was_written_stays() {
    let (lab, [_, approver]) = Lab::with_tokens().await;
    lab.with_a_refusal(1).await;
    let cookie = lab.logged_in(&approver).await;
    let hidden = lab.hidden(&cookie).await;
    let wrong = lab.post(APPROVE, &cookie, &format!("{hidden}&reason=+&expires=30d&uses=2")).await;
    assert_eq!(wrong.status, 400);
    wrong.has(&["Nothing was written: the reason is empty; say why", "value=\"2\"", "<option value=\"30d\" selected>"]);
    for form in ["&reason=r&uses=101", "&reason=r&expires=91d", "&reason=r&expires=soon"] {
        assert_eq!(lab.post(APPROVE, &cookie, &format!("{hidden}{form}")).await.status, 400, "{form}");
    }
    assert_eq!(lab.post(APPROVE, &cookie, "reason=r&seen=0-0").await.status, 403, "without what the page says");
    assert_eq!(lab.post("/approvals/00000000/approve", &cookie, &format!("{hidden}&reason=r")).await.status, 404);
    assert_eq!(lab.get("/approvals/00000000", &cookie).await.status, 404);
    assert_eq!(lab.get("/approvals/xyz", &cookie).await.status, 400);
    assert!(lab.words().await.is_empty());
}

#[tokio::test]
async fn where_two_persons_are_needed_one_counts_once() {
    let lab = Lab::behind_a_proxy().await;
    lab.with_a_refusal(2).await;
    let (adam, eve) = (named("adam"), named("eve"));
    lab.get("/approvals", &adam).await.has(&["waits for 2 persons"]);
    let answer = lab.post(APPROVE, &adam, &format!("{}&reason=r", lab.hidden(&adam).await)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let own = lab.get(PAGE, &adam).await;
    own.has(&["approved by 1 of 2", "You have approved it. It takes 1 other person"]);
    assert!(!own.body.contains("<textarea"), "{}", own.body);
    assert!(!lab.request().await.is_approved(own_now()));
    let stale = lab.post(APPROVE, &eve, &format!("csrf={}&seen=0-0&reason=r", csrf(&lab, &eve).await)).await;
    assert_eq!(stale.status, 409, "a page of before: {}", stale.body);
    assert_eq!(lab.post(APPROVE, &eve, &format!("{}&reason=seen", lab.hidden(&eve).await)).await.status, 303);
    let request = lab.request().await;
    assert!(request.is_approved(own_now()), "{request:?}");
    let known: Vec<(&str, &str)> = request.words.iter().map(|word| (word.by.as_str(), word.known_by.as_str())).collect();
    assert_eq!(known, [("adam", "header"), ("eve", "header")]);
}

#[tokio::test]
async fn an_approval_is_taken_back_with_a_reason() {
    let lab = Lab::behind_a_proxy().await;
    lab.with_a_refusal(1).await;
    let (adam, eve) = (named("adam"), named("eve"));
    lab.post(APPROVE, &adam, &format!("{}&reason=r", lab.hidden(&adam).await)).await;
    let word = lab.words().await[0].id;
    let form = format!("csrf={}&word={word}", csrf(&lab, &eve).await);
    assert_eq!(lab.post(REVOKE, &eve, &format!("{form}&reason=")).await.status, 400);
    assert_eq!(lab.post(REVOKE, &eve, &format!("{}&reason=r", form.replace(&word.to_string(), "9-9"))).await.status, 400);
    assert!(!lab.words().await[0].revoked);
    let answer = lab.post(REVOKE, &eve, &format!("{form}&reason=the+plan+has+changed")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/approvals/3f9a2c81d04b?said=revoked"));
    assert!(lab.words().await[0].revoked);
    assert_eq!(lab.post(REVOKE, &eve, &format!("{form}&reason=r")).await.status, 409, "once");
    lab.get("/approvals", &eve).await.has(&["taken back"]);
}

#[tokio::test]
async fn a_program_approves_with_its_token() {
    let (lab, [viewer, approver]) = Lab::with_tokens().await;
    lab.with_a_refusal(1).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let listed: serde_json::Value = serde_json::from_str(&lab.get("/api/v1/approvals", &bearer(&viewer)).await.body).unwrap();
    assert_eq!(
        (&listed["version"], &listed["requests"][0]["fingerprint"], &listed["next"]),
        (&1.into(), &FINGERPRINT.into(), &serde_json::Value::Null)
    );
    assert_eq!(lab.post(APPROVE, &bearer(&viewer), "reason=r").await.status, 403);
    assert_eq!(lab.post(APPROVE, &bearer(&approver), "reason=r").await.status, 303);
    assert_eq!(lab.words().await.len(), 1);
    assert_eq!(lab.get("/api/v1/approvals?before=x", &bearer(&viewer)).await.status, 400);
}

async fn csrf(lab: &Lab, who: &str) -> String {
    value(&lab.get(PAGE, who).await.body, "csrf").to_owned()
}

fn own_now() -> i64 {
    board::now()
}
