//! Config as written: every key optional, every value with its place, nothing checked beyond its type.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::keys;
use super::network::Network;
use super::problem::Problems;
use super::units;

/// A key that may be absent.
pub(super) type Maybe<T> = Option<Written<T>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listener: Maybe<Vec<Spanned<Listener>>>,
    pub(super) upstream: Maybe<Vec<Spanned<Upstream>>>,
    pub(super) timeouts: Maybe<Timeouts>,
    pub(super) rules: Maybe<BTreeMap<Spanned<String>, Written<Severity>>>,
    pub(super) thresholds: Maybe<BTreeMap<Spanned<String>, Written<SizeText>>>,
    pub(super) exempt: Maybe<Vec<Spanned<Exempt>>>,
    pub(super) directive: Maybe<Vec<Spanned<Directive>>>,
    pub(super) approval: Maybe<Vec<Spanned<Approval>>>,
    pub(super) protect: Maybe<Vec<Spanned<Protect>>>,
    pub(super) after_commit: Maybe<AfterCommit>,
    pub(super) store: Maybe<Store>,
    pub(super) admin: Maybe<Admin>,
    pub(super) telemetry: Maybe<Telemetry>,
    pub(super) monitor: Maybe<Monitor>,
    pub(super) limits: Maybe<Limits>,
    pub(super) webhook: Maybe<Vec<Spanned<Webhook>>>,
}

/// `[[listener]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    pub(super) name: Maybe<String>,
    pub(super) address: Maybe<Address>,
    pub(super) mode: Maybe<Mode>,
    pub(super) tls: Maybe<ListenerTls>,
    pub(super) proxy_protocol: Maybe<bool>,
    pub(super) proxy_protocol_from: Maybe<Vec<NetworkText>>,
}

/// `tls` of a listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerTls {
    pub(super) mode: Maybe<ListenerTlsMode>,
    pub(super) certificate: Maybe<PathBuf>,
    pub(super) key: Maybe<PathBuf>,
    pub(super) client_ca: Maybe<PathBuf>,
    pub(super) client_cert: Maybe<ClientCert>,
}

/// `[[upstream]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) name: Maybe<String>,
    pub(super) databases: Maybe<Vec<String>>,
    pub(super) hosts: Maybe<Vec<String>>,
    pub(super) tls: Maybe<UpstreamTls>,
    pub(super) pooler: Maybe<Pooler>,
}

/// `tls` of an upstream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamTls {
    pub(super) mode: Maybe<UpstreamTlsMode>,
    pub(super) ca: Maybe<PathBuf>,
}

/// `[timeouts]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    pub(super) lock: Maybe<DurationText>,
    pub(super) lock_try: Maybe<DurationText>,
    pub(super) lock_pause: Maybe<DurationText>,
    pub(super) lock_total: Maybe<DurationText>,
    pub(super) connect: Maybe<DurationText>,
    pub(super) login: Maybe<DurationText>,
    pub(super) drain: Maybe<DurationText>,
    pub(super) store: Maybe<DurationText>,
    pub(super) step: Maybe<DurationText>,
}

/// `[[exempt]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exempt {
    pub(super) role: Maybe<String>,
    pub(super) database: Maybe<String>,
    pub(super) table: Maybe<String>,
    pub(super) application_name: Maybe<String>,
    pub(super) rules: Maybe<Vec<Spanned<String>>>,
    pub(super) reason: Maybe<String>,
}

/// `[[directive]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directive {
    pub(super) role: Maybe<String>,
    pub(super) database: Maybe<String>,
    pub(super) application_name: Maybe<String>,
    pub(super) rules: Maybe<Vec<Spanned<String>>>,
}

/// `[[approval]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    pub(super) role: Maybe<String>,
    pub(super) database: Maybe<String>,
    pub(super) application_name: Maybe<String>,
    pub(super) rules: Maybe<Vec<Spanned<String>>>,
    pub(super) people: Maybe<u32>,
    pub(super) wait: Maybe<DurationText>,
}

/// `[[protect]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Protect {
    pub(super) table: Maybe<String>,
    pub(super) reason: Maybe<String>,
}

/// `[store]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) path: Maybe<PathBuf>,
    pub(super) url: Maybe<String>,
    pub(super) password_file: Maybe<PathBuf>,
    pub(super) signing_key: Maybe<PathBuf>,
    pub(super) checkpoints: Maybe<PathBuf>,
    pub(super) retention: Maybe<DurationText>,
    pub(super) literals: Maybe<Literals>,
    pub(super) record: Maybe<Record>,
}

