"""Read the interfaces and the values they take and give off their source, and write them into docs/reference."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from pnetkit import interfaces, testing, types

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
MARKS = ("<!-- members -->", "<!-- /members -->")

ROOTS = {
    "backbone": "Backbone",
    "postprocessor": "Postprocessor",
    "case_classifier": "CaseClassifier",
    "phase_fusion": "PhaseFusion",
}
"""The pages, and the Protocol that each begins with."""

CHECKS = {
    "backbone": testing.backbone_checks,
    "postprocessor": testing.postprocessor_checks,
    "case_classifier": testing.case_classifier_checks,
    "phase_fusion": testing.phase_fusion_checks,
}

CLASSES = {
    node.name: node
    for module in (interfaces, types)
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef)
}


def protocols() -> list[str]:
    """Name every Protocol of pnetkit.interfaces."""
    return [name for name, node in CLASSES.items() if "Protocol" in _bases(node)]


def of_page(page: str) -> list[str]:
    """Name the classes of a page: its Protocols, base first, then the values they take and give, as they are met."""
    found = [ROOTS[page]]
    for name in protocols():
        if set(_bases(CLASSES[name])) & set(found):
            found.append(name)
    for name in found:  # grows as values name further values
        found += [value for value in _named(CLASSES[name]) if value not in found]
    return found


def members(name: str) -> Iterator[tuple[str, str, str]]:
    """Give name, type or signature, and docstring of what a class declares itself."""
    for node in CLASSES[name].body:
        if isinstance(node, ast.AnnAssign):
            default = f" = {_default(node.value)}" if node.value is not None else ""
            yield ast.unparse(node.target), f"{ast.unparse(node.annotation)}{default}", ""
        elif isinstance(node, ast.FunctionDef) and (node.name == "__call__" or not node.name.startswith("_")):
            returns = ast.unparse(node.returns) if node.returns else "None"
            is_property = any(ast.unparse(d) == "property" for d in node.decorator_list)
            signature = returns if is_property else f"({_arguments(node)}) -> {returns}"
            yield node.name, signature, " ".join((ast.get_docstring(node) or "").split())


def rendered(page: str) -> str:
    """Write the tables of a page."""
    parts = []
    for name in of_page(page):
        bases = [base for base in _bases(CLASSES[name]) if base != "Protocol"]
        beside = f", beside all of `{'`, `'.join(bases)}`" if bases else ""
        parts += [f"### `{name}`", "", ast.get_docstring(CLASSES[name]) or "", ""]
        rows = list(members(name))
        parts += [f"| member{beside} | type or signature | |", "|---|---|---|"]
        parts += [f"| `{member}` | `{kind.replace('|', chr(92) + '|')}` | {text} |" for member, kind, text in rows]
        parts.append("")
    return "\n".join(parts)


def with_members(page: str, text: str) -> str:
    """Put the tables between the marks of a page's text."""
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    return pattern.sub(lambda _: f"{MARKS[0]}\n{rendered(page)}{MARKS[1]}", text)


def _bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base) for base in node.bases]


def _arguments(node: ast.FunctionDef) -> str:
    node.args.args = [argument for argument in node.args.args if argument.arg != "self"]
    return ast.unparse(node.args)


def _default(value: ast.expr) -> str:
    return "{}" if "MappingProxyType" in ast.unparse(value) else ast.unparse(value)


def _named(node: ast.ClassDef) -> list[str]:
    annotations = [child for child in ast.walk(node) if isinstance(child, ast.Name) and child.id in CLASSES]
    return list(dict.fromkeys(child.id for child in annotations if child.id != node.name))


@click.command()
@click.option("--write", is_flag=True, help="Put the tables into docs/reference instead of printing them.")
def main(write: bool) -> None:
    for page in ROOTS:
        path = FOLDER / f"{page}.md"
        if write:
            path.write_text(with_members(page, path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            click.echo(rendered(page))


if __name__ == "__main__":
    main()
