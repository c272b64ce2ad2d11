//! Takes the page that `npm run build` left in `web/dist` into the binary. Without it there is a page that says how to
//! get it, so that the binary builds where no Node is. `docs/api` is in every binary.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts"));
    let web = here.join("../web");
    let dist = web.join("dist");
    let mut files = Vec::new();
    if dist.join("index.html").exists() {
        println!("cargo::rerun-if-changed={}", dist.display());
        collect(&dist, &dist, &mut files)?;
    } else {
        println!("cargo::rerun-if-changed={}", web.display());
        for page in ["index.html", "docs/index.html"] {
            files.push((page.to_owned(), here.join("src/page/placeholder.html")));
        }
    }
    for name in ["openapi.json", "asyncapi.json"] {
        let document = here.join("../docs/api").join(name);
        println!("cargo::rerun-if-changed={}", document.display());
        files.push((format!("docs/{name}"), document));
    }
    files.sort();
    let mut list = String::from("&[\n");
    for (path, file) in files {
        _ = writeln!(list, "    ({path:?}, include_bytes!({:?})),", fs::canonicalize(file)?);
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it for build scripts"));
    fs::write(out.join("page.rs"), list)
}

/// Every file below `folder`, with its path from `root` as a URL has it.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            files.push((name.replace('\\', "/"), path));
        }
    }
    Ok(())
}
