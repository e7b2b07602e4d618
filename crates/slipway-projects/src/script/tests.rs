//! Sources as people write them, and the command lines that come of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use super::*;

fn script(text: &str) -> Script {
    let mut script = Script { path: "train.py".to_owned(), ..Script::default() };
    read_text(Path::new("/nowhere"), text, &mut script);
    script
}

fn named<'a>(parameters: &'a [ScriptParameter], name: &str) -> &'a ScriptParameter {
    parameters
        .iter()
        .find(|parameter| parameter.name == name)
        .unwrap_or_else(|| panic!("{name} in {parameters:#?}"))
}

fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn argparse_with_everything_that_is_usual() {
    let script = script(
        r#"
"""Trains a model.

More about it."""
import argparse
from argparse import BooleanOptionalAction
LR = 1e-3
MODELS = {"resnet": 1, "vit": 2}

def add_more(p):
    p.add_argument("--seed", type=int, default=42)

def main():
    parser = argparse.ArgumentParser(description="Train")
    parser.add_argument("data", type=pathlib.Path, help="the table")
    group = parser.add_argument_group("model")
    group.add_argument("-l", "--learning-rate", type=float, default=LR, help="step size, 100%% safe")
    group.add_argument("--model", choices=list(MODELS.keys()), default="resnet")
    parser.add_argument("--layers", nargs="+", type=int, default=[64, 32])
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--no-cache", dest="cache", action="store_false")
    parser.add_argument("--shuffle", action=BooleanOptionalAction, default=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", action="version", version="1")
    parser.add_argument("-v", action="count")
    for key in ("a", "b"):
        parser.add_argument(f"--{key}")
    parser.add_argument("--size", type=int, default=2 * 1024)
    add_more(parser)
    parser.set_defaults(seed=7)
"#,
    );
    assert_eq!(script.framework, Some(Framework::Argparse));
    assert_eq!(script.help.as_deref(), Some("Train"));
    let all = &script.parameters;
    let data = named(all, "data");
    assert!(data.required && data.style == Style::Positional && data.kind == ValueKind::Path);
    let rate = named(all, "learning_rate");
    assert_eq!((rate.default.as_deref(), rate.kind), (Some("1e-3"), ValueKind::Float));
    assert_eq!(rate.help.as_deref(), Some("step size, 100% safe"));
    assert_eq!(rate.flags, ["-l", "--learning-rate"]);
    assert_eq!(named(all, "model").choices, ["resnet", "vit"]);
    assert_eq!(named(all, "layers").default.as_deref(), Some("64 32"));
    assert_eq!(named(all, "workers").default_source.as_deref(), Some("os.cpu_count()"));
    assert_eq!(named(all, "seed").default.as_deref(), Some("7"));
    assert_eq!(named(all, "size").default.as_deref(), Some("2048"));
    assert!(!all.iter().any(|parameter| parameter.name == "version"));
    assert_eq!(
        script.notes,
        ["Line 28: `parser.add_argument(f\"--{key}\")` is left out: it is made in a loop."]
    );
    let words = script
        .arguments(
            None,
            &given(&[
                ("data", "-odd.csv"),
                ("name", "a b; rm"),
                ("learning-rate", "-1"),
                ("layers", "8 '9'"),
                ("amp", "true"),
                ("cache", "no"),
                ("shuffle", "false"),
                ("v", "2"),
                ("a", "$(x)"),
            ]),
        )
        .unwrap();
    assert_eq!(
        words,
        [
            "--learning-rate=-1",
            "--layers",
            "8",
            "9",
            "--amp",
            "--no-cache",
            "--no-shuffle",
            "--name",
            "a b; rm",
            "-v",
            "-v",
            "--a",
            "$(x)",
            "--",
            "-odd.csv"
        ]
    );
    let error =
        script.arguments(None, &given(&[("data", "x"), ("model", "cnn"), ("seed", "1.5")])).unwrap_err();
    let text = error.to_string();
    for words in
        ["`model` must be one of resnet, vit", "`seed` must be a whole number", "`name` needs a value"]
    {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn argparse_subcommands_and_parents() {
    let script = script(
        r#"
import argparse as ap
base = ap.ArgumentParser(add_help=False)
base.add_argument("--seed", type=int)
parser = ap.ArgumentParser()
parser.add_argument("--quiet", action="store_true")
sub = parser.add_subparsers(dest="cmd")
train = sub.add_parser("train", parents=[base], help="fit it")
train.add_argument("--lr", type=float)
sub.add_parser("eval").add_argument("model")
args = parser.parse_args()
"#,
    );
    let names: Vec<&str> = script.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["train", "eval"]);
    assert_eq!(script.commands[0].help.as_deref(), Some("fit it"));
    assert_eq!(script.commands[0].parameters.len(), 2);
    let words =
        script.arguments(Some("train"), &given(&[("quiet", "1"), ("lr", "0.1"), ("seed", "3")])).unwrap();
    assert_eq!(words, ["--quiet", "train", "--seed", "3", "--lr", "0.1"]);
    assert!(script.arguments(None, &[]).unwrap_err().to_string().contains("choose one of the subcommands"));
    assert!(script.arguments(Some("x"), &[]).unwrap_err().to_string().contains("no subcommand `x`"));
}

#[test]
fn click_commands_and_groups() {
    let one = script(
        r#"
import click
@click.command()
@click.option("--epochs", "-e", default=10, show_default=True, help="How long.")
@click.option("--optimizer", type=click.Choice(["adam", "sgd"]), default="adam")
@click.option("--rate", type=click.FloatRange(0, 1), required=True)
@click.option("--shout/--no-shout", default=False)
@click.option("--tag", multiple=True)
@click.argument("data", type=click.Path(exists=True))
@custom("x")
def train_it(epochs, **kw):
    """Trains."""
if __name__ == "__main__":
    train_it()
"#,
    );
    assert_eq!((one.framework, one.help.as_deref()), (Some(Framework::Click), Some("Trains.")));
    assert!(one.runs && one.commands.is_empty());
    assert_eq!(named(&one.parameters, "epochs").kind, ValueKind::Int);
    assert_eq!(named(&one.parameters, "optimizer").choices, ["adam", "sgd"]);
    assert!(named(&one.parameters, "rate").required && named(&one.parameters, "data").required);
    assert_eq!(one.notes, ["Line 10: the decorator `custom(\"x\")` may add parameters that are not shown."]);
    let words = one
        .arguments(None, &given(&[("rate", "0.5"), ("shout", "true"), ("data", "x"), ("tag", "a")]))
        .unwrap();
    assert_eq!(words, ["--rate", "0.5", "--shout", "--tag", "a", "x"]);

    let group = script(
        r#"
from click import group, option, command
@group()
@option("--debug", is_flag=True)
def cli(debug): ...
@cli.command("fit")
@option("--lr", type=float)
def fit_it(lr): ...
@command()
def export_all(): ...
cli.add_command(export_all)
"#,
    );
    let names: Vec<&str> = group.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["fit", "export-all"]);
    let words = group.arguments(Some("fit"), &given(&[("debug", "1"), ("lr", "1")])).unwrap();
    assert_eq!(words, ["--debug", "fit", "--lr", "1"]);
}

#[test]
fn typer_functions() {
    let one = script(
        r#"
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional, List
import typer
class Model(str, Enum):
    small = "small"
    large = "large-v2"
def main(
    data: Path,
    epochs: int = 3,
    model: Model = Model.small,
    lr: Annotated[float, typer.Option("--lr", "-l", help="Step.")] = 0.1,
    name: Optional[str] = None,
    tags: List[str] = typer.Option([], help="many"),
    resume: bool = False,
    secret: str = typer.Option(..., "--key"),
    ctx: typer.Context = None,
):
    """Trains."""
if __name__ == "__main__":
    typer.run(main)
"#,
    );
    assert_eq!((one.framework, one.help.as_deref()), (Some(Framework::Typer), Some("Trains.")));
    let all = &one.parameters;
    assert_eq!(all.len(), 8, "{all:#?}");
    assert!(named(all, "data").style == Style::Positional && named(all, "data").kind == ValueKind::Path);
    assert_eq!(named(all, "model").choices, ["small", "large-v2"]);
    assert_eq!(named(all, "model").default.as_deref(), Some("small"));
    assert_eq!(named(all, "lr").flags, ["--lr", "-l"]);
    assert!(named(all, "secret").required && named(all, "tags").many);
    let words = one
        .arguments(None, &given(&[("data", "d"), ("key", "k"), ("resume", "false"), ("model", "large-v2")]))
        .unwrap();
    assert_eq!(words, ["--model", "large-v2", "--no-resume", "--key", "k", "d"]);

    let two = script(
        "import typer\napp = typer.Typer()\n@app.command()\ndef fit_it(n: int): ...\n@app.command(name='run')\ndef go(): ...\n",
    );
    let names: Vec<&str> = two.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["fit-it", "run"]);
}