/// `[admin]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) address: Maybe<Address>,
    pub(super) dashboard: Maybe<Dashboard>,
    pub(super) tokens: Maybe<PathBuf>,
    pub(super) identity_header: Maybe<String>,
    pub(super) trusted_proxies: Maybe<Vec<NetworkText>>,
    pub(super) url: Maybe<String>,
    pub(super) tls: Maybe<AdminTls>,
    pub(super) user: Maybe<Vec<Spanned<AdminUser>>>,
}

/// `[admin.tls]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminTls {
    pub(super) certificate: Maybe<PathBuf>,
    pub(super) key: Maybe<PathBuf>,
    pub(super) client_ca: Maybe<PathBuf>,
}

/// `[[admin.user]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminUser {
    pub(super) name: Maybe<String>,
    pub(super) subject: Maybe<String>,
    pub(super) role: Maybe<AdminRole>,
}

/// `[telemetry]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Telemetry {
    pub(super) otlp_endpoint: Maybe<String>,
}

/// `[after_commit]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AfterCommit {
    pub(super) defer: Maybe<bool>,
    pub(super) hold: Maybe<DurationText>,
    pub(super) search: Maybe<DurationText>,
}

/// `[monitor]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Monitor {
    pub(super) user: Maybe<String>,
    pub(super) password_file: Maybe<PathBuf>,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) small_table: Maybe<SizeText>,
    pub(super) statement: Maybe<SizeText>,
    pub(super) sessions: Maybe<usize>,
}

/// `[[webhook]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) name: Maybe<String>,
    pub(super) url: Maybe<String>,
    pub(super) format: Maybe<WebhookFormat>,
    pub(super) events: Maybe<Vec<Spanned<String>>>,
    pub(super) databases: Maybe<Vec<String>>,
    pub(super) roles: Maybe<Vec<String>>,
    pub(super) secret_file: Maybe<PathBuf>,
    pub(super) ca: Maybe<PathBuf>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WebhookFormat {
    Json,
    Slack,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dashboard {
    On,
    Off,
    Open,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AdminRole {
    Viewer,
    Approver,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Enforce,
    Warn,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListenerTlsMode {
    Disable,
    Prefer,
    Require,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientCert {
    Optional,
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UpstreamTlsMode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pooler {
    None,
    Session,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Literals {
    Keep,
    Redact,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Record {
    Ddl,
    All,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Refuse,
    Warn,
    Off,
}

/// `2s`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct DurationText(pub(super) Duration);

impl TryFrom<String> for DurationText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        units::duration(&text).map(Self)
    }
}

/// `1MB`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SizeText(pub(super) u64);

impl TryFrom<String> for SizeText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        units::size(&text).map(Self)
    }
}

/// `127.0.0.1:6432`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Address(pub(super) SocketAddr);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hint = || format!("\"{text}\" is not an address to listen on; write an IP address and a port, such as \"127.0.0.1:6432\"");
        text.parse().map(Self).map_err(|_| hint())
    }
}

/// `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct NetworkText(pub(super) Network);

impl TryFrom<String> for NetworkText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Network::read(&text).map(Self)
    }
}

/// A value and its place. A value of the wrong type is kept as a problem, so that one mistake does not hide the next.
#[derive(Debug)]
pub(super) struct Written<T> {
    pub(super) value: Result<T, String>,
    pub(super) span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Lenient<T>>::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(Self { value: spanned.into_inner().0, span })
    }
}

struct Lenient<T>(Result<T, String>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(T::deserialize(deserializer).map_err(|error| error.to_string().trim_end().to_owned())))
    }
}

/// Reads TOML. Unknown keys are reported and left out; `None` when it is not TOML at all.
pub(super) fn parse(text: &str, problems: &mut Problems<'_>) -> Option<File> {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            problems.at(&error.span().unwrap_or_default(), error.message().trim_end());
        }
        return None;
    }
    keys::take_unknown(root.get_mut(), problems);
    let span = root.span();
    let value = Spanned::new(span.clone(), DeValue::Table(root.into_inner()));
    File::deserialize(ValueDeserializer::from(value)).map_err(|error| problems.at(&error.span().unwrap_or(span), error.message())).ok()
}
