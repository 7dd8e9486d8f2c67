//! The real binary on free ports.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Cluster, Session, connect_to, directory, free_port};

/// What is recorded where a test does not say it: PGAIRLOCK_TEST_RECORD=all runs any of them with every statement recorded.
fn record() -> String {
    std::env::var("PGAIRLOCK_TEST_RECORD").map_or_else(|_| String::new(), |record| format!("record = \"{record}\"\n"))
}

/// A running pgairlock. It is killed when this is dropped.
pub struct Proxy {
    pub port: u16,
    pub admin_port: u16,
    pub store: PathBuf,
    pub config: PathBuf,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Arc<Mutex<Reader>>,
    reads: Option<JoinHandle<()>>,
}

/// Who reads the log.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    /// Keeps every line.
    Reads,
    /// Holds the pipe and takes nothing more.
    Hangs,
    /// Has closed the pipe.
    Gone,
}

impl Proxy {
    /// In front of one server, plain on both sides; `more` is further TOML, of top-level tables.
    pub fn in_front_of(cluster: &Cluster, mode: &str, more: &str) -> Self {
        Self::in_front_of_with(cluster, mode, more, &[])
    }

    /// The same with these environment variables.
    pub fn in_front_of_with(cluster: &Cluster, mode: &str, more: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_with(&config(cluster, mode, more), environment)
    }

    /// In front of one server, enforcing, with these lines at the end of `[admin]`.
    pub fn with_admin(cluster: &Cluster, admin: &str) -> Self {
        Self::start_with_admin(&config(cluster, "enforce", ""), admin, &[])
    }

    /// With this configuration, in which `{listen}` stands for an address to listen on. `[store]` and `[admin]` are added; what else belongs into the
    /// former stands behind `[store]` in the configuration itself.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_with_admin(config, "", environment)
    }

    fn start_with_admin(config: &str, admin: &str, environment: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let home = directory("proxies").join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir_all(&home).unwrap();
        let (port, admin_port) = (free_port(), free_port());
        let (file, store) = (home.join("pgairlock.toml"), home.join("pgairlock.db"));
        let path = format!("[store]\npath = \"{}\"\n", store.display());
        let config = config.replace("{listen}", &format!("127.0.0.1:{port}"));
        let config = if config.contains("[store]\n") { config.replace("[store]\n", &path) } else { config + "\n" + &path + &record() };
        std::fs::write(&file, format!("{config}\n[admin]\naddress = \"127.0.0.1:{admin_port}\"\n{admin}")).unwrap();
        Self::launch(port, admin_port, store, file, environment)
    }

    /// The same once more, with the same store and on the same ports. What still runs of it is killed.
    pub fn again(mut self, environment: &[(&str, &str)]) -> Self {
        let _ = self.child.kill();
        let _ = self.child.wait();
        Self::launch(self.port, self.admin_port, self.store.clone(), self.config.clone(), environment)
    }

    fn launch(port: u16, admin_port: u16, store: PathBuf, file: PathBuf, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        command.args(["serve", "--config"]).arg(&file).envs(environment.iter().copied()).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = Arc::new(Mutex::new(Reader::Reads));
        let stays = Arc::clone(&reader);
        let reads = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let now = *stays.lock().unwrap();
                match now {
                    Reader::Reads => kept.lock().unwrap().push_str(&(line + "\n")),
                    Reader::Gone => return,
                    Reader::Hangs => loop {
                        std::thread::park();
                    },
                }
            }
        });
        let mut proxy = Self { port, admin_port, store, config: file, child, log, reader, reads: Some(reads) };
        proxy.wait_until_ready();
        proxy
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        // By TLS it is not asked here: then it is as ready as its log says.
        let by_tls = std::fs::read_to_string(&self.config).unwrap().contains("[admin.tls]");
        let is_ready = |proxy: &Self| match by_tls {
            true => proxy.log().contains("\"listener\":\"migrations\""),
            false => proxy.http("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")),
        };
        while !is_ready(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("pgairlock ended with {status}: {}", self.log());
            }
            assert!(Instant::now() < deadline, "pgairlock is not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The store, a file, once all of its log can be searched for: rows like `records` follow from entries a moment after these are on disk.
    pub fn searchable(&self) -> rusqlite::Connection {
        const BEHIND: &str = "SELECT count(*) FROM writers w
            WHERE EXISTS (SELECT 1 FROM entries e WHERE e.id > (w.number << 40) + w.derived AND e.id < (w.number + 1) << 40)";
        let store = rusqlite::Connection::open(&self.store).unwrap();
        store.busy_timeout(Duration::from_secs(20)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while store.query_row(BEHIND, [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
            assert!(Instant::now() < deadline, "the log cannot be searched: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        store
    }

    /// Status line, headers and body of an admin page; `None` while nobody listens.
    pub fn http(&self, path: &str) -> Option<String> {
        self.http_with(path, "")
    }

    /// The same with further headers, each with its end of line.
    pub fn http_with(&self, path: &str, headers: &str) -> Option<String> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.admin_port)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// What the log has of each decision, oldest first.
    pub fn exported(&self) -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        let output = command.env_clear().args(["audit", "export", "--format", "jsonl", "--store"]).arg(&self.store).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The log lines of an event, as JSON.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let lines: Vec<Value> = self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.into_iter().filter(|line| line["event"] == name).collect()
    }

    /// The first log line of an event with this text in it, once it is there.
    pub async fn event(&self, name: &str, text: &str) -> Value {
        let mut found = None;
        super::until(&format!("a line {name} with {text}"), async || {
            found = self.events(name).into_iter().find(|line| line.to_string().contains(text));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// What it has written to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// From the next line on.
    pub fn log_is_read_by(&self, reader: Reader) {
        *self.reader.lock().unwrap() = reader;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Is the process still running?
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by its name, as `kill` knows it.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end and returns its exit code; the log is complete then, unless its reader hangs.
    pub fn wait(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let hangs = matches!(*self.reader.lock().unwrap(), Reader::Hangs);
        if let Some(reads) = self.reads.take().filter(|_| !hangs) {
            reads.join().unwrap();
        }
        code
    }

    /// A session of the superuser through the proxy.
    pub async fn connect(&self, database: &str) -> Session {
        connect_to(self.port, &format!("user=postgres password=postgres dbname={database}"))
            .await
            .unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()))
    }
}

fn config(cluster: &Cluster, mode: &str, more: &str) -> String {
    let port = cluster.port;
    format!(
        "[[listener]]\nname = \"migrations\"\naddress = \"{{listen}}\"\nmode = \"{mode}\"\n\
         [[upstream]]\nname = \"main\"\ndatabases = [\"*\"]\nhosts = [\"127.0.0.1:{port}\"]\ntls = {{ mode = \"disable\" }}\n{more}"
    )
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- pgairlock's log:\n{}", self.log());
        }
    }
}
