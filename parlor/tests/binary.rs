//! The binary as operators meet it: commands, exit codes, and `solo` over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn parlor(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    // Nobody else's settings.
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    parlor(folder.path()).args(arguments).envs(env.iter().copied()).output().expect("runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_made_token_is_good_until_another_secret_checks_it() {
    let made = run(&["gentoken", "--user", "u1", "--name", "User 1", "--ttl", "10m"], &[]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let token = text(&made.stdout).trim().to_owned();
    let good = run(&["checktoken", &token], &[]);
    assert!(good.status.success() && text(&good.stdout).contains("User 1"), "{}", text(&good.stdout));
    let secret = [("JWT_SECRET", "another secret, of at least thirty-two bytes")];
    let refused = run(&["checktoken", &token], &secret);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn production_refuses_to_run_with_a_known_secret_and_says_what_to_do() {
    let env = [("PARLOR_AUTH__SECRET", "parlor-development-secret-that-everybody-knows")];
    let refused = run(&["gateway", "--listen", "127.0.0.1:0"], &env);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("everybody knows") && said.contains("openssl rand"), "{said}");
    assert!(!said.contains("parlor-development-secret"), "{said}");
}

#[test]
fn an_unknown_setting_ends_the_process_with_the_nearest_name() {
    let refused = run(&["checkconfig"], &[("PARLOR_KAFKA__BROKER", "a:1")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("kafka.brokers"), "{}", text(&refused.stderr));
}

#[test]
fn a_generated_file_is_a_good_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = parlor(folder.path()).arg("genconfig").output().expect("runs");
    std::fs::write(folder.path().join("parlor.toml"), &made.stdout).expect("written");
    let secret = "0123456789abcdef0123456789abcdef";
    let checked = parlor(folder.path())
        .args(["checkconfig", "--config", "parlor.toml"])
        .env("PARLOR_AUTH__SECRET", secret)
        .output()
        .expect("runs");
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(!text(&checked.stdout).contains(secret));
}

/// A running solo, killed if the test ends early.
struct Solo {
    process: Child,
    address: String,
}

impl Drop for Solo {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Solo {
    fn start(folder: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let arguments = ["solo", "--listen", &address, "--data-dir", "data"];
        let process = parlor(folder).args(arguments).stderr(Stdio::piped()).spawn().expect("starts");
        let mut solo = Self { process, address };
        let stderr = solo.process.stderr.take().expect("piped");
        // Its lines are shown where the test fails.
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| println!("{line}"))
        });
        let begun = Instant::now();
        while solo.get("/health/ready").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
            assert!(begun.elapsed() < Duration::from_secs(30), "solo is not ready");
            assert!(solo.process.try_wait().expect("asked").is_none(), "solo has ended");
            std::thread::park_timeout(Duration::from_millis(100));
        }
        solo
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(text(&answer))
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }
}

#[test]
fn solo_is_ready_serves_page_health_and_metrics_and_ends_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut solo = Solo::start(folder.path());
    let get = |path: &str| solo.get(path).expect("an answer");

    let page = get("/");
    assert!(page.contains("<!doctype html>"), "{page}");
    assert!(page.to_lowercase().contains("content-security-policy: default-src 'none'"), "{page}");
    let chat = get("/health/chat");
    assert!(chat.contains(r#""status":"healthy""#) && chat.contains(r#""connections":0"#), "{chat}");
    assert!(get("/health/ready").contains(r#""status":"ready""#));
    assert!(get("/health").starts_with("HTTP/1.1 200"));
    assert!(get("/health/live").contains("alive"));
    assert!(get("/metrics").contains("parlor_build_info"));
    let handshake = get("/socket.io/?EIO=4&transport=polling");
    assert!(handshake.contains(r#""sid":"solo."#), "{handshake}");
    assert!(get("/nothing").starts_with("HTTP/1.1 404"));

    // Nobody else may use its data.
    let second =
        parlor(folder.path()).args(["solo", "--listen", "127.0.0.1:0", "--data-dir", "data"]).output().expect("runs");
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("another parlor works in data"), "{}", text(&second.stderr));

    solo.signal("-TERM");
    let begun = Instant::now();
    let status = loop {
        match solo.process.try_wait().expect("asked") {
            Some(status) => break status,
            None if begun.elapsed() > Duration::from_secs(35) => panic!("solo does not end"),
            None => std::thread::park_timeout(Duration::from_millis(50)),
        }
    };
    assert_eq!(status.code(), Some(0));
}