#[test]
fn fire_functions_and_classes() {
    let one = script(
        "import fire\ndef train(data, lr=0.1, layers=[1, 2], *, dry: bool = False):\n  '''Trains.'''\nfire.Fire(train)\n",
    );
    assert_eq!(one.framework, Some(Framework::Fire));
    let words = one.arguments(None, &given(&[("data", "-x"), ("lr", "-0.5"), ("dry", "true")]));
    assert_eq!(words.unwrap(), ["--data=-x", "--lr=-0.5", "--dry=true"]);
    assert_eq!(named(&one.parameters, "layers").default_source.as_deref(), Some("[1, 2]"));
    let class = script(
        "import fire\nclass Cli:\n  def __init__(self, seed=1): ...\n  def fit(self, n: int): ...\n  def _x(self): ...\nif 1:\n  fire.Fire(Cli)\n",
    );
    assert_eq!(class.commands.len(), 1);
    let words = class.arguments(Some("fit"), &given(&[("seed", "2"), ("n", "3")])).unwrap();
    assert_eq!(words, ["--seed=2", "fit", "--n=3"]);
    let unknown = script("import fire\nfrom elsewhere import go\nfire.Fire(go)\n");
    assert!(unknown.notes[0].contains("not a function or class of this file"));
}

#[test]
fn hydra_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("src/conf");
    std::fs::create_dir_all(conf.join("model")).unwrap();
    std::fs::write(
        conf.join("config.yaml"),
        "defaults:\n  - model: small\n  - _self_\n  - override hydra/launcher: x\nlr: 1e-3\nsteps: 100\nname: ???\nopt:\n  betas: [0.9, 0.99]\n  amp: true\nnothing: null\nmodel:\n  width: 64\n",
    )
    .unwrap();
    std::fs::write(conf.join("model/small.yaml"), "width: 8\ndepth: 2\n").unwrap();
    std::fs::write(conf.join("model/large.yaml"), "width: 80\n").unwrap();
    std::fs::write(
        folder.path().join("src/train.py"),
        "import hydra\n@hydra.main(version_base=None, config_path='conf', config_name='config')\ndef main(cfg): ...\n",
    )
    .unwrap();
    let script = read(folder.path(), "src/train.py");
    assert_eq!(script.framework, Some(Framework::Hydra));
    assert_eq!(script.notes, Vec::<String>::new());
    let all = &script.parameters;
    assert_eq!(named(all, "model").choices, ["large", "small"]);
    assert_eq!(named(all, "model.width").default.as_deref(), Some("64"));
    assert_eq!((named(all, "lr").kind, named(all, "steps").kind), (ValueKind::Float, ValueKind::Int));
    assert_eq!(named(all, "opt.betas").default.as_deref(), Some("[0.9,0.99]"));
    let words =
        script.arguments(None, &given(&[("name", "x y"), ("opt.amp", "false"), ("+new", "1")])).unwrap();
    assert_eq!(words, ["name=x y", "opt.amp=false", "+new=1"]);
    assert!(script.arguments(None, &given(&[("steps", "many")])).is_err());
}

