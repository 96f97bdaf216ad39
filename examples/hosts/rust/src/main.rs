//! A minimal host in Rust, without any crate: asks a sidecar one thing and streams the answer into the terminal.
//!
//!     cargo run -- Why is the sky blue?
//!
//! LLM_SIDECAR   the command of the sidecar     LLM_PROVIDER, LLM_MODEL   who answers (default: the demo provider)
//! Ends with 0 done, 1 the answer failed, 2 it could not begin, 3 the sidecar ended or spoke otherwise, 130 cancelled.

mod json;

use json::{quoted, Json};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{exit, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};

const PROTOCOL_VERSION: i64 = 1;
const CANCEL: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"llm:cancel\",\"params\":{\"inferenceId\":\"answer\"}}\n";

/// The sidecar's stdin, while there is something to cancel.
static TO_SIDECAR: AtomicI32 = AtomicI32::new(-1);
static IS_CANCELLED: AtomicBool = AtomicBool::new(false);
const SIGINT: i32 = 2;
extern "C" {
    // Of the C library, which std is linked with.
    fn signal(number: i32, handler: usize) -> usize;
    fn write(fd: i32, data: *const u8, length: usize) -> isize;
}

/// The first Ctrl-C cancels; a second one ends the host, and the sidecar goes with it, for its stdin ends.
extern "C" fn on_interrupt(_: i32) {
    IS_CANCELLED.store(true, SeqCst);
    unsafe {
        signal(SIGINT, 0);
        if TO_SIDECAR.load(SeqCst) >= 0 {
            write(TO_SIDECAR.load(SeqCst), CANCEL.as_ptr(), CANCEL.len());
        }
    }
}

fn fail(code: i32, message: &str) -> ! {
    eprintln!("host: {message}");
    exit(code)
}

/// A sidecar that is gone is no reason to die here: its exit code is told at the end of its stdout.
fn send(stdin: &mut ChildStdin, message: String) {
    let _ = stdin.write_all(format!("{{\"jsonrpc\":\"2.0\",{message}}}\n").as_bytes());
}

fn ask(stdin: &mut ChildStdin, prompt: &str) {
    let provider = quoted(&env::var("LLM_PROVIDER").unwrap_or("demo".into()));
    let model = env::var("LLM_MODEL").map_or(String::new(), |model| format!(",\"modelId\":{}", quoted(&model)));
    let messages = format!("[{{\"role\":\"user\",\"content\":{}}}]", quoted(prompt));
    let params = format!("{{\"inferenceId\":\"answer\",\"providerId\":{provider}{model},\"messages\":{messages}}}");
    send(
        stdin,
        format!("\"id\":1,\"method\":\"llm:inference\",\"params\":{params}"),
    );
    TO_SIDECAR.store(stdin.as_raw_fd(), SeqCst);
    if IS_CANCELLED.load(SeqCst) {
        let _ = stdin.write_all(CANCEL.as_bytes()); // Ctrl-C came while it was sent
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || "\n\t".contains(*c))
        .collect()
}

/// What a message comes to: `Some` exit code, and what to tell, once the answer is over.
fn take(message: &Json, next: &mut i64, stdin: &mut ChildStdin, prompt: &str) -> Option<(i32, String)> {
    if message.text("params.inferenceId") == Some("answer") {
        let seq = message.number("params.seq").unwrap_or(-1);
        if seq != *next {
            return Some((3, format!("event {seq} came, not {next}")));
        }
        *next += 1;
    }
    match message.text("method") {
        Some("llm:token") => {
            print!("{}", printable(message.text("params.token").unwrap_or("")));
            let _ = std::io::stdout().flush();
            None
        }
        Some("llm:done") if message.is_true("params.cancelled") => {
            let tokens = message.number("params.usage.completionTokens").unwrap_or(0);
            Some((130, format!("cancelled after {tokens} tokens")))
        }
        Some("llm:done") => Some((0, String::new())),
        Some("llm:error") => {
            let (code, error) = (message.text("params.code")?, message.text("params.error")?);
            Some((1, printable(&format!("{code}: {error}"))))
        }
        Some(_) => None,
        None if message.at("error").is_some() => {
            let (code, error) = (message.text("error.data.code")?, message.text("error.message")?);
            Some((1, printable(&format!("{code}: {error}"))))
        }
        None if message.number("id") == Some(0) => match message.number("result.protocolVersion") {
            Some(PROTOCOL_VERSION) if IS_CANCELLED.load(SeqCst) => Some((130, String::new())),
            Some(PROTOCOL_VERSION) => {
                ask(stdin, prompt);
                None
            }
            other => Some((3, format!("the sidecar speaks version {}", other.unwrap_or(-1)))),
        },
        None => None,
    }
}

fn main() {
    let prompt = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    if prompt.is_empty() {
        fail(2, "what should be asked? minimal-host PROMPT");
    }
    let command = env::var("LLM_SIDECAR").unwrap_or("llm-sidecar serve --in-memory --log-level warning".into());
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or("");
    // A process group of its own: Ctrl-C is for this host. Without it the sidecar does not stay: its stdin ends, and it
    // watches `processId`.
    let spawned = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut sidecar = spawned.unwrap_or_else(|error| {
        fail(
            2,
            &format!("cannot start {program} ({error}): set LLM_SIDECAR, or install llm-sidecar"),
        )
    });
    let mut stdin = sidecar.stdin.take().expect("stdin is piped");
    unsafe { signal(SIGINT, on_interrupt as extern "C" fn(i32) as usize) };

    let pid = std::process::id();
    let params =
        format!("{{\"protocolVersion\":{PROTOCOL_VERSION},\"processId\":{pid},\"client\":{{\"name\":\"rust host\"}}}}");
    send(
        &mut stdin,
        format!("\"id\":0,\"method\":\"initialize\",\"params\":{params}"),
    );

    let mut next = 0;
    let mut outcome = None;
    for line in BufReader::new(sidecar.stdout.take().expect("stdout is piped")).lines() {
        outcome = match line.ok().as_deref().and_then(Json::read) {
            Some(message) => take(&message, &mut next, &mut stdin, &prompt),
            None => Some((3, "the sidecar sent what is no message".into())),
        };
        if outcome.is_some() {
            break;
        }
    }
    if next > 0 {
        println!();
    }
    TO_SIDECAR.store(-1, SeqCst);
    drop(stdin);
    let status = sidecar.wait().expect("the sidecar is this host's child");
    let end = status
        .code()
        .map_or(status.to_string(), |code| format!("exit code {code}"));
    let (code, told) = outcome.unwrap_or_else(|| (3, format!("the sidecar ended before the answer did, with {end}")));
    if !told.is_empty() {
        eprintln!("host: {told}");
    }
    exit(code)
}
