//! Dockerfile, docker-compose.yml and config/prometheus.yml agree with the program and with each other.
//!
//! No container engine is needed: the files are read, and the command lines in them are given to the program's own parser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pgairlock::config::settings::Timeouts;
use pgairlock::config::units;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value, json};

const SERVICE: &str = "pgairlock";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    let text = text(path);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    value(&documents[0])
}

/// YAML as JSON values: what is absent indexes as null.
fn value(node: &Yaml<'_>) -> Value {
    if let Some(entries) = node.as_mapping() {
        return entries.iter().map(|(key, inner)| (key.as_str().expect("a key that is text").to_owned(), value(inner))).collect();
    }
    if let Some(elements) = node.as_sequence() {
        return elements.iter().map(value).collect();
    }
    let scalar = node.as_str().map(Value::from).or_else(|| node.as_integer().map(Value::from)).or_else(|| node.as_bool().map(Value::from));
    scalar.unwrap_or(Value::Null)
}

fn strings(list: &Value) -> Vec<String> {
    let element = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    list.as_array().map(|elements| elements.iter().map(element).collect()).unwrap_or_default()
}

fn keys(map: &Value) -> BTreeSet<String> {
    map.as_object().map(|entries| entries.keys().cloned().collect()).unwrap_or_default()
}

/// One instruction of the Dockerfile, continued lines joined.
#[derive(Debug)]
struct Instruction {
    name: String,
    arguments: String,
    /// The name of its build stage; empty for the last one.
    stage: String,
}

fn dockerfile() -> Vec<Instruction> {
    let text = text("Dockerfile").replace("\\\n", " ");
    let mut stage = String::new();
    let mut instructions = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (name, arguments) = line.split_once(' ').expect("an instruction has arguments");
        if name == "FROM" {
            stage = arguments.split_once(" AS ").map(|(_, stage)| stage.trim().to_owned()).unwrap_or_default();
        }
        instructions.push(Instruction { name: name.into(), arguments: arguments.trim().into(), stage: stage.clone() });
    }
    instructions
}

/// The arguments of every instruction of that name in the final image.
fn in_image(name: &str) -> Vec<String> {
    let chosen = dockerfile().into_iter().filter(|instruction| instruction.name == name && instruction.stage.is_empty());
    chosen.map(|instruction| instruction.arguments).collect()
}

fn exec_form(name: &str) -> Vec<String> {
    let arguments = in_image(name);
    assert_eq!(arguments.len(), 1, "the image has one {name}");
    serde_json::from_str(&arguments[0]).unwrap_or_else(|error| panic!("{name} {}: {error}", arguments[0]))
}

/// What `serve` is told, as the program itself understands it.
struct Served {
    listen: SocketAddr,
    admin: SocketAddr,
    upstream: String,
    store: PathBuf,
}

fn served(arguments: &[String]) -> Served {
    let program = std::iter::once("pgairlock".to_owned());
    let matches = pgairlock::cli::command().try_get_matches_from(program.chain(arguments.iter().cloned())).unwrap_or_else(|error| panic!("{error}"));
    let serve = matches.subcommand_matches("serve").expect("serve");
    Served {
        listen: *serve.get_one("listen").expect("--listen"),
        admin: *serve.get_one("admin").expect("--admin"),
        upstream: serve.get_one::<String>("upstream").expect("--upstream").clone(),
        store: serve.get_one::<PathBuf>("store").expect("--store").clone(),
    }
}

fn compose() -> Value {
    yaml("docker-compose.yml")
}

fn compose_command() -> Served {
    served(&strings(&compose()["services"][SERVICE]["command"]))
}

/// (published address, port in the container) of `127.0.0.1:6432:6432`.
fn ports(service: &Value) -> Vec<(String, u16)> {
    let split = |port: String| {
        let (outside, inside) = port.rsplit_once(':').unwrap_or_else(|| panic!("port {port} is not published at a fixed place"));
        (outside.to_owned(), inside.parse().unwrap_or_else(|_| panic!("port {port}")))
    };
    strings(&service["ports"]).into_iter().map(split).collect()
}

/// (source, target) of each volume.
fn volumes(service: &Value) -> Vec<(String, String)> {
    let split = |volume: String| {
        let mut parts = volume.split(':').map(str::to_owned);
        (parts.next().expect("a source"), parts.next().unwrap_or_else(|| panic!("volume {volume} has no target")))
    };
    strings(&service["volumes"]).into_iter().map(split).collect()
}

fn services() -> Vec<(String, Value)> {
    let compose = compose();
    let services: Vec<_> = compose["services"].as_object().expect("services").iter().map(|(name, service)| (name.clone(), service.clone())).collect();
    assert!(!services.is_empty());
    services
}

