//! Throw-away PostgreSQL servers, one per version and test process, dropped when the process ends, however it ends.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::certificates::certificates;
use super::client::{Session, connect_to};
use super::{free_port, root, skipped};

/// A running server: SCRAM for `postgres`, and roles for each other kind of login. It speaks TLS with the certificate of `certificates()`.
pub struct Cluster {
    pub version: String,
    pub port: u16,
    pub directory: PathBuf,
    databases: AtomicU32,
}

/// Who may log in how (besides `postgres` with SCRAM). They come before the lines of initdb.
const LOGINS: &str = "host all trusted 127.0.0.1/32 trust
host all clear 127.0.0.1/32 password
host all hashed 127.0.0.1/32 md5
hostssl all encrypted 127.0.0.1/32 trust
host all encrypted 127.0.0.1/32 reject
";

const ROLES: &str = "CREATE ROLE trusted LOGIN SUPERUSER;
CREATE ROLE encrypted LOGIN;
CREATE ROLE clear LOGIN PASSWORD 'clear';
SET password_encryption = 'md5';
CREATE ROLE hashed LOGIN PASSWORD 'hashed';";

/// PGAIRLOCK_TEST_VERSIONS (default: 15 and 18).
pub fn versions() -> Vec<String> {
    let versions = std::env::var("PGAIRLOCK_TEST_VERSIONS").unwrap_or_else(|_| "15 18".to_owned());
    assert!(!versions.trim().is_empty(), "PGAIRLOCK_TEST_VERSIONS names no version: nothing would be tested");
    versions.split_whitespace().map(str::to_owned).collect()
}

/// The servers of these versions that are to be had. One that is not is said, and is a failure in CI.
pub fn clusters() -> Vec<&'static Cluster> {
    let found = |version: String| shared(&version).map_err(|reason| skipped(&format!("PostgreSQL {version}: {reason}"))).ok();
    versions().into_iter().filter_map(found).collect()
}

/// The server of one version.
pub fn cluster(version: &str) -> &'static Cluster {
    shared(version).unwrap_or_else(|reason| panic!("no PostgreSQL {version}: {reason}"))
}

/// Started at the first call.
fn shared(version: &str) -> Result<&'static Cluster, String> {
    static STARTED: Mutex<BTreeMap<String, Result<&'static Cluster, String>>> = Mutex::new(BTreeMap::new());
    let mut started = STARTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    started.entry(version.to_owned()).or_insert_with(|| Cluster::start(version).map(|cluster| &*Box::leak(Box::new(cluster)))).clone()
}

impl Cluster {
    /// A server of its own, for tests that stop it; it goes when the process ends.
    pub fn start(version: &str) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pgairlock-test-{}-postgres-{version}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
        drop_at_exit(&directory);
        let cluster = Self { version: version.to_owned(), port: free_port(), directory, databases: AtomicU32::new(0) };
        cluster.run_script()?;
        // Callers may be inside a runtime: this needs one of its own.
        std::thread::scope(|scope| {
            scope.spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(cluster.set_up())).join().map_err(|_| "setting it up failed".to_owned())
        })?;
        Ok(cluster)
    }

    fn run_script(&self) -> Result<(), String> {
        let arguments = ["start", &self.version, &self.directory.display().to_string(), &self.port.to_string()].map(str::to_owned);
        let output = Command::new(root().join("scripts/cluster")).args(arguments).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Starts it again after `stop`, on the same port.
    pub fn restart(&self) {
        self.run_script().unwrap();
    }

    pub fn stop(&self) {
        let status = Command::new(root().join("scripts/cluster")).arg("stop").arg(&self.directory).arg("immediate").status().unwrap();
        assert!(status.success());
    }

    async fn set_up(&self) {
        let data = self.directory.join("data");
        let hba = data.join("pg_hba.conf");
        let lines = std::fs::read_to_string(&hba).unwrap();
        std::fs::write(&hba, format!("{LOGINS}{lines}")).unwrap();
        self.own_copy(&certificates().server.key, "tls.key");
        self.own_copy(&certificates().server.certificate, "tls.crt");
        let session = self.connect("postgres").await;
        session.batch_execute(ROLES).await.unwrap();
        for setting in ["ssl_cert_file = 'tls.crt'", "ssl_key_file = 'tls.key'", "ssl = on"] {
            session.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        session.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        tested_on(&session.value("SHOW server_version").await);
        // A reload happens some time later: it is there when a new session sees it.
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.connect("postgres").await.value("SHOW ssl").await.eq("on") {
            assert!(Instant::now() < deadline, "the server does not reload its configuration");
        }
    }

    /// A private key has to belong to the server's user.
    fn own_copy(&self, file: &Path, name: &str) {
        let data = self.directory.join("data");
        let (owner, copy) = (std::fs::metadata(&data).unwrap(), data.join(name));
        std::fs::copy(file, &copy).unwrap();
        chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// The name of a new, empty database.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        name
    }

    /// The name of a new database with what this one has, which nobody may be using.
    pub async fn copy_of(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres").await.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        name
    }

    /// Waits until the session with this process id (four bytes of BackendKeyData) is in `pg_sleep`.
    pub async fn until_asleep(&self, pid: &[u8]) {
        let pid = u32::from_be_bytes(pid.try_into().unwrap());
        let session = self.connect("postgres").await;
        let deadline = Instant::now() + Duration::from_secs(60);
        while session.value(&format!("SELECT wait_event FROM pg_stat_activity WHERE pid = {pid}")).await != "PgSleep" {
            assert!(Instant::now() < deadline, "session {pid} does not sleep");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A session of the superuser, directly.
    pub async fn connect(&self, database: &str) -> Session {
        connect_to(self.port, &format!("user=postgres password=postgres dbname={database}")).await.unwrap()
    }
}

/// Notes a server's own word for its version in the file PGAIRLOCK_TESTED_ON, where somebody (`make test`) wants to know what really ran.
fn tested_on(version: &str) {
    if let Some(file) = std::env::var_os("PGAIRLOCK_TESTED_ON") {
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{version}\n").as_bytes()).unwrap();
    }
}

/// A shell that waits for the end of this process, seen as the end of its input, and then drops what is there.
fn at_exit(script: &str, argument: &Path) {
    static WATCHERS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("cat >/dev/null; {script}")).arg(root().join("scripts/cluster")).arg(argument);
    // Not in our process group: an interrupt at the terminal must not end it first.
    let watcher = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    WATCHERS.lock().unwrap().push(watcher);
}

fn drop_at_exit(directory: &Path) {
    at_exit(r#"exec "$0" drop "$1""#, directory);
}

/// Ends a process of ours with this one.
pub fn kill_at_exit(pid: u32) {
    at_exit(r#"exec kill "$1""#, Path::new(&pid.to_string()));
}

pub fn remove_at_exit(directory: &Path) {
    at_exit(r#"exec rm -rf "$1""#, directory);
}
