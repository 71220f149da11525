//! Real file systems on loop devices, for tests: one on a plain file, one on a disk whose writes fail on demand.
//!
//! Needs root, loop devices and the Debian packages e2fsprogs, mount, nbdkit, libnbd-bin and fuse3.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A mounted file system; unmounted, with all that is below it, when this is dropped.
pub(crate) struct Device {
    scratch: TempDir,
    loop_device: String,
    /// Whether the disk is a file in another file system of ours.
    served: bool,
    servers: Vec<Child>,
}

/// Whether devices cannot be had here: then says why, past what the test harness keeps to itself, and the test has
/// nothing to show.
pub(crate) fn cannot_be_had() -> bool {
    let found = Command::new("losetup").arg("--find").output();
    let reason = match found {
        _ if !rustix::process::geteuid().is_root() => "only root may have them".into(),
        Ok(output) if output.status.success() => return false,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("losetup: {error}"),
    };
    writeln!(io::stderr(), "SKIPPED: no loop devices: {reason}").expect("the reason can be told");
    true
}

/// Runs a command that must succeed; returns what it prints.
fn run(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    let output = Command::new(program)
        .args(arguments.iter().map(|one| one.as_ref()))
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program}: {error} (`cargo xtask test` installs what is missing)")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn start(program: &str, arguments: &[String]) -> Child {
    let child = Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .spawn();
    child.unwrap_or_else(|error| {
        panic!("{program}: {error} (`cargo xtask test` installs what is missing)")
    })
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{what} does not come up"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Device {
    /// An ext4 file system of so many bytes on a plain file.
    pub(crate) fn plain(bytes: u64) -> Self {
        let scratch = TempDir::new().expect("a scratch directory");
        let image = scratch.path().join("disk");
        File::create(&image)
            .and_then(|file| file.set_len(bytes))
            .expect("an image");
        Self::on(scratch, false, Vec::new())
    }

    /// An ext4 file system on a disk of 128 MiB that fails every write while [`Device::fail_writes`] says so.
    pub(crate) fn failing() -> Self {
        let scratch = TempDir::new().expect("a scratch directory");
        let path = |name: &str| scratch.path().join(name).to_string_lossy().into_owned();
        let (socket, image) = (path("socket"), path("disk"));
        let arguments = [
            "--foreground",
            "--unix",
            &socket,
            "--filter=error",
            "memory",
            "128M",
            "error-pwrite=EIO",
            "error-pwrite-rate=100%",
            &format!("error-pwrite-file={}", path("fail")),
        ];
        let mut servers = vec![start("nbdkit", &arguments.map(str::to_owned))];
        wait_for("nbdkit", || Path::new(&socket).exists());
        File::create(&image).expect("a place for the disk");
        let uri = format!("nbd+unix:///?socket={socket}");
        servers.push(start("nbdfuse", &[image.clone(), uri]));
        wait_for("nbdfuse", || {
            fs::metadata(&image).is_ok_and(|disk| disk.len() == 128 << 20)
        });
        Self::on(scratch, true, servers)
    }

    fn on(scratch: TempDir, served: bool, servers: Vec<Child>) -> Self {
        let image = scratch.path().join("disk");
        fs::create_dir(scratch.path().join("mounted")).expect("a place to mount");
        let loop_device = run("losetup", &[&"--find", &"--show", &image]);
        let device = Self {
            scratch,
            loop_device,
            served,
            servers,
        };
        run("mkfs.ext4", &[&"-q", &"-F", &device.loop_device]);
        device.mount();
        device
    }

    /// Where the file system is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.scratch.path().join("mounted")
    }

    fn mount(&self) {
        run(
            "mount",
            &[&"-o", &"noatime", &self.loop_device, &self.path()],
        );
    }

    /// Forgets everything that only the page cache knows: what is read next is what the disk has.
    pub(crate) fn forget_page_cache(&self) {
        run("umount", &[&self.path()]);
        self.mount();
    }

    /// Lets every write of the disk fail, or none.
    pub(crate) fn fail_writes(&self, fail: bool) {
        let trigger = self.scratch.path().join("fail");
        if fail {
            // The file system's own writes are over: if one of those failed, it would stop all writing for good.
            run("sync", &[&"--file-system", &self.path()]);
            File::create(trigger).expect("the trigger can be set");
        } else {
            fs::remove_file(trigger).expect("the trigger is there");
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // What is not there any more need not be taken down; the next step shows what matters.
        let quietly = |program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]| {
            let mut command = Command::new(program);
            command.args(arguments.iter().map(|one| one.as_ref()));
            let _ = command.stderr(Stdio::null()).status();
        };
        quietly("umount", &[&self.path()]);
        quietly("losetup", &[&"--detach", &self.loop_device]);
        if self.served {
            quietly("fusermount3", &[&"-u", &self.scratch.path().join("disk")]);
        }
        for server in self.servers.iter_mut().rev() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
