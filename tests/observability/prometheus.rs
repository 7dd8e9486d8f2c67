//! A real Prometheus, with the files of config/.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{directory, free_port, root};

/// Where its programs are; without them nothing here can be shown.
fn programs() -> &'static PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let output = Command::new(root().join("scripts/prometheus")).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().into()
    })
}

/// Runs promtool on files of the repository; it has to like them.
pub(crate) fn promtool(arguments: &[&str]) {
    let output = Command::new(programs().join("promtool")).args(arguments).current_dir(root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("SUCCESS"), "promtool {arguments:?}: {said}");
}

/// A running Prometheus; it ends when this is dropped.
pub(crate) struct Prometheus {
    port: u16,
    child: Child,
}

impl Prometheus {
    /// With config/prometheus.yml, but for the target's address and faster.
    pub(crate) fn start(admin_port: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let home = directory("prometheus").join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir_all(&home).unwrap();
        let mut config = std::fs::read_to_string(root().join("config/prometheus.yml")).unwrap();
        for (ours, tested) in [
            ("pgairlock:9187", format!("127.0.0.1:{admin_port}")),
            ("scrape_interval: 5s", "scrape_interval: 250ms".to_owned()),
            ("evaluation_interval: 15s", "evaluation_interval: 250ms".to_owned()),
        ] {
            assert!(config.contains(ours), "config/prometheus.yml has no {ours:?}");
            config = config.replace(ours, &tested);
        }
        std::fs::write(home.join("prometheus.yml"), config).unwrap();
        std::fs::copy(root().join("config/prometheus-alerts.yml"), home.join("prometheus-alerts.yml")).unwrap();
        let port = free_port();
        let mut command = Command::new(programs().join("prometheus"));
        command.arg(format!("--config.file={}", home.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let log = std::fs::File::create(home.join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut prometheus = Self { port, child };
        let deadline = Instant::now() + Duration::from_secs(60);
        while prometheus.value("up{job=\"pgairlock\"}") != Some(1.0) {
            let ended = prometheus.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(home.join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "Prometheus does not read pgairlock: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        prometheus
    }

    /// `data` of an answer of its API, which has to be a success.
    pub(crate) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        self.ask(path, parameters).unwrap_or_else(|error| panic!("{path} {parameters:?}: {error}"))
    }

    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        // Of HTTP 1.0 the answer comes in one piece.
        write!(socket, "GET {path}?{} HTTP/1.0\r\n\r\n", query.join("&")).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        let body = answer.split("\r\n\r\n").nth(1).ok_or_else(|| answer.clone())?;
        let mut body: Value = serde_json::from_str(body).map_err(|_| answer.clone())?;
        if body["status"] == "success" { Ok(body["data"].take()) } else { Err(body.to_string()) }
    }

    /// The first value of an expression, if it has any.
    pub(crate) fn value(&self, expression: &str) -> Option<f64> {
        self.ask("/api/v1/query", &[("query", expression)]).ok()?["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// `pending` or `firing`; `None` where the alert does neither.
    pub(crate) fn alert(&self, name: &str) -> Option<String> {
        let alerts = self.get("/api/v1/alerts", &[]);
        let found = alerts["alerts"].as_array().unwrap().iter().find(|alert| alert["labels"]["alertname"] == name)?;
        found["state"].as_str().map(str::to_owned)
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
