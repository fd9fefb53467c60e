//! The page of `firebrick serve` in a headless Chromium: photos are chosen and dropped as a person does it. Skipped, and said so, on a
//! machine without Chromium.
//!
//! The browser is driven by its DevTools protocol over two pipes, which need no port: messages are JSON with a NUL behind each.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use image::ImageFormat;
use serde_json::{Value, json};

use crate::serve::{Server, photo};
use crate::support::{SMALL, trained};

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where Chromium is, if it is.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let places = std::env::split_paths(&path);
    let mut found = places.flat_map(|place| names.map(|name| place.join(name)));
    found.find(|file| file.is_file())
}

/// A page in a browser that ends with the test.
struct Page {
    browser: Child,
    commands: File,
    messages: Receiver<Value>,
    session: String,
    last: u64,
    /// Events that came while an answer was waited for.
    events: Vec<Value>,
}

impl Page {
    fn open(program: &Path, folder: &Path) -> Self {
        let [to, from] = ["to", "from"].map(|name| folder.join(name));
        let made = Command::new("mkfifo").args([&to, &from]).status().unwrap();
        assert!(made.success());
        // A shell connects the pipes to the numbers that the browser knows.
        let script = "exec \"$0\" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
             --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage \
             --user-data-dir=\"$3\" --remote-debugging-pipe about:blank 3<\"$1\" 4>\"$2\"";
        let browser = Command::new("sh")
            .arg("-c")
            .arg(script)
            .args([program, &to, &from, &folder.join("profile")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = File::options().write(true).open(&to).unwrap();
        let answers = BufReader::new(File::open(&from).unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in answers.split(0) {
                let Ok(message) = message else { return };
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut page = Self {
            browser,
            commands,
            messages,
            session: String::new(),
            last: 0,
            events: Vec::new(),
        };
        let target = page.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = page.ask("Target.attachToTarget", &attach);
        page.session = session["sessionId"].as_str().unwrap().into();
        for domain in ["Page", "Network", "Runtime", "Log", "DOM"] {
            page.ask(&format!("{domain}.enable"), &json!({}));
        }
        page
    }

    /// Sends a command, and waits for its answer.
    #[track_caller]
    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = self.session.as_str().into();
        }
        write!(self.commands, "{command}\0").unwrap();
        self.commands.flush().unwrap();
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message =
                message.unwrap_or_else(|_| panic!("{method}: the browser does not answer"));
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// The value of an expression on the page.
    #[track_caller]
    fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", &asked);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.value(expression) != true {
            let page = "document.body.innerText";
            assert!(Instant::now() < end, "{expression}: {}", self.value(page));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Chooses files as the dialog of the browser does.
    fn choose(&mut self, selector: &str, files: &[PathBuf]) {
        let document = self.ask("DOM.getDocument", &json!({}));
        let found = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        let node = self.ask("DOM.querySelector", &found);
        let set = json!({ "nodeId": node["nodeId"], "files": files });
        self.ask("DOM.setFileInputFiles", &set);
    }

    /// What the browser asked for, and what it complained about.
    fn noted(&self) -> (Vec<String>, Vec<String>) {
        let of = |method: &'static str| self.events.iter().filter(move |e| e["method"] == method);
        let asked = of("Network.requestWillBeSent");
        let asked = asked.map(|event| event["params"]["request"]["url"].as_str().unwrap().into());
        let complaints = of("Log.entryAdded").chain(of("Runtime.exceptionThrown"));
        let complaints = complaints.map(|event| event["params"].to_string());
        // The browser logs every answer with an error, which is what the page asked for.
        let complaints =
            complaints.filter(|text| !text.contains("the server responded with a status of 4"));
        (asked.collect(), complaints.collect())
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = write!(
            self.commands,
            "{}\0",
            json!({ "id": 0, "method": "Browser.close" })
        );
        let _ = self.commands.flush();
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.browser.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

#[test]
fn photos_are_chosen_and_dropped_and_their_predictions_shown() {
    let Some(program) = chromium() else {
        eprintln!("SKIPPED: the served page: there is no Chromium on this machine");
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    trained(at, SMALL);
    let files = [
        ("one <i>.png", ImageFormat::Png),
        ("two.jpg", ImageFormat::Jpeg),
    ];
    let files = files.map(|(name, format)| {
        std::fs::write(at.join(name), photo(format)).unwrap();
        at.join(name)
    });
    let server = Server::start(at, "run");
    let mut page = Page::open(&program, at);
    let address = format!("http://127.0.0.1:{}/", server.port);
    page.ask("Page.navigate", &json!({ "url": address }));
    page.until("document.readyState === 'complete' && !!document.getElementById('files')");

    page.choose("#files", &files);
    page.until("document.querySelectorAll('article ol').length === 2");
    // The last one is on top.
    let names = "[...document.querySelectorAll('article h2')].map(h => h.textContent)";
    assert_eq!(page.value(names), json!(["two.jpg", "one <i>.png"]));
    let guesses = "[...document.querySelectorAll('article ol')].map(list => list.children.length)";
    assert_eq!(page.value(guesses), json!([5, 5]));
    // The photo, what speaks for its class, and three training images: all of them pictures that the browser can show.
    let pictures = "Promise.all([...document.querySelectorAll('article img')].map(async image => { \
        await image.decode(); return image.naturalWidth > 0 && !!image.alt; }))";
    assert_eq!(page.value(pictures), json!([true; 10]));
    let near = "[...document.querySelectorAll('article:first-child .near figcaption')].map(c => c.textContent)";
    let near = page.value(near);
    assert_eq!(near.as_array().map(Vec::len), Some(3), "{near}");
    assert!(
        near[0].as_str().unwrap().contains(", 0.") || near[0].as_str().unwrap().contains(", 1.")
    );
    let spoken = page.value("document.getElementById('status').textContent");
    assert!(
        spoken.as_str().unwrap().starts_with("two.jpg: "),
        "{spoken}"
    );

    // Dropped, and no image: the reason is on the page.
    let drop = "const files = new DataTransfer(); files.items.add(new File(['no image'], 'notes.txt')); \
        dispatchEvent(new DragEvent('drop', { dataTransfer: files, cancelable: true })); true";
    page.value(drop);
    page.until("document.querySelectorAll('article').length === 3");
    let problem = page.value("document.querySelector('article:first-child .problem').textContent");
    assert!(
        problem.as_str().unwrap().contains("not an image"),
        "{problem}"
    );
    page.value("document.getElementById('clear').click(); true");
    page.until("!document.querySelector('article')");

    let (asked, complaints) = page.noted();
    assert_eq!(complaints, Vec::<String>::new());
    let outside = |url: &String| {
        let own = ["data:", "blob:", "about:", &address];
        !own.iter().any(|own| url.starts_with(own))
    };
    assert!(
        asked.iter().any(|url| *url == format!("{address}predict")),
        "{asked:?}"
    );
    assert_eq!(
        asked.into_iter().filter(outside).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}
