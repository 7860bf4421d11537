//! The example for ClickHouse against ClickHouse itself, as Debian packages it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kinesis_logs_generator::{FlowLogs, Record};
use kinesis_logs_testkit::Emulator;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::util::{Running, command, record, scratch};

const STREAM: &str = "vpc-flow-logs";
const PASSWORD: &str = "hunter2";

#[tokio::test(flavor = "multi_thread")]
async fn flow_logs_come_into_the_table_as_they_are_and_what_it_refuses_into_a_file() {
    let Some(clickhouse) = ClickHouse::start() else { return };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clickhouse.toml");
    let example = fs::read_to_string(example).unwrap();
    let table = example.split_once("CREATE TABLE").unwrap().1.split_once("\n#\n").unwrap().0.replace('#', " ");
    // For servers of 2018 columns of low cardinality were an experiment.
    let table = table
        .replace("LowCardinality(String)", "String")
        .replace("LowCardinality(Nullable(String))", "Nullable(String)");
    assert_eq!(clickhouse.query(&format!("CREATE TABLE{table}")), "");

    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let mut flow_logs = FlowLogs::new(5).events_per_record(50);
    let records: Vec<_> = (0..40).map(|_| flow_logs.next_record()).collect();
    let put = async |records: &[Record]| {
        emulator.put(STREAM, records.iter().map(|record| (record.partition_key.clone(), record.data.clone()))).await;
    };
    put(&records[..20]).await;
    // In the midst of them, to be told from them by halving: the table takes none without its interface.
    let odd = "2 123456789010 - 10.0.0.1 10.0.0.2 49152 22 6 1 40 1418530010 1418530070 REJECT OK";
    emulator.put(STREAM, [("key".to_owned(), record(odd))]).await;
    put(&records[20..]).await;

    let folder = scratch("clickhouse").with_extension("data");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let config = folder.join("clickhouse.toml");
    // Nor did they gather rows by themselves: they answered when rows were in the table.
    let known = example.replace("async_insert=1&wait_for_async_insert=1&", "");
    assert_ne!(known, example);
    fs::write(&config, known).unwrap();
    let mut command = command(None, &["run", config.to_str().unwrap()]);
    command.env("AWS_ENDPOINT_URL", emulator.endpoint()).env("AWS_REGION", "us-east-1");
    command.env("DATA_DIR", &folder).env("CLICKHOUSE_URL", &clickhouse.url).env("CLICKHOUSE_PASSWORD", PASSWORD);
    let running = Running::start(command);

    let lines: Vec<&String> = records.iter().flat_map(|record| &record.lines).collect();
    let refused = || {
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
        files.map(|path| fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let is_done = || clickhouse.query("SELECT count() FROM flow_logs") == format!("{}\n", lines.len());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !(is_done() && refused().ends_with('\n')) {
        let count = clickhouse.query("SELECT count() FROM flow_logs");
        assert!(Instant::now() < deadline, "{count} of {} rows", lines.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kill(Pid::from_raw(running.child.id() as i32), Signal::SIGTERM).unwrap();
    let (status, _) = running.wait();
    assert_eq!(status, 0);

    // Every row as it was put, field by field.
    let columns = "version, account_id, interface_id, srcaddr, dstaddr, srcport, dstport, protocol, packets, bytes, \
                   toUnixTimestamp(start), toUnixTimestamp(end), action, log_status";
    let rows = clickhouse.query(&format!("SELECT {columns} FROM flow_logs FORMAT TabSeparated"));
    let mut rows: Vec<String> = rows.lines().map(str::to_owned).collect();
    let row = |line: &&String| {
        let fields = line.split(' ').map(|field| if field == "-" { "\\N" } else { field });
        fields.collect::<Vec<_>>().join("\t")
    };
    let mut expected: Vec<String> = lines.iter().map(row).collect();
    rows.sort_unstable();
    expected.sort_unstable();
    assert_eq!(rows.len(), expected.len());
    assert!(rows == expected, "{:?}", rows.iter().zip(&expected).find(|(row, expected)| row != expected));
    let refused = refused();
    assert!(refused.lines().count() == 1 && refused.contains("\"interface_id\":null"), "{refused}");
    // What is no flow log is refused, and by status 400 since 2019.
    let insert = "INSERT INTO flow_logs FORMAT JSONEachRow {\"message\":\"no flow log\"}";
    let (status, refused) = clickhouse.ask("&input_format_skip_unknown_fields=0", insert);
    assert!(status != "200" && refused.contains("Unknown field"), "{status}: {refused}");
}

/// A server of ClickHouse, which ends with the test.
struct ClickHouse {
    url: String,
    address: String,
    child: Child,
}

impl ClickHouse {
    /// Starts one, if there are packages of it for this machine.
    fn start() -> Option<Self> {
        let Some(root) = installed() else {
            eprintln!("not checked: no packages of ClickHouse are to be had here (Debian has them)");
            return None;
        };
        let folder = scratch("clickhouse-server").with_extension("data");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (data, users) = (folder.display(), folder.join("users.xml"));
        let config = format!(
            "<yandex><logger><level>warning</level><console>1</console></logger><listen_host>127.0.0.1</listen_host>\
             <http_port>{port}</http_port><path>{data}/data/</path><tmp_path>{data}/tmp/</tmp_path>\
             <users_config>{}</users_config><default_profile>default</default_profile>\
             <default_database>default</default_database><mark_cache_size>5368709120</mark_cache_size></yandex>",
            users.display()
        );
        let user = format!(
            "<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default>\
             <password>{PASSWORD}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>\
             <quota>default</quota></default></users></yandex>"
        );
        fs::write(folder.join("config.xml"), config).unwrap();
        fs::write(users, user).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let libraries: Vec<String> =
            [root.join("usr/lib"), root.join("lib")].iter().flat_map(|folder| libraries_in(folder)).collect();
        let mut child = Command::new(root.join("usr/sbin/clickhouse-server"))
            .arg(format!("--config-file={}", folder.join("config.xml").display()))
            .env("LD_LIBRARY_PATH", libraries.join(":"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("ClickHouse starts");
        let address = format!("127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(&address).is_err() {
            let log = || fs::read_to_string(folder.join("log")).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "ClickHouse has ended: {}", log());
            assert!(Instant::now() < deadline, "ClickHouse does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(ClickHouse { url: format!("http://{address}"), address, child })
    }

    /// What a query gives; without that there is no going on.
    fn query(&self, query: &str) -> String {
        let (status, answer) = self.ask("", query);
        assert_eq!(status, "200", "{query}: {answer}");
        answer
    }

    /// The status and what the server answers to a query with these settings.
    fn ask(&self, settings: &str, query: &str) -> (String, String) {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let (path, len) = (format!("/?user=default&password={PASSWORD}{settings}"), query.len());
        write!(connection, "POST {path} HTTP/1.0\r\nContent-Length: {len}\r\n\r\n{query}").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of a machine's own kind in one of libraries.
fn libraries_in(folder: &Path) -> Vec<String> {
    let folders = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    folders.filter(|path| path.is_dir()).map(|path| path.display().to_string()).collect()
}

/// Where the packages were unpacked, once under the target directory, with all that they need; `None` if there are none.
/// Nothing of it is installed, so that nobody need be root.
fn installed() -> Option<PathBuf> {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(base.join("clickhouse.lock")).unwrap();
    lock.lock().expect("a lock on the packages of ClickHouse");
    let root = base.join("clickhouse");
    if root.join("usr/sbin/clickhouse-server").exists() {
        return Some(root);
    }
    let output = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut needed = Command::new("apt-cache");
    needed.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks"]);
    needed.args(["--no-replaces", "--no-enhances", "clickhouse-common"]);
    let needed = output(&mut needed)?;
    // What every machine has must be of one piece: the C library, and what comes with the compiler.
    let is_base =
        |name: &str| ["libc6", "libc-", "libgcc", "libstdc++", "libcrypt"].iter().any(|of| name.starts_with(of));
    let is_wanted = |name: &&str| (name.starts_with("lib") && !is_base(name)) || *name == "clickhouse-common";
    let mut names: Vec<&str> = needed.lines().filter(is_wanted).collect();
    names.push("clickhouse-server");
    let (packages, unpacked) = (base.join("clickhouse-packages"), base.join("clickhouse-unpacked"));
    for folder in [&packages, &unpacked] {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
    }
    output(Command::new("apt-get").arg("download").args(&names).current_dir(&packages))?;
    for package in fs::read_dir(&packages).unwrap() {
        output(Command::new("dpkg").arg("-x").arg(package.unwrap().path()).arg(&unpacked))?;
    }
    let _ = fs::remove_dir_all(&packages);
    let _ = fs::remove_dir_all(&root);
    fs::rename(&unpacked, &root).unwrap();
    Some(root)
}
