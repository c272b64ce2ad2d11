//! Compiles the .proto files with protox, a compiler in Rust: no `protoc` needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=parlor/v1/event.proto");
    let files = protox::compile(["parlor/v1/event.proto"], ["."])?;
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    Ok(())
}
