"""`make docs`: builds the documentation site into build/docs/html; a warning is an error.

The sources are the Markdown files of this repository, whose relative links are rewritten for the site. The
pages of operators, sensors, transfers, notifiers, example Dags and the API are generated from signatures,
docstrings and files. Then all internal links and their anchors are checked.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterable
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from posixpath import dirname, relpath
from textwrap import indent
from urllib.parse import unquote, urlsplit

from links import ROOT_PAGES, rewrite, site_source

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "docs"
SOURCE, HTML = SITE / "source", SITE / "html"
PACKAGE = "airflow_provider_telecom"
KINDS = {
    "operators": "Operators",
    "sensors": "Sensors",
    "transfers": "Transfers",
    "notifications": "Notifiers",
}
API = {
    "Errors": ["calls.errors"],
    "Task groups": ["campaigns"],
    "Idempotency keys": ["journal.idempotency_keys"],
    "Assets": ["assets", "assets.novaconnect", "assets.ketchup_loyalty"],
    "Triggers": ["triggers.polling", "triggers.poll", "triggers.notices"],
    "Retry policy": ["tasks.retry"],
    "Links to consoles": ["links.consoles"],
    "People on call": ["notifications.on_call", "notifications.on_call_plan"],
    "Simulator": ["simulator.server", "simulator.state", "simulator.pytest_plugin"],
}
"""Titles and modules of the API reference, besides hooks and models."""
START = ["howto/first-sms", "connections"]
HOWTOS = [
    *(
        "first-sms",
        "campaign",
        "audience-policy",
        "ladder",
        "receipts",
        "budget",
        "quiet-hours",
        "rate-limit",
    ),
    *("campaign-page", "fraud-check", "fleet-as-code", "calls-to-warehouse", "alerts", "escalation"),
    *("approvals", "webhooks-behind-nginx", "troubleshooting", "upgrading"),
]
"""The order of the how-tos: as a user needs them. Pages that are not named here follow."""
GUIDES = ["tasks", "sending", "audience", "transfers", "webhooks", "simulator", "testing"]
GUIDES += ["performance", "reliability", "scale"]
REFERENCE = [*(f"reference/{kind}/index" for kind in KINDS), "api/index", "vendors/index", "contradictions"]
PROJECT = ["compatibility", "changelog", "architecture", "decisions/index", "contributing"]
MAX_EXCERPT_LINES = 40


def main() -> int:
    """Prepare the sources, build the site and check its links; return the exit code."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.rmtree(HTML, ignore_errors=True)
    write_documents()
    classes = public_classes()
    write_examples()
    write_classes(classes)
    write_api()
    write_folder_index("howto", "How-to guides")
    write_folder_index("vendors", "Vendors")
    write_folder_index("decisions", "Decisions")
    write_contents()
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--keep-going",
        "--quiet",
        "--jobs",
        "auto",
    ]
    command += ["--conf-dir", str(ROOT / "docs"), str(SOURCE), str(HTML)]
    if subprocess.run(command, cwd=ROOT).returncode:
        return 1
    pages = sorted(HTML.rglob("*.html"))
    problems = broken_links(pages)
    print("\n".join(problems))
    kinds = ", ".join(f"{len(found)} {KINDS[kind].lower()}" for kind, found in classes.items())
    print(f"{HTML / 'index.html'}: {len(pages)} pages ({kinds}), {len(problems)} broken links")
    return 1 if problems else 0


# Pages from Markdown


def write_documents() -> None:
    """Write the Markdown files with the site's links, and copy the files that they link to."""
    for path in [*(ROOT / name for name in ROOT_PAGES), *sorted((ROOT / "docs").rglob("*.md"))]:
        name = path.relative_to(ROOT).as_posix()
        place = site_source(name)

        def target(linked: str, anchor: str, place: str = place, name: str = name) -> str:
            source = site_source(linked)
            if not (ROOT / linked).exists():
                sys.exit(f"{name}: there is no {linked}")
            if source.startswith("files/"):
                copy(ROOT / linked, source)
            return relpath(source, dirname(place)) + anchor

        write(place, rewrite(path.read_text(encoding="utf-8"), name, target))
    for image in (ROOT / "docs" / "images").iterdir():
        copy(image, f"images/{image.name}")


