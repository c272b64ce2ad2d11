//! The settings as a file that a person can read and edit (`parlor genconfig`).

use std::fmt::Write;

use toml::Value;

use super::layers;
use super::settings::Config;

/// A TOML file with every setting, what it means and its default. Defaults are commented out, so that a copy of the
/// file goes on following them: `#name = value` is a setting, `# text` explains.
pub(crate) fn render() -> String {
    let known = layers::known();
    let mut out = String::from(
        "# Parlor's settings. What is commented out is the default.\n\
         #\n\
         # The same as variables:    PARLOR_AUTH__SECRET=…  (two underscores between section and setting)\n\
         # The same on the command:  --set auth.secret=…\n\
         # Of these the command wins over variables, and variables over this file.\n\n\
         # \"production\", or \"development\" for trying out: guests, rooms made by joining them, and a secret that\n\
         # everybody knows. `parlor solo` is in development unless told otherwise.\n",
    );
    line(&mut out, "mode", &known["mode"]);
    for section in Config::SECTIONS {
        out.push('\n');
        comment(&mut out, section.about);
        _ = writeln!(out, "[{}]", section.name);
        for (setting, doc) in section.settings {
            comment(&mut out, doc);
            line(&mut out, setting, &known[&format!("{}.{setting}", section.name)]);
        }
    }
    out
}

fn comment(out: &mut String, lines: &[&str]) {
    for text in lines {
        _ = writeln!(out, "# {}", text.trim());
    }
}

fn line(out: &mut String, name: &str, value: &Value) {
    _ = writeln!(out, "#{name} = {value}");
}