#[test]
fn hydra_structured_configurations() {
    let script = script(
        r#"
import hydra
from dataclasses import dataclass, field
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING
@dataclass
class Optimizer:
    lr: float = 0.1
@dataclass
class Config:
    data: str = MISSING
    opt: Optimizer = field(default_factory=Optimizer)
    epochs: int = 3
cs = ConfigStore.instance()
cs.store(name="base", node=Config)
@hydra.main(config_path=None, config_name="base")
def main(cfg): ...
"#,
    );
    let names: Vec<&str> = script.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["data", "opt.lr", "epochs"]);
    assert!(script.parameters[0].required);
}

#[test]
fn broken_hostile_and_plain_sources() {
    let broken = script("import argparse\ndef f(:\n");
    assert!(broken.notes[0].contains("line 2"), "{:?}", broken.notes);
    let deep = script(&format!("import argparse\nx = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000)));
    assert!(deep.framework.is_none());
    let cycle = script(
        "import argparse\nA = B\nB = A\np = argparse.ArgumentParser()\np.add_argument('--x', default=A)\n",
    );
    assert_eq!(cycle.parameters[0].default_source.as_deref(), Some("A"));
    let plain = script("import sys\nif __name__ == '__main__':\n    print(sys.argv)\n");
    assert!(plain.runs && plain.framework.is_none());
    let words = plain.arguments(None, &given(&[("x", "1")])).unwrap();
    assert_eq!(words, ["--x", "1"]);
}