def write_folder_index(folder: str, title: str) -> None:
    """Write the page that lists the pages of a folder."""
    pages = pages_of(folder)
    listed = "\n".join(f"- [](/{folder}/{page}.md)" for page in pages)
    tree = "" if folder == "howto" else toctree(pages, hidden=True)  # the first page lists the how-tos
    write(f"{folder}/index.md", f"# {title}\n\n{listed}\n\n{tree}")


def pages_of(folder: str) -> list[str]:
    """Return the names of the pages of a folder: those of `HOWTOS` in their order, others by name."""
    order = {name: place for place, name in enumerate(HOWTOS)} if folder == "howto" else {}
    names = (path.stem for path in (SOURCE / folder).glob("*.md") if path.stem != "index")
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def write_contents() -> None:
    """Add the tables of contents to the first page. Pages in docs/ that no list here names become guides."""
    howtos = ["howto/index", *(f"howto/{name}" for name in pages_of("howto"))]
    named = {*START, *GUIDES, *REFERENCE, *PROJECT, "index"}
    guides = [*GUIDES, *(path.stem for path in sorted(SOURCE.glob("*.md")) if path.stem not in named)]
    parts = {
        "Start": [*START, "examples/index"],
        "How to": [page for page in dict.fromkeys(howtos) if page not in START],
        "Guides": guides,
        "Reference": REFERENCE,
        "Project": PROJECT,
    }
    page = SOURCE / "index.md"
    trees = [toctree(pages, caption=caption, hidden=True) for caption, pages in parts.items()]
    page.write_text("\n\n".join([page.read_text(encoding="utf-8"), *trees]), encoding="utf-8")


def toctree(pages: Iterable[str], **options: object) -> str:
    """Return a table of contents for a Markdown page."""
    lines = [f":{name}:" if value is True else f":{name}: {value}" for name, value in options.items()]
    return "\n".join(["```{toctree}", *lines, "", *pages, "```", ""])


# Pages from signatures and docstrings


def public_classes() -> dict[str, list[type]]:
    """Return the classes that users put into Dags, by package."""
    from airflow_provider_telecom.tasks.parameters import DeclaredParameters

    for package in KINDS:
        folder = str(ROOT / PACKAGE / package)
        for module in walk_packages([folder], f"{PACKAGE}.{package}."):
            import_module(module.name)
    found: dict[str, list[type]] = {kind: [] for kind in KINDS}
    left = [DeclaredParameters]
    seen: set[type] = set()
    while left:
        cls = left.pop()
        left += cls.__subclasses__()
        is_public = "Source:" in (vars(cls).get("__doc__") or "") or not cls.__subclasses__()
        kind = cls.__module__.split(".")[1]
        if is_public and cls not in seen and kind in found and not cls.__name__.startswith("_"):
            seen.add(cls)
            found[kind].append(cls)
    return {kind: sorted(classes, key=lambda cls: cls.__name__) for kind, classes in found.items()}


def import_module_of(cls: type) -> str:
    """Return the shortest module that a class can be imported from."""
    parts = cls.__module__.split(".")
    for length in range(2, len(parts) + 1):
        module = ".".join(parts[:length])
        if getattr(import_module(module), cls.__name__, None) is cls:
            return module
    for name in sys.modules:  # a module whose name differs, such as transfers.<vendor>_to_object_storage
        if name.startswith(".".join(parts[:2])) and getattr(sys.modules[name], cls.__name__, None) is cls:
            return name
    return cls.__module__


def write_classes(classes: dict[str, list[type]]) -> None:
    """Write a page for each operator, sensor, transfer and notifier."""
    snippets = tested_snippets()
    for kind, found in classes.items():
        for cls in found:
            write(f"reference/{kind}/{cls.__name__}.rst", class_page(cls, snippets))
        rows = "\n".join(f"   {cls.__name__}" for cls in found)
        write(
            f"reference/{kind}/index.rst",
            f"{heading(KINDS[kind])}\n\n.. toctree::\n   :maxdepth: 1\n\n{rows}\n",
        )