#[test]
fn every_file_that_the_image_copies_exists() {
    let instructions = dockerfile();
    let copies: Vec<_> = instructions.iter().filter(|instruction| ["COPY", "ADD"].contains(&instruction.name.as_str())).collect();
    assert!(!copies.is_empty(), "the image copies nothing");
    for copy in copies {
        let (flags, paths): (Vec<_>, Vec<_>) = copy.arguments.split_whitespace().partition(|word| word.starts_with("--"));
        let (_, sources) = paths.split_last().expect("COPY has a target");
        let from = flags.iter().find_map(|flag| flag.strip_prefix("--from="));
        for source in sources {
            match from {
                Some(stage) => assert_made(&instructions, stage, source),
                None => assert!(root().join(source).exists(), "COPY {source}: not in the repository"),
            }
        }
    }
}

/// What is copied out of a stage is named by a command of that stage.
fn assert_made(instructions: &[Instruction], stage: &str, path: &str) {
    let made = instructions.iter().any(|instruction| instruction.stage == stage && instruction.name == "RUN" && instruction.arguments.contains(path));
    assert!(made, "COPY --from={stage} {path}: nothing in that stage makes it");
}

#[test]
fn what_the_build_needs_is_not_ignored() {
    let ignored: BTreeSet<String> = text(".dockerignore").lines().map(|line| line.trim_end_matches('/').to_owned()).collect();
    let manifest: toml::Table = text("Cargo.toml").parse().expect("Cargo.toml");
    let targets = ["bin", "bench", "test", "example"].into_iter().filter_map(|kind| manifest.get(kind)).filter_map(toml::Value::as_array).flatten();
    let named = targets.filter_map(|target| target.get("path").and_then(toml::Value::as_str)).map(str::to_owned);
    let copied = in_image("COPY").into_iter().filter(|arguments| !arguments.contains("--from=")).collect::<Vec<_>>();
    let copied = copied.iter().flat_map(|arguments| arguments.split_whitespace()).map(str::to_owned);
    for needed in ["src", "Cargo.toml", "Cargo.lock"].map(str::to_owned).into_iter().chain(named).chain(copied) {
        let top = needed.split('/').next().expect("a first part").to_owned();
        assert!(!ignored.contains(&needed) && !ignored.contains(&top), ".dockerignore leaves out {needed}");
    }
}

#[test]
fn the_command_of_the_image_is_understood() {
    assert_eq!(exec_form("ENTRYPOINT"), ["pgairlock"]);
    let served = served(&exec_form("CMD"));
    let exposed: BTreeSet<u16> = in_image("EXPOSE").join(" ").split_whitespace().map(|port| port.parse().expect("a port")).collect();
    assert_eq!(exposed, BTreeSet::from([served.listen.port(), served.admin.port()]));
    assert!(served.listen.ip().is_unspecified() && served.admin.ip().is_unspecified(), "a container is reached from outside");
    let kept: Vec<_> = in_image("VOLUME");
    assert!(kept.iter().any(|volume| served.store.starts_with(volume)), "{} is not on a volume", served.store.display());
}

#[test]
fn the_health_check_asks_the_admin_port() {
    let checks = in_image("HEALTHCHECK");
    let admin = served(&exec_form("CMD")).admin.port();
    assert_eq!(checks.len(), 1);
    assert!(checks[0].contains("GET /readyz ") && checks[0].contains(&format!("/{admin} ")), "{}", checks[0]);
    assert_eq!(compose_command().admin.port(), admin, "the image's health check is used by docker-compose.yml");
}

#[test]
fn every_environment_variable_is_known() {
    let command = pgairlock::cli::command();
    let serve = command.find_subcommand("serve").expect("serve");
    let known: BTreeSet<String> =
        serve.get_arguments().filter_map(|argument| argument.get_env()).map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(known.contains("PGAIRLOCK_UPSTREAM"), "{known:?}");
    let environment = &compose()["services"][SERVICE]["environment"];
    let in_compose = keys(environment).into_iter().chain(strings(environment));
    let in_image = in_image("ENV").join(" ").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for name in
        in_compose.chain(in_image).filter_map(|entry| entry.split('=').next().map(str::to_owned)).filter(|name| name.starts_with("PGAIRLOCK_"))
    {
        assert!(known.contains(&name), "{name} is not an environment variable of pgairlock serve");
    }
}

#[test]
fn everything_that_is_mounted_exists() {
    let declared = keys(&compose()["volumes"]);
    let mut used = BTreeSet::new();
    for (name, service) in services() {
        for (source, _) in volumes(&service) {
            if source.starts_with('.') {
                assert!(root().join(&source).exists(), "{name} mounts {source}: not in the repository");
            } else {
                used.insert(source);
            }
        }
        if let Some(context) = service["build"].as_str().or(service["build"]["context"].as_str()) {
            assert!(root().join(context).join("Dockerfile").exists(), "{name} is built from {context}");
        }
    }
    assert_eq!(used, declared, "volumes used, volumes declared");
}

