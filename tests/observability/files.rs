//! The files that Prometheus and Grafana are given.

use std::collections::BTreeSet;

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use super::support::root;

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// YAML as JSON values.
fn value(node: &Yaml<'_>) -> Value {
    if let Some(entries) = node.as_mapping() {
        return entries.iter().map(|(key, inner)| (key.as_str().unwrap().to_owned(), value(inner))).collect();
    }
    node.as_sequence().map(|elements| elements.iter().map(value).collect()).or_else(|| node.as_str().map(Value::from)).unwrap_or(Value::Null)
}

/// The alerts of config/prometheus-alerts.yml.
pub(crate) fn alerts() -> Vec<Value> {
    let text = text("config/prometheus-alerts.yml");
    let file = value(&Yaml::load_from_str(&text).unwrap()[0]);
    file["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&text("config/grafana-dashboard.json")).unwrap()
}

/// Every expression of alerts, panels, variables and annotations, and where it stands; what Grafana fills in is filled in.
pub(crate) fn expressions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of_alerts = alerts().into_iter().map(|alert| (alert["alert"].to_string(), alert["expr"].as_str().unwrap().to_owned()));
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let of_panels = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().unwrap();
        targets.iter().map(|target| (panel["title"].to_string(), filled(target["expr"].as_str().unwrap()))).collect::<Vec<_>>()
    });
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let of_annotations = annotations.iter().map(|annotation| (annotation["name"].to_string(), filled(annotation["expr"].as_str().unwrap())));
    let of_variables = dashboard["templating"]["list"].as_array().unwrap().iter().filter_map(|variable| {
        let query = variable["query"]["query"].as_str()?;
        let (metric, _) = query.strip_prefix("label_values(")?.split_once(',')?;
        Some((variable["name"].to_string(), metric.to_owned()))
    });
    let all: Vec<_> = of_alerts.chain(of_panels).chain(of_annotations).chain(of_variables).collect();
    assert!(all.len() > 60 && all.iter().all(|(place, expression)| !expression.contains('$') || place.is_empty()), "{all:?}");
    all
}

fn filled(expression: &str) -> String {
    expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
}

/// The metrics that an expression names: words of ours that are neither labels nor strings.
pub(crate) fn metrics_named(expression: &str) -> BTreeSet<String> {
    let outside: String = expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    let words = outside.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("pgairlock_") || word.starts_with("process_") || *word == "up").map(str::to_owned).collect()
}