def class_page(cls: type, snippets: dict[str, str]) -> str:
    """Return the page of a class."""
    module = import_module_of(cls)
    parts = [
        heading(cls.__name__),
        code("python", f"from {module} import {cls.__name__}"),
        f".. autoclass:: {module}.{cls.__name__}",
    ]
    if template_fields := getattr(cls, "template_fields", ()):
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(template_fields))
        parts += [f"Templates are rendered in: {names}."]
    parts += [heading("Example", "-"), *example_of(cls.__name__, snippets)]
    if page := vendor_page(cls):
        parts += [heading("See also", "-"), f":doc:`The vendor's page </vendors/{page}>`"]
    return "\n\n".join(parts) + "\n"


def example_of(name: str, snippets: dict[str, str]) -> list[str]:
    """Return the paragraphs that show how a class is used: an excerpt of an example Dag, if there is one."""
    for path in sorted((ROOT / "example_dags").glob("example_*.py")):
        if (lines := lines_of_use(path, name)) is not None:
            excerpt = (
                f".. literalinclude:: /files/example_dags/{path.name}\n   :language: python\n   :dedent:\n"
                f"   :lines: {lines[0]}-{lines[1]}"
            )
            return [f"From the example Dag :doc:`/examples/{path.stem}`, which the tests run:", excerpt]
    if name in snippets:
        return ["No example Dag uses it yet. The tests create it like this:", code("python", snippets[name])]
    return ["No example Dag uses it yet."]


def lines_of_use(path: Path, name: str) -> tuple[int, int] | None:
    """Return the first and last line of the statement in which an example Dag uses a class."""

    def find(node: ast.AST, statement: ast.AST | None) -> ast.AST | None:
        if isinstance(node, ast.Call) and uses(node.func):
            return statement or node
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return)):
            statement = node
        for child in ast.iter_child_nodes(node):
            if (found := find(child, statement)) is not None:
                return found
        return None

    def uses(function: ast.expr) -> bool:
        while isinstance(function, ast.Attribute):  # KetchUpSendSmsOperator.partial(...)
            function = function.value
        return isinstance(function, ast.Name) and function.id == name

    found = find(ast.parse(path.read_text(encoding="utf-8")), None)
    if found is None:
        return None
    first, last = found.lineno, found.end_lineno or found.lineno
    return (first, last) if last - first < MAX_EXCERPT_LINES else None


def tested_snippets() -> dict[str, str]:
    """Return a call for each class, with the arguments that `tests/test_family.py` passes."""
    sys.path.insert(0, str(ROOT))
    from tests import test_family

    found: dict[str, str] = {}
    for table in (test_family.OPERATORS, test_family.SENSORS, test_family.TRANSFERS, test_family.NOTIFIERS):
        for members in table.values():
            for name, arguments in members.items():
                task_id = {} if name.endswith("Notifier") else {"task_id": "example"}
                folder = {"path": "s3://bucket/folder"} if "ToObjectStorage" in name else {}
                shown = {**task_id, **folder, **arguments}
                lines = [f"    {key}={value!r},".replace("'", '"') for key, value in shown.items()]
                found[name] = "\n".join([f"{name}(", *lines, ")"])
    return found


def vendor_page(cls: type) -> str | None:
    """Return the name of the vendor's page for a class."""
    from airflow_provider_telecom.vendors.registry import vendors

    return next((vendor.id for vendor in vendors() if vendor.id in import_module_of(cls)), None)