#[test]
fn compose_publishes_the_ports_that_pgairlock_serves() {
    let served = compose_command();
    let inside: BTreeSet<u16> = ports(&compose()["services"][SERVICE]).into_iter().map(|(_, inside)| inside).collect();
    assert_eq!(inside, BTreeSet::from([served.listen.port(), served.admin.port()]));
    let mut outside = BTreeSet::new();
    for (name, service) in services() {
        for (place, _) in ports(&service) {
            assert!(place.starts_with("127.0.0.1:"), "{name} publishes {place} beyond this machine");
            assert!(outside.insert(place.clone()), "{place} is published twice");
        }
    }
}

#[test]
fn compose_forwards_to_a_service_of_its_own_and_waits_for_it() {
    let compose = compose();
    let upstream = compose_command().upstream;
    let (host, port) = upstream.rsplit_once(':').expect("host:port");
    let inside: Vec<String> = ports(&compose["services"][host]).into_iter().map(|(_, inside)| inside.to_string()).collect();
    assert_eq!(inside, [port], "{upstream} is a service of docker-compose.yml");
    assert_eq!(compose["services"][SERVICE]["depends_on"][host], json!({"condition": "service_healthy"}));
}

#[test]
fn what_waits_for_health_waits_for_something_that_tells_it() {
    for (name, service) in services() {
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            let awaited = &compose()["services"][other];
            assert!(awaited.is_object(), "{name} depends on {other}, which is no service");
            let tells = awaited["healthcheck"].is_object() || (awaited["build"].is_string() && !in_image("HEALTHCHECK").is_empty());
            assert!(tells || condition["condition"] != "service_healthy", "{name} waits for the health of {other}, which has no health check");
        }
    }
}

#[test]
fn the_store_is_kept_and_the_drain_is_not_cut_short() {
    let service = &compose()["services"][SERVICE];
    let store = compose_command().store;
    assert!(volumes(service).iter().any(|(_, target)| store.starts_with(target)), "{} is not on a volume", store.display());
    let grace = units::duration(service["stop_grace_period"].as_str().expect("stop_grace_period")).expect("a duration");
    assert!(grace > Timeouts::default().drain, "the engine kills pgairlock after {grace:?}, before its drain ends");
}

#[test]
fn prometheus_reads_the_admin_port() {
    let jobs = yaml("config/prometheus.yml")["scrape_configs"].clone();
    let ours = jobs.as_array().expect("jobs").iter().find(|job| job["job_name"] == SERVICE).expect("a job for pgairlock").clone();
    assert_eq!(strings(&ours["static_configs"][0]["targets"]), [format!("{SERVICE}:{}", compose_command().admin.port())]);
    assert!(ours["metrics_path"].is_null() || ours["metrics_path"] == "/metrics");
    let mounted = volumes(&compose()["services"]["prometheus"]);
    assert!(mounted.iter().any(|(source, _)| source == "./config/prometheus.yml"));
    // Relative to the file that names them.
    for rules in strings(&yaml("config/prometheus.yml")["rule_files"]) {
        assert!(mounted.contains(&(format!("./config/{rules}"), format!("/etc/prometheus/{rules}"))), "{rules} is not mounted");
    }
}

/// A machine with LLVM but without clang has libclang-cpp, which is no libclang; the runtime library alone has no headers.
#[test]
fn libclang_is_found_only_where_bindgen_can_use_it() {
    let directory = tempfile::tempdir().unwrap();
    let found = || {
        let mut command = std::process::Command::new(root().join("scripts/has-libclang"));
        command.env_remove("LIBCLANG_PATH").arg(directory.path()).status().unwrap().success()
    };
    let touch = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    };
    touch("libclang-cpp.so.14");
    assert!(!found());
    touch("libclang-14.so.1");
    assert!(!found());
    touch("clang/14.0.6/include/stddef.h");
    assert!(found());
}

/// Without its programs there is nothing to copy, and an empty name for them would mean the root of the file system.
#[test]
fn a_server_that_is_not_to_be_had_is_not_started_and_nothing_is_copied() {
    let home = std::env::temp_dir().join(format!("pgairlock-test-{}-no-server", std::process::id()));
    let (programs, cluster) = (home.join("bin"), home.join("cluster"));
    std::fs::create_dir_all(&programs).unwrap();
    // In the place of the real one, which a mistake would give the whole disk to copy.
    std::fs::write(programs.join("cp"), "#!/bin/sh\necho copied >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(programs.join("cp"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = std::process::Command::new(root().join("scripts/cluster"));
    let output = command.args(["start", "99"]).arg(&cluster).arg("1").env("PATH", path).env("TMPDIR", &home).output().unwrap();
    let (said, started) = (String::from_utf8_lossy(&output.stderr).into_owned(), cluster.exists());
    std::fs::remove_dir_all(&home).unwrap();
    assert!(!output.status.success() && said.contains("usage: scripts/postgres"), "{said}");
    assert!(!said.contains("copied") && !started, "{said}");
}
