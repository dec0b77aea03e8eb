//! Hands the linker script to the linker, where the target is the bare machine.

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    let on_the_machine = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if let (true, Ok(here)) = (on_the_machine, std::env::var("CARGO_MANIFEST_DIR")) {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        println!("cargo::rustc-link-arg-bins=-T{here}/link.ld");
    }
}