def write_examples() -> None:
    """Write a page for each example Dag."""
    names = []
    for path in sorted((ROOT / "example_dags").glob("example_*.py")):
        names.append(path.stem)
        module = ast.parse(path.read_text(encoding="utf-8"))
        start = next(node.lineno for node in module.body if not is_docstring(node))
        parts = [
            heading(path.stem),
            ast.get_docstring(module) or "",
            f":download:`{path.name} </files/example_dags/{path.name}>`",
        ]
        parts += [
            f".. literalinclude:: /files/example_dags/{path.name}\n   :language: python\n   :lines: {start}-"
        ]
        copy(path, f"files/example_dags/{path.name}")
        write(f"examples/{path.stem}.rst", "\n\n".join(parts) + "\n")
    listed = "\n".join(f"   {name}" for name in names)
    text = "The tests run each of them unchanged. The first page says what each does: :doc:`/index`."
    write(
        "examples/index.rst",
        f"{heading('Example Dags')}\n\n{text}\n\n.. toctree::\n   :maxdepth: 1\n\n{listed}\n",
    )


def is_docstring(node: ast.stmt) -> bool:
    """Return whether a statement is a text alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def write_api() -> None:
    """Write the API reference."""
    from airflow_provider_telecom.vendors.description import import_from
    from airflow_provider_telecom.vendors.registry import vendors

    pages = []
    for vendor in vendors():
        hook = import_from(vendor.hook_path)
        title = f"{hook.__name__} ({vendor.label})"
        parts = [heading(title), f":doc:`The vendor's page </vendors/{vendor.id}>`"]
        parts += [autodoc("class", vendor.hook_path, "TelecomHook, Api, BaseHook, LoggingMixin")]
        if find_spec(models := f"{PACKAGE}.vendors.{vendor.id}.models"):
            parts += [heading("What the calls return", "-"), autodoc("module", models)]
        pages.append(write(f"api/{vendor.id}.rst", "\n\n".join(parts) + "\n"))
    base = [heading("Base class of the hooks"), autodoc("class", f"{PACKAGE}.hooks.base.TelecomHook")]
    pages.append(write("api/base_hook.rst", "\n\n".join(base) + "\n"))
    for title, modules in API.items():
        known = [f"{PACKAGE}.{name}" for name in modules if is_there(f"{PACKAGE}.{name}")]
        if known:
            text = "\n\n".join([heading(title), *(autodoc("module", name) for name in known)]) + "\n"
            pages.append(write(f"api/{title.lower().replace(' ', '_')}.rst", text))
    listed = "\n".join(f"   {Path(page).stem}" for page in pages)
    write("api/index.rst", f"{heading('API')}\n\n.. toctree::\n   :maxdepth: 1\n\n{listed}\n")


def is_there(module: str) -> bool:
    """Return whether there is a module of this name."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def autodoc(kind: str, name: str, inherited: str = "") -> str:
    """Return a directive that documents a class or module with its members."""
    lines = [f".. auto{kind}:: {name}", "   :members:"]
    if inherited:
        lines += [f"   :inherited-members: {inherited}", "   :exclude-members: options_type"]
    return "\n".join(lines)


def heading(text: str, underline: str = "=") -> str:
    """Return a heading in reStructuredText."""
    return f"{text}\n{underline * len(text)}"


def code(language: str, text: str) -> str:
    """Return a block of code in reStructuredText."""
    return f".. code-block:: {language}\n\n{indent(text, '   ')}"


def write(name: str, text: str) -> str:
    """Write a source of the site, and return its name."""
    path = SOURCE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def copy(path: Path, name: str) -> None:
    """Copy a file into the sources of the site."""
    (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, SOURCE / name)


# The check of links


class _Page(HTMLParser):
    """The anchors and the links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


def broken_links(paths: list[Path]) -> list[str]:
    """Return the internal links of the site that lead nowhere. Links to other hosts are not followed."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in paths}
    return [
        f"{path.relative_to(HTML)}: {link}"
        for path, page in pages.items()
        for link in sorted(page.links)
        if not leads_somewhere(path, link, pages)
    ]


def leads_somewhere(path: Path, link: str, pages: dict[Path, _Page]) -> bool:
    """Return whether the file and the anchor of a link exist."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].anchors


if __name__ == "__main__":
    sys.exit(main())
